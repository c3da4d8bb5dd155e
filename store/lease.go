package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"sync"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// A Lease keeps from being collected all that an operation found or wrote,
// until Commit or Release. What of it an interruption leaves is in left.go.
type Lease struct {
	s  *Store
	id uint64

	mu      sync.Mutex
	from    place                 // what lies here or behind is kept
	kept    map[tensorID]struct{} // found: blocks, tensors
	uses    []useEntry
	written int64
	full    bool // a block did not fit
}

// A leaseSet is the leases of this process, and those that an earlier one left.
type leaseSet struct {
	mu   sync.Mutex
	open map[uint64]*Lease
	left map[uint64]leftLease
}

// NewLease opens a lease.
func (s *Store) NewLease() (*Lease, error) {
	s.appendMu.Lock() // until the lease is known: where the packs end may move back
	defer s.appendMu.Unlock()
	from, err := s.end()
	if err != nil {
		return nil, err
	}
	l := &Lease{s: s, id: rand.Uint64(), from: from, kept: map[tensorID]struct{}{}}
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	s.putLease(l.id, leftLease{until: time.Now().Add(leaseFor), from: from})
	s.leases.open[l.id] = l
	return l, nil
}

// For says what the lease is for, in any words: should it be interrupted, what it
// leaves is freed once another lease for the same is committed. Of a process that is
// killed this is known if the store was flushed since.
func (l *Lease) For(work string) {
	ls := &l.s.leases
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if left, ok := ls.left[l.id]; ok {
		left.work = sha256.Sum256([]byte(work))
		l.s.putLease(l.id, left)
	}
}

// Put stores b, and tells whether it was new. Its bytes must be checked.
func (l *Lease) Put(ctx context.Context, b blocks.Block) (bool, error) {
	return l.putAndSettle(b, false)
}

func (l *Lease) putAndSettle(b blocks.Block, spent bool) (bool, error) {
	l.s.sweepMu.RLock()
	added, err := l.put(b, spent)
	l.s.sweepMu.RUnlock()
	if err != nil {
		return false, err
	}
	return added, l.s.settle()
}

// put is Put while sweepMu is held.
func (l *Lease) put(b blocks.Block, spent bool) (bool, error) {
	ended := l.s.rewritesEnded.Load()
	n, err := l.s.put(b.Cid(), b.RawData(), spent)
	byPlace := false
	if err == nil && n == 0 && b.Cid().Type() == cid.DagCBOR {
		byPlace, err = l.keepsByPlace(digestOf(b.Cid()), ended)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.full = l.full || errors.Is(err, ErrQuota) || IsFull(err)
	if l.written += n; err == nil && n == 0 && !byPlace {
		l.kept[idOf(b.Cid())] = struct{}{}
	}
	return n > 0, err
}

// keepsByPlace tells whether recipe, page or packing d lies where the lease keeps
// it, with what it needs, and need not be remembered: most that are put again
// were put by the same operation. While a pack is rewritten what lies there may
// be a copy that is taken back: ended is how many rewrites had ended before d was
// found.
func (l *Lease) keepsByPlace(d digest, ended uint64) (bool, error) {
	at, ok, err := l.s.find(d)
	quiet := l.s.rewritesBegun.Load() == ended
	l.mu.Lock()
	defer l.mu.Unlock()
	return ok && quiet && !at.less(l.from), err
}

// Emit returns Put as the functions of dag want it.
func (l *Lease) Emit(ctx context.Context) func(blocks.Block) error {
	return func(b blocks.Block) error {
		_, err := l.Put(ctx, b)
		return err
	}
}

// Keep keeps the block or tensor c, and tells whether it is here: a tensor
// whose recipe is in use, or a block whose bytes are.
func (l *Lease) Keep(c cid.Cid) (bool, error) {
	l.s.sweepMu.RLock()
	defer l.s.sweepMu.RUnlock()
	_, ok, err := l.s.tensor(idOf(c))
	if err == nil && !ok {
		_, ok, err = l.s.find(digestOf(c))
	}
	if ok && err == nil {
		l.mu.Lock()
		l.kept[idOf(c)] = struct{}{}
		l.mu.Unlock()
	}
	return ok, err
}

// Written returns the bytes that this lease wrote to packs.
func (l *Lease) Written() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.written
}

// AddRecipe stores recipe b of a tensor whose leaves are leaves, in order, and
// puts it to use unless the tensor has one. The caller has decoded every leaf
// by it and checked it, and has put its chunks, pages and side block.
//
// It returns an error, and stores nothing, when a base is not here, when it
// would close a circle of bases, or wrapping [ErrTooDeep].
func (l *Lease) AddRecipe(ctx context.Context, b blocks.Block, leaves iter.Seq2[cid.Cid, error]) error {
	s := l.s
	r, err := dag.DecodeRecipe(b)
	if err != nil {
		return err
	}
	for _, base := range r.Bases {
		if ok, err := l.Keep(base.Of); err != nil || !ok {
			return errors.Join(err, fmt.Errorf("base %s: %w", base.Of, dag.ErrNotFound))
		}
	}
	// In the order in which a sweep takes them.
	s.sweepMu.RLock()
	defer s.sweepMu.RUnlock()
	s.useMu.Lock()
	defer s.useMu.Unlock()
	t, err := s.weigh(ctx, r, digestOf(b.Cid()))
	if err != nil {
		return err
	}
	if _, err := l.put(b, false); err != nil {
		return err
	}
	of, rec := idOf(r.Of), digestOf(b.Cid())
	if err := s.addWays(ctx, r, rec, leaves); err != nil {
		return err
	}
	s.index.put(key(tabRecipe, of[:], rec[:]), nil)
	_, known, err := s.tensor(of)
	if err != nil || known {
		return err
	}
	return l.use(ctx, t)
}

// addWays writes how each leaf of r is rebuilt. A leaf that is its own chunk
// needs no way.
func (s *Store) addWays(ctx context.Context, r *dag.Recipe, rec digest, leaves iter.Seq2[cid.Cid, error]) error {
	i := int64(0)
	for leaf, err := range leaves {
		if err != nil {
			return err
		}
		e, err := s.entry(ctx, rec, r, i)
		if err != nil {
			return err
		}
		if !e.Chunk.Equals(leaf) {
			d := digestOf(leaf)
			s.index.put(wayKey(d, leafKey{rec, i}), binary.AppendUvarint(nil, uint64(dag.LeafSize(r.Size, i))))
		}
		i++
	}
	if i != r.Chunks.Len() {
		return fmt.Errorf("%d leaves for a recipe of %d chunks", i, r.Chunks.Len())
	}
	return nil
}

// use makes t's recipe the one in use, of a tensor that had none. useMu is held.
func (l *Lease) use(ctx context.Context, t Tensor) error {
	l.s.putTensor(t)
	// It may have been set aside, and have come back with more behind it.
	c := newRecount(l.s)
	if err := c.up(ctx, []tensorID{t.of}); err != nil {
		return err
	}
	c.write()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.uses = append(l.uses, useEntry{
		Tensor: t.of.cid().String(), Recipe: t.recipe.cid(cid.DagCBOR).String(),
	})
	if len(l.uses) < 256 {
		return nil
	}
	return l.journalUses()
}

// journalUses queues the choices made so far. l.mu is held.
func (l *Lease) journalUses() error {
	var uses []useEntry
	for _, u := range l.uses {
		of, rec, err := u.ids()
		if err != nil {
			return err
		}
		t, ok, err := l.s.tensor(of)
		if err != nil {
			return err
		}
		if ok && t.recipe == rec { // else another was switched to, and the journal says so
			uses = append(uses, u)
		}
	}
	l.uses = nil
	if len(uses) == 0 {
		return nil
	}
	l.s.jrnl.add(uses)
	return nil
}

// journalUses queues the choices of all open leases. One of them may be of a
// tensor that another operation found, and which it commits now: the journal must
// say how it is rebuilt, should a crash keep the index from saying it.
func (ls *leaseSet) journalUses() error {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	for _, l := range ls.open {
		l.mu.Lock()
		err := l.journalUses()
		l.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// Commit makes ch, and all that the lease put, outlast a crash, and ends the
// lease. The names, pins and models of ch change together or not at all: where
// it returns an error they have not, and the lease goes on.
func (l *Lease) Commit(ch Change) error {
	l.mu.Lock()
	err := l.journalUses()
	l.mu.Unlock()
	if err != nil {
		return err
	}
	if err := l.s.Apply(ch); err != nil {
		return err
	}
	l.s.committed(l)
	return nil
}

// Release ends a lease that was not committed. What it wrote is kept for 24
// hours, so that a retry finds it, unless the disk or the quota was full: then
// its space is wanted. After Commit it does nothing.
func (l *Lease) Release() error {
	if !l.s.interrupted(l) {
		return nil
	}
	l.mu.Lock()
	err := l.journalUses()
	l.mu.Unlock()
	return errors.Join(err, l.s.Flush())
}
