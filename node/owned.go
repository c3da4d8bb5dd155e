package node

import (
	"context"
	"encoding/binary"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// A tensorSet is tensors by eight bytes of their hash, so that a million take
// little memory. Two that share them count as one: who makes such a pair makes
// a plan a little worse, and nothing else.
type tensorSet map[uint64]struct{}

func (s tensorSet) add(c cid.Cid) { s[shortHash(c)] = struct{}{} }

func (s tensorSet) has(c cid.Cid) bool {
	_, ok := s[shortHash(c)]
	return ok
}

func shortHash(c cid.Cid) uint64 {
	h := c.Hash()
	return binary.BigEndian.Uint64(h[len(h)-8:])
}

// owned returns the tensors of all pinned models. Bases that no pinned model
// has itself are not among them.
func (n *Node) owned(ctx context.Context) (tensorSet, error) {
	pins, err := n.store.Pins()
	if err != nil {
		return nil, err
	}
	set := tensorSet{}
	for model := range pins {
		err := n.tensorsUnder(ctx, model, cidSet{}, func(c cid.Cid) error {
			set.add(c)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return set, nil
}

// tensorsUnder calls fn with each tensor under node c: more than once with one
// that is linked to from several nodes. Nodes that seen has are passed over, and
// what is not here.
func (n *Node) tensorsUnder(ctx context.Context, c cid.Cid, seen cidSet, fn func(cid.Cid) error) error {
	if c.Type() != cid.Raw && !seen.add(c) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, ok, err := n.store.Tensor(c); err != nil {
		return err
	} else if ok {
		return fn(c)
	}
	if c.Type() == cid.Raw {
		return nil
	}
	b, err := n.store.Get(ctx, c)
	if err != nil {
		return ignoreDamage(err)
	}
	links, err := dag.Links(b)
	if err != nil {
		return err
	}
	for _, l := range links {
		if err := n.tensorsUnder(ctx, l, seen, fn); err != nil {
			return err
		}
	}
	return nil
}
