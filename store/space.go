package store

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
)

// ErrFull says that the disk is full, or has left only what a collect needs.
var ErrFull = errors.New("the disk is full")

// IsFull tells whether err says that a disk, or a user's share of it, is full.
func IsFull(err error) bool { return errors.Is(err, ErrFull) || diskFull(err) }

// A Spacer may be implemented by an FS that knows how much room it has.
type Spacer interface {
	// Free returns the bytes that may still be written, and false when that is
	// not known.
	Free() (int64, bool)
}

// Free returns the bytes that may still be written in the directory.
func (d osFS) Free() (int64, bool) { return FreeSpace(string(d)) }

func (s *Store) free() (int64, bool) {
	if sp, ok := s.fs.(Spacer); ok {
		return sp.Free()
	}
	return 0, false
}

// kept is how many bytes of the disk are left for a collect: as many as the
// largest pack may have, since rewriting one takes as much before it frees any,
// and for the index what the reserve is to hold, where there is none.
func (s *Store) kept() int64 {
	n := min(maxPack, s.Bytes())
	if s.reserved.Load() == 0 {
		n += s.reserveSize()
	}
	return n
}

// checkRoom returns an error when n bytes more would leave less than is kept.
func (s *Store) checkRoom(n int64) error {
	free, ok := s.free()
	if kept := s.kept(); ok && free-n < kept {
		return fmt.Errorf("%w: it has %.1f MiB free, and %.1f are kept so that 'zipnode gc' can free more", ErrFull, mib(free), mib(kept))
	}
	return nil
}

// mib returns bytes in MiB, as a person reads them.
func mib(bytes int64) float64 { return float64(bytes) / (1 << 20) }

// The reserve is a file that only takes space. Others fill disks too, and then
// not even an index can be written: a start or a collect that meets a full disk
// gives the reserve up, and makes it again when it is done.
const (
	reserveName  = "reserve"
	leastReserve = 256 << 10
	mostReserve  = 32 << 20
	reserveShare = 256 // of the packs' bytes: an index has far less
)

func (s *Store) reserveSize() int64 {
	return min(max(s.Bytes()/reserveShare, leastReserve), mostReserve)
}

// reserve makes the reserve, or a larger one where the store has outgrown it.
// flushMu is held. Without room, or on a disk that does not say how much it has, there is none.
func (s *Store) reserve() {
	want := s.reserveSize()
	free, ok := s.free()
	if have := s.reserved.Load(); !ok || 2*have > want || free < 2*want {
		return
	}
	if err := writeReserve(s.fs, want); err != nil {
		s.reserved.Store(0)
		s.log.Info("no space is kept in reserve", "reason", errors.Join(err, s.fs.Remove(reserveName)))
		return
	}
	s.reserved.Store(want)
}

// writeReserve fills the file with noise: file systems may keep zeros in no
// space.
func writeReserve(fs FS, size int64) error {
	f, err := fs.Create(reserveName)
	if err != nil {
		return err
	}
	noise := make([]byte, 64<<10)
	r := rand.NewChaCha8([32]byte{})
	for left := size; left > 0 && err == nil; left -= int64(len(noise)) {
		noise = noise[:min(left, int64(len(noise)))]
		r.Read(noise)
		_, err = f.Write(noise)
	}
	if err == nil {
		err = f.Sync() // or it takes no space yet
	}
	return errors.Join(err, f.Close())
}

// findReserve tells how large the reserve is that an earlier process made.
func (s *Store) findReserve() error {
	f, err := s.fs.Open(reserveName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	size, err := f.Size()
	s.reserved.Store(size)
	return errors.Join(err, f.Close())
}

// giveUpReserve frees the reserve, and tells whether there was one.
func giveUpReserve(fs FS) bool {
	f, err := fs.Open(reserveName)
	if err != nil {
		return false
	}
	return errors.Join(f.Close(), fs.Remove(reserveName)) == nil
}
