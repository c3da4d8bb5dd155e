package node_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/network"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/p2p"
	"github.com/zipnode/zipnode/tensor"
)

// A shelf is a p2p.Library of blocks in memory, which a test bends.
type shelf struct {
	mu      sync.Mutex
	blocks  map[string]blocks.Block // by multihash
	recipes map[cid.Cid][]blocks.Block
	model   cid.Cid

	onGet     func(c cid.Cid, data []byte) []byte // what is sent in the place of data
	onAsked   func(c cid.Cid)                     // told of each Get and Has, if not nil
	onRecipes func(tensor cid.Cid) []blocks.Block // nil: those of the model
	asked     int                                 // calls of Recipes
}

// exported returns what a stranger has who imported the model ref of n.
func exported(t *testing.T, n *node.Node, ref string) *shelf {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.car")
	call[node.ExportResult](t, n, "export", node.ExportRequest{Ref: ref, Path: path})
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := &shelf{blocks: map[string]blocks.Block{}, recipes: map[cid.Cid][]blocks.Block{}}
	r := dag.NewCARReader(f)
	if _, err := r.Header(); err != nil {
		t.Fatal(err)
	}
	for {
		b, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		s.put(b)
		if p, err := dag.DecodePacking(b); err == nil {
			s.model = p.Of
		}
		if rec, err := dag.DecodeRecipe(b); err == nil {
			s.recipes[rec.Of] = append(s.recipes[rec.Of], b)
		}
	}
	return s
}

func (s *shelf) put(b blocks.Block) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.blocks[string(b.Cid().Hash())] = b
}

func (s *shelf) emit(b blocks.Block) error {
	s.put(b)
	return nil
}

func (s *shelf) Get(_ context.Context, c cid.Cid) (blocks.Block, error) {
	if s.onAsked != nil {
		s.onAsked(c)
	}
	s.mu.Lock()
	b := s.blocks[string(c.Hash())]
	s.mu.Unlock()
	if b == nil {
		return nil, fmt.Errorf("block %s: %w", c, dag.ErrNotFound)
	}
	if s.onGet != nil {
		return blocks.NewBlockWithCid(s.onGet(c, b.RawData()), c)
	}
	return b, nil
}

func (s *shelf) Has(_ context.Context, c cid.Cid) (bool, error) {
	if s.onAsked != nil {
		s.onAsked(c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.blocks[string(c.Hash())] != nil, nil
}

func (s *shelf) Recipes(_ context.Context, tensor cid.Cid) ([]blocks.Block, error) {
	s.mu.Lock()
	s.asked++
	s.mu.Unlock()
	if s.onRecipes != nil {
		return s.onRecipes(tensor), nil
	}
	return s.recipes[tensor], nil
}

func (s *shelf) Entries(ctx context.Context, recipe cid.Cid, first, n int) ([]dag.Entry, error) {
	b, err := s.Get(ctx, recipe)
	if err != nil {
		return nil, err
	}
	r, err := dag.DecodeRecipe(b)
	if err != nil {
		return nil, err
	}
	n = int(min(int64(n), r.Chunks.Len()-int64(first)))
	if n <= 0 {
		return nil, nil
	}
	return r.Chunks.Slice(ctx, s, int64(first), n)
}

// host serves s on loopback.
func (s *shelf) host(t *testing.T) *p2p.Host {
	t.Helper()
	h, err := p2p.New(t.Context(), p2p.Config{Library: s, Listen: []ma.Multiaddr{ma.StringCast("/ip4/127.0.0.1/tcp/0")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// meet connects n to h.
func meet(t *testing.T, n *node.Node, h *p2p.Host) {
	t.Helper()
	call[node.PeersResult](t, n, "peers.connect", node.ConnectRequest{Addr: h.Addrs()[0].String()})
}

// forged returns a recipe block with its entries.
func (s *shelf) forged(t *testing.T, r dag.Recipe, entries []dag.Entry) blocks.Block {
	t.Helper()
	b, err := dag.EncodeRecipe(&r, slices.Values(entries), s.emit)
	if err != nil {
		t.Fatal(err)
	}
	s.put(b)
	return b
}

// nowhere returns n entries of chunks that nobody has, each of one byte, so
// that they look cheap.
func nowhere(label string, n int64) []dag.Entry {
	out := make([]dag.Entry, n)
	for i := range out {
		out[i] = dag.Entry{Chunk: dag.Raw(fmt.Appendf(nil, "%s %d", label, i)), Length: 2}
	}
	return out
}

// each returns forge's recipes for the tensors of the model, and what the model
// has for others.
func (s *shelf) each(forge func(of *dag.Recipe, entries []dag.Entry) []blocks.Block) func(cid.Cid) []blocks.Block {
	made := map[cid.Cid][]blocks.Block{}
	for tensor, list := range s.recipes {
		for _, b := range list[:1] {
			r, err := dag.DecodeRecipe(b)
			if err != nil {
				panic(err)
			}
			entries, err := r.Chunks.Slice(context.Background(), s, 0, int(r.Chunks.Len()))
			if err != nil {
				panic(err)
			}
			made[tensor] = forge(r, entries)
		}
	}
	return func(c cid.Cid) []blocks.Block { return made[c] }
}

// standIn is a recipe of r's tensor and nothing else of it.
func standIn(r *dag.Recipe) dag.Recipe { return dag.Recipe{Of: r.Of, Size: r.Size, DType: r.DType} }

// peers that lie about a model. Each bends the shelf of an honest one.
var liars = []struct {
	name string
	bend func(t *testing.T, s *shelf)
}{
	{"wrong bytes", func(_ *testing.T, s *shelf) {
		s.onGet = func(c cid.Cid, data []byte) []byte {
			if c.Type() != cid.Raw || len(data) == 0 {
				return data
			}
			return flip(data, len(data)/2)
		}
	}},
	{"wrong recipes", func(t *testing.T, s *shelf) {
		// Chunks that are there and decode, to something else.
		s.onRecipes = s.each(func(r *dag.Recipe, entries []dag.Entry) []blocks.Block {
			if len(entries) < 2 {
				return nil
			}
			entries = slices.Clone(entries)
			entries[0], entries[1] = entries[1], entries[0]
			return []blocks.Block{s.forged(t, standIn(r), entries)}
		})
	}},
	{"wrong recipes, slowly", func(t *testing.T, s *shelf) {
		// The first leaf turns out wrong long before the last chunk comes, which
		// only the liar has: that it is not here is no damage of the store's.
		late := []byte("the last chunk")
		b, err := blocks.NewBlockWithCid(late, dag.Raw(late))
		if err != nil {
			t.Fatal(err)
		}
		s.put(b)
		s.onRecipes = s.each(func(r *dag.Recipe, entries []dag.Entry) []blocks.Block {
			if len(entries) < 3 {
				return nil
			}
			entries = slices.Clone(entries)
			entries[0], entries[1] = entries[1], entries[0]
			entries[len(entries)-1] = dag.Entry{Chunk: b.Cid(), Length: len(late)}
			return []blocks.Block{s.forged(t, standIn(r), entries)}
		})
		s.onGet = func(c cid.Cid, data []byte) []byte {
			if c.Equals(b.Cid()) {
				time.Sleep(2 * time.Second)
			}
			return data
		}
	}},
	{"recipes of chunks that nobody has", func(t *testing.T, s *shelf) {
		s.onRecipes = s.each(func(r *dag.Recipe, entries []dag.Entry) []blocks.Block {
			var out []blocks.Block
			for i := range 8 {
				out = append(out, s.forged(t, standIn(r), nowhere(fmt.Sprint(r.Of, i), int64(len(entries)))))
			}
			return out
		})
	}},
	{"recipes of another tensor", func(t *testing.T, s *shelf) {
		other := dag.Raw([]byte("other"))
		b := s.forged(t, dag.Recipe{Of: other, Size: 5, DType: tensor.Opaque}, nowhere("other", 1))
		s.onRecipes = func(cid.Cid) []blocks.Block { return []blocks.Block{b} }
	}},
	{"recipes that are none", func(_ *testing.T, s *shelf) {
		s.onRecipes = func(c cid.Cid) []blocks.Block {
			data := fmt.Appendf(nil, "no recipe of %s", c)
			b, err := blocks.NewBlockWithCid(data, dag.CBOR(data))
			if err != nil {
				panic(err)
			}
			return []blocks.Block{b}
		}
	}},
	{"bases in a circle", func(t *testing.T, s *shelf) {
		one, two := dag.Raw([]byte("circle one")), dag.Raw([]byte("circle two"))
		based := func(r dag.Recipe, on cid.Cid) blocks.Block {
			r.Bases = []dag.Base{{Of: on, DType: r.DType}}
			return s.forged(t, r, nowhere(fmt.Sprint(r.Of, on), dag.Leaves(r.Size)))
		}
		loop := map[cid.Cid][]blocks.Block{
			one: {based(dag.Recipe{Of: one, Size: 10, DType: tensor.Opaque}, two)},
			two: {based(dag.Recipe{Of: two, Size: 10, DType: tensor.Opaque}, one)},
		}
		of := s.each(func(r *dag.Recipe, _ []dag.Entry) []blocks.Block {
			return []blocks.Block{based(standIn(r), one)}
		})
		s.onRecipes = func(c cid.Cid) []blocks.Block {
			if list := loop[c]; list != nil {
				return list
			}
			return of(c)
		}
	}},
	{"bases without end", func(t *testing.T, s *shelf) {
		// Each has eight recipes, each of eight more bases, each as large as it gets.
		n := 0
		made := func(r dag.Recipe) (out []blocks.Block) {
			for range 8 {
				n++
				r.Bases = nil
				for i := range 8 {
					r.Bases = append(r.Bases, dag.Base{Of: dag.Raw(fmt.Appendf(nil, "endless %d %d", n, i)), DType: r.DType})
				}
				out = append(out, s.forged(t, r, nowhere(fmt.Sprint("endless", n), dag.Leaves(r.Size))))
			}
			return out
		}
		of := s.each(func(r *dag.Recipe, _ []dag.Entry) []blocks.Block { return made(standIn(r)) })
		s.onRecipes = func(c cid.Cid) []blocks.Block {
			if list := of(c); list != nil {
				return list
			}
			return made(dag.Recipe{Of: c, Size: 10, DType: tensor.Opaque})
		}
	}},
	{"bases that explode", func(t *testing.T, s *shelf) {
		// One base of 4 TiB, whose chunks take 512 pages to name: to look at
		// its cost takes 256 MiB.
		const size = 4 << 40
		of := func() cid.Cid { h := dag.Raw([]byte("a bomb")).Hash(); return cid.NewCidV1(cid.DagProtobuf, h) }()
		page := nowhere("bomb", dag.PageEntries)
		bomb := s.forged(t, dag.Recipe{Of: of, Size: size, DType: tensor.Opaque}, slices.Repeat(page, int(dag.Leaves(size))/dag.PageEntries))
		based := s.each(func(r *dag.Recipe, _ []dag.Entry) []blocks.Block {
			x := standIn(r)
			x.Bases = []dag.Base{{Of: of, DType: r.DType}}
			return []blocks.Block{s.forged(t, x, nowhere(fmt.Sprint("on a bomb", r.Of), dag.Leaves(r.Size)))}
		})
		s.onRecipes = func(c cid.Cid) []blocks.Block {
			if c.Equals(of) {
				return []blocks.Block{bomb}
			}
			return based(c)
		}
	}},
	{"chunks that decode to too much", func(t *testing.T, s *shelf) {
		bombs := map[string][]byte{
			// zstd frames whose header says 2^32 bytes, with and without one.
			"zstd":     {1, 3, 0x28, 0xb5, 0x2f, 0xfd, 0xa0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0},
			"segments": append([]byte{1, 6}, bytes.Repeat([]byte{0xff, 0xff, 0x3f, 3, 2, 1, 0}, 40)...),
			"planes":   {1, 4, 4, 2, 0xff, 0xff, 0xff, 0xff, 0x0f, 0x28, 0xb5, 0x2f, 0xfd},
		}
		var all []blocks.Block
		for _, data := range bombs {
			b, err := blocks.NewBlockWithCid(data, dag.Raw(data))
			if err != nil {
				t.Fatal(err)
			}
			s.put(b)
			all = append(all, b)
		}
		s.onRecipes = s.each(func(r *dag.Recipe, entries []dag.Entry) []blocks.Block {
			var out []blocks.Block
			for _, b := range all {
				bad := slices.Repeat([]dag.Entry{{Chunk: b.Cid(), Length: len(b.RawData())}}, len(entries))
				out = append(out, s.forged(t, standIn(r), bad))
			}
			return out
		})
	}},
}

// hostileModel is a model with a header, a tensor of several leaves, and a
// plain file.
func hostileModel(t *testing.T) string {
	return modelDir(t, map[string][]byte{"a.safetensors": oneTensor(weights(11, 6<<20)), "config.json": []byte(`{"a":1}`)})
}

// Beside an honest peer a liar costs time and nothing else; alone, it gets
// itself refused, in a sentence that says what is missing.
func TestLiars(t *testing.T) {
	dir := hostileModel(t)
	honest := start(t)
	res := named(t, honest, dir, "m")
	for _, tc := range liars {
		t.Run(tc.name, func(t *testing.T) {
			bombs := strings.Contains(tc.name, "bases") || strings.Contains(tc.name, "decode")
			if !bombs { // the heap is everyone's
				t.Parallel()
			}
			bent := func(t *testing.T) *shelf {
				s := exported(t, honest, "m")
				tc.bend(t, s)
				return s
			}
			t.Run("beside an honest peer", func(t *testing.T) {
				besideHonest(t, honest, bent(t), res.CID, dir, bombs)
			})
			t.Run("alone", func(t *testing.T) {
				s := bent(t)
				delete(s.blocks, string(dag.Raw([]byte(`{"a":1}`)).Hash())) // even if its leaves are asked for, this is not there
				alone(t, s, res.CID, bombs)
			})
		})
	}
}

// besideHonest gets a model, whose files are in dir, from an honest node and a liar
// who has s, in a bounded time and, if the lie is a bomb, heap.
func besideHonest(t *testing.T, honest *node.Node, s *shelf, model, dir string, bomb bool) {
	t.Helper()
	liar := s.host(t)
	n := start(t, honest)
	meet(t, n, liar)
	began := time.Now()
	peak := heapPeak(func() { wantModel(t, n, model, dir) })
	t.Logf("%v, heap %d MiB, recipes asked for %d times", time.Since(began).Round(time.Millisecond), peak>>20, s.asked)
	wantBounded(t, began, peak, bomb)
}

// alone gets a model from a liar who has s, and lacks a part of it: that fails.
func alone(t *testing.T, s *shelf, model string, bomb bool) {
	t.Helper()
	liar := s.host(t)
	n := start(t)
	meet(t, n, liar)
	out := filepath.Join(t.TempDir(), "out")
	began := time.Now()
	var err error
	peak := heapPeak(func() { _, err = try[node.GetResult](t, n, "get", node.GetRequest{Ref: model, Out: out}) })
	t.Logf("%v after %v, heap %d MiB", err, time.Since(began).Round(time.Millisecond), peak>>20)
	if c := code(err); c != node.CodeNoProvider && c != node.CodeIntegrity {
		t.Errorf("%v has code %q", err, c)
	}
	if err != nil && !strings.Contains(err.Error(), "baf") {
		t.Errorf("%v does not name what is missing", err)
	}
	wantBounded(t, began, peak, bomb)
	left, globErr := filepath.Glob(filepath.Join(out, "*.safetensors"))
	if globErr != nil || len(left) > 0 {
		t.Errorf("files %q were left (%v)", left, globErr)
	}
}

// wantBounded checks what a liar could make a get take.
func wantBounded(t *testing.T, began time.Time, peak uint64, bomb bool) {
	t.Helper()
	if took := time.Since(began); took > time.Minute {
		t.Errorf("it took %v", took)
	}
	if bomb && peak > 256<<20 {
		t.Errorf("heap of %d MiB", peak>>20)
	}
}

// heapPeak calls fn and returns the most bytes of heap in use beside it.
func heapPeak(fn func()) uint64 {
	runtime.GC()
	stop, done := make(chan struct{}), make(chan uint64)
	go func() {
		var peak uint64
		var m runtime.MemStats
		for {
			runtime.ReadMemStats(&m)
			peak = max(peak, m.HeapAlloc)
			select {
			case <-stop:
				done <- peak
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	fn()
	close(stop)
	return <-done
}

// A peer that takes requests and answers nothing, or a byte every few seconds,
// costs its share of the time and no more.
func TestMutePeers(t *testing.T) {
	if testing.Short() {
		t.Skip("waits for stalls")
	}
	dir := hostileModel(t)
	honest := start(t)
	res := named(t, honest, dir, "m")
	for name, handle := range map[string]network.StreamHandler{
		"mute": func(s network.Stream) { _, _ = io.Copy(io.Discard, s) },
		"trickling": func(s network.Stream) {
			go func() { _, _ = io.Copy(io.Discard, s) }()
			for {
				if _, err := s.Write([]byte{0x83}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		},
		"resetting": func(s network.Stream) { _ = s.Reset() },
		"babbling":  func(s network.Stream) { _, _ = io.Copy(s, forever{}) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := exported(t, honest, "m")
			bad := s.host(t)
			bad.Libp2p().SetStreamHandler(p2p.Protocol, handle)
			n := start(t, honest)
			meet(t, n, bad)
			began := time.Now()
			wantModel(t, n, res.CID, dir)
			t.Logf("%v", time.Since(began).Round(time.Millisecond))
			if took := time.Since(began); took > time.Minute {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// forever reads as 0xff.
type forever struct{}

func (forever) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = 0xff
	}
	return len(b), nil
}
