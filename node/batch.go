package node

import (
	"context"
	"errors"
	"time"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
)

const (
	// batchFor is about how long a repack keeps others from writing, and
	// batchBytes about how much it writes until then. A crash undoes no more, and
	// flushing so much takes a small part of encoding it.
	batchFor   = 2 * time.Second
	batchBytes = 8 << 20
)

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

// makeRoom frees what was replaced so far. The turn is kept meanwhile: what was
// planned holds.
func (r *repacking) makeRoom(ctx context.Context) error {
	err := r.commit()
	if err == nil {
		r.report(Progress{Stage: "free"})
		err = r.free(ctx)
	}
	var lost error
	r.lease, lost = r.n.store.NewLease()
	return errors.Join(err, lost)
}

func (r *repacking) free(ctx context.Context) error {
	packings, err := r.n.freshPackings(ctx)
	r.res.Packings += packings
	if err != nil {
		return err
	}
	got, err := r.n.store.Collect(ctx, store.CollectOptions{Models: true})
	r.res.Packs += got.Packs
	r.res.Leased = got.Leased
	return err
}
