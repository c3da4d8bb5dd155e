package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/tensor"
)

// A Tensor is what the index says of a tensor that can be rebuilt here.
type Tensor struct {
	Size   int64
	Stored int64 // bytes of its chunks, by the recipe in use
	DType  tensor.DType
	Bases  []cid.Cid // of the recipe in use

	of     tensorID
	recipe digest
	behind int // base leaves behind one leaf, at most
}

// ErrCircle says that a recipe's bases need its tensor themselves.
var ErrCircle = errors.New("its bases need it themselves")

// Recipe returns the CID of the recipe in use.
func (t Tensor) Recipe() cid.Cid { return t.recipe.cid(cid.DagCBOR) }

// CanBeBase tells whether a delta against t is within what decoding a leaf may
// cost.
func (t Tensor) CanBeBase() bool { return t.behind < maxBehind }

func (t Tensor) encode() []byte {
	b := binary.AppendUvarint(nil, uint64(t.Size))
	b = binary.AppendUvarint(b, uint64(t.Stored))
	b = append(b, t.recipe[:]...)
	b = append(b, byte(t.behind), byte(len(t.Bases)))
	for _, c := range t.Bases {
		d := digestOf(c)
		b = append(binary.AppendUvarint(b, c.Type()), d[:]...)
	}
	return append(b, t.DType...)
}

var errTensorEntry = errors.New("store: a damaged index entry of a tensor")

func decodeTensor(of tensorID, b []byte) (Tensor, error) {
	t := Tensor{of: of}
	num := func() uint64 {
		n, w := binary.Uvarint(b)
		if w <= 0 {
			b = nil
			return 0
		}
		b = b[w:]
		return n
	}
	t.Size, t.Stored = int64(num()), int64(num())
	if len(b) < 34 {
		return t, errTensorEntry
	}
	copy(t.recipe[:], b)
	bases := int(b[33])
	t.behind = int(b[32])
	b = b[34:]
	for range bases {
		codec := num()
		if len(b) < 32 {
			return t, errTensorEntry
		}
		t.Bases = append(t.Bases, digest(b[:32]).cid(codec))
		b = b[32:]
	}
	t.DType = tensor.DType(b)
	return t, nil
}

func (s *Store) tensor(of tensorID) (Tensor, bool, error) {
	v, err := s.index.get(key(tabTensor, of[:]))
	if v == nil || err != nil {
		return Tensor{}, false, err
	}
	t, err := decodeTensor(of, v)
	return t, err == nil, err
}

// Tensor returns what is known of tensor c, and false when it cannot be rebuilt
// here.
func (s *Store) Tensor(c cid.Cid) (Tensor, bool, error) {
	if err := dag.Supported(c); err != nil {
		return Tensor{}, false, err
	}
	return s.tensor(idOf(c))
}

// SetAside checks, reading every block, what the tensors cs are rebuilt from
// here, their bases included. Where a block is damaged the index forgets it, and
// the tensors that need it are suspended: they are fetched or added again as if
// they had never been here. It returns those of cs that were.
func (s *Store) SetAside(ctx context.Context, cs ...cid.Cid) ([]cid.Cid, error) {
	a := asideer{s: s, whole: map[tensorID]bool{}}
	var out []cid.Cid
	for _, c := range cs {
		_, known, err := s.Tensor(c)
		if err != nil {
			return out, err
		}
		whole, err := a.tensor(ctx, c)
		if err != nil {
			return out, err
		}
		if known && !whole {
			out = append(out, c)
		}
	}
	if len(out) > 0 {
		s.leaves.clear()
		s.recipes.clear()
	}
	return out, nil
}

// SetAsideBlocks checks the blocks of a recipe that are here, and tells whether
// one was damaged: the index forgets it. Those that are not here, or not yet, are
// no damage.
func (s *Store) SetAsideBlocks(ctx context.Context, recipe cid.Cid) (bool, error) {
	a := asideer{s: s}
	_, err := a.recipe(ctx, Tensor{recipe: digestOf(recipe)})
	return a.damaged, err
}

// SetAsideBlock checks block c, and tells whether it is here and damaged: then the
// index forgets it, and it can be put again.
func (s *Store) SetAsideBlock(c cid.Cid) (bool, error) {
	if err := dag.Supported(c); err != nil {
		return false, err
	}
	a := asideer{s: s}
	_, err := a.block(c)
	return a.damaged, err
}

// SuspendBroken suspends every tensor of whose recipe in use, or a base's, a block
// is not here, as the index has it: what verify set aside of a model whose nodes
// do not lead to its tensors any more.
func (s *Store) SuspendBroken(ctx context.Context) error {
	a := asideer{s: s, whole: map[tensorID]bool{}, indexed: true}
	found := false
	err := s.index.scan(key(tabTensor), func(k, _ []byte) (bool, error) {
		whole, err := a.tensor(ctx, tensorID(k[1:]).cid())
		found = found || !whole
		return true, err
	})
	if found {
		s.leaves.clear()
		s.recipes.clear()
	}
	return err
}

type asideer struct {
	s       *Store
	whole   map[tensorID]bool
	indexed bool // chunks that the index has are taken for whole
	damaged bool // a block that the index knew was not whole
}

// tensor tells whether c can be rebuilt; one that is not known cannot.
func (a *asideer) tensor(ctx context.Context, c cid.Cid) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	d := idOf(c)
	if whole, ok := a.whole[d]; ok {
		return whole, nil
	}
	a.whole[d] = true // bases cannot lead back here: none is used in a circle
	t, ok, err := a.s.tensor(d)
	if err != nil {
		return false, err
	}
	whole := ok
	for _, b := range t.Bases {
		baseWhole, err := a.tensor(ctx, b)
		if err != nil {
			return false, err
		}
		whole = whole && baseWhole
	}
	if ok {
		chunks, err := a.recipe(ctx, t)
		if err != nil {
			return false, err
		}
		whole = whole && chunks
	}
	a.whole[d] = whole
	if ok && !whole {
		a.s.useMu.Lock()
		a.s.index.delete(key(tabTensor, d[:]))
		a.s.useMu.Unlock()
	}
	return whole, nil
}

// recipe tells whether every block of t's recipe in use is whole.
func (a *asideer) recipe(ctx context.Context, t Tensor) (bool, error) {
	if ok, err := a.block(t.Recipe()); !ok || err != nil {
		return false, err
	}
	r, err := a.s.recipe(t.recipe)
	if bad, err := absent(err); bad || err != nil {
		return false, err
	}
	whole := true
	check := func(c cid.Cid) error {
		ok, err := a.block(c)
		whole = whole && ok
		return err
	}
	if r.Side.Defined() {
		if err := check(r.Side); err != nil {
			return false, err
		}
	}
	for _, p := range r.Chunks.Pages() {
		if err := check(p); err != nil {
			return false, err
		}
	}
	if !whole {
		return false, nil
	}
	for e, err := range r.Chunks.All(ctx, realGetter{a.s}) {
		if err == nil && a.indexed {
			_, ok, findErr := a.s.find(digestOf(e.Chunk))
			whole, err = whole && ok, findErr
		} else if err == nil {
			err = check(e.Chunk)
		}
		if err != nil {
			return false, err
		}
	}
	return whole, nil
}

// block tells whether block c is whole, and forgets it if not.
func (a *asideer) block(c cid.Cid) (bool, error) {
	_, err := a.s.real(c)
	if bad, err := absent(err); err != nil {
		return false, err
	} else if !bad {
		return true, nil
	}
	d := digestOf(c)
	_, known, err := a.s.find(d)
	if known && err == nil {
		a.damaged = true
		a.s.index.delete(key(tabBlock, d[:]))
	}
	return false, err
}

// DropBroken forgets every recipe that is not in use and of which a block is not
// here: what it would decode is not asked of it any more. Those of a tensor that
// has none in use are kept, for they tell what it lacks.
func (s *Store) DropBroken(ctx context.Context) error {
	s.useMu.Lock()
	defer s.useMu.Unlock()
	return s.index.scan(key(tabRecipe), func(k, _ []byte) (bool, error) {
		if len(k) != 66 {
			return true, nil
		}
		of, rec := tensorID(k[1:34]), digest(k[34:])
		t, ok, err := s.tensor(of)
		if err != nil || !ok || t.recipe == rec {
			return true, err
		}
		whole, err := s.complete(ctx, rec)
		if err == nil && !whole {
			err = s.dropRecipe(ctx, t, rec)
		}
		return true, err
	})
}

// complete tells whether every block of a recipe is here, as the index has it.
func (s *Store) complete(ctx context.Context, rec digest) (bool, error) {
	r, err := s.recipe(rec)
	if bad, err := absent(err); bad || err != nil {
		return false, err
	}
	if here, err := s.hasSide(r); !here || err != nil {
		return false, err
	}
	for e, err := range r.Chunks.All(ctx, realGetter{s}) {
		if bad, err := absent(err); bad || err != nil { // a page
			return false, err
		}
		if _, ok, err := s.find(digestOf(e.Chunk)); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// hasSide tells whether the side block of r is here, if it has one.
func (s *Store) hasSide(r *dag.Recipe) (bool, error) {
	if !r.Side.Defined() {
		return true, nil
	}
	_, ok, err := s.find(digestOf(r.Side))
	return ok, err
}

// dropRecipe forgets recipe rec of tensor t. useMu is held.
func (s *Store) dropRecipe(ctx context.Context, t Tensor, rec digest) error {
	i := int64(0)
	for leaf, err := range dag.LeavesOf(ctx, realGetter{s}, t.of.cid(), t.Size) {
		if err != nil {
			return err
		}
		d := digestOf(leaf)
		s.index.delete(wayKey(d, leafKey{rec, i}))
		i++
	}
	s.index.delete(key(tabRecipe, t.of[:], rec[:]))
	return nil
}

// Recipes returns the CIDs of the recipes known of tensor c, the one in use
// first, at most most.
func (s *Store) Recipes(c cid.Cid, most int) ([]cid.Cid, error) {
	if err := dag.Supported(c); err != nil {
		return nil, err
	}
	of := idOf(c)
	t, ok, err := s.tensor(of)
	if err != nil {
		return nil, err
	}
	var out []cid.Cid
	if ok {
		out = append(out, t.Recipe())
	}
	known, err := s.index.prefix(key(tabRecipe, of[:]), most+1)
	for _, p := range known {
		if d := digest(p.key[34:]); !ok || d != t.recipe {
			out = append(out, d.cid(cid.DagCBOR))
		}
	}
	return out[:min(most, len(out))], err
}

// weigh returns the index entry that r would have, or an error when it may not
// be used: for a circle of bases, or too many leaves behind one. useMu is held.
func (s *Store) weigh(ctx context.Context, r *dag.Recipe, rec digest) (Tensor, error) {
	t := Tensor{Size: r.Size, DType: r.DType, of: idOf(r.Of), recipe: rec}
	var err error
	if t.Stored, err = r.StoredBytes(ctx, realGetter{s}); err != nil {
		return t, err
	}
	for _, b := range r.Bases {
		base, ok, err := s.tensor(idOf(b.Of))
		if err != nil || !ok {
			return t, errors.Join(err, fmt.Errorf("base %s: %w", b.Of, dag.ErrNotFound))
		}
		t.Bases = append(t.Bases, b.Of)
		t.behind += leavesTouched(r.Size, r.DType, b, base.Size) * (1 + base.behind)
	}
	if t.behind > maxBehind {
		return t, fmt.Errorf("recipe of %s: %w", r.Of, ErrTooDeep)
	}
	if circle, err := s.reaches(t.Bases, t.of); circle || err != nil {
		return t, errors.Join(err, fmt.Errorf("recipe of %s: %w", r.Of, ErrCircle))
	}
	return t, nil
}

// leavesTouched bounds how many leaves of a base line up with one leaf of a
// tensor.
func leavesTouched(size int64, dtype tensor.DType, b dag.Base, baseSize int64) int {
	if len(b.Map) == 0 && width(dtype) == width(b.DType) {
		return 1
	}
	w, bw := width(dtype), width(b.DType)
	if w == 0 || bw == 0 {
		return 1
	}
	most := 1
	for i := range dag.Leaves(size) {
		touched := map[int64]bool{}
		// No bytes are read: only the ranges that would be count.
		_, err := BaseOf(dtype, b, i, dag.LeafSize(size, i), func(off int64, bytes int) ([]byte, error) {
			if end := min(off+int64(bytes), baseSize); off < end {
				for leaf := off / dag.MaxLeaf; leaf <= (end-1)/dag.MaxLeaf && len(touched) <= maxBehind; leaf++ {
					touched[leaf] = true
				}
			}
			return nil, nil
		})
		if err == nil {
			most = max(most, len(touched))
		}
		if most > maxBehind {
			break
		}
	}
	return most
}

// reaches tells whether tensor of is among from, or among what those need by
// the recipes in use.
func (s *Store) reaches(from []cid.Cid, of tensorID) (bool, error) {
	seen := map[tensorID]bool{}
	next := slices.Clone(from) // popped and pushed below: never the caller's
	for len(next) > 0 {
		d := idOf(next[len(next)-1])
		next = next[:len(next)-1]
		if d == of {
			return true, nil
		}
		if seen[d] {
			continue
		}
		seen[d] = true
		t, ok, err := s.tensor(d)
		if err != nil {
			return false, err
		}
		if ok {
			next = append(next, t.Bases...)
		}
	}
	return false, nil
}

func wayKey(leaf digest, k leafKey) []byte {
	return key(tabWay, leaf[:], k.recipe[:], binary.BigEndian.AppendUint64(nil, uint64(k.i)))
}

func parseWay(k []byte) (leafKey, bool) {
	if len(k) != 1+32+32+8 {
		return leafKey{}, false
	}
	return leafKey{recipe: digest(k[33:65]), i: int64(binary.BigEndian.Uint64(k[65:]))}, true
}
