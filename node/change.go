package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
)

// changeAll stores k as p says, one group of changes that hang together after
// the other.
func (r *repacking) changeAll(ctx context.Context, k *kin, p replan, changes []int32) error {
	todo := k.tied(p, changes)
	r.at, r.of = 0, len(changes)
	for try := range 2 {
		var again [][]int32
		for _, group := range todo {
			err := r.group(ctx, k, p, group)
			if early(err) && try == 0 {
				again = append(again, group)
				continue
			}
			r.at += len(group)
			if err != nil {
				if err := r.passOver(ctx, err, len(group)); err != nil {
					return err
				}
			}
			if err := r.pause(); err != nil {
				return err
			}
		}
		todo = again
	}
	return r.level(ctx, k)
}

// errBudget says that a change would have a model read more than it may.
var errBudget = errors.New("cold reads would take too much")

// early tells whether err says that a change may only have come too early: before
// one that opens a circle, or reads less.
func early(err error) bool {
	return errors.Is(err, store.ErrCircle) || errors.Is(err, store.ErrTooDeep) || errors.Is(err, errBudget)
}

// level makes stand-alone what is read too much, now that it is known what
// everything really takes.
func (r *repacking) level(ctx context.Context, k *kin) error {
	for {
		i := k.over(k.now)
		if i < 0 {
			return nil
		}
		p := slices.Clone(replan(k.now))
		p[i] = -1
		if err := r.group(ctx, k, p, []int32{i}); err != nil {
			return r.passOver(ctx, err, 1)
		}
		if k.now[i] >= 0 {
			return nil // there was no room
		}
	}
}

// passOver counts tensors that stay as they are because of err, if err is about
// them alone, and returns it if not.
func (r *repacking) passOver(ctx context.Context, err error, tensors int) error {
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case ignoreDamage(err) == nil:
		r.left.damaged += tensors
	case errors.Is(err, store.ErrQuota), errors.Is(err, syscall.ENOSPC):
		r.left.noRoom += tensors
	case errors.Is(err, errBudget):
		r.left.budget += tensors
	case errors.Is(err, store.ErrCircle), errors.Is(err, store.ErrTooDeep):
		r.left.refused += tensors
	default:
		return err
	}
	r.n.log.Debug("tensors are left as they are", "tensors", tensors, "reason", err)
	return nil
}

// group stores the tensors of group as p says, as many at once as there is room
// for, if a probe agrees that it gains.
func (r *repacking) group(ctx context.Context, k *kin, p replan, group []int32) error {
	if err := r.beginBatch(ctx); err != nil {
		return err
	}
	next, err := r.probe(ctx, k, p, group)
	if err != nil {
		return err
	}
	if r.req.DryRun {
		k.now = next // of this kin only: the store is as it was
		return nil
	}
	todo := k.changes(next)
	for whole := true; len(todo) > 0; whole = false {
		if err := r.beginBatch(ctx); err != nil {
			return err
		}
		part, err := r.fitting(ctx, k, next, todo)
		if err != nil {
			return err
		}
		if len(part) == 0 {
			r.left.noRoom += len(todo)
			return nil
		}
		todo = todo[len(part):]
		p := slices.Clone(replan(k.now))
		recipes := map[int32]cid.Cid{}
		for _, i := range part {
			p[i] = next[i]
			if err := r.encode(ctx, k, p, i, recipes); err != nil {
				return err
			}
		}
		if whole && len(todo) == 0 {
			k.settle(p, realShare)
		}
		if err := r.use(ctx, k, p, recipes); err != nil {
			return err
		}
		if err := r.pause(); err != nil {
			return err
		}
	}
	return nil
}

// probe returns k.now with those changes of group that gain, by a probe of each.
func (r *repacking) probe(ctx context.Context, k *kin, p replan, group []int32) (replan, error) {
	next := slices.Clone(replan(k.now))
	for _, i := range group {
		if next[i] = p[i]; next[i] == k.now[i] {
			continue
		}
		f, bases, cost := k.form(p, i)
		n, err := r.n.probe(ctx, k.list[i].c, k.list[i].t, f, bases)
		if err != nil {
			return nil, err
		}
		*cost = n
	}
	k.settle(next, realShare)
	before, _ := k.excess(k.now)
	if after, ok := k.excess(next); !ok || after > before {
		return nil, errBudget
	}
	return next, nil
}

// form returns the form and the bases that tensor i has by p, and the place of what
// it takes then.
func (k *kin) form(p replan, i int32) (form, []dag.Base, *int64) {
	f := k.list[i].form()
	if p[i] < 0 {
		return f, nil, &k.p.Alone[i]
	}
	f.side = k.side[p[i]]
	return f, k.by[p[i]], &k.p.Edges[p[i]].Cost
}

// encode encodes tensor i of k as p says, and makes its cost what it really is.
func (r *repacking) encode(ctx context.Context, k *kin, p replan, i int32, recipes map[int32]cid.Cid) error {
	c := k.list[i].c
	name, err := r.n.label(c)
	if err != nil {
		return err
	}
	r.report(Progress{Stage: "encode", Name: name, Done: int64(r.at), Total: int64(r.of), Unit: "tensors"})
	f, bases, cost := k.form(p, i)
	rec, stored, err := r.n.reencode(ctx, r.lease, c, k.list[i].t, f, bases)
	if err != nil {
		return fmt.Errorf("encode %s anew: %w", name, err)
	}
	recipes[i], *cost = rec, stored
	return nil
}

// use puts to use what next has and k.now has not.
func (r *repacking) use(ctx context.Context, k *kin, next replan, recipes map[int32]cid.Cid) error {
	changes := k.changes(next)
	if len(changes) == 0 {
		return nil
	}
	var use []cid.Cid
	for _, i := range changes {
		use = append(use, recipes[i])
	}
	if err := r.lease.Switch(ctx, use...); err != nil {
		return err
	}
	k.now = next
	return nil
}
