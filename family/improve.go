package family

import "slices"

// maxRounds bounds how often every tensor is looked at. The last is the first
// that saves less than one byte in leastGain: later ones cost as much time.
const (
	maxRounds = 16
	leastGain = 1000
)

// improve makes the moves that pay, those first that save most for what they
// read. Every budget holds, before and after.
func (s *plan) improve() {
	for range maxRounds {
		before := s.cost
		for _, x := range s.steps() {
			if s.in[x.tensor] != x.edge {
				s.try(x.tensor, x.edge)
			}
		}
		for e := range s.p.Edges {
			if len(s.p.Edges[e].More) > 0 {
				s.turn(int32(e))
			}
		}
		if before-s.cost <= before/leastGain {
			return
		}
	}
}

// steps returns the moves that may pay as things are: those that read no more,
// then the others, each by what it saves.
func (s *plan) steps() []step {
	var list []step
	for t := range int32(len(s.in)) {
		gain := s.attraction(t)
		for e := range s.options(t) {
			direct := s.p.stored(t, e) - s.p.stored(t, s.in[t])
			if direct >= gain {
				continue
			}
			_, _, charge, _ := s.weigh(t, e)
			// Bytes that the move saves have no price where it reads no more.
			price := float64(direct) / float64(max(charge-s.charge[t], 1))
			list = append(list, step{t, e, price})
		}
	}
	slices.SortFunc(list, step.compare)
	return list
}

// try stores t by edge e, brings what then exceeds a budget within it again,
// and what is cheaper against t to it. It takes all back, and returns false,
// unless the plan became cheaper.
func (s *plan) try(t, e int32) bool {
	direct := s.p.stored(t, e) - s.p.stored(t, s.in[t])
	if direct >= 0 && s.attraction(t) <= direct || !s.fits(t, e) || s.needs(e, t) {
		return false
	}
	cost := s.cost
	s.move(t, e)
	if s.over() {
		s.repair(t, cost)
	}
	if direct >= 0 && !s.over() {
		s.attract(t)
	}
	if s.over() || s.cost >= cost {
		s.undo(0)
		return false
	}
	s.log = s.log[:0]
	return true
}

// turn stores the target of e, an edge of several bases, by it, after what of
// these needs the target was stored in the cheapest way that does not: what one
// tensor was stacked of may each be a delta of a part of that, and no move of one
// alone pays then. It takes all back unless the plan became cheaper.
func (s *plan) turn(e int32) {
	t, cost := s.p.Edges[e].Target, s.cost
	if s.in[t] == e {
		return
	}
	s.p.Edges[e].bases(func(b int32, _ float32) {
		if s.in[b] < 0 || !s.needs(s.in[b], t) {
			return
		}
		for o := range s.options(b) {
			if !s.needs(o, t) && !s.needs(o, b) && s.fits(b, o) {
				s.move(b, o)
				return
			}
		}
	})
	if s.fits(t, e) && !s.needs(e, t) {
		s.move(t, e)
	}
	if s.over() || s.cost >= cost {
		s.undo(0)
		return
	}
	s.log = s.log[:0]
}

// fits tells whether t by edge e is within the budgets that it is part of, if
// nothing else changes: most moves are refused by this look.
func (s *plan) fits(t, e int32) bool {
	_, _, charge, late := s.weigh(t, e)
	if late {
		return false
	}
	for _, g := range s.groupsOf.of(t) {
		if s.sum[g]-s.charge[t]+charge > s.limit[g] {
			return false
		}
	}
	return true
}

// attraction bounds what is saved if all others that are cheaper against t move
// to it.
func (s *plan) attraction(t int32) int64 {
	sum := int64(0)
	for _, e := range s.out.of(t) {
		w := s.p.Edges[e].Target
		sum += max(0, s.p.stored(w, s.in[w])-s.p.Edges[e].Cost)
	}
	return sum
}

// attract moves to t what is cheaper against it, where budgets allow.
func (s *plan) attract(t int32) {
	for _, e := range s.out.of(t) {
		w := s.p.Edges[e].Target
		if s.p.Edges[e].Cost >= s.p.stored(w, s.in[w]) || !s.fits(w, e) || s.needs(e, w) {
			continue
		}
		mark, cost := len(s.log), s.cost
		s.move(w, e)
		if s.over() {
			s.repair(w, cost)
		}
		if s.over() || s.cost >= cost {
			s.undo(mark)
		}
	}
}

// repair moves what needs t, and exceeds a budget, to the cheapest way that
// does not, as long as the plan stays below cost.
func (s *plan) repair(t int32, cost int64) {
	for _, e := range s.out.of(t) {
		if w := s.p.Edges[e].Target; s.in[w] == e {
			if s.exceeds(w) {
				s.relieve(w)
			}
			if s.over() && s.cost < cost {
				s.repair(w, cost)
			}
		}
		if !s.over() || s.cost >= cost {
			return
		}
	}
}

// relieve stores t in the cheapest way that reads less, and enough less for its
// groups if there is one.
func (s *plan) relieve(t int32) {
	charge, last := s.charge[t], int32(-1)
	for e := range s.options(t) {
		if s.needs(e, t) {
			continue
		}
		if s.fits(t, e) {
			s.move(t, e)
			return
		}
		if _, _, c, late := s.weigh(t, e); c < charge && !late {
			charge, last = c, e
		}
	}
	if s.in[t] != last && !s.needs(last, t) {
		s.move(t, last)
	}
}
