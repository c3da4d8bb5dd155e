package family

import (
	"cmp"
	"maps"
	"slices"

	"github.com/zipnode/zipnode/codec"
)

// maxCommon is how many tensors that two models share are compared: those with
// the most elements. A model's larger tensors tell as much as all of them.
const maxCommon = 32

// A Model is the samples of a model's tensors by their names.
type Model map[string]Sample

// A Relation says how far two models are apart, over the tensors of one name
// that both have, each weighted by its elements.
type Relation struct {
	Distance float64 // bits of an element that differ: the bit distance of the paper
	Saved    float64 // share of its stand-alone size that the cheaper direction of a delta saves
	Shared   int     // tensors that were compared
}

// Related tells whether two models are of one family: a delta between them
// saves more than chance would. There is no threshold on the distance: what is
// far for one dtype is near for another.
func (r Relation) Related() bool { return r.Shared > 0 && r.Saved > price }

// Relate compares two models. It returns no shared tensor where none of one
// name can be compared.
func Relate(a, b Model) Relation {
	var names []string
	for name, x := range a {
		if y, ok := b[name]; ok && codec.Castable(x.dtype, y.dtype) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(x, y string) int {
		return cmp.Or(cmp.Compare(a[y].units, a[x].units), cmp.Compare(x, y))
	})
	var r Relation
	var units, alone, least float64
	for _, name := range names[:min(len(names), maxCommon)] {
		x, y := a[name], b[name]
		d, ok := Distance(x, y)
		if !ok {
			continue
		}
		n := float64(min(x.units, y.units))
		r.Shared++
		r.Distance += n * d
		units += n
		one, other := savedBits(x, y), savedBits(y, x)
		best := one
		if other.delta/other.alone < one.delta/one.alone {
			best = other
		}
		alone += n * best.alone
		least += n * min(best.delta, best.alone)
	}
	if units > 0 && alone > 0 {
		r.Distance /= units
		r.Saved = 1 - least/alone
	}
	return r
}

// cost is bits of a unit, stand-alone and as a delta.
type cost struct{ alone, delta float64 }

func savedBits(target, base Sample) cost {
	c := cost{alone: Estimate(target, nil), delta: Estimate(target, &base)}
	if c.alone == 0 { // one value: nothing to save
		c.alone, c.delta = 1e-9, 1e-9
	}
	return c
}

// A Tree is the models of one family, each under the one that it is nearest to
// among those above it.
type Tree struct {
	Members []Member // the root first, then each after the one that it is under
}

// A Member is one model of a tree.
type Member struct {
	Model    int     // its index
	Under    int     // index of the model it is under; -1 for the root
	Distance float64 // bits to that one
}

// Cluster parts n models into families. relate says how models i and j are
// related, i < j; it is asked for every pair once.
//
// Models are of one family if a chain of related models joins them; the tree is
// the shortest that does (Kruskal). Its root is the model with the most
// neighbours in it, of equal ones that with the least sum of distances to them:
// what many were made from. Trees come in order of the least index in them. No
// distance tells in which direction time went.
func Cluster(n int, relate func(i, j int) Relation) []Tree {
	type edge struct {
		i, j int
		d    float64
	}
	var edges []edge
	for i := range n {
		for j := i + 1; j < n; j++ {
			if r := relate(i, j); r.Related() {
				edges = append(edges, edge{i, j, r.Distance})
			}
		}
	}
	slices.SortStableFunc(edges, func(a, b edge) int { return cmp.Compare(a.d, b.d) })
	joined := newSets(int32(n))
	near := make([]map[int]float64, n)
	for i := range near {
		near[i] = map[int]float64{}
	}
	for _, e := range edges {
		if x, y := joined.find(int32(e.i)), joined.find(int32(e.j)); x != y {
			joined.join(x, y)
			near[e.i][e.j], near[e.j][e.i] = e.d, e.d
		}
	}
	var trees []Tree
	seen := make([]bool, n)
	for i := range n {
		if !seen[i] {
			trees = append(trees, grow(hub(i, near), near, seen))
		}
	}
	return trees
}

// hub returns the root of the tree that i is in.
func hub(i int, near []map[int]float64) int {
	best := i
	sum := func(m map[int]float64) float64 {
		total := 0.0
		for _, j := range slices.Sorted(maps.Keys(m)) {
			total += m[j]
		}
		return total
	}
	var visit func(i, from int)
	visit = func(i, from int) {
		if c := cmp.Or(cmp.Compare(len(near[best]), len(near[i])), cmp.Compare(sum(near[i]), sum(near[best])), cmp.Compare(i, best)); c < 0 {
			best = i
		}
		for j := range near[i] {
			if j != from {
				visit(j, i)
			}
		}
	}
	visit(i, -1)
	return best
}

// grow lists the tree from its root on, the nearest first.
func grow(root int, near []map[int]float64, seen []bool) Tree {
	t := Tree{Members: []Member{{Model: root, Under: -1}}}
	seen[root] = true
	var visit func(i int)
	visit = func(i int) {
		next := slices.SortedFunc(maps.Keys(near[i]), func(a, b int) int {
			return cmp.Or(cmp.Compare(near[i][a], near[i][b]), cmp.Compare(a, b))
		})
		for _, j := range next {
			if !seen[j] {
				seen[j] = true
				t.Members = append(t.Members, Member{Model: j, Under: i, Distance: near[i][j]})
				visit(j)
			}
		}
	}
	visit(root)
	return t
}
