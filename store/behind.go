package store

import (
	"context"

	blocks "github.com/ipfs/go-block-format"
)

const (
	// startEvery is after how many bytes a pack begins to go to the disk: what
	// waits for the next flush would else all be written then.
	startEvery = 8 << 20

	// quietFor is how many bytes are put after peers asked for one of the last
	// pack, before it goes past the system's memory again: those that fetch the
	// same ask for what came just now.
	quietFor = 64 << 20
)

// An earlyWriter is a File that can begin to write bytes to the disk.
type earlyWriter interface {
	startWriting(off, n int64)
}

// PutSpent is Put of a block that is not expected to be read soon, because its
// bytes lie elsewhere too. It goes to its pack past the system's memory, which is
// better used for something else, unless peers ask for such blocks.
func (l *Lease) PutSpent(ctx context.Context, b blocks.Block) (bool, error) {
	return l.putAndSettle(b, true)
}

// asked notes that a peer was lent a block of pack n.
func (s *Store) asked(n uint32) {
	s.packMu.RLock()
	defer s.packMu.RUnlock()
	if n == s.last {
		s.quietFrom.Store(s.appended.Load() + quietFor)
	}
}

// writeSpent is writeSection of a block that is not expected to be read soon.
func (s *Store) writeSpent(f File, head, data []byte) error {
	if a, ok := f.(Aside); ok && s.appended.Load() >= s.quietFrom.Load() {
		return a.WriteAside(head, data)
	}
	return s.writeSection(f, head, data)
}
