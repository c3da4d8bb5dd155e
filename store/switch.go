package store

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// AddWay stores recipe b as one more way to rebuild a tensor that is here, and
// leaves the recipe in use as it is: [Lease.Switch] changes that. As for
// [Lease.AddRecipe], the caller has decoded every leaf by it, checked it, and
// put its chunks, pages and side block.
//
// Its bases may need the tensor themselves: decoding goes by recipes in use, in
// which there is no circle.
func (l *Lease) AddWay(ctx context.Context, b blocks.Block, leaves iter.Seq2[cid.Cid, error]) error {
	s := l.s
	r, err := dag.DecodeRecipe(b)
	if err != nil {
		return err
	}
	for _, c := range append(basesOf(r), r.Of) {
		if _, err := l.Keep(c); err != nil {
			return err
		}
		if _, ok, err := s.tensor(idOf(c)); err != nil || !ok {
			return errors.Join(err, notHere(idOf(c), ok))
		}
	}
	s.sweepMu.RLock()
	defer s.sweepMu.RUnlock()
	s.useMu.Lock()
	defer s.useMu.Unlock()
	if _, err := l.put(b, false); err != nil {
		return err
	}
	of, rec := idOf(r.Of), digestOf(b.Cid())
	if err := s.addWays(ctx, r, rec, leaves); err != nil {
		return err
	}
	s.index.put(key(tabRecipe, of[:], rec[:]), nil)
	return nil
}

func basesOf(r *dag.Recipe) []cid.Cid {
	var out []cid.Cid
	for _, b := range r.Bases {
		out = append(out, b.Of)
	}
	return out
}

// Switch puts recipes, which [Lease.AddWay] stored, to use in place of those
// that their tensors have: all of them at once or, when it returns an error,
// none. The change outlasts a crash with the next flush, as a whole or not at
// all. What only the old recipes needed is garbage from then on.
//
// The error wraps [ErrCircle] when bases would need each other, [ErrTooDeep]
// when more base leaves than decoding may cost would stand behind a leaf of one
// of the tensors, or of whatever depends on them.
func (l *Lease) Switch(ctx context.Context, recipes ...cid.Cid) error {
	s := l.s
	s.sweepMu.RLock()
	defer s.sweepMu.RUnlock()
	s.useMu.Lock()
	defer s.useMu.Unlock()
	c := newRecount(s)
	var changed []tensorID
	for _, rec := range recipes {
		t, err := s.choice(ctx, digestOf(rec))
		if err != nil {
			return err
		}
		c.next[t.of] = t
		changed = append(changed, t.of)
	}
	for _, of := range changed {
		if err := c.down(ctx, of); err != nil {
			return err
		}
	}
	if err := c.up(ctx, slices.Collect(maps.Keys(c.next))); err != nil {
		return err
	}
	if err := c.tooDeep(); err != nil {
		return err
	}
	var uses []useEntry
	for _, of := range changed {
		uses = append(uses, useEntry{Tensor: of.cid().String(), Recipe: c.next[of].Recipe().String()})
	}
	s.change(c, uses)
	return nil
}

// choice returns what the index would say of the tensor of recipe rec, all
// blocks of which are here, but for the count.
func (s *Store) choice(ctx context.Context, rec digest) (Tensor, error) {
	r, err := s.recipe(rec)
	if err != nil {
		return Tensor{}, err
	}
	if whole, err := s.hasChunks(ctx, r); err != nil || !whole {
		return Tensor{}, errors.Join(err, fmt.Errorf("chunks of recipe %s: %w", rec.cid(cid.DagCBOR), dag.ErrNotFound))
	}
	t := Tensor{Size: r.Size, DType: r.DType, Bases: basesOf(r), of: idOf(r.Of), recipe: rec}
	if _, ok, err := s.tensor(t.of); err != nil || !ok {
		return t, errors.Join(err, notHere(t.of, ok))
	}
	t.Stored, err = r.StoredBytes(ctx, realGetter{s})
	return t, err
}

// change makes c, and says in the journal which choices of it are new: in one
// line, so that all hold after a crash or none. A flush sees all of it or none.
func (s *Store) change(c *recount, uses []useEntry) {
	s.appendMu.Lock()
	defer s.appendMu.Unlock()
	s.jrnl.add(uses)
	c.write()
}
