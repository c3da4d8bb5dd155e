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

func (c *collection) nearIn(group []int32) {
	if len(group) < 2 {
		return
	}
	samples := make([]family.Sample, len(group))
	under := make([][]int, len(group)) // by the one above
	var roots []int
	for i, k := range group {
		data, err := c.spill.get(c.parts[k].sample)
		if err != nil {
			continue
		}
		if samples[i], err = family.Decode(data); err != nil {
			continue
		}
		best, least := -1, math.Inf(1)
		for level := roots; len(level) > 0; {
			found := -1
			for _, j := range level[max(0, len(level)-maxLooked):] {
				if d := family.Glance(&samples[i], &samples[j]); d < least {
					found, least = j, d
				}
			}
			if found < 0 {
				break
			}
			best, level = found, under[found]
		}
		if best >= 0 && (least < surelyNear || related(&samples[i], &samples[best])) {
			p := &c.parts[k]
			p.near, p.apart = group[best], least
			p.changed = family.Changed(samples[i], samples[best])
			under[best] = append(under[best], i)
			continue
		}
		roots = append(roots, i)
	}
}

// surelyNear is how many bits of an element may differ so that a delta pays
// without a closer look, which takes a hundred times as long.
const surelyNear = 1

// related tells whether b would do as a base of a.
func related(a, b *family.Sample) bool {
	return family.Saves(family.Estimate(*a, b), family.Estimate(*a, nil))
}
