package store

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	stageSize = 4 << 20 // of one write past the system's memory
	hugePage  = 2 << 20 // of the processors that have such
)

// A stage is bytes that belong at an offset of the file, a multiple of diskBlock.
type stage struct {
	off  int64
	data []byte
	all  []byte // the memory that data lies in, of no Go object; nil: it is one
}

// newStage returns a stage without bytes, with room for stageSize, that begins at
// a multiple of diskBlock in memory too. It lies in huge pages if the system has
// any: for O_DIRECT it holds on to each page of what is written, 2 instead of 1,024.
func newStage(off int64) *stage {
	s := &stage{off: off}
	all, err := unix.Mmap(-1, 0, stageSize+hugePage, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err == nil {
		s.all = all
	} else {
		all = make([]byte, stageSize+hugePage)
	}
	skip := int(-uintptr(unsafe.Pointer(&all[0])) % hugePage)
	s.data = all[skip : skip : skip+stageSize]
	if err == nil {
		_ = unix.Madvise(s.data[:stageSize], unix.MADV_HUGEPAGE) // small ones do too
	}
	return s
}

func (s *stage) end() int64 { return s.off + int64(len(s.data)) }

// free gives the stage's memory back. Nobody may read it after.
func (s *stage) free() {
	if s.all != nil {
		_ = unix.Munmap(s.all) // fails for what is not mapped
	}
	s.data, s.all = nil, nil
}
