package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
)

// errBehind says that a flush failed when packs and journal were on disk
// already. Nothing is lost: the next flush, or the next Open, brings the index
// up to date.
var errBehind = errors.New("the index could not be written")

// Flush makes everything put so far outlast a crash: pack data first, then the
// journal, then the index.
func (s *Store) Flush() error {
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	if s.closed {
		return ErrClosed
	}
	return s.flush(nil)
}

// commit makes the change that r tells of, and all that was put before, outlast
// a crash. It is made at the instant at which the journal is synced: before
// that an error leaves things as they were, and after it there is none.
func (s *Store) commit(r record) error {
	s.flushMu.Lock()
	defer s.flushMu.Unlock()
	if s.closed {
		return ErrClosed
	}
	err := s.flush(&r)
	if errors.Is(err, errBehind) {
		s.log.Warn("a change is made, and the index is behind", "err", err)
		return nil
	}
	return err
}

// flush is Flush, and commit of r unless it is nil. flushMu is held.
func (s *Store) flush(r *record) error {
	s.flushes++
	if err := s.leases.journalUses(); err != nil {
		return err
	}
	s.appendMu.Lock()
	s.index.freeze() // all it speaks of was appended before
	seq := s.jrnl.last()
	dirty := maps.Clone(s.unsynced)
	end, err := s.end()
	waiting := s.waiting
	s.appendMu.Unlock()
	if err != nil {
		return err
	}
	for n := range dirty {
		if p := s.pack(n); p != nil {
			if err := p.sync(); err != nil {
				return err
			}
		}
	}
	if err := s.jrnl.sync(r); err != nil {
		return err
	}
	if r != nil {
		// Of the next flush: till then the journal has it, behind seq.
		if err := s.applyRecord(*r); err != nil {
			return err
		}
	}
	err = s.index.write(map[string][]byte{
		string(key(tabMeta, []byte("end"))): end.encode(),
		string(key(tabMeta, []byte("seq"))): binary.BigEndian.AppendUint64(nil, seq),
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errBehind, err)
	}
	s.appendMu.Lock()
	for n, bytes := range dirty {
		if s.unsynced[n] == bytes { // else it grew after its sync
			delete(s.unsynced, n)
		}
	}
	s.waiting -= waiting
	s.appendMu.Unlock()
	s.reserve()
	return nil
}
