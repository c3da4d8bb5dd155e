package p2p

import (
	"context"
	"time"

	"github.com/zipnode/zipnode/dag"
)

// fill gives every peer as much to do as it has room for.
func (f *fetch) fill(ctx context.Context) error {
	f.s.mu.Lock()
	members := f.s.ranked()
	f.s.mu.Unlock()
	crowd := f.look(members)
	for given := true; given; {
		given = false
		for _, m := range members { // a batch each in turn, so that a small fetch is shared too
			b, err := f.pick(m, members, crowd)
			if err != nil {
				return err
			}
			if b != nil {
				f.start(ctx, b)
				given = true
			}
		}
	}
	return f.idle(ctx, members)
}

// idle pulls wants as long as there is budget even if no peer is there to take
// them, and marks those stuck that no peer is left for.
func (f *fetch) idle(ctx context.Context, members []*member) error {
	if len(members) == 0 {
		for f.pull(false) {
		}
	}
	var stuck []*want
	rest := f.queue[:0]
	for _, w := range f.queue {
		if w.done {
			continue
		}
		if f.hopeless(w, members) {
			stuck = append(stuck, w)
			continue
		}
		w.stuck = time.Time{}
		rest = append(rest, w)
	}
	clear(f.queue[len(rest):])
	f.queue = rest
	return f.bySwap(ctx, stuck)
}

// hopeless reports whether every member was tried for w that may have it.
func (f *fetch) hopeless(w *want, members []*member) bool {
	for _, m := range members {
		if !w.tried[m] && !w.without(m) {
			return false
		}
	}
	return true
}

// pull takes one want from the input, if there is room, and reports whether it
// did. In a crowd it looks far ahead, so that there is something to choose from.
func (f *fetch) pull(crowd bool) bool {
	room := f.s.room
	if crowd {
		room = func() bool { return f.ahead < lookAhead }
	}
	if !f.more || f.unmet >= maxUnmet || f.places >= maxPlaces || (f.unmet > 0 && !room()) { // one at least, so that no fetch starves
		return false
	}
	w, ok := f.next()
	if !ok {
		f.more = false
		return false
	}
	f.places += len(w.places)
	if same := f.live[w.c]; same != nil { // asked for already: one copy serves both
		same.places = append(same.places, w.places...)
		return true
	}
	f.live[w.c] = w
	f.unmet++
	f.ahead += w.cost()
	f.meet(w)
	f.queue = append(f.queue, w)
	return true
}

// pick takes wants for m from the queue and the input, as many as make a batch.
// It returns nil when there is no room or nothing for m.
func (f *fetch) pick(m *member, members []*member, crowd bool) (*batch, error) {
	f.s.mu.Lock()
	size := max(m.window/8, min(m.window/4, int64(m.rate*batchTime.Seconds())))
	full := m.window-m.inFlight < size
	if crowd {
		size, full = crowdBatch, m.inFlight > m.fit
		if m.partial {
			full = m.inFlight > max(m.fit, crowdRelay)
		}
	}
	full = full || time.Now().Before(m.rest)
	if full {
		f.s.starved = true
	}
	f.s.mu.Unlock()
	if full {
		return nil, nil
	}
	room := f.opened == 0 || f.s.room()
	b := &batch{m: m}
	var err error
	if crowd {
		err = f.rarest(b, size, members, room)
	} else {
		err = f.inOrder(b, size, members, room)
	}
	if err != nil {
		return nil, err
	}
	if len(b.wants) == 0 {
		f.late(b)
	}
	if len(b.wants) == 0 {
		return nil, nil
	}
	return b, nil
}

// inOrder fills b with what is first in the queue and the input. Without room only
// what is paid is asked for, such as what Bitswap was asked for in vain.
func (f *fetch) inOrder(b *batch, size int64, members []*member, room bool) error {
	m := b.m
	kept := f.queue[:0:0]
	i := 0
	for ; b.cost < size && len(b.wants) < maxBatch; i++ {
		if i == len(f.queue) && !f.pull(false) {
			break
		}
		if i == len(f.queue) { // the pulled one joined another
			i--
			continue
		}
		w := f.queue[i]
		if w.done {
			continue
		}
		if err := dag.Supported(w.c); err != nil {
			return err
		}
		if w.tried[m] || !room && !w.paid || (!m.has.Load() && !f.lastResort(w, members)) {
			kept = append(kept, w)
			continue
		}
		b.wants = append(b.wants, w)
		b.cost += w.cost()
	}
	f.queue = f.queue[i:]
	if len(kept) > 0 {
		f.queue = append(kept, f.queue...)
	}
	return nil
}

// late fills b, for a member that has nothing else to do, with the one want
// that another has been asked for longest and long enough. Each is asked for
// twice at most.
func (f *fetch) late(b *batch) {
	if f.more || !b.m.has.Load() {
		return
	}
	var oldest *want
	for _, w := range f.live {
		if w.asked == 1 && !w.tried[b.m] && !w.without(b.m) && w.by != b.m && time.Since(w.sent) > lateTime &&
			(oldest == nil || w.sent.Before(oldest.sent)) {
			oldest = w
		}
	}
	if oldest != nil {
		b.wants, b.cost = []*want{oldest}, oldest.cost()
	}
}

// lastResort reports whether every member that has the root was tried for w.
func (f *fetch) lastResort(w *want, members []*member) bool {
	for _, m := range members {
		if m.has.Load() && !w.tried[m] && !w.without(m) {
			return false
		}
	}
	return true
}
