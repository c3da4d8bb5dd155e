package models

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// A Pair is a model and the one that its tensors are coded against.
type Pair struct{ Target, Base *Model }

// A Match is a tensor and the base's of the same name.
type Match struct{ Target, Base Tensor }

// Match returns the tensors that target and base both have: of one name, dtype
// and length of a row. The longer one may have more rows. It returns also how
// many tensors of the target, and of the base, have no such partner.
func (p Pair) Match() (both []Match, target, base int) {
	bases := p.Base.byName()
	for _, t := range p.Target.Tensors {
		if b, ok := bases[t.Name]; ok && b.DType == t.DType && rows(t, b) {
			both = append(both, Match{t, b})
		}
	}
	return both, len(p.Target.Tensors) - len(both), len(p.Base.Tensors) - len(both)
}

// rows tells whether a and b have rows of one length, or are one row each of
// one length.
func rows(a, b Tensor) bool {
	if len(a.Shape) < 2 || len(b.Shape) < 2 {
		return slices.Equal(a.Shape, b.Shape)
	}
	return slices.Equal(a.Shape[1:], b.Shape[1:])
}

// Pairs returns the pairs among models, by these rules:
//
//   - The base is a model that the target's card declares, if it is here and of
//     the target's dtype.
//   - If it is here in another dtype, the base is its cast: of the models of the
//     target's dtype, the one whose values are nearest to it; none if that is
//     the target.
//   - A checkpoint (step, checkpoint, epoch, …, and a number) has also the one
//     before it as a base.
//
// They come in the order of models. Models of which no tensors match are no
// pair.
func Pairs(models []*Model) ([]Pair, error) {
	var pairs []Pair
	add := func(target, base *Model) {
		p := Pair{target, base}
		if both, _, _ := p.Match(); len(both) > 0 && !slices.Contains(pairs, p) {
			pairs = append(pairs, p)
		}
	}
	for _, m := range models {
		for _, name := range m.Bases {
			base, err := findBase(models, m, name)
			if err != nil {
				return nil, err
			}
			if base != nil {
				add(m, base)
			}
		}
		if base := before(models, m); base != nil {
			add(m, base)
		}
	}
	return pairs, nil
}

// Find returns the pair target:base that spec names.
func Find(models []*Model, spec string) (Pair, error) {
	target, base, _ := strings.Cut(spec, ":")
	p := Pair{named(models, target), named(models, base)}
	if p.Target == nil || p.Base == nil {
		return p, fmt.Errorf("pair %q: want target:base, two of the models here", spec)
	}
	if both, _, _ := p.Match(); len(both) == 0 {
		return p, fmt.Errorf("pair %q: no tensors of one name, dtype and row length", spec)
	}
	return p, nil
}

// named returns the model of that name, of which a declared name may be the
// last part, after the owner's; nil if there is none.
func named(models []*Model, name string) *Model {
	name = name[strings.LastIndexByte(name, '/')+1:]
	for _, m := range models {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// findBase returns the model that m declares as base by name, or its cast to
// m's dtype; nil if neither is here.
func findBase(models []*Model, m *Model, name string) (*Model, error) {
	base := named(models, name)
	if base == nil || base == m {
		return nil, nil
	}
	if base.DType() == m.DType() {
		return base, nil
	}
	cast, err := nearest(models, base, m)
	if err != nil || cast == m {
		return nil, err
	}
	return cast, nil
}

var checkpoint = regexp.MustCompile(`(?i)^(.*(?:step|ckpt|checkpoint|epoch|iter)[-_]?)(\d{1,18})$`)

// before returns the checkpoint of m's run that comes before it; nil if there
// is none.
func before(models []*Model, m *Model) *Model {
	run, at, ok := step(m)
	if !ok {
		return nil
	}
	var last *Model
	most := -1
	for _, other := range models {
		r, n, ok := step(other)
		if ok && r == run && n < at && n > most && other.DType() == m.DType() {
			last, most = other, n
		}
	}
	return last
}

// step returns the run and the number of a checkpoint.
func step(m *Model) (run string, n int, ok bool) {
	part := checkpoint.FindStringSubmatch(m.Name)
	if part == nil {
		return "", 0, false
	}
	n, err := strconv.Atoi(part[2])
	return part[1], n, err == nil
}
