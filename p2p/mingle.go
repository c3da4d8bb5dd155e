package p2p

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"
)

const (
	mingleFirst = 2 * time.Second // between asking who else fetches; doubled
	mingleLast  = 20 * time.Second
	tellAfter   = 20 * time.Millisecond // so that what comes together is told together
	tellAgain   = time.Second           // to who did not listen
	saidAtOnce  = 64                    // messages to one peer, unanswered

	farewellTime = 2 * time.Second // for the last of it, when a session has ended
	maxIntroed   = 64              // peers dialled because others named them, in a session
)

// A holding is a chunk that a session has.
type holding struct {
	recipe cid.Cid
	i      int
}

// sessionsOn returns the sessions of this host on root.
func (h *Host) sessionsOn(root cid.Cid) []*Session {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.sessions[root])
}

func (h *Host) register(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sessions[s.root] = append(h.sessions[s.root], s)
}

func (h *Host) unregister(s *Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := slices.DeleteFunc(h.sessions[s.root], func(o *Session) bool { return o == s })
	if h.sessions[s.root] = list; len(list) == 0 {
		delete(h.sessions, s.root)
	}
}

// joined notes that p fetches the root too.
func (s *Session) joined(p peer.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.members[p]; m != nil {
		s.fetches(m)
		return
	}
	if s.dropped[p] == nil && len(s.callers) < maxMembers {
		s.callers[p] = true
		s.hail()
	}
}

// fetches marks m as one that has not all of the root. The caller holds mu.
func (s *Session) fetches(m *member) {
	if m.partial {
		return
	}
	m.partial, m.news = true, time.Now()
	m.has.Store(true)
	s.crowd++ // who owns what changes
	s.touch()
}

// heard takes what p says it holds, and reports whether p is a member.
func (s *Session) heard(p peer.ID, q *request) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.members[p]
	if m == nil {
		return false
	}
	s.fetches(m)
	if m.deaf || !m.holds.add(q.recipe, q.first, q.bits) {
		return true
	}
	m.news = time.Now()
	s.version++
	s.touch()
	return true
}

// hail wakes mingle. The caller holds mu.
func (s *Session) hail() {
	select {
	case s.hailed <- struct{}{}:
	default:
	}
}

// mingle asks members, now and then, who else fetches the root, and asks in who
// asked us.
func (s *Session) mingle(ctx context.Context) {
	wait := mingleFirst
	t := time.NewTimer(wait)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.hailed:
			for _, p := range s.takeCallers() {
				s.wg.Go(func() { s.ask(ctx, p, false) })
			}
		case <-t.C:
			for _, p := range s.Peers() {
				s.wg.Go(func() {
					if fetches, ok := s.greet(ctx, p); ok && fetches {
						s.joined(p)
					}
				})
			}
			wait = min(2*wait, mingleLast)
			t.Reset(wait)
		}
	}
}

func (s *Session) takeCallers() []peer.ID {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []peer.ID
	for p := range s.callers {
		out = append(out, p)
	}
	clear(s.callers)
	return out
}

// greet tells p that the root is fetched here, meets those whom it names, and
// returns whether it fetches the root itself.
func (s *Session) greet(ctx context.Context, p peer.ID) (fetches, ok bool) {
	calling, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	var others []peer.AddrInfo
	c := newCall(&request{kind: kindJoin, cids: []cid.Cid{s.root}}, func(h header, body []byte) (err error) {
		fetches = h.item == 1
		others, err = parsePeers(body)
		return err
	})
	if err := s.h.remote(p).do(calling, c); err != nil {
		if lied(err) {
			s.Drop(p, err)
		}
		return false, false
	}
	for _, info := range others {
		if s.introduce(info.ID) {
			s.wg.Go(func() { s.meet(ctx, info) })
		}
	}
	return fetches, true
}

// introduce reports whether a peer that another named is to be met.
func (s *Session) introduce(p peer.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p == s.h.ID() || s.dropped[p] != nil || s.introduced[p] || len(s.introduced) >= maxIntroed {
		return false
	}
	s.introduced[p] = true
	return true
}

// meet connects to a peer that is said to fetch the root, and asks it in. What it
// is it says itself: a seed that is called a fetcher would not be asked for
// anything.
func (s *Session) meet(ctx context.Context, info peer.AddrInfo) {
	if s.h.gater.banned(info.ID) {
		return
	}
	dialling, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	if err := s.h.host.Connect(dialling, info); err != nil {
		s.log.Debug("fetcher not reached", "peer", info.ID, "err", err)
		return
	}
	if !s.h.speaks(info.ID) {
		return
	}
	if !s.member(info.ID) {
		s.ask(ctx, info.ID, false)
	} else if fetches, ok := s.greet(ctx, info.ID); ok && fetches {
		s.joined(info.ID)
	}
}

func (s *Session) member(p peer.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.members[p] != nil
}

// Hold tells the session that n chunks of recipe from number first on are here,
// so that others who fetch the root can be told.
func (s *Session) Hold(recipe cid.Cid, first, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range n {
		s.hold(recipe, first+i)
	}
}

// hold notes a chunk that is here, unless it was noted, or others have heard of as
// many as they take: a model of small tensors has a recipe for each. The caller
// holds mu.
func (s *Session) hold(recipe cid.Cid, i int) {
	set := make([]byte, 1)
	setBit(set, i%8)
	if !s.mine.add(recipe, uint64(i-i%8), set) {
		return
	}
	s.held = append(s.held, holding{recipe, i})
	s.ring()
}

// ring wakes tell. The caller holds mu.
func (s *Session) ring() {
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// tell tells members that fetch the root too what is held here, as it comes.
func (s *Session) tell(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.bell:
		case <-time.After(tellAgain): // also who joined since
		}
		if !sleep(ctx, tellAfter) {
			return
		}
		s.mu.Lock()
		for _, m := range s.members {
			if m.partial && !m.telling && m.told < len(s.held) {
				m.telling = true
				s.wg.Go(func() { s.tellOne(ctx, m) })
			}
		}
		s.mu.Unlock()
	}
}

// farewell tells the rest to those who fetch on, who would wait for it.
func (s *Session) farewell() {
	ctx, cancel := context.WithTimeout(context.Background(), farewellTime)
	defer cancel()
	var wg sync.WaitGroup
	s.mu.Lock()
	for _, m := range s.members {
		if m.partial && m.told < len(s.held) {
			wg.Go(func() { s.tellOne(ctx, m) })
		}
	}
	s.mu.Unlock()
	wg.Wait()
}

// tellOne brings m up to date.
func (s *Session) tellOne(ctx context.Context, m *member) {
	const most = 4096 // holdings of one round
	for {
		s.mu.Lock()
		end := min(len(s.held), m.told+most)
		fresh := s.held[m.told:end:end]
		if len(fresh) == 0 {
			m.telling = false
			s.mu.Unlock()
			return
		}
		s.mu.Unlock()
		heard := s.sayAll(ctx, m.id, messages(s.root, fresh))
		s.mu.Lock()
		if !heard {
			m.telling = false // it is told again with the next round
			s.mu.Unlock()
			return
		}
		m.told = end
		s.mu.Unlock()
	}
}

// sayAll sends many HOLDS, without waiting for the answer to one before the next:
// a model of small tensors has as many recipes. It reports whether p took note of
// all.
func (s *Session) sayAll(ctx context.Context, p peer.ID, list []*request) bool {
	var g errgroup.Group
	g.SetLimit(saidAtOnce)
	for _, q := range list {
		g.Go(func() error {
			if !s.say(ctx, p, q) {
				return errGone
			}
			return nil
		})
	}
	return g.Wait() == nil
}

// say sends one HOLDS, and reports whether p took note of it.
func (s *Session) say(ctx context.Context, p peer.ID, q *request) bool {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	c := newCall(q, func(header, []byte) error { return nil })
	return s.h.remote(p).do(ctx, c) == nil && c.answer.next == 1
}

// messages are the HOLDS that say list.
func messages(root cid.Cid, list []holding) []*request {
	var out []*request
	for _, h := range list {
		var q *request
		for i := len(out) - 1; i >= max(0, len(out)-8) && q == nil; i-- {
			o := out[i]
			if at := int64(h.i) - int64(o.first); o.recipe.Equals(h.recipe) && at >= 0 && at < maxHolds {
				q = o
			}
		}
		if q == nil {
			first := h.i / 64 * 64 // the next may be a little lower
			q = &request{kind: kindHolds, cids: []cid.Cid{root}, recipe: h.recipe, first: uint64(first)}
			out = append(out, q)
		}
		at := h.i - int(q.first)
		q.count = max(q.count, at+1)
		if need := (q.count + 7) / 8; need > len(q.bits) {
			q.bits = append(q.bits, make([]byte, need-len(q.bits))...)
		}
		setBit(q.bits, at)
	}
	return out
}
