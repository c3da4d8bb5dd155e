package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/tensor"
)

// maxBehind is how many distinct base leaves may stand behind one leaf, however
// nested: it bounds what decoding one leaf can cost.
const maxBehind = 32

// ErrTooDeep says that more base leaves stand behind a leaf than decoding may
// cost.
var ErrTooDeep = fmt.Errorf("more than %d base leaves stand behind a leaf", maxBehind)

// Recipe returns the parsed recipe c.
func (s *Store) Recipe(c cid.Cid) (*dag.Recipe, error) { return s.recipe(digestOf(c)) }

func (s *Store) recipe(d digest) (*dag.Recipe, error) {
	if r, ok := s.recipes.roots.Get(d); ok {
		return r, nil
	}
	b, err := s.real(d.cid(cid.DagCBOR))
	if err != nil {
		return nil, err
	}
	r, err := dag.DecodeRecipe(b)
	if err != nil {
		return nil, err
	}
	s.recipes.roots.Add(d, r)
	return r, nil
}

// entry returns entry i of recipe d.
func (s *Store) entry(ctx context.Context, d digest, r *dag.Recipe, i int64) (dag.Entry, error) {
	if i < 0 || i >= r.Chunks.Len() {
		return dag.Entry{}, fmt.Errorf("leaf %d of a tensor of %d", i, r.Chunks.Len())
	}
	n := int(i / dag.PageEntries)
	page, ok := s.recipes.pages.Get(pageKey{d, n})
	if !ok {
		var err error
		if page, err = r.Chunks.Page(ctx, realGetter{s}, n); err != nil {
			return dag.Entry{}, err
		}
		if len(r.Chunks.Pages()) > 0 {
			s.recipes.pages.Add(pageKey{d, n}, page)
		}
	}
	return page[i%dag.PageEntries], nil
}

// realGetter gets blocks whose bytes lie in a pack, and decodes none.
type realGetter struct{ s *Store }

func (g realGetter) Get(_ context.Context, c cid.Cid) (blocks.Block, error) { return g.s.real(c) }

// A decoding is one request's way through chunks and bases.
type decoding struct {
	s     *Store
	seen  map[leafKey]bool // base leaves behind the one asked for
	limit int              // of these
}

func newDecoding(s *Store) decoding {
	return decoding{s: s, seen: map[leafKey]bool{}, limit: maxBehind}
}

// Decode returns leaf i of the tensor that recipe rebuilds, unchecked: the
// caller compares its hash with the leaf CID it expects. The bytes must not be
// changed.
func (s *Store) Decode(ctx context.Context, recipe cid.Cid, i int64) ([]byte, error) {
	dec := newDecoding(s)
	return dec.leaf(ctx, leafKey{digestOf(recipe), i})
}

// ReadTensor returns up to n bytes of tensor c from off on, fewer where it ends,
// decoded by its recipe in use and unchecked. They must not be changed.
func (s *Store) ReadTensor(ctx context.Context, c cid.Cid, off int64, n int) ([]byte, error) {
	dec := newDecoding(s)
	dec.limit = (n/dag.MaxLeaf + 2) * (maxBehind + 1) // the leaves asked for count here too
	return dec.readTensor(ctx, c, off, n)
}

// leaf returns the decoded bytes of leaf k, from the cache or its chunk.
func (d *decoding) leaf(ctx context.Context, k leafKey) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if data, ok := d.s.leaves.get(k); ok {
		return data, nil
	}
	r, err := d.s.recipe(k.recipe)
	if err != nil {
		return nil, err
	}
	e, err := d.s.entry(ctx, k.recipe, r, k.i)
	if err != nil {
		return nil, err
	}
	data, err := d.chunk(ctx, r, k.i, e)
	if err != nil {
		return nil, err
	}
	d.s.leaves.put(k, data)
	return data, nil
}

// chunk decodes the chunk of leaf i of r.
func (d *decoding) chunk(ctx context.Context, r *dag.Recipe, i int64, e dag.Entry) ([]byte, error) {
	s := d.s
	size := dag.LeafSize(r.Size, i)
	// Checked, for what decodes against it would inherit a flipped bit: a delta
	// made against such a base is lost when the base is mended.
	b, err := s.real(e.Chunk)
	if err != nil {
		return nil, err
	}
	chunk := b.RawData()
	if len(chunk) != e.Length {
		return nil, &dag.CorruptError{CID: e.Chunk, Reason: fmt.Sprintf("%d bytes, its recipe says %d", len(chunk), e.Length)}
	}
	if plain, err := isLeaf(e.Chunk, chunk, size, r); plain || err != nil {
		return chunk, err
	}
	c := codec.Context{DType: r.DType, Offset: i * dag.MaxLeaf}
	if r.Side.Defined() {
		side, err := s.real(r.Side)
		if err != nil {
			return nil, err
		}
		c.Side = side.RawData()
	}
	for _, b := range r.Bases {
		base, err := d.base(ctx, r, b, i)
		if err != nil {
			return nil, fmt.Errorf("base %s: %w", b.Of, err)
		}
		c.Bases = append(c.Bases, base)
	}
	data, err := codec.Decode(make([]byte, 0, size), chunk, size, c)
	if errors.Is(err, codec.ErrUnknown) {
		return nil, fmt.Errorf("chunk %s: %w", e.Chunk, err)
	}
	if err != nil {
		return nil, &dag.CorruptError{CID: e.Chunk, From: s.where(e.Chunk), Reason: err.Error()}
	}
	return data, nil
}

// isLeaf tells whether a chunk is the leaf itself: one without a frame is as
// long as its leaf, and every frame is shorter.
func isLeaf(c cid.Cid, chunk []byte, size int, r *dag.Recipe) (bool, error) {
	if len(chunk) < size {
		return false, nil
	}
	if len(chunk) > size {
		return false, &dag.CorruptError{CID: c, Reason: fmt.Sprintf("a chunk of %d bytes for a leaf of %d of tensor %s", len(chunk), size, r.Of)}
	}
	return true, nil
}

// base returns what of base b lines up with leaf i of r.
func (d *decoding) base(ctx context.Context, r *dag.Recipe, b dag.Base, i int64) (codec.Base, error) {
	return BaseOf(r.DType, b, i, dag.LeafSize(r.Size, i), func(off int64, n int) ([]byte, error) {
		return d.readTensor(ctx, b.Of, off, n)
	})
}

// BaseOf gathers what of a base lines up with leaf i, of size bytes, of a
// tensor of type dtype. read returns up to n bytes of the base from off on,
// fewer where the base ends.
func BaseOf(dtype tensor.DType, b dag.Base, i int64, size int, read func(off int64, n int) ([]byte, error)) (codec.Base, error) {
	out := codec.Base{DType: b.DType}
	first := i * dag.MaxLeaf
	if len(b.Map) == 0 && width(dtype) == width(b.DType) {
		data, err := read(first, size)
		if err == nil && len(data) > 0 {
			out.Spans = []codec.Span{{At: 0, Data: data}}
		}
		return out, err
	}
	w, bw := int64(width(dtype)), int64(width(b.DType))
	if w == 0 || bw == 0 {
		return out, nil // no element to map: this base covers nothing
	}
	spans := b.Map
	if len(spans) == 0 {
		spans = []dag.Span{{Count: (first + int64(size)) / w}}
	}
	lo, hi := (first+w-1)/w, (first+int64(size))/w // whole elements only
	start, _ := slices.BinarySearchFunc(spans, lo, func(sp dag.Span, lo int64) int {
		return cmp.Compare(sp.Dst+sp.Count, lo+1)
	})
	for _, sp := range spans[start:] {
		from, to := max(sp.Dst, lo), min(sp.Dst+sp.Count, hi)
		if from >= to {
			break
		}
		data, err := read((sp.Src+from-sp.Dst)*bw, int((to-from)*bw))
		if err != nil {
			return out, err
		}
		if data = data[:int64(len(data))/bw*bw]; len(data) > 0 {
			out.Spans = append(out.Spans, codec.Span{At: int(from*w - first), Data: data})
		}
	}
	return out, nil
}

// width returns the bytes of an element, or 0 where they are not whole.
func width(d tensor.DType) int {
	if d == tensor.Opaque {
		return 1
	}
	if n := d.Bits(); n%8 == 0 {
		return n / 8
	}
	return 0
}

// readTensor returns up to n bytes of tensor c from off on, fewer where it
// ends, by its recipe in use.
func (d *decoding) readTensor(ctx context.Context, c cid.Cid, off int64, n int) ([]byte, error) {
	t, ok, err := d.s.tensor(idOf(c))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("tensor %s: %w", c, dag.ErrNotFound)
	}
	n = int(max(0, min(int64(n), t.Size-off)))
	if n == 0 {
		return nil, nil
	}
	first, last := off/dag.MaxLeaf, (off+int64(n)-1)/dag.MaxLeaf
	var out []byte
	for i := first; i <= last; i++ {
		k := leafKey{t.recipe, i}
		if d.seen[k] = true; len(d.seen) > d.limit {
			return nil, ErrTooDeep
		}
		leaf, err := d.leaf(ctx, k)
		if err != nil {
			return nil, err
		}
		from := max(off, i*dag.MaxLeaf) - i*dag.MaxLeaf
		to := min(off+int64(n)-i*dag.MaxLeaf, int64(len(leaf)))
		if first == last {
			return leaf[from:to:to], nil // lent from the cache: no copy in the common case
		}
		out = append(out, leaf[from:to]...)
	}
	return out, nil
}

// virtual decodes leaf c by one of its ways, and checks it. A way that gives
// other bytes although every block behind it is whole is forgotten.
func (s *Store) virtual(ctx context.Context, c cid.Cid) ([]byte, error) {
	d := digestOf(c)
	ways, err := s.index.prefix(key(tabWay, d[:]), 16)
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("leaf %s: %w", c, dag.ErrNotFound)
	for _, w := range ways {
		k, ok := parseWay(w.key)
		if !ok {
			continue
		}
		var data []byte
		if data, err = s.checked(ctx, k, c); err == nil {
			return data, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if errors.Is(err, errOtherLeaf) {
			s.index.delete(w.key)
		}
		err = fmt.Errorf("leaf %s: %w", c, err)
	}
	return nil, err
}

// errOtherLeaf says that a recipe gives other bytes than its tensor has.
var errOtherLeaf = errors.New("its recipe gives other bytes")

// checked decodes leaf k and compares it with c. Where they differ it asks
// whether a block behind it is damaged, and says which.
func (s *Store) checked(ctx context.Context, k leafKey, c cid.Cid) ([]byte, error) {
	dec := newDecoding(s)
	data, err := dec.leaf(ctx, k)
	if err != nil {
		return nil, err
	}
	if dag.Check(c, data) == nil {
		return data, nil
	}
	s.leaves.clear() // what was decoded from a damaged block may be in it
	dec.seen = map[leafKey]bool{k: true}
	if data, err = dec.leaf(ctx, k); err != nil {
		return nil, err
	}
	if dag.Check(c, data) == nil {
		return data, nil
	}
	for behind := range dec.seen {
		r, err := s.recipe(behind.recipe)
		if err != nil {
			return nil, err
		}
		e, err := s.entry(ctx, behind.recipe, r, behind.i)
		if err != nil {
			return nil, err
		}
		if _, err := s.real(e.Chunk); err != nil {
			return nil, err
		}
	}
	return nil, errOtherLeaf
}
