package node

import (
	"context"
	"errors"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// A needFinder looks for those of some blocks that a model needs.
type needFinder struct {
	n     *Node
	want  map[cid.Cid]bool // under the raw codec
	found map[cid.Cid]bool
	seen  map[cid.Cid]bool
	own   []cid.Cid // tensors of the model, also those that were set aside
	bases []cid.Cid // what these are deltas of, directly or not
}

// find walks model.
func (f *needFinder) find(ctx context.Context, model cid.Cid) error {
	f.found, f.seen = map[cid.Cid]bool{}, map[cid.Cid]bool{}
	m, ok, err := f.n.store.Model(model)
	if err != nil {
		return err
	}
	if ok && m.Packing != "" {
		if p, err := cid.Decode(m.Packing); err == nil {
			f.meet(p)
		}
	}
	if err := f.node(ctx, model); err != nil {
		return err
	}
	for i := 0; i < len(f.bases); i++ { // it grows
		if err := f.base(ctx, f.bases[i]); err != nil {
			return err
		}
	}
	return nil
}

func (f *needFinder) meet(c cid.Cid) {
	if raw := dag.AsRaw(c); f.want[raw] {
		f.found[raw] = true
	}
}

// node walks a node of the model, and what is under it.
func (f *needFinder) node(ctx context.Context, c cid.Cid) error {
	return f.walk(ctx, c, f.node, func() { f.own = append(f.own, c) })
}

// base walks a tensor that others are deltas of.
func (f *needFinder) base(ctx context.Context, c cid.Cid) error {
	return f.walk(ctx, c, f.base, func() {})
}

// walk meets c and what is under it, once, by way of below, and calls tensor if it
// is one.
func (f *needFinder) walk(ctx context.Context, c cid.Cid, below func(context.Context, cid.Cid) error, tensor func()) error {
	if f.seen[c] {
		return nil
	}
	f.seen[c] = true
	f.meet(c)
	known, err := f.tensor(ctx, c)
	if err != nil {
		return err
	}
	if known {
		tensor()
	}
	return f.children(ctx, c, known, below)
}

// children calls walk for what is under c; the leaves of a tensor, which its
// recipe gives, are only met.
func (f *needFinder) children(ctx context.Context, c cid.Cid, tensor bool, walk func(context.Context, cid.Cid) error) error {
	if c.Type() == cid.Raw {
		return nil
	}
	b, err := f.n.store.Get(ctx, c)
	if err != nil {
		return ignoreDamage(err)
	}
	links, err := dag.Links(b)
	if err != nil {
		return err
	}
	for _, l := range links {
		if tensor && l.Type() == cid.Raw {
			f.meet(l)
			continue
		}
		if err := walk(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// tensor looks into the recipe in use of c, or, if it was set aside, into those
// that it had. It tells whether c is, or was, a tensor here.
func (f *needFinder) tensor(ctx context.Context, c cid.Cid) (bool, error) {
	t, ok, err := f.n.store.Tensor(c)
	if err != nil {
		return false, err
	}
	if ok {
		f.bases = append(f.bases, t.Bases...)
		return true, f.recipe(ctx, t.Recipe())
	}
	had, err := f.n.store.Recipes(c, maxOffers)
	if err != nil {
		return false, err
	}
	for _, rec := range had {
		if err := f.recipe(ctx, rec); err != nil {
			return false, err
		}
	}
	return len(had) > 0, nil
}

func (f *needFinder) recipe(ctx context.Context, rec cid.Cid) error {
	f.meet(rec)
	r, err := f.n.store.Recipe(rec)
	if err != nil {
		return ignoreDamage(err)
	}
	if r.Side.Defined() {
		f.meet(r.Side)
	}
	for _, p := range r.Chunks.Pages() {
		f.meet(p)
	}
	for e, err := range r.Chunks.All(ctx, f.n.store) {
		if err != nil {
			return ignoreDamage(err)
		}
		f.meet(e.Chunk)
	}
	return nil
}

// ignoreDamage drops errors that say that a block is missing or damaged: those
// are what is being looked into.
func ignoreDamage(err error) error {
	if _, bad := errors.AsType[*dag.CorruptError](err); bad || isAbsent(err) {
		return nil
	}
	return err
}
