package p2p

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	blockstore "github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/peer"
)

// slowly consumes the chunks of r, and waits for each until nothing comes any more:
// until sent, which counts bytes, has stood still for a while. It fails where more than
// most were sent and not consumed.
func slowly(t *testing.T, r Range, most int64, sent func() int64) func(context.Context, *Session) error {
	return func(ctx context.Context, s *Session) error {
		var used int64
		n := 0
		for a, err := range s.Chunks(ctx, ranges(r)) {
			if err != nil {
				return err
			}
			if n++; n%2 == 1 {
				still(sent)
			}
			if held := sent() - used; held > most {
				t.Errorf("after %d chunks %d bytes were sent and not used, more than %d", n, held, most)
				return nil
			}
			used += int64(len(a.Block.RawData()))
			a.Release()
		}
		if n != len(r.Entries) {
			t.Errorf("%d chunks, want %d", n, len(r.Entries))
		}
		return nil
	}
}

// still waits until count stands still.
func still(count func() int64) {
	for last := int64(-1); ; {
		n := count()
		if n == last {
			return
		}
		last = n
		time.Sleep(30 * time.Millisecond)
	}
}

// What came and is not used yet counts against the budget, too: a fetch that is woken
// after it stood still, or whose disk is slow, does not ask for as much again.
func TestBudgetUntilUsed(t *testing.T) {
	const budget = startWindow
	lib := newLibrary()
	root, r := lib.model(t, 1, 40, 1<<20)
	a, b := startHost(t, lib), startHost(t, nil)
	connect(t, b, a)
	// A batch may be asked for when the budget is nearly spent.
	consume := slowly(t, r, budget+mostWindow/8, a.remote(b.ID()).sent.Load)
	err := b.WithSession(limited(t, 20*time.Second), root, func(ctx context.Context, s *Session) error {
		s.mu.Lock()
		s.budget = budget
		s.mu.Unlock()
		return consume(ctx, s)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// countingStore counts the bytes that it gives.
type countingStore struct {
	blockstore.Blockstore
	n atomic.Int64
}

func (s *countingStore) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	b, err := s.Blockstore.Get(ctx, c)
	if err == nil {
		s.n.Add(int64(len(b.RawData())))
	}
	return b, err
}

// Bitswap, which knows no windows, is asked for no more than is bounded.
func TestBudgetOfBitswap(t *testing.T) {
	lib := newLibrary()
	root, r := lib.model(t, 1, 48, 1<<20)
	store := &countingStore{Blockstore: blockstore.NewBlockstore(dssync.MutexWrap(ds.NewMapDatastore()))}
	h, _, _ := plainPeerOver(t, store)
	for _, b := range lib.blocks {
		if err := store.Put(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	b := startHost(t, nil)
	ctx := limited(t, 60*time.Second)
	addrs, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Connect(ctx, addrs[0]); err != nil {
		t.Fatal(err)
	}
	if err := b.WithSession(ctx, root, slowly(t, r, swapBudget, store.n.Load)); err != nil {
		t.Fatal(err)
	}
}
