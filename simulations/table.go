package simulations

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// WriteTable writes what crowds came to, a line for each, to w. It is Markdown,
// and aligned.
func WriteTable(w io.Writer, phases []Phase) error {
	t := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	row := func(cells ...any) {
		for _, c := range cells {
			fmt.Fprintf(t, "| %v\t", c)
		}
		fmt.Fprintln(t, "|")
	}
	row("fetchers", "origin sent, copies", "in packets", "all sent, copies each", "in packets", "time", "÷ one copy's", "first done", "peers used")
	row("---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:", "---:")
	for _, p := range phases {
		row(p.Fetchers,
			fmt.Sprintf("%.2f", p.copies(p.Origin.Blocks)),
			fmt.Sprintf("%.2f", p.copies(p.Origin.Packets)),
			fmt.Sprintf("%.2f", p.copies(p.All.Blocks)/float64(p.Fetchers)),
			fmt.Sprintf("%.2f", p.copies(p.All.Packets)/float64(p.Fetchers)),
			seconds(slices.Max(p.Took)),
			fmt.Sprintf("%.1f", p.Slowdown()),
			seconds(slices.Min(p.Took)),
			span(slices.Min(p.Peers), slices.Max(p.Peers)))
	}
	return t.Flush()
}

// copies returns n bytes as a number of copies of the model.
func (p Phase) copies(n int64) float64 { return float64(n) / float64(p.Copy) }

// OriginCopies is how often the origin sent the model.
func (p Phase) OriginCopies() float64 { return p.copies(p.Origin.Blocks) }

// Slowdown is how long the last fetcher took, in times of one copy over an idle
// link.
func (p Phase) Slowdown() float64 {
	return slices.Max(p.Took).Seconds() / p.Link.transfer(p.Copy).Seconds()
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.2f s", d.Seconds()) }

func span(from, to int) string {
	if from == to {
		return fmt.Sprint(from)
	}
	return fmt.Sprintf("%d–%d", from, to)
}
