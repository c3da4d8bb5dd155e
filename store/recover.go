package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// recoverTail indexes the blocks behind the end that the index knows: those
// that a crash kept from being flushed, or, where the index is lost, all. In
// the last pack it cuts what is torn behind the last valid block; bytes before
// it are never cut.
func (s *Store) recoverTail(lost bool) error {
	var from place
	if !lost {
		v, err := s.index.get(key(tabMeta, []byte("end")))
		if err != nil {
			return err
		}
		if v != nil {
			if from, err = decodePlace(v); err != nil {
				return err
			}
		}
	}
	found := 0
	numbers := make([]uint32, 0, len(s.packs))
	for n := range s.packs {
		if n >= from.pack {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	// What a process that was killed wrote can be read, and may not be on disk:
	// neither a pack's bytes nor its name.
	if err := s.fs.SyncDir("packs"); err != nil {
		return err
	}
	for _, n := range numbers {
		at := int64(len(carHeader))
		if n == from.pack {
			at = int64(from.offset)
		}
		k, err := s.recoverPack(s.packs[n], at)
		if err != nil {
			return fmt.Errorf("recover %s: %w", packName(n), err)
		}
		found += k
	}
	if found > 0 && !lost {
		s.log.Info("blocks found behind the last flush", "blocks", found)
		return s.endLeases(&from)
	}
	return s.endLeases(nil)
}

func (s *Store) recoverPack(p *pack, from int64) (int, error) {
	size, err := p.size()
	if err != nil {
		return 0, err
	}
	if size < int64(len(carHeader)) { // torn while it was made
		if p.number != s.last {
			return 0, nil
		}
		if err := p.file.Truncate(0); err != nil {
			return 0, err
		}
		_, err := p.file.Write(carHeader)
		s.total += int64(len(carHeader)) - size
		s.unsynced[p.number] += int64(len(carHeader))
		return 0, err
	}
	from = min(from, size) // a collect cut the end, and a crash kept the index from following
	if size > from {
		if err := p.sync(); err != nil {
			return 0, err
		}
	}
	n := 0
	end, err := p.scan(from, func(sec section) error {
		n++
		d := digestOf(sec.cid)
		if _, ok, err := s.find(d); ok || err != nil {
			return err // a copy that a rewrite left
		}
		s.index.put(key(tabBlock, d[:]), placed(p.number, sec.offset, sec.cid.Type(), sec.data).encode())
		if s.index.size() > flushIndex {
			// The journal is not open yet, and the end not known: the layer alone
			// may go to disk, since these bytes are synced.
			s.index.freeze()
			return s.index.write(nil)
		}
		return nil
	}, func(from, to int64) {
		s.log.Warn("damaged bytes in a pack are passed over", "pack", packName(p.number), "from", from, "to", to)
	})
	if err != nil || end >= size {
		return n, err
	}
	if p.number != s.last {
		s.log.Warn("a pack does not read to its end", "pack", packName(p.number), "from", end)
		return n, nil
	}
	s.log.Info("a torn write is cut", "pack", packName(p.number), "from", end, "bytes", size-end)
	s.total -= size - end
	s.unsynced[p.number]++ // so that the next flush syncs the cut
	return n, p.file.Truncate(end)
}

// replay applies what the journal has and the index has not. After a lost index
// that is all of it, and recipes that the journal does not choose are chosen
// here.
func (s *Store) replay(ctx context.Context, lost bool) error {
	applied := uint64(0)
	v, err := s.index.get(key(tabMeta, []byte("seq")))
	if err != nil {
		return err
	}
	if len(v) == 8 && !lost {
		applied = binary.BigEndian.Uint64(v)
	}
	var uses []useEntry
	s.jrnl, err = openJournal(s.fs, func(r record) error {
		if r.Seq <= applied {
			return nil
		}
		uses = append(uses, r.Use...)
		return s.applyRecord(r)
	})
	if err != nil {
		return err
	}
	// Of a tensor's choices the last counts.
	last := map[tensorID]digest{}
	order := []tensorID{}
	for _, u := range uses {
		t, r, err := u.ids()
		if err != nil {
			return err
		}
		if _, ok := last[t]; !ok {
			order = append(order, t)
		}
		last[t] = r
	}
	if err := s.adopt(ctx, order, last); err != nil {
		return err
	}
	if err := s.recountAll(ctx, order); err != nil {
		return err
	}
	if lost {
		if err := s.adoptFound(ctx); err != nil {
			return err
		}
	}
	s.jrnl.seq = max(s.jrnl.seq, applied) // its last records may be lost: their numbers are not given again
	if s.jrnl.damaged && !lost {
		s.log.Warn("the journal was damaged: it is written anew from the index")
		return s.rewriteJournal()
	}
	return nil
}

func (u useEntry) ids() (t tensorID, r digest, err error) {
	tc, err1 := cid.Decode(u.Tensor)
	rc, err2 := cid.Decode(u.Recipe)
	if err := errors.Join(err1, err2); err != nil {
		return t, r, fmt.Errorf("journal: a choice of recipe: %w", err)
	}
	if err := errors.Join(dag.Supported(tc), dag.Supported(rc)); err != nil {
		return t, r, err
	}
	return idOf(tc), digestOf(rc), nil
}

// adopt puts the chosen recipes to use, bases before what needs them. One whose
// blocks are missing, or that would close a circle, is left.
func (s *Store) adopt(ctx context.Context, order []tensorID, chosen map[tensorID]digest) error {
	const (
		open = iota + 1
		done
	)
	state := map[tensorID]int{}
	var visit func(t tensorID, depth int) error
	visit = func(t tensorID, depth int) error {
		if state[t] != 0 || depth > maxBehind {
			return nil
		}
		state[t] = open
		defer func() { state[t] = done }()
		rec, ok := chosen[t]
		if !ok {
			// What it needs by the choice that stands may have to change first.
			now, _, err := s.tensor(t)
			for _, b := range now.Bases {
				err = errors.Join(err, visit(idOf(b), depth+1))
			}
			return err
		}
		r, err := s.recipe(rec)
		if unusable(err) || err == nil && idOf(r.Of) != t {
			return nil // it was collected, or is damaged: verify says which
		}
		if err != nil {
			return err
		}
		for _, b := range r.Bases {
			if err := visit(idOf(b.Of), depth+1); err != nil {
				return err
			}
		}
		return s.adoptOne(ctx, r, rec)
	}
	for _, t := range order {
		if err := visit(t, 0); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) adoptOne(ctx context.Context, r *dag.Recipe, rec digest) error {
	of := idOf(r.Of)
	if now, ok, err := s.tensor(of); err != nil || ok && now.recipe == rec {
		return err
	}
	if whole, err := s.hasChunks(ctx, r); err != nil || !whole {
		return err
	}
	t, err := s.weigh(ctx, r, rec)
	if err == nil {
		// Its ways are written unchecked: Get checks every leaf that it decodes.
		err = s.addWays(ctx, r, rec, dag.LeavesOf(ctx, realGetter{s}, r.Of, r.Size))
	}
	if unusable(err) {
		s.log.Warn("a recipe is left unused", "tensor", r.Of, "reason", err)
		return nil
	}
	if err != nil {
		return err
	}
	s.index.put(key(tabRecipe, of[:], rec[:]), nil)
	s.putTensor(t)
	return nil
}

// recountAll counts anew what depends on the tensors of changed.
func (s *Store) recountAll(ctx context.Context, changed []tensorID) error {
	c := newRecount(s)
	if err := c.up(ctx, changed); err != nil {
		return err
	}
	c.write()
	return nil
}

func (s *Store) hasChunks(ctx context.Context, r *dag.Recipe) (bool, error) {
	if here, err := s.hasSide(r); !here || err != nil {
		return false, err
	}
	for e, err := range r.Chunks.All(ctx, realGetter{s}) {
		if unusable(err) {
			return false, nil // a page is missing
		}
		if err != nil {
			return false, err
		}
		if _, ok, err := s.find(digestOf(e.Chunk)); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// adoptFound looks at every dag-cbor block for recipes that the journal did not
// choose, and puts those to use that can be: stand-alone ones first, then those
// whose bases are in use, as often as that finds more.
func (s *Store) adoptFound(ctx context.Context) error {
	var waiting []digest
	err := s.index.scan(key(tabBlock), func(k, v []byte) (bool, error) {
		p, err := decodePlace(v)
		if err != nil {
			return false, err
		}
		if p.codec == cid.DagCBOR {
			waiting = append(waiting, digest(k[1:]))
		}
		return true, ctx.Err()
	})
	if err != nil {
		return err
	}
	for {
		var later []digest
		for _, d := range waiting {
			r, err := s.recipe(d)
			if unusable(err) {
				continue // a packing, a page, or damaged
			}
			if err != nil {
				return err
			}
			of := idOf(r.Of)
			if _, ok, err := s.tensor(of); err != nil {
				return err
			} else if ok {
				continue
			}
			ready := true
			for _, b := range r.Bases {
				_, ok, err := s.tensor(idOf(b.Of))
				if err != nil {
					return err
				}
				ready = ready && ok
			}
			if !ready {
				later = append(later, d)
				continue
			}
			if err := s.adoptOne(ctx, r, d); err != nil {
				return err
			}
		}
		if len(later) == 0 || len(later) == len(waiting) {
			return nil
		}
		waiting = later
	}
}

const (
	journalFrom = 4 << 20 // bytes; a shorter one is not worth writing anew
	useBytes    = 134     // what a journal has of a tensor
	modelBytes  = 1 << 10 // and, at most about, of a model, its names and its pin
)

// trimJournal writes the journal anew also when most of it is of tensors that a
// collect removed.
func (s *Store) trimJournal() error {
	if size := s.jrnl.length(); size >= s.journalFrom {
		tensors, _, err := s.Count()
		if err != nil {
			return err
		}
		models, err := s.Models()
		if err != nil {
			return err
		}
		if needs := useBytes*int64(tensors) + modelBytes*int64(len(models)); size >= 2*needs+s.journalFrom {
			return s.rewriteJournal()
		}
	}
	return s.compactJournal()
}

// compactJournal writes the journal anew when most of it is history.
func (s *Store) compactJournal() error {
	size := s.jrnl.length()
	if size < s.journalFrom {
		return nil
	}
	v, err := s.index.get(key(tabMeta, []byte("compacted")))
	if err != nil || len(v) == 8 && size < 2*int64(binary.BigEndian.Uint64(v)) {
		return err
	}
	return s.rewriteJournal()
}

// rewriteJournal makes the journal say what the index does.
func (s *Store) rewriteJournal() error {
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	// Flushed first: what the old journal took away, the new one says nothing of.
	if err := s.flush(nil); err != nil {
		return err
	}
	err := s.jrnl.replace(func(add func(record) error) error {
		models, err := s.Models()
		if err != nil {
			return err
		}
		names, err := s.Names()
		if err != nil {
			return err
		}
		pins, err := s.Pins()
		if err != nil {
			return err
		}
		r, err := Change{Models: models, Names: names, Pin: pins}.record()
		if err != nil {
			return err
		}
		if err := add(r); err != nil {
			return err
		}
		var uses []useEntry
		err = s.index.scan(key(tabTensor), func(k, v []byte) (bool, error) {
			t, err := decodeTensor(tensorID(k[1:]), v)
			if err != nil {
				return false, err
			}
			uses = append(uses, useEntry{t.of.cid().String(), t.Recipe().String()})
			if len(uses) == 256 {
				err = add(record{Use: uses})
				uses = nil
			}
			return true, err
		})
		if err != nil || len(uses) == 0 {
			return err
		}
		return add(record{Use: uses})
	})
	if err != nil {
		return err
	}
	s.index.put(key(tabMeta, []byte("compacted")), binary.BigEndian.AppendUint64(nil, uint64(s.jrnl.length())))
	return s.flush(nil)
}
