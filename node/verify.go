package node

import (
	"context"
	"errors"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/p2p"
	"github.com/zipnode/zipnode/store"
)

// repairFor bounds the search for one block to repair, when no peer answers.
const repairFor = 30 * time.Second

// Verify reads everything, and fetches again what is damaged where a peer has
// it.
func (n *Node) Verify(ctx context.Context, _ RefRequest, progress func(Progress)) (VerifyResult, error) {
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
		line := Damage{Where: d.Where, Reason: d.Reason, Repaired: !d.CID.Defined()}
		if d.CID.Defined() {
			line.CID = d.CID.String()
			for _, m := range models {
				if needs, err := n.needs(ctx, m.c, d.CID, map[cid.Cid]bool{}); err != nil {
					return res, err
				} else if needs {
					line.Models = append(line.Models, m.name)
				}
			}
			line.Repaired = n.repair(ctx, d.CID, models, progress)
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
func (n *Node) needs(ctx context.Context, root, c cid.Cid, seen map[cid.Cid]bool) (bool, error) {
	if root.Hash().String() == c.Hash().String() {
		return true, nil
	}
	if seen[root] {
		return false, nil
	}
	seen[root] = true
	t, ok, err := n.store.Tensor(root)
	if err != nil {
		return false, err
	}
	if ok {
		if yes, err := n.recipeNeeds(ctx, t, c, seen); yes || err != nil {
			return yes, err
		}
	}
	if root.Type() == cid.Raw {
		return false, nil
	}
	b, err := n.store.Get(ctx, root)
	if err != nil {
		return false, ignoreDamage(err)
	}
	links, err := dag.Links(b)
	if err != nil {
		return false, err
	}
	for _, l := range links {
		if yes, err := n.needs(ctx, l, c, seen); yes || err != nil {
			return yes, err
		}
	}
	return false, nil
}

func (n *Node) recipeNeeds(ctx context.Context, t store.Tensor, c cid.Cid, seen map[cid.Cid]bool) (bool, error) {
	if t.Recipe().Equals(c) {
		return true, nil
	}
	r, err := n.store.Recipe(t.Recipe())
	if err != nil {
		return false, ignoreDamage(err)
	}
	for _, p := range r.Chunks.Pages() {
		if p.Equals(c) {
			return true, nil
		}
	}
	for e, err := range r.Chunks.All(ctx, n.store) {
		if err != nil {
			return false, ignoreDamage(err)
		}
		if e.Chunk.Equals(c) {
			return true, nil
		}
	}
	for _, b := range t.Bases {
		if yes, err := n.needs(ctx, b, c, seen); yes || err != nil {
			return yes, err
		}
	}
	return false, nil
}

// ignoreDamage drops errors that say that a block is missing or damaged: those
// are what is being looked into.
func ignoreDamage(err error) error {
	if _, bad := errors.AsType[*dag.CorruptError](err); bad || isAbsent(err) {
		return nil
	}
	return err
}

// repair fetches block c again, from peers that have it or one of the models,
// and tells whether it is whole here now.
func (n *Node) repair(ctx context.Context, c cid.Cid, models []namedModel, progress func(Progress)) bool {
	host, err := n.network(ctx)
	if err != nil {
		return false
	}
	progress(Progress{Stage: "repair", Name: c.String()})
	roots := []cid.Cid{}
	for _, m := range models {
		if yes, err := n.needs(ctx, m.c, c, map[cid.Cid]bool{}); err == nil && yes {
			roots = append(roots, m.c)
		}
	}
	for _, root := range append(roots, c) {
		ctx, cancel := context.WithTimeout(ctx, repairFor)
		err := host.WithSession(ctx, root, func(ctx context.Context, s *p2p.Session) error {
			b, err := s.Get(ctx, c)
			if err != nil {
				return err
			}
			return n.store.Put(ctx, b)
		})
		cancel()
		if err == nil {
			return true
		}
		n.log.Info("a block was not repaired", "block", c, "root", root, "err", err)
	}
	return false
}
