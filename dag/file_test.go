package dag_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/ipfs/boxo/chunker"
	mdtest "github.com/ipfs/boxo/ipld/merkledag/test"
	"github.com/ipfs/boxo/ipld/unixfs/importer/balanced"
	"github.com/ipfs/boxo/ipld/unixfs/importer/helpers"
	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"

	"github.com/zipnode/zipnode/dag"
)

// blockMap is a Getter over a map.
type blockMap map[cid.Cid]blocks.Block

func (m blockMap) Get(_ context.Context, c cid.Cid) (blocks.Block, error) {
	if b, ok := m[c]; ok {
		return b, nil
	}
	return nil, fmt.Errorf("block %s: %w", c, dag.ErrNotFound)
}

func (m blockMap) emit(b blocks.Block) error {
	if len(b.RawData()) > dag.MaxBlock {
		return fmt.Errorf("block of %d bytes", len(b.RawData()))
	}
	m[b.Cid()] = b
	return nil
}

func noise(n int) []byte {
	r := rand.NewChaCha8([32]byte{byte(n), byte(n >> 8), byte(n >> 16)})
	b := make([]byte, n)
	r.Read(b)
	return b
}

// boxoFile imports data as kubo does with the profile unixfs-v1-2025.
func boxoFile(t *testing.T, r io.Reader, maxLinks int, leaf int64) ipld.Node {
	t.Helper()
	p := helpers.DagBuilderParams{
		Maxlinks: maxLinks, RawLeaves: true, Dagserv: mdtest.Mock(),
		CidBuilder: uio.UnixFS_v1_2025.CidBuilder(),
	}
	db, err := p.New(chunk.NewSizeSplitter(r, leaf))
	if err != nil {
		t.Fatal(err)
	}
	n, err := balanced.Layout(db)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func buildFile(t *testing.T, data []byte, leaf int) dag.Child {
	t.Helper()
	b := dag.NewFileBuilder(blockMap{}.emit)
	for len(data) > 0 {
		n := min(leaf, len(data))
		if err := b.Add(dag.Leaf(data[:n])); err != nil {
			t.Fatal(err)
		}
		data = data[n:]
	}
	c, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A plain file is called what every other tool of IPFS calls it.
func TestFileIsBoxos(t *testing.T) {
	for _, size := range []int{0, 1, 1 << 20, 1<<20 + 1, 5<<20 + 17} {
		data := noise(size)
		want := boxoFile(t, bytes.NewReader(data), 1024, 1<<20)
		got := buildFile(t, data, 1<<20)
		if got.CID != want.Cid() {
			t.Errorf("file of %d bytes = %s, boxo's importer gives %s", size, got.CID, want.Cid())
		}
		if total, _ := want.Size(); got.DagSize != total {
			t.Errorf("file of %d bytes: DagSize = %d, boxo's %d", size, got.DagSize, total)
		}
	}
}

// The grouping does not depend on the leaves' size, so small leaves show its
// levels: below, at and past 1024 and 1024² children.
func TestGroupingIsBoxos(t *testing.T) {
	sizes := []int{1023, 1024, 1025, 2049, 1024 * 1024, 1024*1024 + 1}
	if testing.Short() {
		sizes = sizes[:4]
	}
	for _, n := range sizes {
		data := noise(n)
		want := boxoFile(t, bytes.NewReader(data), 1024, 1)
		if got := buildFile(t, data, 1); got.CID != want.Cid() {
			t.Errorf("%d children give %s, boxo's importer %s", n, got.CID, want.Cid())
		}
	}
}

func TestFileOfUnevenChildren(t *testing.T) {
	m := blockMap{}
	b := dag.NewFileBuilder(m.emit)
	total := int64(0)
	for i := range 1500 {
		data := noise(i % 7) // every seventh is empty, and has no child
		total += int64(len(data))
		if err := b.Add(dag.Leaf(data)); err != nil {
			t.Fatal(err)
		}
	}
	c, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if c.Size != total {
		t.Errorf("Size = %d, want %d", c.Size, total)
	}
	n, err := dag.DecodeFile(m[c.CID], total)
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Children) != 2 {
		t.Errorf("%d children at the root, want 2", len(n.Children))
	}
	if _, err := dag.DecodeFile(m[c.CID], total+1); !isCorrupt(err) {
		t.Errorf("a node of another size than promised: %v, want *CorruptError", err)
	}
}

func isCorrupt(err error) bool {
	_, ok := errors.AsType[*dag.CorruptError](err)
	return ok
}

// A tensor of 1 TiB: generated nodes, no bytes.
func TestTensorOfOneTebibyte(t *testing.T) {
	if testing.Short() {
		t.Skip("a million leaves")
	}
	m := blockMap{}
	b := dag.NewFileBuilder(m.emit)
	leaf := dag.Child{CID: dag.Raw(noise(8)), Size: dag.MaxLeaf, DagSize: dag.MaxLeaf}
	for range 1 << 20 {
		if err := b.Add(leaf); err != nil {
			t.Fatal(err)
		}
	}
	c, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	if c.Size != 1<<40 {
		t.Errorf("Size = %d, want 2^40", c.Size)
	}

	entries := func(yield func(dag.Entry) bool) {
		for range 1 << 20 {
			if !yield(dag.Entry{Chunk: leaf.CID, Length: 1 << 19}) {
				return
			}
		}
	}
	r := &dag.Recipe{Of: c.CID, Size: c.Size, DType: "BF16"}
	blk, err := dag.EncodeRecipe(r, entries, m.emit)
	if err != nil {
		t.Fatal(err)
	}
	back, err := dag.DecodeRecipe(blk)
	if err != nil {
		t.Fatal(err)
	}
	got, err := back.StoredBytes(t.Context(), m)
	if err != nil || got != 1<<39 {
		t.Errorf("StoredBytes = %d, %v, want 2^39", got, err)
	}
	if n := len(back.Chunks.Pages()); n != 128 {
		t.Errorf("%d pages, want 128", n)
	}
}

// A model of a million tensors, as a file's children and as a packing.
func TestMillionTensors(t *testing.T) {
	if testing.Short() {
		t.Skip("a million tensors")
	}
	m := blockMap{}
	b := dag.NewFileBuilder(m.emit)
	w := dag.NewPackingWriter(m.emit)
	for i := range 1_000_000 {
		c := dag.Leaf(fmt.Append(nil, i))
		if err := b.Add(c); err != nil {
			t.Fatal(err)
		}
		if err := w.Recipe(dag.CBOR(fmt.Append(nil, i))); err != nil {
			t.Fatal(err)
		}
	}
	file, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	dir, err := dag.BuildDir(t.Context(), map[string]dag.Child{"model.safetensors": file}, m.emit)
	if err != nil {
		t.Fatal(err)
	}
	root, err := w.Finish(dir.CID)
	if err != nil {
		t.Fatal(err)
	}
	p, err := dag.DecodePacking(m[root])
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for c, err := range p.Recipes.All(t.Context(), m) {
		if err != nil {
			t.Fatal(err)
		}
		if n == 999_999 && c != dag.CBOR([]byte("999999")) {
			t.Errorf("the last recipe is %s", c)
		}
		n++
	}
	if n != 1_000_000 {
		t.Errorf("%d recipes, want 1000000", n)
	}
}
