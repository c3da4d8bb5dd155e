package store

import (
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

const (
	// startEvery is after how many bytes a pack begins to go to the disk: what
	// waits for the next flush would else all be written then.
	startEvery = 8 << 20

	// spentAfter is how far behind a pack's end spent bytes are dropped from the
	// system's memory: peers that fetch the same ask for what came just now.
	spentAfter = 64 << 20
)

// A behind is a File of which the system can be told what to write early, and
// what to keep no longer.
type behind interface {
	startWriting(off, n int64)
	forget(off, n int64)
}

// A span is a run of bytes in a pack.
type span struct {
	pack     uint32
	from, to int64
}

// Spent tells that block c, put by this lease, is not expected to be read soon,
// because its bytes lie elsewhere too. It stays in its pack; the system's memory
// is better used for something else, and what it forgets it can fill again, which
// is much cheaper than memory that was never used, in a virtual machine above all.
func (l *Lease) Spent(c cid.Cid) error {
	s := l.s
	at, ok, err := s.find(digestOf(c))
	if !ok || err != nil {
		return err
	}
	s.appendMu.Lock()
	due, p := s.spend(at)
	s.appendMu.Unlock()
	if p == nil || due.to == due.from {
		return nil
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	if f, ok := p.file.(behind); ok {
		f.forget(due.from, due.to-due.from)
	}
	return nil
}

// spend adds at to what is spent, and returns what of it is to be dropped now.
// appendMu is held.
func (s *Store) spend(at place) (span, *pack) {
	from, to := int64(at.offset), int64(at.offset)+int64(at.length)
	if s.spent.pack != at.pack || from < s.spent.to || from > s.spent.to+dag.MaxBlock {
		s.spent = span{at.pack, from, to} // after what is no longer one run: that stays
	}
	s.spent.to = to
	if to-s.spent.from < spentAfter+startEvery {
		return span{}, nil
	}
	due := span{at.pack, s.spent.from, to - spentAfter}
	s.spent.from = due.to
	return due, s.pack(at.pack)
}
