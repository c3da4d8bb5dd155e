package store_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
)

// each runs fn on every kind of store.
func each(t *testing.T, fn func(t *testing.T, fs store.FS)) {
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) { fn(t, k.fs(t)) })
	}
}

func open(t *testing.T, fs store.FS) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func closeStore(t *testing.T, s *store.Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// removeIndex loses the index.
func removeIndex(t *testing.T, fs store.FS) {
	t.Helper()
	names, err := fs.List("index")
	if err != nil || len(names) == 0 {
		t.Fatalf("index/ has files %q, %v", names, err)
	}
	for _, name := range names {
		if err := fs.Remove("index/" + name); err != nil {
			t.Fatal(err)
		}
	}
}

// weights returns n bytes of bf16 that look like a layer's, and near returns
// them after a small step of training.
func weights(seed byte, n int) []byte {
	r := rand.New(rand.NewChaCha8([32]byte{seed}))
	b := make([]byte, n)
	for i := 0; i+1 < n; i += 2 {
		b[i] = byte(r.Uint32())
		b[i+1] = 0x3c | byte(r.IntN(2))<<7 | byte(r.IntN(3))
	}
	return b
}

func near(seed byte, b []byte) []byte {
	r := rand.New(rand.NewChaCha8([32]byte{seed, 1}))
	b = bytes.Clone(b)
	for i := 0; i+1 < len(b); i += 2 {
		if r.IntN(4) == 0 && b[i] != 0xff {
			b[i]++
		}
	}
	return b
}

// addTensor encodes data against base (nil for none) and adds its recipe.
func addTensor(t *testing.T, l *store.Lease, data, base []byte) (dag.Child, error) {
	t.Helper()
	return tryTensor(t.Context(), l, data, base)
}

// nodesOf puts the nodes of the tensor that data is, and returns it.
func nodesOf(t *testing.T, l *store.Lease, data []byte) dag.Child {
	t.Helper()
	c, err := tryNodes(t.Context(), l, data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// recipeOf encodes data against base (nil for none), puts its chunks, and
// returns the tensor with the recipe, which it does not put.
func recipeOf(t *testing.T, l *store.Lease, data, base []byte) (dag.Child, blocks.Block) {
	t.Helper()
	c, blk, err := tryRecipe(t.Context(), l, data, base)
	if err != nil {
		t.Fatal(err)
	}
	return c, blk
}

func put(t *testing.T, l *store.Lease, data []byte) cid.Cid {
	t.Helper()
	c, err := tryPut(t.Context(), l, data)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func lease(t *testing.T, s *store.Store) *store.Lease {
	t.Helper()
	l, err := s.NewLease()
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// addModel adds a model of one file that is one tensor, named and pinned.
func addModel(t *testing.T, s *store.Store, name string, data, base []byte) (model, of cid.Cid) {
	t.Helper()
	model, of, err := tryModel(t.Context(), s, name, data, base)
	if err != nil {
		t.Fatal(err)
	}
	return model, of
}

// wantTensor checks every leaf of data as the store gives it.
func wantTensor(t *testing.T, s *store.Store, data []byte) {
	t.Helper()
	for i, leaf := range slices.Collect(slices.Chunk(data, dag.MaxLeaf)) {
		b, err := s.Get(t.Context(), dag.Raw(leaf))
		if err != nil {
			t.Errorf("leaf %d: %v", i, err)
		} else if !bytes.Equal(b.RawData(), leaf) {
			t.Errorf("leaf %d comes back different", i)
		}
		if n, err := s.GetSize(t.Context(), dag.Raw(leaf)); err != nil || n != len(leaf) {
			t.Errorf("GetSize of leaf %d = %d, %v, want %d", i, n, err, len(leaf))
		}
	}
}

func badBlock(t *testing.T) blocks.Block {
	t.Helper()
	b, err := blocks.NewBlockWithCid([]byte("lie"), dag.Raw([]byte("truth")))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func apply(t *testing.T, s *store.Store, ch store.Change) {
	t.Helper()
	if err := s.Apply(ch); err != nil {
		t.Fatal(err)
	}
}

func collect(t *testing.T, s *store.Store, o store.CollectOptions) store.Collected {
	t.Helper()
	res, err := s.Collect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return res
}
