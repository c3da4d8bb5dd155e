package node

import (
	"cmp"
	"math"
	"slices"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/store"
)

const (
	// maxSiblings bounds the tensors kept under one, and maxRoots those under
	// none that are looked at.
	maxSiblings = 64
	maxRoots    = 128
	// maxLevels bounds how far down a group is followed: 64^4 tensors.
	maxLevels = 4
	// maxEstimates is how many of a level are estimated: those that a glance
	// finds nearest.
	maxEstimates = 8
)

// A near is a stored tensor beside which another was estimated.
type near struct {
	c    cid.Cid
	bits float64 // of a unit
}

// A search is what was found for one tensor in its group. A group is kept as a
// tree, each tensor under one that it is like, with at most 64 under each: of a
// family of thousands a few hundred are looked at.
type search struct {
	found  []near  // the cheapest first
	levels []level // from the top on, each under the best of the one above
}

type level struct {
	best  near
	count int // of its tensors
}

// nearest looks in group for what target is cheapest against.
func (n *Node) nearest(target *family.Sample, group string) (search, error) {
	var s search
	under, most := cid.Undef, maxRoots
	for range maxLevels {
		cs, err := n.store.Candidates(group, under, most)
		if err != nil {
			return s, err
		}
		list := estimates(target, cs)
		if len(list) == 0 {
			break
		}
		s.found = append(s.found, list...)
		s.levels = append(s.levels, level{list[0], len(cs)})
		under, most = list[0].c, maxSiblings
	}
	slices.SortStableFunc(s.found, func(a, b near) int { return cmp.Compare(a.bits, b.bits) })
	return s, nil
}

// estimates returns the cheapest of cs, cheapest first.
func estimates(target *family.Sample, cs []store.Candidate) []near {
	type glance struct {
		c        cid.Cid
		sample   family.Sample
		distance float64
	}
	var all []glance
	for _, c := range cs {
		if s, err := family.Decode(c.Sample); err == nil {
			all = append(all, glance{c.Tensor, s, family.Glance(target, &s)})
		}
	}
	slices.SortStableFunc(all, func(a, b glance) int { return cmp.Compare(a.distance, b.distance) })
	var list []near
	for _, g := range all[:min(len(all), maxEstimates)] {
		if bits := family.Estimate(*target, &g.sample); !math.IsInf(bits, 1) {
			list = append(list, near{g.c, bits})
		}
	}
	slices.SortStableFunc(list, func(a, b near) int { return cmp.Compare(a.bits, b.bits) })
	return list
}

// under returns the tensor under which target belongs: the one that it is
// cheapest against, or what is nearest below that where it is full; or Undef if
// it is like none.
func (s *search) under(alone float64) cid.Cid {
	if len(s.found) == 0 || !family.Saves(s.found[0].bits, alone) {
		return cid.Undef
	}
	best := s.found[0].c
	for i, l := range s.levels {
		if l.best.c != best {
			continue
		}
		if i+1 == len(s.levels) || s.levels[i+1].count < maxSiblings {
			break
		}
		best = s.levels[i+1].best.c
	}
	return best
}
