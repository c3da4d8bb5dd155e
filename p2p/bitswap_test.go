package p2p

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	blockstore "github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/zipnode/zipnode/dag"
)

// plainPeer is an ordinary IPFS node: boxo's Bitswap over libp2p's defaults.
func plainPeer(t *testing.T) (host.Host, *bitswap.Bitswap, blockstore.Blockstore) {
	t.Helper()
	return plainPeerOver(t, blockstore.NewBlockstore(dssync.MutexWrap(ds.NewMapDatastore())))
}

// plainPeerOver is a plainPeer that serves store.
func plainPeerOver(t *testing.T, store blockstore.Blockstore) (host.Host, *bitswap.Bitswap, blockstore.Blockstore) {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		t.Fatal(err)
	}
	swap := bitswap.New(t.Context(), bsnet.NewFromIpfsHost(h), nil, store)
	t.Cleanup(func() {
		if err := errors.Join(swap.Close(), h.Close()); err != nil {
			t.Error(err)
		}
	})
	return h, swap, store
}

// An ordinary IPFS node fetches from us.
func TestBitswapServes(t *testing.T) {
	lib := newLibrary()
	root, r := lib.model(t, 1, 20, 1<<20)
	a := startHost(t, lib, serving(lib))
	h, swap, _ := plainPeer(t)
	ctx := limited(t, 20*time.Second)
	if err := h.Connect(ctx, peer.AddrInfo{ID: a.ID(), Addrs: a.Libp2p().Addrs()}); err != nil {
		t.Fatal(err)
	}
	want := []cid.Cid{root}
	for _, e := range r.Entries {
		want = append(want, e.Chunk)
	}
	ch, err := swap.NewSession(ctx).GetBlocks(ctx, want)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for b := range ch {
		if err := dag.Check(b.Cid(), b.RawData()); err != nil {
			t.Error(err)
		}
		n++
	}
	if n != len(want) {
		t.Errorf("%d of %d blocks", n, len(want))
	}
}

// We fetch from an ordinary IPFS node, and what it lacks is an error.
func TestBitswapFetches(t *testing.T) {
	lib := newLibrary()
	root, r := lib.model(t, 1, 100, 1<<20)
	h, _, store := plainPeer(t)
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
	began := time.Now()
	err = b.WithSession(ctx, root, func(ctx context.Context, s *Session) error {
		if _, err := s.Get(ctx, root); err != nil {
			return err
		}
		if err := drain(t, r, 100)(ctx, s); err != nil {
			return err
		}
		took := time.Since(began)
		t.Logf("%.0f MB/s", float64(100<<20)/1e6/took.Seconds())
		if got := s.Sources()[h.ID()]; got != 100<<20+int64(len("root of 1")) {
			t.Errorf("%d bytes from the peer, Sources() = %v", got, s.Sources())
		}
		offers := 0
		for range s.Recipes(ctx, []cid.Cid{dag.Raw([]byte("tensor of 1"))}) {
			offers++
		}
		began = time.Now()
		_, err := s.Get(ctx, dag.Raw([]byte("nowhere")))
		if !errors.Is(err, ErrNoProvider) {
			t.Errorf("error %v, want ErrNoProvider", err)
		}
		t.Logf("gave up after %v", time.Since(began))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A block of more than 2 MiB is neither asked for in full nor believed.
func TestBitswapRefusesHuge(t *testing.T) {
	data := random(1, 3<<20)
	c := dag.Raw(data)
	h, _, store := plainPeer(t)
	if err := store.Put(t.Context(), raw(t, data)); err != nil {
		t.Fatal(err)
	}
	b := startHost(t, nil)
	addrs, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()})
	if err != nil {
		t.Fatal(err)
	}
	connectCtx := limited(t, 40*time.Second)
	if err := b.Connect(connectCtx, addrs[0]); err != nil {
		t.Fatal(err)
	}
	err = b.WithSession(connectCtx, c, func(ctx context.Context, s *Session) error {
		_, err := s.Get(ctx, c)
		return err
	})
	if !errors.Is(err, ErrNoProvider) {
		t.Errorf("error %v, want ErrNoProvider", err)
	}
}
