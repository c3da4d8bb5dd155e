package node

import (
	"cmp"
	"context"
	"os"
	"slices"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/tensor"
)

// Candidates are as cheap as each other, as far as samples tell, that differ by
// less than alike, or are below blind bits a unit: one change in 2,000 elements.
const (
	alike = 0.01
	blind = 0.02
)

// cheapest returns the cheapest base of found that budgets allow, as a list, and
// its bits, or none and alone. Of those that are as cheap it takes the one that
// is itself read fastest, which leaves most to what will be made of e; but what
// is below blind is tried.
func (f *baseFinder) cheapest(ctx context.Context, r *os.File, e tensor.Extent, found []near, alone float64) ([]dag.Base, float64, error) {
	same, best, err := f.affordable(e, found, alone)
	if len(same) < 2 || err != nil {
		return same, best, err
	}
	at := 0
	var least sizes
	for i := range same {
		var now sizes
		if best <= blind {
			if _, now.trial, err = f.worth(ctx, r, e, same[i:i+1]); err != nil {
				return nil, alone, err
			}
		}
		cold, err := f.n.store.Cold(same[i].Of)
		if err != nil {
			return nil, alone, err
		}
		if now.read = cold.Read; i == 0 || now.less(least) {
			at, least = i, now
		}
	}
	return same[at : at+1], best, nil
}

// sizes are what a base is chosen by among those that seem as cheap.
type sizes struct {
	trial int   // bytes of some leaves against it
	read  int64 // bytes to rebuild it
}

func (s sizes) less(t sizes) bool {
	return cmp.Or(cmp.Compare(s.trial, t.trial), cmp.Compare(s.read, t.read)) < 0
}

// affordable returns the cheapest of found that budgets allow, and those that
// are as cheap; and the bits of the first, or alone.
func (f *baseFinder) affordable(e tensor.Extent, found []near, alone float64) ([]dag.Base, float64, error) {
	var same []dag.Base
	best := alone
	for _, c := range found {
		if !family.Saves(c.bits, alone) || len(same) == maxTrials || len(same) > 0 && c.bits > max(blind, best*(1+alike)) {
			break
		}
		bases, err := f.usable(e, []cid.Cid{c.c})
		if err != nil {
			return nil, alone, err
		}
		if len(bases) == 0 || slices.ContainsFunc(same, func(b dag.Base) bool { return b.Of == c.c }) {
			continue
		}
		ok, err := f.affords(e, bases, c.bits)
		if err != nil {
			return nil, alone, err
		}
		if ok {
			if same = append(same, bases...); len(same) == 1 {
				best = c.bits
			}
		}
	}
	return same, best, nil
}

// affords tells whether a cold rebuild of e against bases, at bits a unit, stays
// within what it may read and decode; against stand-alone bases it always does.
func (f *baseFinder) affords(e tensor.Extent, bases []dag.Base, bits float64) (bool, error) {
	ok, err := f.n.store.Usable(e.Size, e.DType, bases)
	if !ok || err != nil {
		return false, err
	}
	read := bits / float64(8*family.Unit(e.DType)) * float64(e.Size)
	work := float64(e.Size)
	deep := false
	for _, b := range bases {
		t, _, err := f.n.store.Tensor(b.Of)
		if err != nil {
			return false, err
		}
		cold, err := f.n.store.Cold(b.Of)
		if err != nil {
			return false, err
		}
		part := store.Part(e.Size, e.DType, t.Size, t.DType)
		read += part * float64(cold.Read)
		work += part * float64(cold.Decode)
		deep = deep || len(t.Bases) > 0
	}
	size := float64(e.Size)
	return !deep || read <= family.DefaultBudget*size && work <= family.DefaultWork*size, nil
}
