package p2p

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	bsmsg "github.com/ipfs/boxo/bitswap/message"
	bspb "github.com/ipfs/boxo/bitswap/message/pb"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	blockstore "github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/query"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	pb "github.com/libp2p/go-libp2p-kad-dht/pb"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/zipnode/zipnode/dag"
)

// stranger is a libp2p host with no code of ours, connected to victim.
func stranger(t *testing.T, victim *Host) host.Host {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"), libp2p.ResourceManager(&network.NullResourceManager{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	reconnect(t, h, victim)
	return h
}

func reconnect(t *testing.T, h host.Host, victim *Host) {
	t.Helper()
	if err := h.Connect(limited(t, 10*time.Second), peer.AddrInfo{ID: victim.ID(), Addrs: victim.Libp2p().Addrs()}); err != nil {
		t.Fatal(err)
	}
}

// Requests that break the rules cost the asker its connection, and the third
// time the right to have one; the ban ends.
func TestRudeAskersAreBanned(t *testing.T) {
	victim := startHost(t, newLibrary())
	h := stranger(t, victim)
	for i, garbage := range [][]byte{
		header{kind: 9, item: 1, length: cidLen}.append(nil),
		header{kind: kindBlocks, item: maxItems + 1, length: 1 << 31}.append(nil),
		append(header{kind: kindHave, item: 1, length: cidLen}.append(nil), make([]byte, cidLen)...),
	} {
		if i > 0 {
			reconnect(t, h, victim)
		}
		s, err := h.NewStream(limited(t, 10*time.Second), victim.ID(), Protocol)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Write(garbage); err != nil {
			t.Fatal(err)
		}
		eventually(t, 10*time.Second, "the connection is closed", func() bool {
			return !victim.connected(h.ID()) && h.Network().Connectedness(victim.ID()) != network.Connected
		})
	}
	if !victim.gater.banned(h.ID()) || victim.Banned() != 1 {
		t.Errorf("not banned after three offences: %d are", victim.Banned())
	}
	_ = h.Connect(limited(t, 5*time.Second), peer.AddrInfo{ID: victim.ID(), Addrs: victim.Libp2p().Addrs()})
	if victim.connected(h.ID()) {
		t.Error("a banned peer is connected")
	}
	victim.gater.mu.Lock()
	for _, o := range victim.gater.offenders {
		o.banned = o.banned.Add(-banTime)
	}
	victim.gater.mu.Unlock()
	eventually(t, 10*time.Second, "it may come back after its ban", func() bool {
		_ = h.Connect(limited(t, 5*time.Second), peer.AddrInfo{ID: victim.ID(), Addrs: victim.Libp2p().Addrs()})
		return victim.connected(h.ID())
	})
}

// A peer that sends its answer a byte at a time ends the fetch, when there is no
// other, in bounded time.
func TestTrickle(t *testing.T) {
	bubble(t, 10*time.Millisecond, 1000, func(t *testing.T, n *simulated) {
		lib := newLibrary()
		root, r := lib.model(t, 1, 16, 1<<20)
		a, b := n.host(t, lib), n.host(t, nil)
		serve := a.server.handle
		var slow atomic.Bool // from when the session has its peer
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		defer wg.Wait()
		defer cancel()
		a.Libp2p().SetStreamHandler(Protocol, func(s network.Stream) {
			if !slow.Load() { // says that it has the root, on whichever stream
				serve(s)
				return
			}
			wg.Go(func() { trickle(ctx, s) })
		})
		connect(t, b, a)
		began := time.Now()
		err := b.WithSession(limited(t, time.Hour), root, func(ctx context.Context, s *Session) error {
			if err := s.ready(ctx); err != nil {
				return err
			}
			slow.Store(true)
			for _, st := range b.remote(a.ID()).streams {
				st.fail(errGone)
			}
			return drain(t, r, 16)(ctx, s)
		})
		if !errors.Is(err, ErrNoProvider) || time.Since(began) > 10*time.Minute {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		t.Logf("%v after %v", err, time.Since(began))
	})
}

// trickle answers the first request with blocks of zeros, a byte every ten
// seconds.
func trickle(ctx context.Context, s network.Stream) {
	q, err := readRequest(s)
	if err != nil {
		_ = s.Reset()
		return
	}
	answer := append(header{kind: kindBlock, id: q.id, length: 1 << 20}.append(nil), make([]byte, 1<<20)...)
	for i := range answer {
		if _, err := s.Write(answer[i : i+1]); err != nil || !sleep(ctx, 10*time.Second) {
			_ = s.Reset()
			return
		}
	}
}

// ready waits until the session has a peer.
func (s *Session) ready(ctx context.Context) error {
	for len(s.Peers()) == 0 {
		if !sleep(ctx, 10*time.Millisecond) {
			return ctx.Err()
		}
	}
	return nil
}

// A flood of streams, each with requests whose answers are never read, costs
// bounded memory and keeps nobody else waiting.
func TestStreamFlood(t *testing.T) {
	lib := newLibrary()
	root, r := lib.model(t, 1, 64, 1<<20)
	victim := startHost(t, lib)
	h := stranger(t, victim)
	files := openFiles(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var opened atomic.Int32
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for range 16 {
		wg.Go(func() {
			for ctx.Err() == nil && opened.Load() < 4000 {
				s, err := h.NewStream(ctx, victim.ID(), Protocol)
				if err != nil {
					continue
				}
				opened.Add(1)
				for range 8 {
					q := request{kind: kindRange, recipe: r.Recipe, count: 64}
					if _, err := s.Write(q.append(nil)); err != nil {
						break
					}
				}
			}
		})
	}
	eventually(t, 30*time.Second, "the flood is on", func() bool { return opened.Load() > 200 })
	b := startHost(t, nil)
	connect(t, b, victim)
	began := time.Now()
	if err := b.WithSession(limited(t, 30*time.Second), root, drain(t, r, 64)); err != nil {
		t.Fatal(err)
	}
	t.Logf("an honest fetch took %v beside %d streams", time.Since(began), opened.Load())
	victim.server.mu.Lock()
	streams, held := len(victim.server.streams), len(victim.server.blocks)
	victim.server.mu.Unlock()
	if streams > 2*serveStreams || held > serveBlocks {
		t.Errorf("%d streams and %d blocks are held", streams, held)
	}
	if now := openFiles(t); now > files+32 {
		t.Errorf("%d open files, %d before", now, files)
	}
}

func openFiles(t *testing.T) int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Log("open files are not counted here:", err)
	}
	return len(list)
}

// costly is a Library whose leaves take time to decode, and counts how many are
// decoded at once.
type costly struct {
	*mapLibrary
	now, most atomic.Int32
}

func (l *costly) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	n := l.now.Add(1)
	defer l.now.Add(-1)
	for old := l.most.Load(); n > old && !l.most.CompareAndSwap(old, n); old = l.most.Load() {
	}
	time.Sleep(5 * time.Millisecond)
	return l.mapLibrary.Get(ctx, c)
}

// HasReal is what makes its leaves virtual.
func (l *costly) HasReal(cid.Cid) (bool, error) { return false, nil }

// costlyStore is the same for Bitswap.
type costlyStore struct {
	blockstore.Blockstore
	l *costly
}

func (s costlyStore) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	return s.l.Get(ctx, c)
}

// A flood of wants by Bitswap for leaves that have to be decoded is decoded a few
// at a time, and an exchange beside it goes on.
func TestBitswapFlood(t *testing.T) {
	lib := &costly{mapLibrary: newLibrary()}
	root, r := lib.model(t, 1, 256, 64<<10)
	victim := startHost(t, lib, serving(lib.mapLibrary), func(cfg *Config) { cfg.Blockstore = costlyStore{cfg.Blockstore, lib} })
	h := stranger(t, victim)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	var sent atomic.Int64
	for range 4 {
		wg.Go(func() {
			for ctx.Err() == nil {
				s, err := h.NewStream(ctx, victim.ID(), bsnet.ProtocolBitswap)
				if err != nil {
					continue
				}
				m := bsmsg.New(true)
				for _, e := range r.Entries {
					m.AddEntry(e.Chunk, 1, bspb.Message_Wantlist_Block, true)
				}
				for i := range 4000 {
					m.AddEntry(dag.Raw(fmt.Append(nil, sent.Load(), i)), 1, bspb.Message_Wantlist_Block, true)
				}
				if err := m.ToNetV1(s); err == nil {
					sent.Add(int64(len(r.Entries) + 4000))
				}
				_ = s.Close()
			}
		})
	}
	eventually(t, 20*time.Second, "the flood is on", func() bool { return sent.Load() > 20_000 })
	b := startHost(t, nil)
	connect(t, b, victim)
	began := time.Now()
	if err := b.WithSession(limited(t, time.Minute), root, drain(t, r, 256)); err != nil {
		t.Fatal(err)
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	t.Logf("an honest fetch of 256 leaves took %v beside %d wants; %d decodes at once at most; heap %d MiB",
		time.Since(began), sent.Load(), lib.most.Load(), m.HeapAlloc>>20)
	if most := int(lib.most.Load()); most > cap(victim.gate) {
		t.Errorf("%d decodes at once, at most %d", most, cap(victim.gate))
	}
	if m.HeapAlloc > 512<<20 { // those who flood are in this process too
		t.Errorf("heap of %d MiB", m.HeapAlloc>>20)
	}
}

// A flood of provider records is written as far as a peer's allowance goes, and
// those of others still are.
func TestRecordFlood(t *testing.T) {
	store := dssync.MutexWrap(ds.NewMapDatastore())
	victim := startHost(t, nil, func(cfg *Config) { cfg.Datastore = store })
	victim.books.mu.Lock()
	victim.books.one, victim.books.all = 100, 150
	victim.books.mu.Unlock()
	flood := func(n, from int) {
		h := startHost(t, nil)
		connect(t, h, victim)
		m, err := pb.NewProtocolMessenger(h.dht.MessageSender())
		if err != nil {
			t.Fatal(err)
		}
		self := peer.AddrInfo{ID: h.ID(), Addrs: h.Libp2p().Addrs()}
		for i := range n {
			key := dag.Raw(fmt.Append(nil, "record", from+i)).Hash()
			if err := m.PutProviderAddrs(limited(t, 10*time.Second), victim.ID(), key, self); err != nil {
				t.Fatal(err)
			}
		}
		last := dag.Raw(fmt.Append(nil, "record", from+n-1)).Hash()
		eventually(t, 10*time.Second, "the last record came", func() bool {
			got, err := victim.dht.ProviderStore().GetProviders(t.Context(), last)
			return err == nil && len(got) == 1
		})
	}
	flood(500, 0)
	flood(30, 1000)
	if err := victim.Close(); err != nil { // writes what is pending
		t.Fatal(err)
	}
	n := 0
	res, err := store.Query(t.Context(), query.Query{Prefix: "/dht/providers", KeysOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	for range res.Next() {
		n++
	}
	if n != 130 {
		t.Errorf("%d records are kept, want 100 of one and 30 of the other", n)
	}
}

// Providers that are not there, or have nothing, cost time and nothing else.
func TestFalseProviders(t *testing.T) {
	lib := newLibrary()
	root, r := lib.model(t, 1, 20, 100_000)
	hub := startHost(t, nil)
	a := startHost(t, lib, bootstrap(hub))
	if err := a.Announce(root); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		empty := startHost(t, nil, bootstrap(hub))
		if err := empty.Announce(root); err != nil {
			t.Fatal(err)
		}
	}
	gone := startHost(t, nil, bootstrap(hub))
	if err := gone.Announce(root); err != nil {
		t.Fatal(err)
	}
	eventually(t, 20*time.Second, "all are announced", func() bool {
		return len(hub.Providers(limited(t, 2*time.Second), root, 10)) == 5
	})
	if err := gone.Close(); err != nil {
		t.Fatal(err)
	}
	b := startHost(t, nil, bootstrap(hub))
	began := time.Now()
	if err := b.WithSession(limited(t, time.Minute), root, drain(t, r, 20)); err != nil {
		t.Fatal(err)
	}
	t.Logf("took %v", time.Since(began))
}

// count returns how many chunks are held.
func (h *holdings) count() int {
	n := 0
	for _, b := range h.of {
		for _, x := range b {
			n += bits.OnesCount8(x)
		}
	}
	return n
}

// What a peer says it holds takes bounded memory.
func TestHoldingsAreBounded(t *testing.T) {
	var h holdings
	full := make([]byte, maxHolds/8)
	for i := range full {
		full[i] = 0xff
	}
	for i := range 1 << 14 {
		h.add(dag.CBOR(fmt.Append(nil, i)), uint64(i)*maxHolds, full)
	}
	for _, first := range []uint64{1<<64 - 1, 1 << 63, 8 * holdingsBytes} {
		if h.add(dag.CBOR([]byte("far")), first, []byte{1}) {
			t.Errorf("bit %d was taken", first)
		}
	}
	if h.bytes > holdingsBytes || len(h.of) == 0 {
		t.Errorf("%d bytes of %d recipes", h.bytes, len(h.of))
	}
	if h = (holdings{}); !h.add(dag.CBOR(nil), 9, []byte{0x82}) || h.add(dag.CBOR(nil), 9, []byte{0x02}) ||
		!h.has(dag.CBOR(nil), 10) || !h.has(dag.CBOR(nil), 16) || h.has(dag.CBOR(nil), 9) || h.has(dag.CBOR(nil), 17) || h.count() != 2 {
		t.Errorf("chunks 10 and 16 are held as %x", h.of)
	}
}

// A peer can be in so many swarms, and a swarm have so many peers.
func TestSwarmsAreBounded(t *testing.T) {
	w := newSwarms()
	for i := range 4 * swarmsAll {
		w.join(dag.Raw(fmt.Append(nil, i)), "one")
		w.join(dag.Raw([]byte("popular")), peer.ID(fmt.Sprint(i)))
	}
	if len(w.of["one"]) != swarmsOne || len(w.roots) > swarmsAll || len(w.roots[dag.Raw([]byte("popular"))]) != swarmPeers {
		t.Errorf("one peer in %d swarms, %d swarms, %d peers in one", len(w.of["one"]), len(w.roots), len(w.roots[dag.Raw([]byte("popular"))]))
	}
	for i := range 4 * swarmsAll {
		w.join(dag.Raw(fmt.Append(nil, i)), peer.ID(fmt.Sprint(i)))
	}
	if len(w.roots) > swarmsAll || len(w.of) > swarmsAll+swarmPeers {
		t.Errorf("%d swarms, %d peers", len(w.roots), len(w.of))
	}
}

// A peer that says it fetches and holds what it has not keeps nobody from what a
// seed has.
func TestBoaster(t *testing.T) {
	lib, none := newLibrary(), newLibrary()
	root, r := lib.model(t, 1, 40, 100_000)
	a, l, b := startHost(t, lib), startHost(t, none), startHost(t, nil)
	connect(t, b, a)
	connect(t, b, l)
	connect(t, l, a)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		ended <- l.WithSession(ctx, root, func(ctx context.Context, s *Session) error {
			s.Hold(r.Recipe, 0, 40)
			<-ctx.Done()
			return nil
		})
	}()
	began := time.Now()
	err := b.WithSession(limited(t, 30*time.Second), root, func(ctx context.Context, s *Session) error {
		boasts := func() bool {
			s.mu.Lock()
			defer s.mu.Unlock()
			m := s.members[l.ID()]
			return m != nil && m.holds.count() == 40
		}
		eventually(t, 10*time.Second, "it says that it holds all", boasts)
		return drain(t, r, 40)(ctx, s)
	})
	if err != nil {
		t.Error(err)
	}
	t.Logf("took %v", time.Since(began))
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
