package p2p

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/zipnode/zipnode/dag"
)

// askedAtOnce bounds how many peers answer about recipes at the same time: each
// may send 4 MiB before it is read.
const askedAtOnce = 8

// An Offer is a recipe that a peer says rebuilds a tensor. Its bytes are as the
// peer sent them: whether it is a recipe, and of that tensor, the caller must
// see, and Drop who lied.
type Offer struct {
	Tensor cid.Cid
	Recipe blocks.Block
	From   peer.ID
}

// Recipes asks every peer of the session for recipes of tensors and yields what
// they offer, each recipe once for a tensor. A tensor that nobody has gets no
// offer. It waits for a first peer as long as a look-up takes.
func (s *Session) Recipes(ctx context.Context, tensors []cid.Cid) iter.Seq2[Offer, error] {
	return func(yield func(Offer, error) bool) {
		for _, c := range tensors {
			if err := dag.Supported(c); err != nil {
				yield(Offer{}, err)
				return
			}
		}
		if len(tensors) == 0 {
			return
		}
		ctx, cancel := context.WithCancel(ctx)
		a := &asks{s: s, tensors: tensors, asked: map[peer.ID]bool{}, seen: map[offerKey]bool{}}
		a.offers = make(chan []Offer)
		a.ended = make(chan struct{}, maxMembers)
		defer a.wg.Wait()
		defer cancel()
		if err := a.run(ctx, yield); err != nil {
			yield(Offer{}, err)
		}
	}
}

// asks is one run of Recipes.
type asks struct {
	s       *Session
	tensors []cid.Cid
	asked   map[peer.ID]bool
	running int
	seen    map[offerKey]bool
	offers  chan []Offer
	ended   chan struct{}
	wg      sync.WaitGroup
}

type offerKey struct{ tensor, recipe cid.Cid }

func (a *asks) run(ctx context.Context, yield func(Offer, error) bool) error {
	for {
		changed := a.s.changes()
		a.start(ctx)
		if a.running == 0 && a.s.settled() {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		case <-a.ended:
			a.running--
		case list := <-a.offers:
			for _, o := range list {
				key := offerKey{o.Tensor, o.Recipe.Cid()}
				if a.seen[key] {
					continue
				}
				a.seen[key] = true
				if !yield(o, nil) {
					return nil
				}
			}
		}
	}
}

// start asks members not asked yet, a few at once.
func (a *asks) start(ctx context.Context) {
	for _, p := range a.s.Peers() {
		if a.running >= askedAtOnce {
			return
		}
		if a.asked[p] {
			continue
		}
		a.asked[p] = true
		a.running++
		a.wg.Go(func() {
			defer func() { a.ended <- struct{}{} }()
			if err := a.ask(ctx, p); err != nil && ctx.Err() == nil {
				a.s.log.Debug("recipes not had", "peer", p, "err", err)
				if lied(err) {
					a.s.Drop(p, err)
				}
			}
		})
	}
}

// ask takes p through all tensors, and hands on what it offers after each
// answer.
func (a *asks) ask(ctx context.Context, p peer.ID) error {
	busy := 0
	for rest := a.tensors; len(rest) > 0; {
		list := rest[:min(len(rest), maxItems)]
		var offers []Offer
		c := newCall(&request{kind: kindRecipes, cids: list}, func(h header, body []byte) error {
			b, err := blocks.NewBlockWithCid(body, dag.CBOR(body))
			offers = append(offers, Offer{Tensor: list[h.item], Recipe: b, From: p})
			return err
		})
		err := a.s.h.remote(p).do(ctx, c)
		if len(offers) > 0 {
			select {
			case a.offers <- offers:
			case <-ctx.Done():
				return ctx.Err()
			}
			for _, o := range offers {
				a.s.gained(p, len(o.Recipe.RawData()))
			}
		}
		if errors.Is(err, errBusy) && busy < maxFails && sleep(ctx, time.Second) {
			busy++
			rest = rest[min(c.answer.next, len(list)):]
			continue
		}
		if err != nil {
			return err
		}
		rest = rest[c.answer.next:]
	}
	return nil
}

// settled reports whether the session has asked who it could: everyone
// connected, and, unless a peer has the root, the providers of a look-up.
func (s *Session) settled() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.greeted || s.asking > 0 {
		return false
	}
	for _, m := range s.members {
		if m.has.Load() {
			return true
		}
	}
	return s.rounds > 0
}
