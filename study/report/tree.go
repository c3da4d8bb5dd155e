package report

import (
	"cmp"
	"html/template"
	"slices"

	"gonum.org/v1/plot/plotter"

	"github.com/zipnode/zipnode/study"
)

const (
	treeWidth = 150
	leafLine  = 30 // points; the height of a row of the table beside it
)

// A joint is where two groups of models meet in a dendrogram: a leaf, if it
// has no sides.
type joint struct {
	member      int // of a leaf
	first       int // least member
	distance    float64
	left, right *joint
}

// join returns what members are joined to by single linkage along the family's
// own edges, the nearest first. More than one where some have no edge.
func join(members []study.Member) []*joint {
	group := make([]*joint, len(members)) // of each member; one pointer for all of a group
	var edges []int
	for i, m := range members {
		group[i] = &joint{member: i, first: i}
		if m.Under >= 0 && m.Under < i {
			edges = append(edges, i)
		}
	}
	slices.SortStableFunc(edges, func(a, b int) int {
		return cmp.Compare(finite(members[a].Distance), finite(members[b].Distance))
	})
	for _, e := range edges {
		a, b := group[members[e].Under], group[e]
		if b.first < a.first {
			a, b = b, a
		}
		both := &joint{first: a.first, distance: finite(members[e].Distance), left: a, right: b}
		for i, g := range group {
			if g == a || g == b {
				group[i] = both
			}
		}
	}
	var roots []*joint
	for _, g := range group {
		if !slices.Contains(roots, g) {
			roots = append(roots, g)
		}
	}
	return roots
}

// leaves appends the members below j in order, from above.
func (j *joint) leaves(to []int) []int {
	if j.left == nil {
		return append(to, j.member)
	}
	return j.right.leaves(j.left.leaves(to))
}

// A dendrogram is drawn from the left, where the far ones meet, to its leaves.
type dendrogram struct {
	y     []float64 // of each member
	far   float64   // the distance at the left edge
	lines []plotter.XYs
}

// draw adds what is below j to the lines, and returns where j is.
func (d *dendrogram) draw(j *joint) plotter.XY {
	if j.left == nil {
		return plotter.XY{X: treeWidth, Y: d.y[j.member]}
	}
	// What is alike meets a little before the edge, so that it is seen to meet.
	const edge, stub = 4, 14
	a, b := d.draw(j.left), d.draw(j.right)
	x := treeWidth - stub - j.distance/d.far*(treeWidth-stub-edge)
	d.lines = append(d.lines, plotter.XYs{a, {X: x, Y: a.Y}, {X: x, Y: b.Y}, b})
	return plotter.XY{X: x, Y: (a.Y + b.Y) / 2}
}

// tree plots the dendrogram of members, and returns in which order its leaves
// stand. A distance of far takes the whole width.
func tree(members []study.Member, far float64) (order []int, svg template.HTML, err error) {
	roots := join(members)
	for _, r := range roots {
		order = r.leaves(order)
	}
	h := float64(len(order)) * leafLine
	d := dendrogram{y: make([]float64, len(members)), far: far}
	for i, m := range order {
		d.y[m] = h - (float64(i)+0.5)*leafLine
	}
	f := newFigure(treeWidth, h, treeWidth, h, "Dendrogram of "+count(len(order), "model")+"; the rows beside it are its leaves")
	for _, r := range roots {
		d.draw(r)
	}
	for _, xys := range d.lines {
		line, err := plotter.NewLine(xys)
		if err != nil {
			return nil, "", err
		}
		line.Color, line.Width = inkBar, 1.6
		f.Add(line)
	}
	svg, err = f.svg()
	return order, svg, err
}
