package store

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/ipfs/go-cid"
)

// Collected says what a collect did, or would do.
type Collected struct {
	Blocks int   // removed
	Packs  int   // written anew without what was removed, or gone
	Kept   int   // blocks that remain
	Freed  int64 // bytes by which the packs shrank
	Leased int64 // bytes kept only for operations that run, or were interrupted in the last 24 hours
}

// CollectOptions say how far a collect goes.
type CollectOptions struct {
	DryRun      bool
	Interrupted bool // collect also what interrupted operations left
	Models      bool // keep the models that no pin keeps, too
}

// A pack is rewritten when a sixteenth of it is dead, and a small one when
// anything is: then what a collect says it frees is what it frees.
const (
	deadShare = 16
	smallPack = 64 << 20
)

func worthRewriting(size, dead int64) bool {
	return dead > 0 && (size <= smallPack || dead*deadShare >= size)
}

// Collect removes what nothing keeps: it marks from pins and leases through
// models, tensors, recipes in use and bases, removes the rest from the index,
// and rewrites packs that are mostly dead.
//
// What a lease found or wrote meanwhile stays. A crash at any instant loses
// nothing that is kept.
//
// On a full disk it gives up the reserve, does what there is room for, and
// returns an error that [IsFull] with what it did.
func (s *Store) Collect(ctx context.Context, o CollectOptions) (Collected, error) {
	res, err := s.collect(ctx, o)
	if IsFull(err) && giveUpReserve(s.fs) {
		s.reserved.Store(0)
		done := res
		res, err = s.collect(ctx, o)
		res.Blocks += done.Blocks
		res.Freed += done.Freed
		res.Packs += done.Packs
	}
	if !o.DryRun && (err == nil || IsFull(err)) {
		err = errors.Join(err, s.Flush()) // and makes the reserve again
	}
	return res, err
}

func (s *Store) collect(ctx context.Context, o CollectOptions) (Collected, error) {
	if o.Interrupted && !o.DryRun {
		s.dropLeft()
	}
	m := newMarker(s)
	m.unpinned = o.Models
	if err := m.pins(ctx); err != nil {
		return Collected{}, err
	}
	if err := m.leases(ctx); err != nil {
		return Collected{}, err
	}
	before := s.Bytes()
	if !o.DryRun && !o.Models {
		// First of all: what a crash leaves of a sweep is no model.
		if err := s.forget(); err != nil {
			return Collected{}, err
		}
	}
	res, err := s.sweep(ctx, m, o)
	if err != nil || o.DryRun {
		return res, err
	}
	if o.Models {
		err = s.Flush()
	} else {
		err = s.forget() // also what was committed, unpinned, between the first time and the sweep
	}
	if err != nil {
		return res, err
	}
	res.Packs, err = s.shrink(ctx)
	if res.Freed = max(0, before-s.Bytes()); err != nil {
		return res, err
	}
	if err := s.shrinkSamples(); err != nil {
		return res, err
	}
	return res, s.trimJournal()
}

// sweep removes from the index what m did not mark and no lease keeps. While it
// runs, nobody comes to rely on a block.
func (s *Store) sweep(ctx context.Context, m *marker, o CollectOptions) (Collected, error) {
	var res Collected
	s.sweepMu.Lock()
	defer s.sweepMu.Unlock()
	s.useMu.Lock()
	defer s.useMu.Unlock()
	// What was found, put to use or pinned since the first marking. Leases first:
	// one that ended by now had pinned before.
	if err := m.leases(ctx); err != nil {
		return res, err
	}
	if err := m.pins(ctx); err != nil {
		return res, err
	}
	leased := s.leased(o.Interrupted)
	if err := m.within(ctx, leased); err != nil {
		return res, err
	}
	w := &sweeping{s: s, m: m, leased: leased, behind: map[int]bool{}}
	res, kept, err := w.count(ctx)
	if err != nil {
		return res, err
	}
	if o.DryRun {
		res.Freed, err = s.shrinkable(kept)
		return res, err
	}
	defer s.recipes.clear()
	defer s.leaves.clear()
	return res, w.remove(ctx)
}

// A sweeping is one sweep. The index follows as it goes, a few megabytes at a
// time, so that memory does not grow with what is removed. A crash leaves some
// of the removals, in the order in which they are made: that of whoever relies on
// what, so that nothing is ever there without what it needs.
type sweeping struct {
	s      *Store
	m      *marker
	leased spans        // what lies here stays
	gone   shortIDs     // tensors that go
	behind map[int]bool // how many base leaves stand behind a leaf of any of them
}

// count counts what stays and what goes, and the bytes of sections that stay, by
// pack. What stays by its place alone is marked.
func (w *sweeping) count(ctx context.Context) (res Collected, kept map[uint32]int64, err error) {
	kept = map[uint32]int64{}
	err = w.s.index.scan(key(tabBlock), func(k, v []byte) (bool, error) {
		d := digest(k[1:])
		p, err := decodePlace(v)
		if err != nil {
			return false, err
		}
		marked := w.m.kept(d)
		lent := marked && w.m.lent(d)
		if !marked && w.leased.has(p) {
			marked, lent = true, true
			w.m.block(d)
		}
		if lent {
			res.Leased += int64(p.length)
		}
		if marked {
			res.Kept++
			kept[p.pack] += p.section()
		} else {
			res.Blocks++
		}
		return true, ctx.Err()
	})
	return res, kept, err
}

// remove removes what is not marked: what is known of tensors, tensors, recipes,
// ways, blocks.
func (w *sweeping) remove(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		w.samples, w.tensors, w.needs, w.recipes, w.ways, w.blocks,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// each calls dead with every pair of a table, and removes those of which it says
// so.
func (w *sweeping) each(ctx context.Context, table byte, dead func(k, v []byte) (bool, error)) error {
	return w.s.index.scan(key(table), func(k, v []byte) (bool, error) {
		gone, err := dead(k, v)
		if err == nil && gone {
			w.s.index.delete(k)
			err = w.s.settle()
		}
		return true, errors.Join(err, ctx.Err())
	})
}

// tensors removes the tensors whose recipe in use goes, deltas before their
// bases: more stands behind them.
func (w *sweeping) tensors(ctx context.Context) error {
	for _, n := range slices.Backward(slices.Sorted(maps.Keys(w.behind))) {
		err := w.each(ctx, tabTensor, func(k, v []byte) (bool, error) {
			t, err := decodeTensor(tensorID(k[1:]), v)
			return err == nil && t.behind == n && !w.m.kept(t.recipe), err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// needs removes the notes that are true no more.
func (w *sweeping) needs(ctx context.Context) error {
	return w.each(ctx, tabNeed, func(k, _ []byte) (bool, error) {
		if len(k) != 67 {
			return true, nil
		}
		t, ok, err := w.s.tensor(tensorID(k[34:]))
		return !ok || !t.needs(tensorID(k[1:34])), err
	})
}

func (w *sweeping) recipes(ctx context.Context) error {
	return w.each(ctx, tabRecipe, func(k, _ []byte) (bool, error) {
		return len(k) != 66 || !w.m.kept(digest(k[34:])), nil
	})
}

func (w *sweeping) ways(ctx context.Context) error {
	return w.each(ctx, tabWay, func(k, _ []byte) (bool, error) {
		way, ok := parseWay(k)
		return !ok || !w.m.kept(way.recipe), nil
	})
}

func (w *sweeping) blocks(ctx context.Context) error {
	return w.each(ctx, tabBlock, func(k, _ []byte) (bool, error) {
		return !w.m.kept(digest(k[1:])), nil
	})
}

// forget forgets models that nothing pins, and names of models forgotten, and
// flushes. Nothing is pinned meanwhile.
func (s *Store) forget() error {
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	if s.closed {
		return ErrClosed
	}
	ch, err := s.unpinned()
	if err != nil || len(ch.Forget) == 0 {
		return errors.Join(err, s.flush(nil))
	}
	r, err := ch.record()
	if err != nil {
		return err
	}
	return s.flush(&r)
}

func (s *Store) unpinned() (Change, error) {
	var ch Change
	pins, err := s.Pins()
	if err != nil {
		return ch, err
	}
	models, err := s.Models()
	if err != nil {
		return ch, err
	}
	for _, m := range models {
		c, err := cid.Decode(m.CID)
		if err != nil {
			return ch, err
		}
		if _, pinned := pins[c]; !pinned {
			ch.Forget = append(ch.Forget, c)
		}
	}
	names, err := s.Names()
	for name, c := range names {
		if slices.ContainsFunc(ch.Forget, c.Equals) {
			ch.Unname = append(ch.Unname, name)
		}
	}
	return ch, err
}
