package p2p

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/zipnode/zipnode/dag"
)

const (
	lookAhead = 512 << 20 // bytes that a fetch in a crowd chooses from

	// In a crowd a peer is asked for the next batch, of this size or one chunk,
	// when no more is in flight from it than bandwidth and delay make of it: with
	// two chunks each in flight, six fetchers wait for twelve to come at the same
	// moment, and have nothing to give each other until then.
	// Who fetches too is the link of few, and may have more in flight.
	crowdBatch = 256 << 10
	crowdRelay = 1 << 20

	// Who has brought its own helps an owner that has so much to bring yet, and as
	// much for each who comes before it: less may be on its way already.
	spareBytes = 2 << 20

	// What another fetcher is to bring is left to it for as long as it had
	// something new not longer ago than ownTime. A seed that has nothing else to
	// do for us is asked all the same once nobody fed us for patience.
	ownTime  = time.Second
	patience = 500 * time.Millisecond
)

// A crowd is several who fetch the same at once, from a seed or a few, and feed
// each other. Each chunk has an owner among them, by rendezvous hashing over
// those who know of each other, without a word: the owner asks a seed for it,
// the others ask the owner, and then each other, the rarest chunk first.

// crowdSeen is what a fetch last took in of the session's crowd.
type crowdSeen struct {
	version, crowd int
	partial        []*member // with holdings, as of version
}

// look takes in what changed in the crowd, and reports whether there is one.
func (f *fetch) look(members []*member) bool {
	f.s.mu.Lock()
	version, crowd := f.s.version, f.s.crowd
	moved, changed := crowd != f.seen.crowd, version != f.seen.version
	if moved || changed {
		f.seen.version, f.seen.crowd = version, crowd
		f.seen.partial = f.seen.partial[:0]
		for _, m := range members {
			if m.partial {
				f.seen.partial = append(f.seen.partial, m)
			}
		}
		for _, w := range f.live {
			w.holders = f.holders(w)
		}
	}
	f.s.mu.Unlock()
	if moved || changed {
		f.fed = time.Now()
	}
	if moved {
		for _, w := range f.live {
			f.own(w)
		}
	}
	return len(f.seen.partial) > 0
}

// meet gives a new want its place in the crowd.
func (f *fetch) meet(w *want) {
	w.dice = rand.Uint32()
	if len(f.seen.partial) == 0 {
		return
	}
	f.s.mu.Lock()
	w.holders = f.holders(w)
	f.s.mu.Unlock()
	f.own(w)
}

// holders returns the slots of the partial members that hold w. The caller holds
// the session's mu.
func (f *fetch) holders(w *want) uint64 {
	if !w.recipe.Defined() {
		return 0
	}
	var out uint64
	for _, m := range f.seen.partial {
		if m.holds.has(w.recipe, w.index) {
			out |= 1 << m.slot
		}
	}
	return out
}

// own finds out who brings w from a seed, and how soon we would stand in.
func (f *fetch) own(w *want) {
	mine := weight(w, f.s.h.ID())
	w.owner, w.heft, w.turn = nil, mine, 0
	for _, m := range f.seen.partial {
		n := weight(w, m.id)
		if n > mine {
			w.turn++
		}
		if n > w.heft {
			w.owner, w.heft = m, n
		}
	}
}

// weight is what rendezvous hashing makes of a want and a peer.
func weight(w *want, p peer.ID) uint64 {
	sum := sha256.Sum256(append([]byte(w.c.Hash()), p...))
	return binary.BigEndian.Uint64(sum[:])
}

// without reports whether m fetches the root itself and does not say that it has
// w.
func (w *want) without(m *member) bool {
	return m.partial && w.holders&(1<<m.slot) == 0
}

// The order in which a seed is asked.
const (
	ours    = iota // nobody has it, and we are its owner
	loose          // nobody has it, and its owner does not get on
	spare          // nobody has it, and its owner has others to bring before it
	another        // its owner brings it, or someone has it
)

// rank says how soon w is asked of a seed. left is how many bytes that nobody has
// each owner is to bring.
func (f *fetch) rank(w *want, left map[*member]int64, now time.Time) int {
	switch {
	case !w.recipe.Defined():
		return ours // nodes and the like: nobody tells of them
	case w.holders != 0:
		return another
	case w.owner == nil:
		return ours
	case now.Sub(w.owner.news) > ownTime:
		return loose
	case left[w.owner] > int64(w.turn)*spareBytes:
		return spare
	}
	return another
}

// A choice is a want and what speaks for it.
type choice struct {
	w    *want
	rank int
}

// compare puts what is to be asked first first. Of what we own the heaviest comes
// first, of what another owns the lightest, so that we do not meet; and each
// stands in where it is next in turn.
func (c choice) compare(o choice) int {
	by := cmp.Or(cmp.Compare(c.rank, o.rank), cmp.Compare(bits.OnesCount64(c.w.holders), bits.OnesCount64(o.w.holders)))
	switch {
	case by != 0:
		return by
	case c.rank == ours && c.w.holders == 0:
		return cmp.Compare(o.w.heft, c.w.heft)
	case c.rank == spare:
		return cmp.Or(cmp.Compare(c.w.turn, o.w.turn), cmp.Compare(c.w.heft, o.w.heft))
	}
	return cmp.Compare(c.w.dice, o.w.dice)
}

// rarest fills b with what is best asked of its member: of a seed, what nobody
// else brings; of who fetches too, what it has; the rarest first; without room only
// what is paid.
func (f *fetch) rarest(b *batch, size int64, members []*member, room bool) error {
	for f.pull(true) {
	}
	m := b.m
	var list []choice
	now := time.Now()
	left := map[*member]int64{}
	for _, w := range f.queue {
		if !w.done && w.holders == 0 && w.owner != nil {
			left[w.owner] += w.cost()
		}
	}
	f.s.mu.Lock()
	for _, w := range f.queue {
		if w.done || w.tried[m] || !room && !w.paid || w.without(m) || !m.has.Load() && !f.lastResort(w, members) {
			continue
		}
		c := choice{w: w}
		if !m.partial {
			c.rank = f.rank(w, left, now)
		}
		list = append(list, c)
	}
	most := f.steal(m, list, size, now)
	f.s.mu.Unlock()
	slices.SortFunc(list, choice.compare)
	for _, c := range list {
		if b.cost >= size || len(b.wants) == maxBatch || c.rank == another && b.cost >= most {
			break
		}
		if err := dag.Supported(c.w.c); err != nil {
			return err
		}
		b.wants = append(b.wants, c.w)
		b.cost += c.w.cost()
	}
	f.unqueue(b)
	return nil
}

// steal returns how many bytes may be asked of m that are another's to bring:
// none while m has something else to do for us, or while the crowd feeds us and
// is not much slower than m is. The caller holds the session's mu.
func (f *fetch) steal(m *member, list []choice, size int64, now time.Time) int64 {
	if m.partial {
		return size
	}
	if slices.ContainsFunc(list, func(c choice) bool { return c.rank != another }) {
		f.fed, f.slow = now, now
		return 0
	}
	rate := 0.0
	for _, o := range f.seen.partial {
		if now.Sub(o.since) < time.Second {
			rate += o.rate
		}
	}
	if rate >= m.rate/4 {
		f.slow = now
	}
	if now.Sub(f.slow) > 2*patience {
		return size
	}
	if m.inFlight > 0 || now.Sub(f.fed) < patience {
		return 0
	}
	f.fed = now // one batch, and then another chance for the crowd
	return size
}

// unqueue takes the wants of b out of the queue.
func (f *fetch) unqueue(b *batch) {
	if len(b.wants) == 0 {
		return
	}
	in := make(map[*want]bool, len(b.wants))
	for _, w := range b.wants {
		in[w] = true
	}
	f.queue = slices.DeleteFunc(f.queue, func(w *want) bool { return w.done || in[w] })
}

// holds notes that w is here now, for others to be told.
func (s *Session) holds(w *want) {
	if !w.recipe.Defined() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hold(w.recipe, w.index)
}

// maxBroken is how often a peer may lack what it said it holds; then it is not
// listened to any more.
const maxBroken = 8

// boasted notes that m lacked what it said it holds.
func (s *Session) boasted(m *member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.broken++; m.broken >= maxBroken && !m.deaf {
		m.deaf, m.holds = true, holdings{}
		s.version++
	}
}
