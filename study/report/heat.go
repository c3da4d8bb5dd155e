package report

import (
	"html/template"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"

	"github.com/zipnode/zipnode/study"
)

// A grid is a square matrix of the distances, the first row on top, in points.
type grid struct {
	bits      [][]float64
	left, top float64 // of the cells, from the left and from below
	cell      float64
}

func (g grid) Dims() (c, r int)   { return len(g.bits), len(g.bits) }
func (g grid) X(c int) float64    { return g.left + (float64(c)+0.5)*g.cell }
func (g grid) Y(r int) float64    { return g.top - (float64(r)+0.5)*g.cell }
func (g grid) Z(c, r int) float64 { return g.bits[r][c] }

type heatInks struct{}

func (heatInks) Colors() []color.Color {
	inks := make([]color.Color, heatSteps)
	for i := range inks {
		inks[i] = inkHeat + ink(i)
	}
	return inks
}

// square returns the matrix with NaN where there is no distance, cut to a
// square of at most as many models as the report may have, and the farthest.
func square(m study.Matrix) (names []string, bits [][]float64, far float64) {
	const most = 40
	n := min(len(m.Names), len(m.Bits), most)
	bits = make([][]float64, n)
	for i := range bits {
		bits[i] = make([]float64, n)
		for j := range bits[i] {
			bits[i][j] = math.NaN()
			if j < len(m.Bits[i]) && m.Bits[i][j] >= 0 && !math.IsInf(m.Bits[i][j], 0) {
				bits[i][j] = m.Bits[i][j]
				far = max(far, bits[i][j])
			}
		}
	}
	return m.Names[:n], bits, far
}

// heat plots bit distances, the near ones strong. Rows have names and numbers,
// columns the numbers.
func heat(names []string, bits [][]float64, far float64) (template.HTML, error) {
	const (
		left = 190 // for names
		head = 18  // for numbers
	)
	n := float64(len(names))
	cell := min(max(560/n, 15), 42)
	f := newFigure(left+n*cell, head+n*cell, left+n*cell, head+n*cell,
		"Heat map of the bit distances between "+count(len(names), "model")+"; the table below has the numbers")
	f.scroll = true
	g := grid{bits: bits, left: left, top: n * cell, cell: cell}
	h := plotter.NewHeatMap(g, heatInks{})
	h.Min, h.Max = 0, max(far, 1e-9) // all may be the same
	h.NaN = inkTrack
	f.Add(h)

	small := vg.Length(min(textSize, 0.75*cell))
	var words labels
	for i, name := range names {
		words = append(words,
			label{x: left, y: g.Y(i), dx: -26, text: shown(name, 22), ink: inkText, size: small, anchor: end},
			label{x: left, y: g.Y(i), dx: -4, text: strconv.Itoa(i + 1), ink: inkMuted, size: small, anchor: end})
		if cell >= 22 || (i+1)%5 == 0 {
			words = append(words, label{x: g.X(i), y: g.top, dy: 9, text: strconv.Itoa(i + 1), ink: inkMuted, size: small, anchor: middle})
		}
	}
	if cell >= 26 {
		words = append(words, g.figures(far)...)
	}
	f.Add(words)
	return f.svg()
}

// figures returns the distances as text in their cells, but for the diagonal.
func (g grid) figures(far float64) (words labels) {
	for i, row := range g.bits {
		for j, v := range row {
			l := label{x: g.X(j), y: g.Y(i), text: distance(v), ink: inkText, size: vg.Length(0.29 * g.cell), anchor: middle}
			switch {
			case i == j:
				continue
			case math.IsNaN(v):
				l.ink = inkMuted
			case v < far/10:
				l.ink = inkNear
			}
			words = append(words, l)
		}
	}
	return words
}
