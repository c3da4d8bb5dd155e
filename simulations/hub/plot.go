package main

import (
	"bytes"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

var (
	here  = color.RGBA{R: 0x1f, G: 0x6f, B: 0xb4, A: 0xff}
	there = color.RGBA{R: 0xb8, G: 0xbe, B: 0xc6, A: 0xff}
)

// plot writes study-saved.svg and study-speed.svg to dir.
func (r *results) plot(dir string) error {
	if len(r.Outcomes) == 0 {
		return nil
	}
	if err := r.plotSaved(filepath.Join(dir, "study-saved.svg")); err != nil {
		return err
	}
	return r.plotSpeed(filepath.Join(dir, "study-speed.svg"))
}

// newPlot returns an empty plot of that title, in a sans serif.
func newPlot(title string) *plot.Plot {
	plot.DefaultFont = font.Font{Typeface: "Liberation", Variant: "Sans"}
	p := plot.New()
	p.Title.Text = title
	p.Title.Padding = vg.Points(8)
	return p
}

// plotSaved draws what each way saves, beside what ZipLLM found.
func (r *results) plotSaved(name string) error {
	p := newPlot("Bytes saved, per cent of the files")
	n := len(r.Outcomes)
	var ours, theirs plotter.Values
	var names []string
	for i := range n { // an axis begins at the bottom
		o := r.Outcomes[n-1-i]
		m, _ := methodOf(o.Method)
		ours, theirs, names = append(ours, 100*o.saved()), append(theirs, published[o.Method]), append(names, m.what+" ")
	}
	const width = 9
	a, err := bars(ours, here, width, width/2.0)
	if err != nil {
		return err
	}
	b, err := bars(theirs, there, width, -width/2.0)
	if err != nil {
		return err
	}
	p.Add(plotter.NewGrid(), a, b)
	p.NominalY(names...)
	p.X.Min, p.X.Max = 0, 105
	p.Y.Min, p.Y.Max = -0.6, float64(n)-0.4
	p.Legend.Add("the hub in small", a)
	p.Legend.Add("ZipLLM, 43 TB", b)
	p.Legend.Top, p.Legend.XOffs, p.Legend.Padding = true, vg.Points(-12), vg.Points(4)
	return save(p, 18*vg.Centimeter, vg.Length(n)*0.9*vg.Centimeter+2*vg.Centimeter, name)
}

func bars(v plotter.Values, c color.Color, width, offset float64) (*plotter.BarChart, error) {
	b, err := plotter.NewBarChart(v, vg.Points(width))
	if err != nil {
		return nil, err
	}
	b.Horizontal, b.Color, b.LineStyle.Width, b.Offset = true, c, 0, vg.Points(offset)
	return b, nil
}

// plotSpeed draws what each way saves against how fast it is.
func (r *results) plotSpeed(name string) error {
	p := newPlot("Bytes saved against speed")
	p.X.Label.Text, p.Y.Label.Text = "MB of files, a second of CPU time", "per cent saved"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	var points plotter.XYs
	var names []string
	for _, o := range r.Outcomes {
		m, _ := methodOf(o.Method)
		points = append(points, plotter.XY{X: float64(o.Bytes) / 1e6 / o.CPU.Seconds(), Y: 100 * o.saved()})
		names = append(names, m.what)
	}
	dots, err := plotter.NewScatter(points)
	if err != nil {
		return err
	}
	dots.GlyphStyle = draw.GlyphStyle{Color: here, Radius: vg.Points(3.5), Shape: draw.CircleGlyph{}}
	labels, err := plotter.NewLabels(plotter.XYLabels{XYs: apart(points), Labels: names})
	if err != nil {
		return err
	}
	labels.Offset = vg.Point{X: vg.Points(6), Y: vg.Points(-3)}
	for i := range labels.TextStyle {
		labels.TextStyle[i].Font = font.From(plot.DefaultFont, 10)
	}
	p.Add(plotter.NewGrid(), dots, labels)
	p.X.Min, p.X.Max = p.X.Min/1.5, p.X.Max*3 // room for the words
	p.Y.Min, p.Y.Max = 0, 100
	return save(p, 18*vg.Centimeter, 11*vg.Centimeter, name)
}

// apart returns where the words of points go: at their height, but those of two
// as good as at one height above and below each other.
func apart(points plotter.XYs) plotter.XYs {
	const close, step = 3, 1.8 // per cent
	at := slices.Clone(points)
	for i := range points {
		for j := range points[:i] {
			if d := points[i].Y - points[j].Y; math.Abs(d) < close {
				up := math.Copysign(step, d)
				at[i].Y, at[j].Y = at[i].Y+up, at[j].Y-up
			}
		}
	}
	return at
}

// save writes p as SVG. Where the font is not installed, others of its widths
// are named.
func save(p *plot.Plot, width, height vg.Length, name string) error {
	w, err := p.WriterTo(width, height, "svg")
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if _, err := w.WriteTo(&b); err != nil {
		return err
	}
	const family = "font-family:Liberation Sans"
	svg := bytes.ReplaceAll(b.Bytes(), []byte(family), []byte(family+",Arial,Helvetica,sans-serif"))
	return os.WriteFile(name, svg, 0o644)
}
