package p2p

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	blockstore "github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/zipnode/zipnode/dag"
)

// mapLibrary is a Library in memory.
type mapLibrary struct {
	mu      sync.Mutex
	blocks  map[string]blocks.Block // by multihash
	recipes map[cid.Cid][]blocks.Block
	entries map[cid.Cid][]dag.Entry
	gets    int
	stall   chan struct{} // Get waits for it
	forge   func(cid.Cid, []byte) []byte
}

func newLibrary() *mapLibrary {
	return &mapLibrary{blocks: map[string]blocks.Block{}, recipes: map[cid.Cid][]blocks.Block{}, entries: map[cid.Cid][]dag.Entry{}}
}

func (l *mapLibrary) put(b blocks.Block) cid.Cid {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blocks[string(b.Cid().Hash())] = b
	return b.Cid()
}

func (l *mapLibrary) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	l.mu.Lock()
	b, stall, forge := l.blocks[string(c.Hash())], l.stall, l.forge
	l.gets++
	l.mu.Unlock()
	if stall != nil {
		select {
		case <-stall:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if b == nil {
		return nil, fmt.Errorf("block %s: %w", c, dag.ErrNotFound)
	}
	if forge != nil {
		return blocks.NewBlockWithCid(forge(c, b.RawData()), c)
	}
	return b, nil
}

func (l *mapLibrary) Has(_ context.Context, c cid.Cid) (bool, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.blocks[string(c.Hash())] != nil, nil
}

func (l *mapLibrary) Recipes(_ context.Context, tensor cid.Cid) ([]blocks.Block, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.recipes[tensor], nil
}

func (l *mapLibrary) Entries(_ context.Context, recipe cid.Cid, first, n int) ([]dag.Entry, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list, ok := l.entries[recipe]
	if !ok {
		return nil, fmt.Errorf("recipe %s: %w", recipe, dag.ErrNotFound)
	}
	list = list[min(first, len(list)):]
	return list[:min(n, len(list))], nil
}

// model puts a root and a recipe of n chunks of size bytes into the library.
func (l *mapLibrary) model(t testing.TB, seed uint64, n, size int) (root cid.Cid, r Range) {
	t.Helper()
	for i := range n {
		data := random(seed<<32|uint64(i), size)
		c := l.put(raw(t, data))
		r.Entries = append(r.Entries, dag.Entry{Chunk: c, Length: len(data)})
	}
	recipe := block(t, fmt.Appendf(nil, "recipe of %d", seed), dag.CBOR)
	r.Recipe = l.put(recipe)
	tensor := dag.Raw(fmt.Appendf(nil, "tensor of %d", seed))
	l.mu.Lock()
	l.entries[r.Recipe] = r.Entries
	l.recipes[tensor] = []blocks.Block{recipe}
	l.mu.Unlock()
	return l.put(raw(t, fmt.Appendf(nil, "root of %d", seed))), r
}

func random(seed uint64, size int) []byte {
	var key [32]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	data := make([]byte, size)
	_, _ = rand.NewChaCha8(sha256.Sum256(key[:])).Read(data)
	return data
}

func raw(t testing.TB, data []byte) blocks.Block { return block(t, data, dag.Raw) }

func block(t testing.TB, data []byte, name func([]byte) cid.Cid) blocks.Block {
	t.Helper()
	b, err := blocks.NewBlockWithCid(data, name(data))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// startHost starts a host on loopback TCP; opts change its configuration.
func startHost(t testing.TB, lib Library, opts ...func(*Config)) *Host {
	t.Helper()
	cfg := Config{Library: lib, Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/0")}}
	if testing.Verbose() {
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	for _, o := range opts {
		o(&cfg)
	}
	h, err := New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	return h
}

func bootstrap(hosts ...*Host) func(*Config) {
	return func(cfg *Config) {
		for _, h := range hosts {
			cfg.Bootstrap = append(cfg.Bootstrap, peer.AddrInfo{ID: h.ID(), Addrs: h.Libp2p().Addrs()})
		}
	}
}

func serving(l *mapLibrary) func(*Config) {
	return func(cfg *Config) {
		store := blockstore.NewBlockstore(dssync.MutexWrap(ds.NewMapDatastore()))
		for _, b := range l.blocks {
			if err := store.Put(context.Background(), b); err != nil {
				panic(err)
			}
		}
		cfg.Blockstore = store
	}
}

func connect(t testing.TB, a, b *Host) {
	t.Helper()
	if err := a.Connect(t.Context(), b.Addrs()[0]); err != nil {
		t.Fatal(err)
	}
}

// eventually waits until ok, at most limit.
func eventually(t testing.TB, limit time.Duration, what string, ok func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	for !ok() {
		if time.Since(began) > limit {
			t.Fatalf("not within %v: %s", limit, what)
		}
		time.Sleep(20 * time.Millisecond)
	}
	return time.Since(began)
}

// ranges yields its arguments.
func ranges(list ...Range) func(func(Range) bool) {
	return func(yield func(Range) bool) {
		for _, r := range list {
			if !yield(r) {
				return
			}
		}
	}
}

func limited(t testing.TB, d time.Duration) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}
