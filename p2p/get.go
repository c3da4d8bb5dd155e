package p2p

import (
	"context"
	"iter"
	"sync/atomic"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/zipnode/zipnode/dag"
)

// Get fetches the block named c from whoever has it. It returns an error
// wrapping ErrNoProvider when nobody does that can be found: within about 10 s,
// more when a peer stalls.
func (s *Session) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	for b, err := range s.GetMany(ctx, []cid.Cid{c}) {
		return b, err
	}
	return nil, ctx.Err()
}

// GetMany yields the blocks named by cids in the order in which they come, each
// once. It ends at the first error, which wraps ErrNoProvider for a block that
// nobody has.
func (s *Session) GetMany(ctx context.Context, cids []cid.Cid) iter.Seq2[blocks.Block, error] {
	return func(yield func(blocks.Block, error) bool) {
		for _, c := range cids {
			if err := dag.Supported(c); err != nil {
				yield(nil, err)
				return
			}
		}
		i := 0
		next := func() (*want, bool) {
			if i == len(cids) {
				return nil, false
			}
			i++
			return &want{c: cids[i-1], length: -1}, true
		}
		for a, err := range s.fetch(ctx, next) {
			if !yield(a.block, err) || err != nil {
				return
			}
		}
	}
}

// A Range is a run of a recipe's chunks, from number First.
type Range struct {
	Recipe  cid.Cid
	First   int
	Entries []dag.Entry
}

// An Arrived is a chunk that came, checked against its CID. The bytes of its
// block are lent until Release.
type Arrived struct {
	Range int // the number of its range among those asked for, from 0
	Index int // of the chunk in Range.Recipe
	Block blocks.Block
	From  peer.ID

	lent *lent
}

// A lent is a buffer with a block for several places.
type lent struct {
	data []byte
	left atomic.Int32 // places that it was not released for
}

// Release gives back the bytes of a's block, which nobody may read after. Any
// goroutine may call it, once; bytes that are never released are garbage.
func (a Arrived) Release() {
	if a.lent != nil && a.lent.left.Add(-1) == 0 {
		giveBuffer(a.lent.data)
	}
}

// Chunks yields the chunks of ranges in the order in which they come, from all
// peers that have them, with up to 64 MiB asked for and not yet used. A
// chunk that several places name is fetched once while it is under way, and
// yielded for each. ranges is read as there is room, from the goroutine that
// consumes the chunks.
//
// It ends at the first error, which wraps ErrNoProvider, and a
// *dag.CorruptError if wrong bytes were all there was, for a chunk that nobody
// has.
func (s *Session) Chunks(ctx context.Context, ranges iter.Seq[Range]) iter.Seq2[Arrived, error] {
	return func(yield func(Arrived, error) bool) {
		pull, stop := iter.Pull2(chunks(ranges))
		defer stop()
		var bad error
		next := func() (*want, bool) {
			w, err, ok := pull()
			if !ok || err != nil {
				bad = err
				return nil, false
			}
			return w, true
		}
		for a, err := range s.fetch(ctx, next) {
			if err != nil {
				yield(Arrived{}, err)
				return
			}
			var l *lent
			if a.lent {
				l = &lent{data: a.block.RawData()}
				l.left.Store(int32(len(a.w.places)))
			}
			for _, p := range a.w.places {
				if !yield(Arrived{Range: p.rng, Index: p.index, Block: a.block, From: a.from, lent: l}, nil) {
					return
				}
			}
		}
		if bad != nil {
			yield(Arrived{}, bad)
		}
	}
}

// chunks flattens ranges into wants.
func chunks(ranges iter.Seq[Range]) iter.Seq2[*want, error] {
	return func(yield func(*want, error) bool) {
		n := 0
		for r := range ranges {
			if err := dag.Supported(r.Recipe); err != nil {
				yield(nil, err)
				return
			}
			for i, e := range r.Entries {
				err := dag.Supported(e.Chunk)
				if err == nil && (e.Length < 0 || e.Length > dag.MaxBlock) {
					err = &dag.CorruptError{CID: r.Recipe, Reason: "a chunk of impossible length"}
				}
				w := &want{c: e.Chunk, length: e.Length, recipe: r.Recipe, index: r.First + i}
				w.places = []place{{rng: n, index: w.index}}
				if !yield(w, err) || err != nil {
					return
				}
			}
			n++
		}
	}
}
