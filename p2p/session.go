package p2p

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/bits"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"

	"github.com/zipnode/zipnode/dag"
)

const (
	sessionBudget = 64 << 20 // bytes asked for and not yet used
	startWindow   = 8 << 20  // bytes in flight from one peer
	mostWindow    = 32 << 20
	batchTime     = 2500 * time.Microsecond // that a call takes at least, if four fit into the window

	maxMembers   = 64 // peers of a session
	maxStrangers = 32 // of these, peers that have not the root
	maxProviders = 20 // of one look-up
	askTime      = 10 * time.Second
	lookupTime   = 10 * time.Second
	maxStalls    = 2               // of a peer; it is asked last after one, and then no more
	makesUp      = 64 << 20        // bytes that a peer sent since it stalled: that is forgotten
	reachTime    = 5 * time.Second // to dial a provider: popular CIDs collect dead ones
	firstPeers   = 5 * time.Second // a host that just started may take to know anyone
	lookAgain    = 5 * time.Second // doubled up to lookRarely
	lookRarely   = time.Minute
)

// ErrNoProvider is wrapped when no peer that could be found has a block. It is
// itself a dag.ErrNotFound.
var ErrNoProvider error = noProvider{}

type noProvider struct{}

func (noProvider) Error() string { return "no provider" }
func (noProvider) Unwrap() error { return dag.ErrNotFound }

// A Session fetches what belongs to one root, from several peers at once. Its
// methods may be called by many goroutines at once.
type Session struct {
	h    *Host
	root cid.Cid
	log  *slog.Logger
	wg   sync.WaitGroup // calls to peers, look-ups
	kick chan struct{}  // asks for a look-up now

	hailed chan struct{} // someone calls
	bell   chan struct{} // something is held that was not

	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, when anything below changes
	members map[peer.ID]*member
	dropped map[peer.ID]error
	stalls  map[peer.ID]stalls
	asking  int       // peers asked whether they have the root, no answer yet
	greeted bool      // the peers connected at the start were all asked
	rounds  int       // look-ups finished
	began   time.Time // when the last finished look-up began
	open    int64     // bytes asked for and not yet used
	budget  int64     // then no more is asked for
	starved bool      // a fetch waits for room
	fetched int64
	sources map[peer.ID]int64

	held       []holding // in the order in which it came
	mine       holdings  // the same
	version    int       // of what members hold
	crowd      int       // changes when a member that fetches comes or goes
	callers    map[peer.ID]bool
	introduced map[peer.ID]bool // by others
}

// A member is a peer that a session asks.
type member struct {
	id peer.ID
	// has the root, or announced something asked for; others are asked last. It is
	// read without the session's mu.
	has      atomic.Bool
	inFlight int64
	window   int64
	rate     float64 // bytes a second, smoothed
	since    time.Time
	got      int64     // since then
	fails    int       // calls in a row
	rest     time.Time // until then it is not asked

	slot    int       // of the session's, below maxMembers
	partial bool      // it fetches the root itself: it is asked for what it says it holds
	holds   holdings  // of a partial one
	news    time.Time // when it last said something new
	broken  int       // times that it lacked what it said it holds
	deaf    bool      // what it says is not believed any more
	told    int       // of what is held here
	telling bool

	fit int64 // bytes in flight that bandwidth and delay ask for
}

// WithSession calls fn with a session on root. Every goroutine that the session
// started has ended when WithSession returns, but for one of the host that tells
// others who fetch the root what is here; fn must not keep the session.
func (h *Host) WithSession(ctx context.Context, root cid.Cid, fn func(context.Context, *Session) error) error {
	ctx, cancel := context.WithCancel(ctx)
	s := &Session{
		h: h, root: root, log: h.log.With("root", root),
		kick:    make(chan struct{}, 1),
		changed: make(chan struct{}),
		members: map[peer.ID]*member{},
		dropped: map[peer.ID]error{},
		stalls:  map[peer.ID]stalls{},
		sources: map[peer.ID]int64{},
		budget:  sessionBudget,

		hailed: make(chan struct{}, 1), bell: make(chan struct{}, 1),
		callers: map[peer.ID]bool{}, introduced: map[peer.ID]bool{},
	}
	defer func() {
		cancel()
		s.wg.Wait()
		h.wg.Go(s.farewell)
	}()
	h.register(s)
	defer h.unregister(s)
	sub, err := h.host.EventBus().Subscribe([]any{
		new(event.EvtPeerIdentificationCompleted),
		new(event.EvtPeerConnectednessChanged),
	}, eventbus.BufSize(256))
	if err != nil {
		return fmt.Errorf("session: %w", err)
	}
	s.wg.Go(func() { s.watch(ctx, sub) })
	s.wg.Go(func() { s.search(ctx) })
	s.wg.Go(func() { s.mingle(ctx) })
	s.wg.Go(func() { s.tell(ctx) })
	return fn(ctx, s)
}

// touch tells those who wait that something changed. The caller holds mu.
func (s *Session) touch() {
	close(s.changed)
	s.changed = make(chan struct{})
}

// watch takes in peers as they connect.
func (s *Session) watch(ctx context.Context, sub event.Subscription) {
	defer sub.Close()
	var first sync.WaitGroup
	for _, p := range s.h.host.Network().Peers() {
		if s.h.speaks(p) {
			first.Go(func() { s.ask(ctx, p, false) })
		}
	}
	s.wg.Go(func() {
		first.Wait()
		s.mu.Lock()
		s.greeted = true
		s.touch()
		s.mu.Unlock()
	})
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-sub.Out():
			switch e := e.(type) {
			case event.EvtPeerIdentificationCompleted:
				if s.h.speaks(e.Peer) {
					s.wg.Go(func() { s.ask(ctx, e.Peer, false) })
				}
			case event.EvtPeerConnectednessChanged:
				if !s.h.connected(e.Peer) {
					s.leave(e.Peer)
				}
			}
		}
	}
}

// ask asks p whether it has the root, and makes it a member. A provider is one
// that announced what the session looks for, whatever it says of the root.
func (s *Session) ask(ctx context.Context, p peer.ID, provider bool) {
	s.mu.Lock()
	m := s.members[p]
	if s.dropped[p] != nil || s.stalls[p].times >= maxStalls || (m != nil && (m.has.Load() || !provider)) {
		s.mu.Unlock()
		return
	}
	s.asking++
	s.mu.Unlock()

	greeted := make(chan bool, 1)
	s.wg.Go(func() {
		fetches, _ := s.greet(ctx, p)
		greeted <- fetches
	})
	has, err := s.have(ctx, p)
	fetches := <-greeted

	s.mu.Lock()
	defer s.mu.Unlock()
	s.asking--
	defer s.touch()
	if err != nil {
		s.log.Debug("peer not asked", "peer", p, "err", err)
		return
	}
	s.join(p, has || provider || fetches)
	if m := s.members[p]; m != nil && fetches {
		s.fetches(m)
	}
	s.ring()
}

// have asks p whether it has the root, and times the round trip.
func (s *Session) have(ctx context.Context, p peer.ID) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	has := false
	c := newCall(&request{kind: kindHave, cids: []cid.Cid{s.root}}, func(_ header, body []byte) error {
		has = bit(body, 0)
		return nil
	})
	r := s.h.remote(p)
	began := time.Now()
	err := r.do(ctx, c)
	if err != nil {
		return false, err
	}
	r.measured(time.Since(began))
	return has, nil
}

// join makes p a member. The caller holds mu.
func (s *Session) join(p peer.ID, has bool) {
	if s.dropped[p] != nil {
		return
	}
	if s.stalls[p].times > 0 {
		has = false // it answers, but may stall again: asked when nobody else is left
	}
	if m := s.members[p]; m != nil {
		if has {
			m.has.Store(true)
		}
		return
	}
	strangers := 0
	for _, m := range s.members {
		if !m.has.Load() {
			strangers++
		}
	}
	if len(s.members) >= maxMembers || (!has && strangers >= maxStrangers) {
		return
	}
	m := &member{id: p, window: startWindow, slot: s.freeSlot()}
	m.has.Store(has)
	s.members[p] = m
	s.version++
	s.log.Debug("peer joined", "peer", p, "has root", has)
}

// freeSlot returns a number that no member has. The caller holds mu.
func (s *Session) freeSlot() int {
	var used uint64
	for _, m := range s.members {
		used |= 1 << m.slot
	}
	return bits.TrailingZeros64(^used)
}

func (s *Session) leave(p peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members[p] != nil {
		s.remove(p)
		s.touch()
	}
}

// remove forgets a member. The caller holds mu.
func (s *Session) remove(p peer.ID) {
	delete(s.members, p)
	s.version++
	s.crowd++
}

// stalls is how often a peer stalled without making up for it, and how much it had
// sent when it last did.
type stalls struct {
	times int
	after int64
}

// stalled makes m leave, whose other calls may have stalled with this one. It is
// asked again with the next look-up, and may come back if it answers. In a fetch of
// hours a network fails more than once.
func (s *Session) stalled(m *member) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.members[m.id] != m {
		return
	}
	was, sent := s.stalls[m.id], s.sources[m.id]
	if sent-was.after >= makesUp {
		was.times = 0
	}
	s.stalls[m.id] = stalls{was.times + 1, sent}
	s.remove(m.id)
	s.touch()
}

// Drop ends dealing with p, which lied, closes its connections, and gives its
// share to others. Three offences in ten minutes ban it for ten.
func (s *Session) Drop(p peer.ID, reason error) {
	s.mu.Lock()
	again := s.dropped[p] != nil
	s.dropped[p] = reason
	s.remove(p)
	s.touch()
	s.mu.Unlock()
	if !again {
		s.h.offend(p, reason)
	}
}

// Stats is what a session fetched.
type Stats struct {
	Fetched int64 // bytes of blocks, verified
	Peers   int   // that sent any
}

// Stats returns what was fetched so far.
func (s *Session) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return Stats{Fetched: s.fetched, Peers: len(s.sources)}
}

// Sources returns how many bytes of blocks each peer sent, verified.
func (s *Session) Sources() map[peer.ID]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return maps.Clone(s.sources)
}

// Peers returns the peers that the session asks, those that have the root
// first.
func (s *Session) Peers() []peer.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []peer.ID
	for _, m := range s.ranked() {
		out = append(out, m.id)
	}
	return out
}

// ranked returns the members, those that have the root first, then the nearest.
// The caller holds mu.
func (s *Session) ranked() []*member {
	list := slices.Collect(maps.Values(s.members))
	slices.SortFunc(list, func(a, b *member) int {
		if has := a.has.Load(); has != b.has.Load() {
			if has {
				return -1
			}
			return 1
		}
		return cmp.Or(cmp.Compare(a.inFlight*b.window, b.inFlight*a.window), cmp.Compare(a.id, b.id))
	})
	return list
}

// search looks for providers of the root, again and again, soon when asked to.
func (s *Session) search(ctx context.Context) {
	wait := lookAgain
	for {
		began := time.Now()
		s.invite(ctx)
		_, err := s.lookup(ctx, s.root)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.log.Debug("look-up", "err", err)
		}
		s.mu.Lock()
		s.rounds++
		s.began = began
		s.touch()
		s.mu.Unlock()
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-s.kick:
			t.Stop()
			if !sleep(ctx, time.Second) { // at most a look-up a second
				return
			}
		case <-t.C:
			wait = min(2*wait, lookRarely)
		}
	}
}

// invite asks connected peers that are no members, such as those left out for
// a while.
func (s *Session) invite(ctx context.Context) {
	if !s.met() {
		return
	}
	for _, p := range s.h.host.Network().Peers() {
		if s.h.speaks(p) {
			s.wg.Go(func() { s.ask(ctx, p, false) })
		}
	}
}

// hurry asks for a look-up now.
func (s *Session) hurry() {
	select {
	case s.kick <- struct{}{}:
	default:
	}
}

// Find looks for providers of c, such as a tensor, in the DHT, and makes them
// peers of the session. It returns how many of them the session can ask.
func (s *Session) Find(ctx context.Context, c cid.Cid) (int, error) {
	n, err := s.lookup(ctx, c)
	if err != nil {
		return 0, fmt.Errorf("find %s: %w", c, err)
	}
	return n, nil
}

// lookup finds providers of c, dials them, several at once, and asks them in.
func (s *Session) lookup(ctx context.Context, c cid.Cid) (int, error) {
	ready, cancel := context.WithTimeout(ctx, firstPeers)
	err := s.h.awaitPeers(ready)
	cancel()
	if err != nil {
		return 0, errors.Join(err, ctx.Err())
	}
	ctx, cancel = context.WithTimeout(ctx, lookupTime)
	defer cancel()
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	found := map[peer.ID]bool{}
	for info := range s.h.dht.FindProvidersAsync(ctx, c, maxProviders) {
		if info.ID == s.h.ID() || found[info.ID] || s.h.gater.banned(info.ID) {
			continue
		}
		if len(info.Addrs) == 0 && !s.h.connected(info.ID) {
			continue // it is named again when another node knows its addresses
		}
		found[info.ID] = true
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			s.reach(ctx, info)
		})
	}
	wg.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for p := range found {
		if s.members[p] != nil {
			n++
		}
	}
	return n, nil
}

// reach connects to a provider and asks it in, if it speaks the exchange. One
// that speaks Bitswap alone is asked by Bitswap as soon as it is connected.
func (s *Session) reach(ctx context.Context, info peer.AddrInfo) {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	if err := s.h.host.Connect(ctx, info); err != nil {
		s.log.Debug("provider not reached", "peer", info.ID, "err", err)
		return
	}
	if s.h.speaks(info.ID) {
		s.ask(ctx, info.ID, true)
	}
}

// gained counts n verified bytes from p.
func (s *Session) gained(p peer.ID, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fetched += int64(n)
	s.sources[p] += int64(n)
}

// changes returns a channel that is closed when something changes.
func (s *Session) changes() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

// met reports whether the peers connected at the start were all asked.
func (s *Session) met() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.greeted
}

// looked reports whether a first look-up is over.
func (s *Session) looked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rounds > 0
}

// room reports whether more may be asked for.
func (s *Session) room() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open < s.budget {
		return true
	}
	s.starved = true
	return false
}

// spend takes n bytes of the budget, or gives -n back.
func (s *Session) spend(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.open += n
	if n < 0 {
		s.feed()
	}
}

// feed wakes those who wait for room. The caller holds mu.
func (s *Session) feed() {
	if s.starved {
		s.starved = false
		s.touch()
	}
}

// failed notes that a call to m failed, lets it rest, and returns how many did
// in a row.
func (s *Session) failed(m *member) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	m.fails++
	m.rest = time.Now().Add(100 * time.Millisecond << min(m.fails, 6))
	return m.fails
}
