package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/p2p"
	"github.com/zipnode/zipnode/store"
)

// repairFor bounds the search for one block to repair, when no peer answers.
const repairFor = 30 * time.Second

// Verify reads everything, and mends from peers what is damaged: by the same
// block where a peer has it, else by fetching again whatever needs it.
func (n *Node) Verify(ctx context.Context, _ none, progress func(Progress)) (VerifyResult, error) {
	start := time.Now()
	v, err := n.store.Verify(ctx, func(done, total int64) {
		progress(Progress{Stage: "verify", Done: done, Total: total})
	})
	if err != nil {
		return VerifyResult{}, err
	}
	res := VerifyResult{Blocks: v.Blocks, Bytes: v.Bytes, Leaves: v.Leaves, Corrupt: []Damage{}}
	models, err := n.models()
	if err != nil {
		return res, err
	}
	for _, d := range v.Damage {
		line := Damage{Where: d.Where, Reason: d.Reason}
		if d.CID.Defined() {
			line.CID = d.CID.String()
			r := repairer{n: n, c: d.CID, report: progress}
			for _, m := range models {
				needs, err := n.needs(ctx, m.c, d.CID)
				if err != nil {
					return res, err
				}
				if needs {
					line.Models = append(line.Models, m.name)
					r.models = append(r.models, m.c)
				}
			}
			line.Repaired = r.run(ctx)
		} else {
			line.Repaired = true // the pack was written anew without these bytes
		}
		if line.Repaired {
			res.Repaired++
		}
		res.Corrupt = append(res.Corrupt, line)
	}
	if err := n.store.Flush(); err != nil {
		return res, err
	}
	res.Seconds = time.Since(start).Seconds()
	return res, ctx.Err()
}

type namedModel struct {
	c    cid.Cid
	name string
}

// models returns the pinned models, by name where they have one.
func (n *Node) models() ([]namedModel, error) {
	pins, err := n.store.Pins()
	if err != nil {
		return nil, err
	}
	var out []namedModel
	for c := range pins {
		name, err := n.nameOf(c)
		if err != nil {
			return nil, err
		}
		if name == "" {
			name = c.String()
		}
		out = append(out, namedModel{c, name})
	}
	return out, nil
}

// needs tells whether what is under root is, or is rebuilt from, block c.
func (n *Node) needs(ctx context.Context, root, c cid.Cid) (bool, error) {
	f := needFinder{n: n, c: dag.AsRaw(c), seen: map[cid.Cid]bool{}}
	if m, ok, err := n.store.Model(root); err != nil {
		return false, err
	} else if ok && m.Packing != "" {
		if p, err := cid.Decode(m.Packing); err == nil && dag.AsRaw(p).Equals(f.c) {
			return true, nil
		}
	}
	err := f.node(ctx, root)
	return f.found, err
}

// A needFinder looks for what needs block c: found tells whether anything does,
// and tensors are those whose recipe in use does by itself.
type needFinder struct {
	n       *Node
	c       cid.Cid // under the raw codec
	seen    map[cid.Cid]bool
	found   bool
	tensors []cid.Cid
}

func (f *needFinder) is(c cid.Cid) bool { return dag.AsRaw(c).Equals(f.c) }

func (f *needFinder) node(ctx context.Context, c cid.Cid) error {
	if f.seen[c] {
		return nil
	}
	f.seen[c] = true
	f.found = f.found || f.is(c)
	t, ok, err := f.n.store.Tensor(c)
	if err != nil {
		return err
	}
	if ok {
		if err := f.recipe(ctx, c, t); err != nil {
			return err
		}
		for _, b := range t.Bases {
			if err := f.node(ctx, b); err != nil {
				return err
			}
		}
	}
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
		if ok && l.Type() == cid.Raw {
			continue // a leaf of the tensor: the recipe gives it
		}
		if err := f.node(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// recipe looks into the recipe in use of tensor c.
func (f *needFinder) recipe(ctx context.Context, c cid.Cid, t store.Tensor) error {
	here := f.is(t.Recipe())
	r, err := f.n.store.Recipe(t.Recipe())
	if err == nil {
		here = here || r.Side.Defined() && f.is(r.Side)
		for _, p := range r.Chunks.Pages() {
			here = here || f.is(p)
		}
		for e, entryErr := range r.Chunks.All(ctx, f.n.store) {
			if entryErr != nil {
				err = entryErr
				break
			}
			here = here || f.is(e.Chunk)
		}
	}
	if here {
		f.found = true
		f.tensors = append(f.tensors, c)
	}
	return ignoreDamage(err)
}

// ignoreDamage drops errors that say that a block is missing or damaged: those
// are what is being looked into.
func ignoreDamage(err error) error {
	if _, bad := errors.AsType[*dag.CorruptError](err); bad || isAbsent(err) {
		return nil
	}
	return err
}

// A repairer brings back block c, which the models need.
type repairer struct {
	n      *Node
	c      cid.Cid
	models []cid.Cid
	report func(Progress)
}

// run tells whether nothing lacks the block any more.
func (r repairer) run(ctx context.Context) bool {
	r.report(Progress{Stage: "repair", Name: r.c.String()})
	log := r.n.log.With("block", r.c)
	err := r.sameBlock(ctx)
	if err == nil {
		return true
	}
	log.Info("no peer gave the block itself", "err", err)
	for _, m := range r.models {
		if err := r.refetch(ctx, m); err != nil {
			log.Info("a model was not mended", "model", m, "err", err)
			return false
		}
	}
	return len(r.models) > 0
}

// sameBlock fetches the block from a peer that has it: one that has a model that
// needs it, most likely.
func (r repairer) sameBlock(ctx context.Context) error {
	host, err := r.n.network(ctx)
	if err != nil {
		return err
	}
	root := r.c
	if len(r.models) > 0 {
		root = r.models[0]
	}
	ctx, cancel := context.WithTimeout(ctx, repairFor)
	defer cancel()
	return host.WithSession(ctx, root, func(ctx context.Context, s *p2p.Session) error {
		b, err := s.Get(ctx, r.c)
		if err != nil {
			return err
		}
		return r.n.store.Put(ctx, b)
	})
}

// refetch fetches again the tensors of model that need the block, in whatever
// form peers have them, and makes its packing anew.
func (r repairer) refetch(ctx context.Context, model cid.Cid) (err error) {
	f := needFinder{n: r.n, c: dag.AsRaw(r.c), seen: map[cid.Cid]bool{}}
	if err := f.node(ctx, model); err != nil {
		return err
	}
	old := map[cid.Cid]cid.Cid{}
	for _, t := range f.tensors {
		info, _, tensorErr := r.n.store.Tensor(t)
		if tensorErr != nil {
			return tensorErr
		}
		old[t] = info.Recipe()
		restore, suspendErr := r.n.store.Suspend(t)
		if suspendErr != nil {
			return suspendErr
		}
		defer func() { err = errors.Join(err, restore()) }()
	}
	lease, err := r.n.store.NewLease()
	if err != nil {
		return err
	}
	defer lease.Release()
	if len(f.tensors) > 0 {
		g := &getting{n: r.n, lease: lease, report: r.report, banned: map[cid.Cid]bool{}, only: f.tensors}
		if err := r.n.withPeers(ctx, model.String(), g.run); err != nil {
			return err
		}
		for t, recipe := range old {
			if err := r.n.store.DropRecipe(ctx, t, recipe); err != nil {
				return err
			}
		}
	}
	if m, ok, err := r.n.store.Model(model); err == nil && ok && m.Packing != "" {
		// The old one names a recipe that is no more, or was itself the damage.
		m.Packing = ""
		if err := r.n.store.Apply(store.Change{Models: []store.Model{m}}); err != nil {
			return err
		}
		_, err = r.n.packingOf(ctx, model)
		return err
	}
	if len(f.tensors) == 0 {
		return fmt.Errorf("block %s: %w", r.c, p2p.ErrNoProvider)
	}
	return nil
}
