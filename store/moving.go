package store

import "slices"

// A moving is a pack that is rewritten: it makes interrupted leases follow their
// blocks.
type moving struct {
	s  *Store
	n  uint32
	to map[uint64]*span // where the blocks of each lease that has some went
}

// followers returns the moving of pack n.
func (s *Store) followers(n uint32) *moving {
	m := &moving{s, n, map[uint64]*span{}}
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	for id, l := range s.leases.left {
		for _, sp := range l.spans {
			if sp.from.pack <= n && n <= sp.to.pack {
				m.to[id] = new(span)
			}
		}
	}
	return m
}

// moved says that a block went from one place to another, further behind than
// those before it.
func (m *moving) moved(from, to place) {
	if len(m.to) == 0 {
		return
	}
	m.s.leases.mu.Lock()
	defer m.s.leases.mu.Unlock()
	for id, went := range m.to {
		if slices.ContainsFunc(m.s.leases.left[id].spans, func(sp span) bool { return sp.has(from) }) {
			if *went == (span{}) {
				went.from = place{pack: to.pack, offset: to.offset}
			}
			went.to = place{pack: to.pack, offset: to.offset + 1}
		}
	}
}

// done notes where the blocks went.
func (m *moving) done() {
	m.s.leases.mu.Lock()
	defer m.s.leases.mu.Unlock()
	for id, went := range m.to {
		if l, ok := m.s.leases.left[id]; ok && *went != (span{}) {
			l.spans = append(slices.Clone(l.spans), *went)
			m.s.leave(id, l)
		}
	}
}

// gone takes away what lay in the pack, which is no more.
func (m *moving) gone() {
	m.s.leases.mu.Lock()
	defer m.s.leases.mu.Unlock()
	for id := range m.to {
		l, ok := m.s.leases.left[id]
		if !ok {
			continue
		}
		l.spans = slices.Clone(l.spans)
		for i, sp := range l.spans {
			if sp.from.pack == m.n {
				l.spans[i].from = place{pack: m.n + 1}
			}
			if sp.to.pack == m.n {
				l.spans[i].to = place{pack: m.n}
			}
		}
		m.s.leave(id, l)
	}
}
