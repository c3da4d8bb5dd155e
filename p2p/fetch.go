package p2p

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"slices"
	"sync"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/zipnode/zipnode/dag"
)

const (
	maxBatch   = 256              // wants of one call
	maxUnmet   = 4096             // wants that a fetch keeps in mind
	maxPlaces  = 1 << 16          // that wait for them: a tensor may be one chunk a million times
	maxFails   = 4                // calls in a row; then a peer leaves
	giveUp     = 3 * time.Second  // stuck for this long, and everyone was asked
	giveUpSwap = 10 * time.Second // the same, when there are peers that only Bitswap can ask
	tick       = 250 * time.Millisecond
	lateTime   = time.Second // after which an idle peer is asked too
)

// A fetch gets wants from the peers of a session: each peer is asked for as
// much as its window allows, what one lacks or fails to send is asked of
// another, and what none has of Bitswap. It runs in the goroutine that ranges
// over it, so a slow consumer slows it down; calls run beside it.
type fetch struct {
	s    *Session
	next func() (*want, bool)
	more bool // next has more

	queue   []*want // to be asked for, first the first
	ahead   int64   // bytes of what was pulled and not yet asked for
	live    map[cid.Cid]*want
	unmet   int             // wants that have not come
	opened  int64           // bytes asked for and not yet used
	places  int             // that wait for these
	calls   map[*batch]bool // under way
	swap    func(context.Context, []cid.Cid) (<-chan blocks.Block, error)
	swapped int64     // bytes of opened that Bitswap was asked for
	lastBy  time.Time // when Bitswap last gave something
	seen    crowdSeen // of the session's crowd
	fed     time.Time // when the crowd last gave something
	slow    time.Time // since when it is much slower than a seed

	wg    sync.WaitGroup
	inbox inbox
}

// News is a block that came, was lacking or was wrong, or the end of a call.
type news struct {
	b    *batch // the call; nil: Bitswap
	i    int    // of the batch; len(b.wants): the call ended, with err
	w    *want  // from Bitswap
	from peer.ID
	data []byte // nil: it is lacking, or wrong and err says so
	err  error
}

// An inbox holds news until the fetch takes it. It is bounded by the budget for
// what was asked for.
type inbox struct {
	mu   sync.Mutex
	list []news
	wake chan struct{}
}

func (b *inbox) put(e news) {
	b.mu.Lock()
	b.list = append(b.list, e)
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

func (b *inbox) take() []news {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := b.list
	b.list = nil
	return list
}

// A batch is the wants of one call.
type batch struct {
	m      *member
	byName bool // the wants are named one by one
	wants  []*want
	told   []bool // of each want: there was news of it
	cost   int64
}

// left returns the wants that there is no news of.
func (b *batch) left() []*want {
	var out []*want
	for i, w := range b.wants {
		if !b.told[i] {
			out = append(out, w)
		}
	}
	return out
}

// An arrival is a block and the places that waited for it.
type arrival struct {
	w     *want
	block blocks.Block
	from  peer.ID
	lent  bool // its bytes may be taken back once it was used
}

// fetch yields the wants of next in the order in which they come. It ends at
// the first error: of ctx, or of a want that no peer has.
func (s *Session) fetch(ctx context.Context, next func() (*want, bool)) iter.Seq2[arrival, error] {
	return func(yield func(arrival, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		f := &fetch{s: s, next: next, more: true, live: map[cid.Cid]*want{}, calls: map[*batch]bool{}}
		f.inbox.wake = make(chan struct{}, 1)
		defer f.close(cancel)
		if err := f.run(ctx, yield); err != nil {
			yield(arrival{}, err)
		}
	}
}

// close ends the calls under way and gives back the budget and the windows.
func (f *fetch) close(cancel context.CancelFunc) {
	cancel()
	f.wg.Wait()
	for b := range f.calls {
		for _, w := range b.left() {
			f.landed(b.m, w)
		}
	}
	f.s.spend(-f.opened)
}

func (f *fetch) run(ctx context.Context, yield func(arrival, error) bool) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		changed := f.s.changes()
		if err := f.fill(ctx); err != nil {
			return err
		}
		if f.unmet == 0 && !f.more {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-f.inbox.wake:
		case <-changed:
		case <-ticker.C:
		}
		var came []arrival
		for _, e := range f.inbox.take() {
			a, err := f.handle(ctx, e)
			if err != nil {
				return err
			}
			if a != nil {
				came = append(came, *a)
			}
		}
		if err := f.fill(ctx); err != nil { // before what came is used, which takes its time
			return err
		}
		for _, a := range came {
			if !yield(a, nil) {
				return nil
			}
			f.used(a.w)
		}
		if err := f.check(); err != nil {
			return err
		}
	}
}

// start sends a batch on its way.
func (f *fetch) start(ctx context.Context, b *batch) {
	f.s.mu.Lock()
	if b.m.inFlight == 0 {
		b.m.since, b.m.got = time.Now(), 0
	}
	b.m.inFlight += b.cost
	b.byName = b.m.partial
	f.s.mu.Unlock()
	f.calls[b] = true
	b.told = make([]bool, len(b.wants))
	for _, w := range b.wants {
		w.asked++
		w.by, w.sent = b.m, time.Now()
		f.pay(w)
	}
	f.wg.Go(func() {
		err := f.call(ctx, b)
		f.inbox.put(news{b: b, i: len(b.wants), from: b.m.id, err: err})
	})
}

// pay takes w, which is asked for, from the budget, until it is used: what lies
// here and waits for that is in memory like what is under way.
func (f *fetch) pay(w *want) {
	if w.paid {
		return
	}
	w.paid = true
	f.opened += w.cost()
	f.ahead -= w.cost()
	f.s.spend(w.cost())
}

// refund gives back what w took from the budget, unless Bitswap may still bring it.
// Else what failed would wait for room that it takes itself.
func (f *fetch) refund(w *want) {
	if w.paid && !w.swap {
		w.paid = false
		f.opened -= w.cost()
		f.ahead += w.cost()
		f.s.spend(-w.cost())
	}
}

// used gives back what w took from the budgets.
func (f *fetch) used(w *want) {
	f.opened -= w.cost()
	f.s.spend(-w.cost())
	if w.swap {
		f.swapped -= w.cost()
	}
}

// request returns the message that asks for the batch.
func (b *batch) request() *request {
	// Who fetches too may not have the recipe yet.
	if first := b.wants[0]; !b.byName && contiguous(b.wants) {
		return &request{kind: kindRange, recipe: first.recipe, first: uint64(first.index), count: len(b.wants)}
	}
	q := &request{kind: kindBlocks}
	for _, w := range b.wants {
		q.cids = append(q.cids, w.c)
	}
	return q
}

// contiguous reports whether wants are one run of a recipe's chunks.
func contiguous(wants []*want) bool {
	first := wants[0]
	for i, w := range wants {
		if !w.recipe.Defined() || w.recipe != first.recipe || w.index != first.index+i {
			return false
		}
	}
	return true
}

// call asks for a batch and puts what comes into the inbox, each block checked.
// Of a block that is wrong it returns the *dag.CorruptError.
func (f *fetch) call(ctx context.Context, b *batch) error {
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	var checks sync.WaitGroup
	c := newCall(b.request(), func(h header, body []byte) error {
		i := int(h.item)
		if h.kind == kindAbsent {
			for j := range int(binary.BigEndian.Uint32(body)) {
				f.inbox.put(news{b: b, i: i + j, from: b.m.id})
			}
			return nil
		}
		checks.Add(1)
		f.s.h.checks.check(b.wants[i].c, body, func(err error) {
			defer checks.Done()
			if bad, ok := errors.AsType[*dag.CorruptError](err); ok {
				bad.From = b.m.id.String()
			}
			if err != nil {
				fail(err)
				return
			}
			f.inbox.put(news{b: b, i: i, from: b.m.id, data: body})
		})
		return nil
	})
	c.weight = b.cost
	c.answer.length = func(i int) int { return b.wants[i].length }
	err := f.s.h.remote(b.m.id).do(ctx, c)
	c.leave() // the stream may have been ended by another, and be reading
	checks.Wait()
	if bad := context.Cause(ctx); lied(bad) {
		return bad
	}
	return err
}

// handle takes news. It returns an arrival for a block that was waited for.
func (f *fetch) handle(ctx context.Context, e news) (*arrival, error) {
	if e.b == nil {
		f.lastBy = time.Now()
		return f.came(e.w, e)
	}
	if e.i == len(e.b.wants) {
		f.ended(ctx, e)
		return nil, nil
	}
	w := e.b.wants[e.i]
	e.b.told[e.i] = true
	f.landed(e.b.m, w)
	if e.data == nil {
		if w.holders&(1<<e.b.m.slot) != 0 {
			f.s.boasted(e.b.m)
		}
		w.lacks(e.b.m)
		f.again(w)
		return nil, nil
	}
	if e.b.m.partial {
		f.fed = time.Now()
	}
	f.flow(e.b.m, len(e.data))
	return f.came(w, e)
}

// landed takes w out of m's flight.
func (f *fetch) landed(m *member, w *want) {
	w.asked--
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	m.inFlight -= w.cost()
	f.s.feed()
}

// again queues w, before what was not asked for yet.
func (f *fetch) again(w *want) {
	if !w.done && w.asked == 0 {
		w.stuck = time.Time{}
		f.refund(w)
		f.queue = append([]*want{w}, f.queue...)
	}
}

// came hands on a block that came.
func (f *fetch) came(w *want, e news) (*arrival, error) {
	if w.done {
		return nil, nil // a second copy
	}
	b, err := blocks.NewBlockWithCid(e.data, w.c)
	if err != nil {
		return nil, err
	}
	w.done = true
	delete(f.live, w.c)
	f.unmet--
	f.places -= len(w.places)
	f.s.holds(w)
	f.s.gained(e.from, len(e.data))
	return &arrival{w: w, block: b, from: e.from, lent: e.b != nil}, nil
}

// flow fits m's window to twice what bandwidth and delay make of it.
func (f *fetch) flow(m *member, n int) {
	rtt := f.s.h.remote(m.id).roundTrip()
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	m.fails = 0
	m.got += int64(n)
	took := time.Since(m.since)
	if took < max(100*time.Millisecond, rtt) {
		return
	}
	rate := float64(m.got) / took.Seconds()
	if m.rate == 0 {
		m.rate = rate
	}
	m.rate = (m.rate + rate) / 2
	m.since, m.got = time.Now(), 0
	fit := int64(2 * m.rate * (rtt + 5*time.Millisecond).Seconds())
	m.fit = min(fit, mostWindow)
	m.window = min(max(fit, startWindow), mostWindow)
}

// ended takes the end of a call: what it left unanswered is asked for again.
func (f *fetch) ended(ctx context.Context, e news) {
	if ctx.Err() != nil {
		return
	}
	delete(f.calls, e.b)
	if e.err == nil {
		return
	}
	m, left := e.b.m, e.b.left()
	fails := 0
	if !errors.Is(e.err, errReset) { // else we reset it ourselves, for another fetch that stopped
		fails = f.s.failed(m)
	}
	switch {
	case lied(e.err):
		if w := accused(left, e.err); w != nil {
			w.liar = e.err
			w.lacks(m)
		}
		f.s.Drop(m.id, e.err)
	case errors.Is(e.err, errStalled) || fails > maxFails:
		f.s.log.Debug("peer left out", "peer", m.id, "err", e.err)
		f.s.stalled(m)
	}
	for _, w := range slices.Backward(left) {
		w.asks(m)
		f.landed(m, w)
		f.again(w)
	}
}

// accused returns which of the wants a peer lied about: the one that err names,
// or the first, whose turn it was.
func accused(left []*want, err error) *want {
	if bad, ok := errors.AsType[*dag.CorruptError](err); ok {
		for _, w := range left {
			if w.c.Equals(bad.CID) {
				return w
			}
		}
	}
	if len(left) == 0 {
		return nil
	}
	return left[0]
}
