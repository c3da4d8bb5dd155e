package p2p

import (
	"context"
	"fmt"
	"time"

	"github.com/ipfs/boxo/bitswap/client/traceability"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/zipnode/zipnode/dag"
)

// swapBudget is how many bytes Bitswap is asked for at once: what one peer sends, and
// what it sends next. Bitswap knows no windows and asks zipnodes too. When all members
// of a session had stood still, it was asked for all of a model, and what came waited
// in memory for a disk that was slower.
const swapBudget = 2 * swapOutstanding

// bySwap asks Bitswap for wants that no member has, and for more look-ups.
func (f *fetch) bySwap(ctx context.Context, stuck []*want) error {
	ready := f.s.met() && (f.s.looked() || f.s.h.others()) // else zipnodes yet to come would be asked both ways
	var cids []cid.Cid
	for _, w := range stuck {
		if w.stuck.IsZero() {
			w.stuck = time.Now()
		}
		f.queue = append(f.queue, w) // a member may yet come that has it
		if ready && !w.swap && (f.swapped == 0 || f.swapped+w.cost() <= swapBudget) {
			w.swap = true
			f.swapped += w.cost()
			f.pay(w)
			cids = append(cids, w.c)
		}
	}
	if len(cids) == 0 {
		return nil
	}
	f.s.hurry()
	if f.swap == nil {
		f.swap = f.s.h.swap.NewSession(ctx).GetBlocks
		f.lastBy = time.Now()
	}
	ch, err := f.swap(ctx, cids)
	if err != nil {
		return fmt.Errorf("bitswap: %w", err)
	}
	wants := map[cid.Cid]*want{}
	for _, c := range cids {
		wants[c] = f.live[c]
	}
	f.wg.Go(func() { f.drain(ch, wants) })
	return nil
}

// drain takes in what Bitswap gives.
func (f *fetch) drain(ch <-chan blocks.Block, wants map[cid.Cid]*want) {
	for b := range ch {
		w := wants[b.Cid()]
		if w == nil {
			continue
		}
		var from peer.ID
		if t, ok := b.(traceability.Block); ok {
			from = t.From
		}
		if err := dag.Check(w.c, b.RawData()); err != nil {
			continue // too large: its hash was checked, so nobody else has better
		}
		f.inbox.put(news{w: w, data: b.RawData(), from: from})
	}
}

// check gives up on a want that nobody has.
func (f *fetch) check() error {
	if len(f.queue) == 0 {
		return nil
	}
	f.s.mu.Lock()
	asking, began, rounds, members := f.s.asking, f.s.began, f.s.rounds, f.s.ranked()
	f.s.mu.Unlock()
	if asking > 0 || rounds == 0 {
		return nil
	}
	wait := giveUp
	if f.s.h.others() {
		wait = giveUpSwap
	}
	for _, w := range f.queue {
		if w.done || w.stuck.IsZero() || !f.hopeless(w, members) {
			continue
		}
		if since := time.Since(w.stuck); since < wait || time.Since(f.lastBy) < wait {
			continue
		}
		if began.Before(w.stuck.Add(-time.Second)) {
			f.s.hurry()
			continue // no look-up since
		}
		return w.failed()
	}
	return nil
}
