package study

import (
	"context"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/family"
)

const (
	// maxGroup is how many tensors of one group are compared with each other at
	// once: their samples are in memory.
	maxGroup = 4096
	// maxLooked bounds the tensors that are looked at on one level of a group's
	// tree.
	maxLooked = 64
)

// near finds, for every tensor, the nearest that was met before it: within a
// group they stand as a tree, each under the one that it is nearest to.
func (c *collection) near(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	names := slices.SortedFunc(maps.Keys(c.groups), strings.Compare)
	for _, name := range names {
		for part := range slices.Chunk(c.groups[name], maxGroup) {
			g.Go(func() error {
				if ctx.Err() == nil {
					c.nearIn(part)
				}
				return nil
			})
		}
	}
	_ = g.Wait() // none fails
}

func (c *collection) nearIn(parts []int32) {
	if len(parts) < 2 {
		return
	}
	g := grouping{
		samples: make([]family.Sample, len(parts)), under: make([][]int, len(parts)),
		reads: make([]float64, len(parts)), prices: map[price]*mean{},
	}
	for i, k := range parts {
		data, err := c.spill.get(c.parts[k].sample)
		if err != nil {
			continue
		}
		if g.samples[i], err = family.Decode(data); err != nil {
			continue
		}
		p := &c.parts[k]
		j, apart := g.place(i, p.size)
		if j >= 0 {
			p.near, p.apart = parts[j], apart
			p.changed = family.Changed(g.samples[i], g.samples[j])
		}
	}
}

// A grouping is a group under way. Its tensors stand as a tree.
type grouping struct {
	samples []family.Sample
	under   [][]int // by the one above
	roots   []int
	reads   []float64 // stored bytes that rebuilding each reads
	prices  map[price]*mean
}

// surelyNear is how many bits of an element may differ so that a delta pays
// without a closer look, which takes a hundred times as long.
const surelyNear = 1

// place finds the base of the tensor i of size bytes: the nearest of those that
// the budget allows, which is the planner's: what is no delta itself, or what is
// rebuilt from no more bytes than the tensor has. It returns -1 where none pays.
func (g *grouping) place(i int, size int64) (base int, apart float64) {
	base, apart = -1, math.Inf(1)
	for level, least := g.roots, math.Inf(1); len(level) > 0; {
		found := -1
		for _, j := range level[max(0, len(level)-maxLooked):] {
			d := family.Glance(&g.samples[i], &g.samples[j])
			if d < least {
				found, least = j, d
			}
			if d < apart && g.allows(i, j, d, size) {
				base, apart = j, d
			}
		}
		if found < 0 {
			break
		}
		level = g.under[found]
	}
	if base < 0 || apart >= surelyNear && !related(&g.samples[i], &g.samples[base]) {
		g.roots = append(g.roots, i)
		g.reads[i] = g.bits(i, -1, 0) / 8 * float64(size)
		return -1, 0
	}
	g.under[base] = append(g.under[base], i)
	g.reads[i] = g.reads[base] + g.bits(i, base, apart)/8*float64(size)
	return base, apart
}

// allows tells whether j may be the base of i.
func (g *grouping) allows(i, j int, apart float64, size int64) bool {
	if slices.Contains(g.roots, j) {
		return true
	}
	return g.reads[j]+g.bits(i, j, apart)/8*float64(size) <= float64(size)
}

// A price is of deltas about as far from their bases as each other, or of no
// delta.
type price struct {
	dtype string
	apart int8
}

type mean struct{ sum, n float64 }

// priced is how many estimates a price is the mean of.
const priced = 3

// bits returns how many bits a byte of i takes as a delta of j, or alone where j
// is negative: by an estimate, or by those that were made before, for an estimate
// takes as long as a hundred glances.
func (g *grouping) bits(i, j int, apart float64) float64 {
	key := price{string(g.samples[i].DType()), none}
	if j >= 0 {
		key.apart = octave(apart)
	}
	m := g.prices[key]
	if m == nil {
		m = &mean{}
		g.prices[key] = m
	}
	if m.n < priced {
		var base *family.Sample
		if j >= 0 {
			base = &g.samples[j]
		}
		x := family.Estimate(g.samples[i], base) / float64(8*family.Unit(g.samples[i].DType()))
		m.sum += min(x, 1) * 8
		m.n++
	}
	return m.sum / m.n
}

// related tells whether b would do as a base of a.
func related(a, b *family.Sample) bool {
	return family.Saves(family.Estimate(*a, b), family.Estimate(*a, nil))
}
