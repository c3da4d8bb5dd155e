package report

import (
	"fmt"
	"html/template"
	"strings"

	"github.com/zipnode/zipnode/study"
)

// What is shown of long lists.
const (
	mostShares  = 8
	mostTrees   = 24
	mostMembers = 40 // of a family
	mostAlone   = 100
	mostWrong   = 50
	mostRows    = 32 // of layers, below each other
)

// A page is a report as the template wants it.
type page struct {
	*study.Report
	Style      template.CSS
	EntryBytes int64 // of an index

	Stored int64 // by zipnode
	Best   *study.Way
	Other  *study.Way // the best of the others

	Ways       template.HTML
	DTypes     template.HTML
	Formats    template.HTML
	Families   template.HTML
	Duplicates template.HTML
	Fields     template.HTML
	Layers     template.HTML
	Columns    bool // layers are numbered

	Trees     []family
	MoreTrees int
	Alone     []study.Member
	MoreAlone int
	Wrong     []study.Member
	MoreWrong int

	Heat  template.HTML
	Names []string
	Bits  [][]float64
}

// A family is a dendrogram and the rows beside it.
type family struct {
	Root    study.Member
	Bytes   int64
	Count   int
	Tree    template.HTML
	Members []leaf
	More    int
}

// A leaf is a member, and what it is under.
type leaf struct {
	study.Member
	Base string
}

func newPage(r *study.Report) (*page, error) {
	p := &page{Report: r, EntryBytes: study.EntryBytes}
	for _, fill := range []func() error{p.ways, p.shares, p.kin, p.matrix, p.deltas, p.layers, p.duplicates} {
		if err := fill(); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *page) ways() (err error) {
	if len(p.Report.Ways) == 0 || p.Bytes == 0 {
		return nil
	}
	rows := []bar{{name: "as it is", says: size(p.Bytes), parts: []float64{float64(p.Bytes), 0}}}
	for i, w := range p.Report.Ways {
		says := size(w.Stored) + " · " + saved(w.Stored, p.Bytes)
		if w.Error > 0 && w.Stored <= p.Bytes {
			says += fmt.Sprintf(" ± %.1f", 100*w.Error*ratio(w.Stored, p.Bytes))
		}
		b := bar{name: w.Name, says: says, parts: []float64{float64(w.Stored), 0}}
		if w.Name == "zipnode" {
			p.Best = &p.Report.Ways[i]
			b.parts[0], b.parts[1], b.bold = 0, b.parts[0], true
		} else if p.Other == nil || w.Stored < p.Other.Stored {
			p.Other = &p.Report.Ways[i]
		}
		rows = append(rows, b)
	}
	p.Ways, err = bars("Bytes that each way of storing takes: "+summary(rows), float64(p.Bytes), rows, inkBar, inkBest)
	return err
}

// summary says the rows of a plot in words.
func summary(rows []bar) string {
	var out []string
	for _, r := range rows {
		out = append(out, shown(r.name, labelCells)+" "+r.says)
	}
	return strings.Join(out, ", ")
}

func (p *page) shares() (err error) {
	if p.DTypes, err = shareBars("Bytes of tensors by dtype", p.Report.DTypes, p.Held, "tensor"); err != nil {
		return err
	}
	if p.Formats, err = shareBars("Bytes of files by format", p.Report.Formats, p.Bytes, "file"); err != nil {
		return err
	}
	var list []study.Share
	alone := study.Share{Name: "of no family"}
	for _, f := range p.Report.Families {
		switch len(f.Members) {
		case 0:
		case 1:
			alone.Count, alone.Bytes = alone.Count+1, alone.Bytes+f.Bytes
		default:
			list = append(list, study.Share{Name: f.Members[0].Name, Count: int64(len(f.Members)), Bytes: f.Bytes})
		}
	}
	if alone.Count > 0 {
		list = append(list, alone)
	}
	p.Families, err = shareBars("Bytes by family", list, p.Bytes, "model")
	return err
}

// shareBars plots the first of list, and the others together.
func shareBars(says string, list []study.Share, whole int64, thing string) (template.HTML, error) {
	if len(list) == 0 {
		return "", nil
	}
	if len(list) > mostShares {
		rest := study.Share{Name: fmt.Sprintf("%d others", len(list)-mostShares+1)}
		for _, s := range list[mostShares-1:] {
			rest.Count, rest.Bytes = rest.Count+s.Count, rest.Bytes+s.Bytes
		}
		list = append(list[:mostShares-1:mostShares-1], rest)
	}
	var rows []bar
	for _, s := range list {
		rows = append(rows, bar{name: s.Name, parts: []float64{float64(s.Bytes)},
			says: count(s.Count, thing) + " · " + size(s.Bytes) + " · " + percent(ratio(s.Bytes, whole))})
	}
	return bars(says+": "+summary(rows), float64(whole), rows, inkBar)
}

// kin tells models of families from those alone, and those whose cards are wrong.
func (p *page) kin() error {
	far := 1e-9
	for _, f := range p.Report.Families {
		for _, m := range f.Members {
			far = max(far, finite(m.Distance))
			if m.Contradiction == "" {
				continue
			}
			if len(p.Wrong) < mostWrong {
				p.Wrong = append(p.Wrong, m)
			} else {
				p.MoreWrong++
			}
		}
	}
	for _, f := range p.Report.Families {
		switch {
		case len(f.Members) == 1 && len(p.Alone) < mostAlone:
			p.Alone = append(p.Alone, f.Members[0])
		case len(f.Members) == 1:
			p.MoreAlone++
		case len(p.Trees) == mostTrees:
			p.MoreTrees++
		case len(f.Members) > 1:
			t, err := newFamily(f, far)
			if err != nil {
				return err
			}
			p.Trees = append(p.Trees, t)
		}
	}
	return nil
}

func newFamily(f study.Family, far float64) (family, error) {
	shown := f.Members[:min(len(f.Members), mostMembers)]
	order, svg, err := tree(shown, far)
	if err != nil {
		return family{}, err
	}
	t := family{Root: f.Members[0], Bytes: f.Bytes, Count: len(f.Members), Tree: svg, More: len(f.Members) - len(shown)}
	for _, i := range order {
		l := leaf{Member: shown[i]}
		if l.Under >= 0 && l.Under < i {
			l.Base = shown[l.Under].Name
		}
		t.Members = append(t.Members, l)
	}
	return t, nil
}

func (p *page) matrix() (err error) {
	var far float64
	p.Names, p.Bits, far = square(p.Matrix)
	if len(p.Names) < 2 {
		return nil
	}
	p.Heat, err = heat(p.Names, p.Bits, far)
	return err
}

func (p *page) deltas() (err error) {
	var rows []bar
	for _, f := range p.Report.Fields {
		rows = append(rows, bar{name: f.DType, parts: []float64{f.Sign, f.Exponent, f.Mantissa},
			says: distance(f.Sign+f.Exponent+f.Mantissa) + " bits of each element"})
	}
	if len(rows) > 0 {
		p.Fields, err = bars("Bits that differ from the base by dtype: "+summary(rows), 0, rows, inkSign, inkExponent, inkMantissa)
	}
	return err
}

func (p *page) layers() (err error) {
	list := p.Report.Layers
	if p.Columns = len(list) > mostRows; p.Columns {
		shares := make([]float64, len(list))
		for i, l := range list {
			shares[i] = l.Changed
		}
		p.Layers, err = columns("Share of changed weights of each layer; the table below has the numbers", shares)
		return err
	}
	var rows []bar
	for _, l := range list {
		rows = append(rows, bar{name: l.Name, says: percent(l.Changed), parts: []float64{l.Changed}})
	}
	if len(rows) > 0 {
		p.Layers, err = bars("Share of changed weights by layer: "+summary(rows), 1, rows, inkBar)
	}
	return err
}

func (p *page) duplicates() (err error) {
	var rows []bar
	if p.Bytes == 0 {
		return nil
	}
	for _, d := range p.Report.Duplicates {
		rows = append(rows, bar{name: "by " + d.By, parts: []float64{float64(d.Bytes)},
			says: size(d.Bytes) + " · " + percent(ratio(d.Bytes, p.Bytes))})
	}
	if len(rows) > 0 {
		p.Duplicates, err = bars("Bytes that are there again: "+summary(rows), float64(p.Bytes), rows, inkBar)
	}
	return err
}
