package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/store"
)

const (
	// maxRounds bounds how often a kin is planned anew with what was learned of
	// real costs.
	maxRounds = 6
	// maxPlanLines bounds the changes that are told one by one.
	maxPlanLines = 10_000
)

// Repack looks at every tensor of the store, chooses anew which are stored
// stand-alone and which as deltas of which, and encodes again what gains. No
// CID of a model changes. It works in batches: each is written, checked and
// flushed before the next begins, between them others may write, and one that
// is interrupted is done again by the next repack.
func (n *Node) Repack(ctx context.Context, req RepackRequest, progress func(Progress)) (RepackResult, error) {
	start := time.Now()
	r := &repacking{n: n, req: req, report: progress, done: tensorSet{}, res: RepackResult{DryRun: req.DryRun, Before: n.store.Bytes()}}
	err := r.run(ctx)
	if err = errors.Join(err, r.endBatch()); err != nil {
		return r.res, err
	}
	r.res.After = n.store.Bytes()
	r.res.Seconds = time.Since(start).Seconds()
	return r.res, nil
}

// repacking is one repack under way.
type repacking struct {
	n      *Node
	req    RepackRequest
	report func(Progress)
	res    RepackResult
	owned  tensorSet // of pinned models
	done   tensorSet // planned before: a tensor may have several names
	total  int       // tensors of pinned models
	at, of int       // of the changes of one plan, those that were tried, and all
	left   leftOut   // of the last plan: the next would try it again

	turns int
	lease *store.Lease // of the batch
	began time.Time
	give  func() // the turn back; nil between two batches
}

// A leftOut counts tensors that stay as they are, by reason.
type leftOut struct{ damaged, noRoom, refused, budget int }

func (r *repacking) run(ctx context.Context) error {
	if err := r.beginBatch(ctx); err != nil { // or say at once that another writes
		return err
	}
	var err error
	if r.owned, err = r.n.owned(ctx); err != nil {
		return err
	}
	models, err := r.models()
	if err != nil {
		return err
	}
	if err := r.endBatch(); err != nil {
		return err
	}
	for len(models) > 0 {
		tensors, n := 0, 0
		for n < len(models) && (n == 0 || tensors+models[n].tensors <= maxKin) {
			tensors += models[n].tensors
			n++
		}
		if err := r.kin(ctx, models[:n]); err != nil {
			return err
		}
		models = models[n:]
	}
	return r.finish(ctx)
}

// A pinnedModel is one to repack, with the number of its tensors.
type pinnedModel struct {
	c       cid.Cid
	tensors int
}

// models returns the pinned models, the oldest first: runs and families often
// came together.
func (r *repacking) models() ([]pinnedModel, error) {
	all, err := r.n.store.Models()
	if err != nil {
		return nil, err
	}
	pins, err := r.n.store.Pins()
	if err != nil {
		return nil, err
	}
	var out []pinnedModel
	for _, m := range all {
		c, err := cid.Decode(m.CID)
		if err != nil {
			return nil, err
		}
		if _, pinned := pins[c]; pinned {
			out = append(out, pinnedModel{c, m.Tensors})
			r.total += m.Tensors
		}
	}
	return out, nil
}

// kin plans the tensors of models together, and encodes anew what gains. Nobody
// is kept from writing while it plans.
func (r *repacking) kin(ctx context.Context, models []pinnedModel) error {
	r.report(Progress{Stage: "plan", Done: int64(r.res.Tensors), Total: int64(r.total), Unit: "tensors"})
	k, err := r.n.gatherKin(ctx, models, r.owned, r.done)
	if err != nil {
		return err
	}
	was := slices.Clone(replan(k.now))
	for range maxRounds {
		p, err := k.plan()
		if err != nil {
			return err
		}
		before := k.total(k.now)
		r.left = leftOut{}
		if err := r.changeAll(ctx, k, p, k.changes(p)); err != nil {
			return err
		}
		if r.left.budget > 0 {
			k.margin *= 2 // and what was refused may be done in a way that reads less
		} else if k.total(k.now) >= before { // nothing was won, but perhaps learned
			break
		}
	}
	if err := r.lowRank(ctx, k); err != nil {
		return err
	}
	r.res.Damaged += r.left.damaged + k.lost
	r.res.NoRoom += r.left.noRoom
	r.res.Refused += r.left.refused
	r.finishKin(k)
	return r.tell(k, was)
}

// finishKin leaves alone from now on what was planned, and what that reads.
func (r *repacking) finishKin(k *kin) {
	for i := range k.list {
		if !k.list[i].member {
			continue
		}
		r.res.Tensors++
		r.done.add(k.list[i].c)
		if k.now[i] >= 0 {
			for b := range basesOf(&k.p.Edges[k.now[i]]) {
				r.done.add(k.list[b].c)
			}
		}
	}
}

// finish makes the packings follow, and frees what was replaced.
func (r *repacking) finish(ctx context.Context) error {
	if r.req.DryRun {
		return nil
	}
	if err := r.beginBatch(ctx); err != nil {
		return err
	}
	if err := r.makeRoom(ctx); err != nil {
		return err
	}
	if r.res.Spared == 0 {
		return nil
	}
	spare, err := r.n.store.Collect(ctx, store.CollectOptions{DryRun: true})
	r.res.Freeable = spare.Freed
	return err
}
