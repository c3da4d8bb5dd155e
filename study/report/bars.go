package report

import (
	"html/template"
	"math"
	"strconv"

	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

const (
	plotWidth = 360 // points; about the width of a phone
	rowHeight = 36
	barHeight = 11
	textSize  = 12
	rowCells  = 46 // of text, in the widest of the usual fonts

	columnsHeight = 150
)

// A bar is a row of a plot: a name, what is said of it, and the parts of a
// length, one for each ink of the plot.
type bar struct {
	name  string
	says  string
	parts []float64
	bold  bool
}

// bars plots rows below each other, the name of each above it, so that names
// may be long and the screen small. The full width stands for whole, or for
// the longest bar if that is 0.
func bars(says string, whole float64, rows []bar, inks ...ink) (template.HTML, error) {
	charts := make([]plotter.Values, 1+len(inks)) // the first is the ground of all
	for k := range charts {
		charts[k] = make(plotter.Values, len(rows))
	}
	var words labels
	for i, r := range rows {
		at := len(rows) - 1 - i // from below
		length := 0.0
		for k, v := range r.parts {
			charts[1+k][at] = finite(v)
			length += finite(v)
		}
		whole = max(whole, length)
		words = append(words,
			label{y: float64(at) + 0.5, dx: 1, dy: 8, text: shown(r.name, max(10, rowCells-cells([]rune(r.says)...))), ink: inkText, size: textSize, bold: r.bold},
			label{x: 1, y: float64(at) + 0.5, dx: -1, dy: 8, text: r.says, ink: inkMuted, size: textSize, anchor: end})
	}
	if whole == 0 {
		whole = 1 // bars of nothing
	}
	f := newFigure(plotWidth, float64(len(rows))*rowHeight, 1, float64(len(rows)), says)
	var under *plotter.BarChart
	for k, values := range charts {
		for i := range values {
			values[i] /= whole
			if k == 0 {
				values[i] = 1
			}
		}
		b, err := plotter.NewBarChart(values, barHeight)
		if err != nil {
			return "", err
		}
		b.Horizontal, b.XMin, b.Offset = true, 0.5, vg.Length(-9)
		b.LineStyle.Width = 0
		b.Color = inkTrack
		if k > 0 {
			b.Color = inks[k-1]
			if under != nil {
				b.StackOn(under)
			}
			under = b
		}
		f.Add(b)
	}
	f.Add(words)
	return f.svg()
}

// columns plots shares of one beside each other, for more than have room below
// each other. They are told by their numbers, from 1.
func columns(says string, shares []float64) (template.HTML, error) {
	values := make(plotter.Values, len(shares))
	for i, v := range shares {
		values[i] = min(finite(v), 1)
	}
	const left, bottom, top = 40, 20, 10
	n := float64(len(shares))
	step := (plotWidth - left) / n // points
	// Data is in points, so that there is room for what is beside the columns.
	f := newFigure(plotWidth, columnsHeight, plotWidth, columnsHeight, says)
	high := float64(columnsHeight - bottom - top)
	var words labels
	for _, share := range []float64{0, 0.5, 1} {
		y := bottom + share*high
		line, err := plotter.NewLine(plotter.XYs{{X: left, Y: y}, {X: plotWidth, Y: y}})
		if err != nil {
			return "", err
		}
		line.Color, line.Width = inkLine, 0.7
		f.Add(line)
		words = append(words, label{x: left, y: y, dx: -5, text: strconv.Itoa(int(100*share)) + " %", ink: inkMuted, size: textSize - 1, anchor: end})
	}
	for i := range values {
		values[i] *= high
		x := left + (float64(i)+0.5)*step
		p, err := plotter.NewPolygon(plotter.XYs{
			{X: x - 0.4*step, Y: bottom}, {X: x - 0.4*step, Y: bottom + values[i]},
			{X: x + 0.4*step, Y: bottom + values[i]}, {X: x + 0.4*step, Y: bottom},
		})
		if err != nil {
			return "", err
		}
		p.Color, p.LineStyle.Width = inkBar, 0
		f.Add(p)
		if every := (len(values) + 7) / 8; i%every == 0 {
			words = append(words, label{x: x, y: bottom, dy: -10, text: strconv.Itoa(i + 1), ink: inkMuted, size: textSize - 1, anchor: middle})
		}
	}
	f.Add(words)
	return f.svg()
}

// finite returns v, or 0 if v is none to draw.
func finite(v float64) float64 {
	if !(v > 0) || math.IsInf(v, 0) {
		return 0
	}
	return v
}
