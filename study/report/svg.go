package report

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"regexp"
	"strconv"
	"strings"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// An ink is a colour that the page's style gives, so that a plot is legible on
// light and on dark ground. To the plotting library it is a colour that only
// stands for it: #A5C0nn.
type ink uint8

const (
	inkText ink = iota
	inkMuted
	inkBar
	inkBest // zipnode's own
	inkTrack
	inkLine
	inkSign
	inkExponent
	inkMantissa
	inkNear // text on cells of a heat map that are well filled
	inkHeat // and heatSteps more: the nearest first
)

const heatSteps = 16

// css returns what ink is in a style, for a property of "fill" or "stroke".
func (k ink) css(property string) string {
	if k >= inkHeat {
		far := float64(k-inkHeat) / (heatSteps - 1)
		return fmt.Sprintf("%s:var(--heat);%s-opacity:%.2f", property, property, 1-0.88*math.Sqrt(far))
	}
	names := [...]string{"text", "muted", "bar", "best", "track", "line", "sign", "exponent", "mantissa", "near"}
	return property + ":var(--" + names[k] + ")"
}

// RGBA makes an ink a color.Color.
func (k ink) RGBA() (r, g, b, a uint32) { return anchored{k, start}.RGBA() }

// An anchor says which end of a text is at its place. The library only knows
// where text begins: it would reckon that from the metrics of a font that the
// reader may not have. So the anchor goes with the ink, in its second byte.
type anchor uint8

const (
	start anchor = iota
	middle
	end
)

type anchored struct {
	ink
	anchor
}

func (a anchored) RGBA() (r, g, b, alpha uint32) {
	return color.NRGBA{0xA5, 0xC0 + uint8(a.anchor), uint8(a.ink), 0xFF}.RGBA()
}

func (a anchored) css(property string) string {
	return a.ink.css(property) + [...]string{"", ";text-anchor:middle", ";text-anchor:end"}[a.anchor]
}

var (
	styles  = regexp.MustCompile(`style="[^"]*"`) // quotes in text are escaped
	inkUses = regexp.MustCompile(`(fill|stroke):#A5C([012])([0-9A-F]{2})`)
	faces   = regexp.MustCompile(`font-(family|variant|style):[^;"]*;?|font-weight:normal;?`)
)

// A figure is a plot of w by h points, and its words for those who cannot see it.
type figure struct {
	*plot.Plot
	w, h   float64
	says   string
	scroll bool // on a small screen, rather than shrink
}

// newFigure returns an empty figure without axes, whose data lies between
// (0, 0) and (x, y).
func newFigure(w, h, x, y float64, says string) figure {
	p := plot.New()
	p.BackgroundColor = nil
	p.HideAxes()
	p.X.Padding, p.Y.Padding = 0, 0
	p.X.Min, p.X.Max, p.Y.Min, p.Y.Max = 0, x, 0, y
	return figure{Plot: p, w: w, h: h, says: says}
}

// svg returns f as an element of a page. Names in it are escaped by the library.
func (f figure) svg() (template.HTML, error) {
	c := vgsvg.New(vg.Length(f.w), vg.Length(f.h))
	f.Draw(draw.New(c))
	var out bytes.Buffer
	if _, err := c.WriteTo(&out); err != nil {
		return "", err
	}
	// What comes before the first group names fonts and sizes of paper.
	_, body, ok := strings.Cut(out.String(), "<g")
	if !ok {
		return "", fmt.Errorf("the plot of %s came out empty", f.says)
	}
	body = styles.ReplaceAllStringFunc(body, func(s string) string {
		s = faces.ReplaceAllString(s, "")
		return inkUses.ReplaceAllStringFunc(s, useInk)
	})
	least := 0.0
	if f.scroll {
		least = 0.85 * f.w
	}
	return template.HTML(fmt.Sprintf(
		`<svg viewBox="0 0 %.5g %.5g" role="img" aria-label="%s" style="width:100%%;min-width:%.0fpx;max-width:%.0fpx"><g%s`,
		f.w, f.h, template.HTMLEscapeString(f.says), least, 1.4*f.w, body)), nil
}

// useInk returns what "fill:#A5C0nn" stands for.
func useInk(use string) string {
	m := inkUses.FindStringSubmatch(use)
	k, err := strconv.ParseUint(m[3], 16, 8)
	if err != nil || k >= uint64(inkHeat+heatSteps) {
		return use
	}
	return anchored{ink(k), anchor(m[2][0] - '0')}.css(m[1])
}

// A label is text at a place of a plot's data, moved by some points.
type label struct {
	x, y   float64
	dx, dy vg.Length
	text   string
	ink    ink
	size   vg.Length
	anchor anchor
	bold   bool
}

// Labels are plotted as they are. The library's own make room for themselves.
type labels []label

func (l labels) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	for _, t := range l {
		face := font.Font{Typeface: "Liberation", Variant: "Sans"}
		if t.bold {
			face.Weight = xfont.WeightBold
		}
		c.FillText(text.Style{
			Color: anchored{t.ink, t.anchor}, Font: font.From(face, t.size), Handler: plot.DefaultTextHandler,
			XAlign: text.XLeft, YAlign: text.YCenter,
		}, vg.Point{X: x(t.x) + t.dx, Y: y(t.y) + t.dy}, t.text)
	}
}
