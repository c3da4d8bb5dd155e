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
	maxRoots    = 256
	// maxGlances is how many of a level, those whose sketches are nearest, have
	// their samples read.
	maxGlances = 6
	// maxLevels bounds how far down a group is followed: 64^4 tensors.
	maxLevels = 4
	// maxEstimates is how many are estimated: those that a glance finds nearest,
	// beside the nearest of each level, one of which is likely stand-alone.
	maxEstimates = 4
)

// A near is a stored tensor beside which another was estimated.
type near struct {
	c    cid.Cid
	bits float64 // of a unit
}

// A search is what was found for one tensor in its group. A group is kept as a
// tree, each tensor under one that it is like, with at most 64 under each: of a
// family of thousands the sketches of a few hundred are looked at, and of each
// level a few samples.
type search struct {
	found  []near  // the cheapest first
	levels []level // from the top on, each under the nearest of the one above
}

type level struct {
	nearest cid.Cid
	count   int // of its tensors
}

// A glimpse is a candidate that was glanced at.
type glimpse struct {
	c        cid.Cid
	sample   family.Sample
	distance float64
}

// nearest looks in group for what target is cheapest against.
func (n *Node) nearest(target *family.Sample, group string) (search, error) {
	list, levels, err := n.descend(target, group)
	return search{found: estimates(target, list), levels: levels}, err
}

// descend glances at the candidates of group, from the top of its tree down, and
// returns those worth an estimate.
func (n *Node) descend(target *family.Sample, group string) ([]glimpse, []level, error) {
	var path, rest []glimpse
	var levels []level
	sketch := target.Sketch()
	under, most := cid.Undef, maxRoots
	for range maxLevels {
		members, err := n.store.Members(group, under, most)
		if err != nil {
			return nil, nil, err
		}
		list := glance(target, n.likely(&sketch, members))
		if len(list) == 0 {
			break
		}
		path = append(path, list[0])
		rest = append(rest, list[1:min(len(list), 1+maxEstimates)]...)
		levels = append(levels, level{list[0].c, len(members)})
		under, most = list[0].c, maxSiblings
	}
	byDistance(rest)
	return append(path, rest[:min(len(rest), maxEstimates)]...), levels, nil
}

// likely reads those of members whose sketches are nearest to target, and those
// without one, as entries of before are.
func (n *Node) likely(target *family.Sketch, members []store.Member) []store.Candidate {
	type entry struct {
		at       int
		distance float64
	}
	list := make([]entry, 0, len(members))
	bare := 0
	for i, m := range members {
		if s, err := family.DecodeSketch(m.Sketch); err == nil {
			list = append(list, entry{i, target.Glance(&s)})
		} else {
			list = append(list, entry{i, -1})
			bare++
		}
	}
	slices.SortFunc(list, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.at, b.at))
	})
	var out []store.Candidate
	for _, e := range list {
		if len(out) == maxGlances+bare {
			break
		}
		if c, ok := n.store.Candidate(members[e.at]); ok {
			out = append(out, c)
		}
	}
	return out
}

// glance returns those of cs that have a sample, the nearest first.
func glance(target *family.Sample, cs []store.Candidate) []glimpse {
	list := make([]glimpse, 0, len(cs))
	for _, c := range cs {
		if s, err := family.Decode(c.Sample); err == nil {
			list = append(list, glimpse{c.Tensor, s, family.Glance(target, &s)})
		}
	}
	byDistance(list)
	return list
}

func byDistance(list []glimpse) {
	slices.SortStableFunc(list, func(a, b glimpse) int { return cmp.Compare(a.distance, b.distance) })
}

// estimates returns what target takes against each of list, the cheapest first.
func estimates(target *family.Sample, list []glimpse) []near {
	var out []near
	for i := range list {
		g := &list[i]
		if bits := family.Estimate(*target, &g.sample); !math.IsInf(bits, 1) {
			out = append(out, near{g.c, bits})
		}
	}
	slices.SortStableFunc(out, func(a, b near) int { return cmp.Compare(a.bits, b.bits) })
	return out
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
		if l.nearest != best {
			continue
		}
		if i+1 == len(s.levels) || s.levels[i+1].count < maxSiblings {
			break
		}
		best = s.levels[i+1].nearest
	}
	return best
}
