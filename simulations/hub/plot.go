package main

import (
	"image/color"
	"path/filepath"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

var (
	here  = color.RGBA{R: 0x1f, G: 0x6f, B: 0xb4, A: 0xff}
	there = color.RGBA{R: 0xb8, G: 0xbe, B: 0xc6, A: 0xff}
)

// plot writes study-saved.svg and study-speed.svg to dir.
func (r results) plot(dir string) error {
	if len(r.Outcomes) == 0 {
		return nil
	}
	if err := r.plotSaved(filepath.Join(dir, "study-saved.svg")); err != nil {
		return err
	}
	return r.plotSpeed(filepath.Join(dir, "study-speed.svg"))
}

// plotSaved draws what each way saves, beside what ZipLLM found.
func (r results) plotSaved(name string) error {
	p := plot.New()
	p.Title.Text = "Bytes saved, per cent of the files"
	p.X.Min, p.X.Max = 0, 100
	var ours, theirs plotter.Values
	var names []string
	for _, o := range backwards(r.Outcomes) {
		m, _ := methodOf(o.Method)
		ours, theirs, names = append(ours, 100*o.saved()), append(theirs, published[o.Method]), append(names, m.what)
	}
	const width = 9
	a, err := plotter.NewBarChart(ours, vg.Points(width))
	if err != nil {
		return err
	}
	b, err := plotter.NewBarChart(theirs, vg.Points(width))
	if err != nil {
		return err
	}
	a.Horizontal, b.Horizontal = true, true
	a.Color, b.Color = here, there
	a.LineStyle.Width, b.LineStyle.Width = 0, 0
	a.Offset, b.Offset = vg.Points(width/2.0), vg.Points(-width/2.0)
	p.Add(plotter.NewGrid(), a, b)
	p.NominalY(names...)
	p.Legend.Add("the hub in small", a)
	p.Legend.Add("ZipLLM, 43 TB", b)
	p.Legend.Top = false
	return p.Save(18*vg.Centimeter, vg.Length(len(names))*vg.Centimeter+2*vg.Centimeter, name)
}

// plotSpeed draws what each way saves against how fast it is.
func (r results) plotSpeed(name string) error {
	p := plot.New()
	p.Title.Text = "Bytes saved against speed"
	p.X.Label.Text, p.Y.Label.Text = "MB of files a second of CPU time", "per cent saved"
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, plot.LogTicks{Prec: -1}
	p.Y.Min, p.Y.Max = 0, 100
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
	dots.Color, dots.Radius = here, vg.Points(4)
	labels, err := plotter.NewLabels(plotter.XYLabels{XYs: points, Labels: names})
	if err != nil {
		return err
	}
	labels.Offset = vg.Point{X: vg.Points(6), Y: vg.Points(3)}
	p.Add(plotter.NewGrid(), dots, labels)
	p.X.Max *= 3 // room for the words
	return p.Save(18*vg.Centimeter, 11*vg.Centimeter, name)
}

// backwards returns list from its end to its start: an axis begins at the
// bottom.
func backwards(list []outcome) []outcome {
	var out []outcome
	for i := range list {
		out = append(out, list[len(list)-1-i])
	}
	return out
}
