package store

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/zipnode/zipnode/dag"
)

// section returns the bytes of p's section in its pack.
func (p place) section() int64 {
	return int64(len(dag.CARSection(digest{}.cid(p.codec), int(p.length)))) + int64(p.length)
}

// numbers returns the numbers of the packs, in order.
func (s *Store) numbers() []uint32 {
	s.packMu.RLock()
	defer s.packMu.RUnlock()
	return slices.Sorted(maps.Keys(s.packs))
}

// shrinkable returns how many bytes shrink would free if only live, by pack,
// stayed.
func (s *Store) shrinkable(live map[uint32]int64) (int64, error) {
	total := int64(0)
	for _, n := range s.numbers() {
		size, err := s.pack(n).size()
		if err != nil {
			return 0, err
		}
		if dead := size - int64(len(carHeader)) - live[n]; worthRewriting(size, dead) {
			total += dead
		}
	}
	return total, nil
}

// shrink rewrites the packs of which much is dead: live blocks move to the end
// of the last pack, the index follows, the old pack goes. Those of which least
// lives come first: they need the least room, and make some for the others. It
// returns how many did.
func (s *Store) shrink(ctx context.Context) (int, error) {
	if err := s.cutTail(ctx); err != nil {
		return 0, err
	}
	live := map[uint32]int64{}
	err := s.index.scan(key(tabBlock), func(_, v []byte) (bool, error) {
		p, err := decodePlace(v)
		live[p.pack] += p.section()
		return true, err
	})
	if err != nil {
		return 0, err
	}
	done := 0
	numbers := s.numbers()
	slices.SortStableFunc(numbers, func(a, b uint32) int { return cmp.Compare(live[a], live[b]) })
	for _, n := range numbers {
		size, err := s.pack(n).size()
		if err != nil {
			return done, err
		}
		dead := size - int64(len(carHeader)) - live[n]
		if !worthRewriting(size, dead) {
			continue
		}
		if free, ok := s.free(); ok && live[n] > free { // the others need more
			return done, fmt.Errorf("%w: %d bytes of %s are dead, and for the %d that live in it there is no room elsewhere", ErrFull, dead, packName(n), live[n])
		}
		if err := s.rewrite(ctx, n); err != nil {
			return done, fmt.Errorf("rewrite %s: %w", packName(n), err)
		}
		done++
	}
	return done, nil
}

// cutTail cuts the dead blocks at the end of the last pack, which takes no room:
// it is what an operation leaves that met a full disk. Everything was flushed.
func (s *Store) cutTail(ctx context.Context) error {
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	s.appendMu.Lock()
	defer s.appendMu.Unlock()
	p := s.pack(s.last)
	if p == nil {
		return nil
	}
	end := int64(len(carHeader))
	err := s.index.scan(key(tabBlock), func(_, v []byte) (bool, error) {
		at, err := decodePlace(v)
		if at.pack == p.number {
			end = max(end, int64(at.offset)+int64(at.length))
		}
		return true, errors.Join(err, ctx.Err())
	})
	if err != nil {
		return err
	}
	size, err := p.size()
	if err != nil || size <= end {
		return err
	}
	// The index first: where it believed in a later end, a start would not look
	// for what is appended from here on. A crash between finds dead blocks again.
	if err := s.index.writeOne(key(tabMeta, []byte("end")), place{pack: p.number, offset: uint64(end)}.encode()); err != nil {
		return err
	}
	s.rewind(place{pack: p.number, offset: uint64(end)})
	cutErr := errors.Join(p.file.Truncate(end), p.file.Sync())
	now, err := p.size() // it may be cut although there was an error
	if err == nil {
		s.packMu.Lock()
		s.total += now - size
		s.packMu.Unlock()
	}
	if err = errors.Join(cutErr, err); err != nil {
		return fmt.Errorf("cut %s: %w", packName(p.number), err)
	}
	return nil
}

// rewrite moves what lives of pack n to the end of the last pack, and removes n.
func (s *Store) rewrite(ctx context.Context, n uint32) error {
	s.rewritesBegun.Add(1)
	defer s.rewritesEnded.Add(1)
	s.flushMu.Lock()
	s.appendMu.Lock()
	start, err := s.end()
	flushes := s.flushes
	if err == nil && n == s.last { // so that nothing is appended to it any more
		err = s.roll()
	}
	s.appendMu.Unlock()
	s.flushMu.Unlock()
	if err != nil {
		return err
	}
	blocks, err := s.blocksOf(ctx, n)
	if err != nil {
		return err
	}
	m := s.followers(n)
	moved, err := s.moveAll(ctx, blocks, m)
	m.done()
	if IsFull(err) {
		err = errors.Join(err, s.moveBack(blocks[:moved], start, flushes))
	}
	if err != nil {
		return err
	}
	if err := s.Flush(); err != nil {
		return err
	}
	if err := s.removePack(n); err != nil {
		return err
	}
	m.gone()
	return nil
}

// moveAll moves blocks, and returns how many it did.
func (s *Store) moveAll(ctx context.Context, blocks []located, m *moving) (int, error) {
	for i, b := range blocks {
		if err := ctx.Err(); err != nil {
			return i, err
		}
		if err := s.move(b.d, b.at, m); err != nil {
			return i, err
		}
	}
	return len(blocks), nil
}

// A located is a block and its place.
type located struct {
	d  digest
	at place
}

// blocksOf returns the blocks that lie in pack n, in order.
func (s *Store) blocksOf(ctx context.Context, n uint32) ([]located, error) {
	var out []located
	err := s.index.scan(key(tabBlock), func(k, v []byte) (bool, error) {
		p, err := decodePlace(v)
		if err == nil && p.pack == n {
			out = append(out, located{digest(k[1:]), p})
		}
		return true, errors.Join(err, ctx.Err())
	})
	slices.SortFunc(out, func(a, b located) int {
		if a.at.less(b.at) {
			return -1
		}
		return 1
	})
	return out, err
}

// move copies block d to the end of the last pack, and tells m. A damaged one stays
// behind: the index forgets it.
func (s *Store) move(d digest, at place, m *moving) error {
	c := d.cid(at.codec)
	b, err := s.real(c)
	if skip, err := absent(err); err != nil {
		return err
	} else if skip {
		s.index.delete(key(tabBlock, d[:]))
		return nil
	}
	s.appendMu.Lock()
	defer s.appendMu.Unlock()
	if now, ok, err := s.find(d); err != nil || !ok || now != at {
		return err // removed, or moved, meanwhile
	}
	s.moving = true // the old copy goes: for a moment there are two
	defer func() { s.moving = false }()
	if _, err = s.append(d, c, b.RawData(), s.writeSection); err != nil {
		return err
	}
	to, _, err := s.find(d)
	m.moved(at, to)
	return err
}

// moveBack undoes a rewrite that filled the disk: half a pack moved would take
// room and free none. The copies lie from start on; where others have put
// something there meanwhile, or a flush has told the index on disk of them, they
// stay.
func (s *Store) moveBack(blocks []located, start place, flushes int) error {
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	s.appendMu.Lock()
	defer s.appendMu.Unlock()
	end, err := s.end()
	if err != nil || s.flushes != flushes {
		return err
	}
	var moved []located
	copies := int64(0)
	for _, b := range blocks {
		now, ok, err := s.find(b.d)
		if err != nil {
			return err
		}
		if ok && now.pack != b.at.pack {
			moved = append(moved, b)
			copies += now.section()
		}
	}
	rolled := end.pack != start.pack
	first := int64(start.offset)
	if rolled {
		first = int64(len(carHeader))
	}
	if end.pack > start.pack+1 || int64(end.offset) != first+copies {
		return nil
	}
	for _, b := range moved {
		s.index.put(key(tabBlock, b.d[:]), b.at.encode())
	}
	s.rewind(start)
	p := s.pack(end.pack)
	s.packMu.Lock()
	defer s.packMu.Unlock()
	s.total -= copies
	if !rolled {
		return p.file.Truncate(first)
	}
	s.total -= first
	delete(s.unsynced, end.pack)
	s.last = start.pack
	delete(s.packs, end.pack)
	return errors.Join(p.close(), s.fs.Remove(packName(end.pack)), s.fs.SyncDir("packs"))
}

// roll begins a new pack. appendMu is held.
func (s *Store) roll() error {
	number := s.last + 1
	f, err := s.fs.Create(packName(number))
	if err != nil {
		return err
	}
	if _, err = f.Write(carHeader); err == nil {
		err = s.fs.SyncDir("packs")
	}
	if err != nil {
		return errors.Join(err, f.Close(), s.fs.Remove(packName(number)))
	}
	s.packMu.Lock()
	s.packs[number] = &pack{number: number, file: f}
	s.last = number
	s.total += int64(len(carHeader))
	s.packMu.Unlock()
	s.unsynced[number] += int64(len(carHeader))
	return nil
}

// removePack removes pack n, of which nothing is indexed any more. One that the
// disk does not let go stays, for the next collect.
func (s *Store) removePack(n uint32) error {
	p := s.pack(n)
	size, err := p.size()
	if err != nil {
		return err
	}
	// Closed first: Windows removes no open file.
	err = p.close()
	if removeErr := s.fs.Remove(packName(n)); removeErr != nil {
		err = errors.Join(err, removeErr)
		if f, openErr := s.fs.Open(packName(n)); openErr == nil {
			p.mu.Lock()
			p.file = f
			p.mu.Unlock()
			return err
		}
	}
	s.packMu.Lock()
	delete(s.packs, n)
	s.total -= size
	s.packMu.Unlock()
	s.appendMu.Lock()
	delete(s.unsynced, n)
	s.appendMu.Unlock()
	return errors.Join(err, s.fs.SyncDir("packs"))
}
