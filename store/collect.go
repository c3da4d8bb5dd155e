package store

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ipfs/go-cid"
)

// Collected says what a collect did, or would do.
type Collected struct {
	Blocks int   // removed
	Packs  int   // written anew without what was removed, or gone
	Kept   int   // blocks that remain
	Freed  int64 // bytes by which the packs shrank
	Leased int64 // bytes kept only for an operation that runs, or was interrupted in the last 24 hours
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
	res, err := s.sweep(ctx, m, o)
	if err != nil || o.DryRun {
		return res, err
	}
	if o.Models {
		err = s.Flush()
	} else {
		err = s.forget()
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
	return res, s.compactJournal()
}

// dropLeft ends the leases that no running operation holds.
func (s *Store) dropLeft() {
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	for id := range s.leases.left {
		if _, runs := s.leases.open[id]; !runs {
			delete(s.leases.left, id)
			s.index.delete(leaseKey(id))
		}
	}
}

// oldest returns where the oldest lease began to write; with running only those
// of operations that run count.
func (s *Store) oldest(running bool) (place, bool) {
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	var first place
	any := false
	for id, l := range s.leases.left {
		if _, open := s.leases.open[id]; !open && (running || time.Now().After(l.until)) {
			continue
		}
		if !any || l.from.less(first) {
			first, any = l.from, true
		}
	}
	return first, any
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
	from, leased := s.oldest(o.Interrupted)
	if leased {
		if err := m.since(ctx, from); err != nil {
			return res, err
		}
	}
	kept := map[uint32]int64{} // bytes of sections that stay, by pack
	var dead, live []digest    // live: kept by place alone
	err := s.index.scan(key(tabBlock), func(k, v []byte) (bool, error) {
		d := digest(k[1:])
		p, err := decodePlace(v)
		if err != nil {
			return false, err
		}
		_, marked := m.blocks[d]
		switch {
		case marked:
			res.Kept++
			kept[p.pack] += p.section()
		case leased && !p.less(from):
			res.Kept++
			res.Leased += int64(p.length)
			kept[p.pack] += p.section()
			live = append(live, d)
		default:
			res.Blocks++
			dead = append(dead, d)
		}
		return true, ctx.Err()
	})
	if err != nil {
		return res, err
	}
	if o.DryRun {
		res.Freed, err = s.shrinkable(kept)
		return res, err
	}
	for _, d := range live {
		m.block(d)
	}
	if err := s.sweepTensors(ctx, m); err != nil {
		return res, err
	}
	for _, d := range dead {
		s.index.delete(key(tabBlock, d[:]))
	}
	s.leaves.clear()
	s.recipes.clear()
	return res, nil
}

// sweepTensors removes ways, recipes and tensors whose blocks go.
func (s *Store) sweepTensors(ctx context.Context, m *marker) error {
	kept := func(d digest) bool { _, ok := m.blocks[d]; return ok }
	err := s.index.scan(key(tabWay), func(k, _ []byte) (bool, error) {
		if w, ok := parseWay(k); !ok || !kept(w.recipe) {
			s.index.delete(k)
		}
		return true, ctx.Err()
	})
	if err != nil {
		return err
	}
	err = s.index.scan(key(tabRecipe), func(k, _ []byte) (bool, error) {
		if len(k) != 66 || !kept(digest(k[34:])) {
			s.index.delete(k)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	gone := map[digest]bool{}
	err = s.index.scan(key(tabTensor), func(k, v []byte) (bool, error) {
		t, err := decodeTensor(tensorID(k[1:]), v)
		if err == nil && !kept(t.recipe) {
			gone[digest(t.of[:32])] = true
			s.index.delete(k)
		}
		return true, err
	})
	if err == nil {
		err = s.sweepNeeds(ctx)
	}
	if err != nil {
		return err
	}
	return s.sweepSamples(gone)
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
