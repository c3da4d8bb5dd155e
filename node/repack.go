package node

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
)

const (
	// batchFor is about how long a repack keeps others from writing, and
	// batchBytes about how much it writes until then. A crash undoes no more, and
	// flushing so much takes a small part of encoding it.
	batchFor   = 2 * time.Second
	batchBytes = 4 << 20
	// maxRounds bounds how often a kin is planned anew with what was learned of
	// real costs.
	maxRounds = 4
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

	turns int
	lease *store.Lease // of the batch
	began time.Time
	give  func() // the turn back; nil between two batches
}

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
		for n < len(models) && (n == 0 || tensors+models[n].Tensors <= maxKin) {
			tensors += models[n].Tensors
			n++
		}
		var part []cid.Cid
		for _, m := range models[:n] {
			c, err := cid.Decode(m.CID)
			if err != nil {
				return err
			}
			part = append(part, c)
		}
		if err := r.kin(ctx, part); err != nil {
			return err
		}
		models = models[n:]
	}
	return r.finish(ctx)
}

// models returns the pinned models, the oldest first: runs and families often
// came together.
func (r *repacking) models() ([]store.Model, error) {
	all, err := r.n.store.Models()
	if err != nil {
		return nil, err
	}
	pins, err := r.n.store.Pins()
	if err != nil {
		return nil, err
	}
	var out []store.Model
	for _, m := range all {
		c, err := cid.Decode(m.CID)
		if err != nil {
			return nil, err
		}
		if _, pinned := pins[c]; pinned {
			out = append(out, m)
			r.total += m.Tensors
		}
	}
	return out, nil
}

// kin plans the tensors of models together, and encodes anew what gains. Nobody
// is kept from writing while it plans.
func (r *repacking) kin(ctx context.Context, models []cid.Cid) error {
	r.report(Progress{Stage: "plan", Done: int64(r.res.Tensors), Total: int64(r.total), Unit: "tensors"})
	k, err := r.n.gatherKin(ctx, models, r.owned, r.done)
	if err != nil {
		return r.passOver(ctx, err, 1)
	}
	was := slices.Clone(replan(k.now))
	for range maxRounds {
		p, err := k.plan()
		if err != nil {
			return err
		}
		before := k.total(k.now)
		if err := r.changeAll(ctx, k, p, k.changes(p)); err != nil {
			return err
		}
		if k.total(k.now) >= before { // nothing was won, but perhaps learned
			break
		}
	}
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
		r.res.Damaged += tensors
	case errors.Is(err, store.ErrQuota), errors.Is(err, syscall.ENOSPC):
		r.res.NoRoom += tensors
	case errors.Is(err, errBudget):
	case errors.Is(err, store.ErrCircle), errors.Is(err, store.ErrTooDeep):
		r.res.Refused += tensors
	default:
		return err
	}
	r.n.log.Debug("tensors are left as they are", "tensors", tensors, "reason", err)
	return nil
}

// beginBatch takes the turn to write, unless this repack has it. A dry run
// writes nothing and needs none.
func (r *repacking) beginBatch(ctx context.Context) error {
	if r.give != nil || r.req.DryRun {
		return nil
	}
	wait := 24 * time.Hour // between batches it steps back, and has time
	if r.turns == 0 {
		w, _ := ctx.Value(waitKey{}).(waiting)
		wait = w.wait
	}
	give, err := r.n.turn.take(ctx, "repack", wait)
	if err != nil {
		return err
	}
	lease, err := r.n.store.NewLease()
	if err != nil {
		give()
		return err
	}
	r.turns++
	r.give, r.lease, r.began = give, lease, time.Now()
	return nil
}

// pause ends the batch if it is large enough.
func (r *repacking) pause() error {
	if r.lease != nil && (time.Since(r.began) > batchFor || r.lease.Written() > batchBytes) {
		return r.endBatch()
	}
	return nil
}

// endBatch makes what was switched outlast a crash, and gives the turn back.
func (r *repacking) endBatch() error {
	if r.give == nil {
		return nil
	}
	err := r.commit()
	r.give()
	r.give = nil
	return err
}

func (r *repacking) commit() error {
	if r.lease == nil {
		return nil
	}
	r.res.Written += r.lease.Written()
	err := r.lease.Commit(store.Change{})
	r.lease = nil
	return err
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
			r.res.NoRoom += len(todo)
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
		bases, cost := k.form(p, i)
		n, err := r.n.probe(ctx, k.list[i].c, k.list[i].t, bases)
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

// form returns the bases that tensor i has by p, and the place of what it takes
// then.
func (k *kin) form(p replan, i int32) ([]dag.Base, *int64) {
	if p[i] < 0 {
		return nil, &k.p.Alone[i]
	}
	return k.by[p[i]], &k.p.Edges[p[i]].Cost
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

// fitting returns as many of changes, from the first, as there is room for. It
// frees what earlier batches replaced when that is too little.
func (r *repacking) fitting(ctx context.Context, k *kin, p replan, changes []int32) ([]int32, error) {
	for _, freed := range []bool{false, true} {
		room, most, fit := r.n.room(), int64(0), 0
		for _, i := range changes {
			// An estimate may be too low, and a leaf that does not shrink is stored
			// as it is; pages and recipe come on top.
			if most += k.stored(p, i) + k.p.Size[i]/16 + dag.MaxLeaf; most > room {
				break
			}
			fit++
		}
		if fit > 0 {
			return changes[:fit], nil
		}
		if !freed {
			if err := r.makeRoom(ctx); err != nil {
				return nil, err
			}
		}
	}
	return nil, nil
}

// encode encodes tensor i of k as p says, and makes its cost what it really is.
func (r *repacking) encode(ctx context.Context, k *kin, p replan, i int32, recipes map[int32]cid.Cid) error {
	c := k.list[i].c
	name, err := r.n.label(c)
	if err != nil {
		return err
	}
	r.report(Progress{Stage: "encode", Name: name, Done: int64(r.at), Total: int64(r.of), Unit: "tensors"})
	bases, cost := k.form(p, i)
	rec, stored, err := r.n.reencode(ctx, r.lease, c, k.list[i].t, bases)
	if err != nil {
		return fmt.Errorf("encode %s anew: %w", name, err)
	}
	recipes[i], *cost = rec, stored
	return nil
}

// tell adds to the result what k has now in another way than it was.
func (r *repacking) tell(k *kin, was replan) error {
	r.res.Gain -= k.total(k.now)
	for i, need := range k.needed(was) {
		if need {
			r.res.Gain += k.list[i].t.Stored
		}
	}
	r.res.Spared += max(0, len(k.spare(was))-len(k.spare(k.now)))
	for i := range k.list {
		if was[i] == k.now[i] {
			continue
		}
		r.res.Changed++
		if k.now[i] < 0 {
			r.res.Alone++
		}
		if !r.req.Explain {
			continue
		}
		if len(r.res.Plan) == maxPlanLines {
			r.res.PlanCut++
			continue
		}
		line, err := r.line(k, was, int32(i))
		if err != nil {
			return err
		}
		r.res.Plan = append(r.res.Plan, line)
	}
	return nil
}

func (r *repacking) line(k *kin, was replan, i int32) (RepackLine, error) {
	name, err := r.n.label(k.list[i].c)
	line := RepackLine{
		Name: name, CID: k.list[i].c.String(), Bytes: k.p.Size[i],
		Before: k.list[i].t.Stored, After: k.stored(k.now, i),
	}
	base := func(e int32) string {
		if e < 0 || err != nil {
			return ""
		}
		var label string
		label, err = r.n.label(k.list[k.p.Edges[e].Base].c)
		return label
	}
	line.From, line.To = base(was[i]), base(k.now[i])
	return line, err
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

// makeRoom frees what was replaced so far. The turn is kept meanwhile: what was
// planned holds.
func (r *repacking) makeRoom(ctx context.Context) error {
	if err := r.commit(); err != nil {
		return err
	}
	r.report(Progress{Stage: "free"})
	packings, err := r.n.freshPackings(ctx)
	if err != nil {
		return err
	}
	r.res.Packings += packings
	got, err := r.n.store.Collect(ctx, store.CollectOptions{Models: true})
	r.res.Packs += got.Packs
	r.res.Leased = got.Leased
	if err != nil {
		return err
	}
	r.lease, err = r.n.store.NewLease()
	return err
}
