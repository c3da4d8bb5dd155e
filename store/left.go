package store

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"
)

// leaseFor is how long what an interrupted operation wrote is kept, so that a
// retry finds it again.
const leaseFor = 24 * time.Hour

const (
	mostSpans = 32 // of one lease
	mostLeft  = 64 // leases that were interrupted
)

// A leftLease is what the index knows of a lease: of one that is open where it
// began, of one that was interrupted where its blocks lie.
type leftLease struct {
	until time.Time // when an interrupted one is forgotten
	from  place     // where it began to write
	work  digest    // what it is for; zeros: that is not known
	spans []span    // where its blocks lie; none: it goes on
}

// A span is the places from one on to another, which is not of it.
type span struct{ from, to place }

func (sp span) has(p place) bool { return !p.less(sp.from) && p.less(sp.to) }

const (
	placeSize = 17 // of a place without codec and sum
	spanSize  = 24
)

// encode returns l as the index has it. An earlier zipnode reads of it until and
// from.
func (l leftLease) encode() []byte {
	b := binary.BigEndian.AppendUint64(nil, uint64(l.until.Unix()))
	b = append(b, place{pack: l.from.pack, offset: l.from.offset}.encode()...)
	b = append(b, l.work[:]...)
	for _, sp := range l.spans {
		for _, p := range []place{sp.from, sp.to} {
			b = binary.BigEndian.AppendUint32(b, p.pack)
			b = binary.BigEndian.AppendUint64(b, p.offset)
		}
	}
	return b
}

func decodeLeft(v []byte) (l leftLease, err error) {
	if len(v) < 8+placeSize {
		return l, fmt.Errorf("store: an index entry of a lease of %d bytes", len(v))
	}
	l.until = time.Unix(int64(binary.BigEndian.Uint64(v)), 0)
	if l.from, err = decodePlace(v[8 : 8+placeSize]); err != nil {
		return l, err
	}
	v = v[8+placeSize:]
	v = v[copy(l.work[:], v):] // an earlier zipnode wrote neither this nor spans
	for ; len(v) >= spanSize; v = v[spanSize:] {
		at := func(b []byte) place {
			return place{pack: binary.BigEndian.Uint32(b), offset: binary.BigEndian.Uint64(b[4:])}
		}
		l.spans = append(l.spans, span{at(v), at(v[spanSize/2:])})
	}
	return l, nil
}

func leaseKey(id uint64) []byte { return key(tabLease, binary.BigEndian.AppendUint64(nil, id)) }

// putLease notes what is left of lease id should it be interrupted. leases.mu is
// held.
func (s *Store) putLease(id uint64, l leftLease) {
	s.index.put(leaseKey(id), l.encode())
	s.leases.left[id] = l
}

// dropLease forgets lease id. leases.mu is held.
func (s *Store) dropLease(id uint64) {
	delete(s.leases.left, id)
	s.index.delete(leaseKey(id))
}

func (s *Store) loadLeases() error {
	s.leases.open = map[uint64]*Lease{}
	s.leases.left = map[uint64]leftLease{}
	return s.index.scan(key(tabLease), func(k, v []byte) (bool, error) {
		if len(k) != 9 {
			return true, nil
		}
		l, err := decodeLeft(v)
		if err != nil {
			return false, err
		}
		// One without spans was open when its process ended, however long ago it began.
		if len(l.spans) > 0 && time.Now().After(l.until) {
			s.index.delete(k)
		} else {
			s.leases.left[binary.BigEndian.Uint64(k[1:])] = l
		}
		return true, nil
	})
}

// endLeases ends the leases of a process that is gone: they keep what is there
// now. So they do with what was found behind the index's end, at found, if
// anything was.
func (s *Store) endLeases(found *place) error {
	end, err := s.end()
	if err != nil {
		return err
	}
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	until := time.Now().Add(leaseFor)
	for id, l := range s.leases.left {
		if len(l.spans) > 0 {
			continue
		}
		if found != nil && !found.less(l.from) {
			found = nil // this lease's, or of one beside it
		}
		s.leave(id, leftLease{until: until, work: l.work, spans: []span{{l.from, end}}})
	}
	if found != nil {
		s.leave(rand.Uint64(), leftLease{until: until, spans: []span{{*found, end}}})
	}
	return nil
}

// leave notes an interrupted lease, or forgets it if its spans are empty.
// leases.mu is held.
func (s *Store) leave(id uint64, l leftLease) {
	l.spans = joined(l.spans)
	if len(l.spans) == 0 {
		s.dropLease(id)
		return
	}
	if len(l.spans) > mostSpans {
		l.spans = []span{{l.spans[0].from, l.spans[len(l.spans)-1].to}}
	}
	l.from = l.spans[0].from
	s.putLease(id, l)
}

// joined returns spans in order, without empty ones, and those that touch as one.
func joined(spans []span) []span {
	spans = slices.Clone(spans)
	slices.SortFunc(spans, func(a, b span) int { return comparePlaces(a.from, b.from) })
	out := spans[:0]
	for _, sp := range spans {
		switch n := len(out); {
		case !sp.from.less(sp.to):
		case n > 0 && !out[n-1].to.less(sp.from):
			if out[n-1].to.less(sp.to) {
				out[n-1].to = sp.to
			}
		default:
			out = append(out, sp)
		}
	}
	return out
}

func comparePlaces(a, b place) int {
	return cmp.Or(cmp.Compare(a.pack, b.pack), cmp.Compare(a.offset, b.offset))
}

// committed ends l, which needs no keeping any more, and what earlier tries at
// the same left.
func (s *Store) committed(l *Lease) {
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	for _, id := range s.leases.earlier(l.id) {
		s.dropLease(id)
	}
	delete(s.leases.open, l.id)
	s.dropLease(l.id) // at the next flush: a crash leaves it for 24 hours
}

// earlier returns the interrupted leases for the same as lease id is for.
// ls.mu is held.
func (ls *leaseSet) earlier(id uint64) []uint64 {
	var ids []uint64
	work := ls.left[id].work
	for other, l := range ls.left {
		if work != (digest{}) && l.work == work && len(l.spans) > 0 {
			ids = append(ids, other)
		}
	}
	return ids
}

// interrupted ends l, which was not committed, and tells whether it was open.
// What earlier tries at the same left is kept as long as what this one did.
func (s *Store) interrupted(l *Lease) bool {
	s.appendMu.Lock() // until it has ended where the packs end
	defer s.appendMu.Unlock()
	end, err := s.end()
	ls := &s.leases
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if _, open := ls.open[l.id]; !open {
		return false
	}
	left := ls.left[l.id]
	l.mu.Lock()
	written, full := l.written > 0, l.full
	l.mu.Unlock()
	earlier := ls.earlier(l.id)
	delete(ls.open, l.id)
	if full {
		s.dropLease(l.id)
		return true
	}
	if err != nil { // of a disk: where l ended is not known until the next start
		return true
	}
	left.until = time.Now().Add(leaseFor)
	if written {
		left.spans = append(left.spans, span{left.from, end})
	}
	for _, id := range earlier {
		left.spans = append(left.spans, ls.left[id].spans...)
		s.dropLease(id)
	}
	s.leave(l.id, left)
	s.mergeOldest()
	return true
}

// mergeOldest makes one of the two interrupted leases that are forgotten first,
// where there are too many. leases.mu is held.
func (s *Store) mergeOldest() {
	var ids []uint64
	for id, l := range s.leases.left {
		if len(l.spans) > 0 {
			ids = append(ids, id)
		}
	}
	if len(ids) <= mostLeft {
		return
	}
	slices.SortFunc(ids, func(a, b uint64) int { return s.leases.left[a].until.Compare(s.leases.left[b].until) })
	one, other := s.leases.left[ids[0]], s.leases.left[ids[1]]
	if one.work != other.work {
		other.work = digest{}
	}
	other.spans = slices.Concat(one.spans, other.spans)
	s.dropLease(ids[0])
	s.leave(ids[1], other)
}

// dropLeft ends the leases that no running operation holds.
func (s *Store) dropLeft() {
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	for id := range s.leases.left {
		if _, runs := s.leases.open[id]; !runs {
			s.dropLease(id)
		}
	}
}

// leased returns where what leases wrote lies, in order; with running only that
// of operations that run.
func (s *Store) leased(running bool) spans {
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	var all []span
	for id, l := range s.leases.left {
		_, open := s.leases.open[id]
		switch {
		case !open && (running || time.Now().After(l.until)):
		case len(l.spans) > 0:
			all = append(all, l.spans...)
		default:
			all = append(all, span{l.from, place{pack: maxNumber}})
		}
	}
	return joined(all)
}

// maxNumber is beyond that of any pack.
const maxNumber = 1<<32 - 1

// spans are in order, and none touches the next.
type spans []span

func (all spans) has(p place) bool {
	i, ok := slices.BinarySearchFunc(all, p, func(sp span, p place) int { return comparePlaces(sp.from, p) })
	return ok || i > 0 && all[i-1].has(p)
}

// rewind makes every lease know that the packs end at end again: what is appended
// from here on would lie before where open ones began, and is none of what
// interrupted ones left. appendMu is held.
func (s *Store) rewind(end place) {
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	for id, left := range s.leases.left {
		if len(left.spans) > 0 {
			s.leave(id, left.before(end))
			continue
		}
		if !end.less(left.from) {
			continue
		}
		left.from = end
		s.putLease(id, left)
		if l := s.leases.open[id]; l != nil {
			l.mu.Lock()
			l.from = end
			l.mu.Unlock()
		}
	}
}

// before returns l without what lies at end or behind.
func (l leftLease) before(end place) leftLease {
	l.spans = slices.Clone(l.spans)
	for i, sp := range l.spans {
		if end.less(sp.to) {
			l.spans[i].to = end
		}
	}
	return l
}
