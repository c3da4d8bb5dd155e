package store

import (
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	diskBlock = 4096 // O_DIRECT reads and writes whole ones; no disk has larger ones
	stages    = 3    // of one file: one is filled, one is written, and one waits
	roomSize  = 64 << 20
)

// An asideFile is a file of the operating system's that writes what is put aside
// by O_DIRECT. Its end, from written on, is in stages, which a goroutine writes in
// order, so that the file never has a hole. Everything else takes the usual way,
// once nothing is in a stage any more.
type asideFile struct {
	*osFile

	turn   sync.Mutex // held by who appends, drains or cuts
	direct *os.File   // the same file, by O_DIRECT
	never  bool       // the file system can't
	room   int64      // up to where the file has room on the disk
	wg     sync.WaitGroup

	mu      sync.Mutex
	moved   sync.Cond // a stage was written, or failed to be
	written int64     // bytes before it are in the file
	full    []*stage  // to be written, the first is being
	fill    *stage    // what comes next goes here; nil: nothing is in a stage
	spare   []*stage  // written: they are filled again, until all is synced
	busy    bool      // the goroutine runs
	err     error     // that ended it
}

// appendable returns f as Append and Create return it.
func appendable(f *osFile) File {
	a := &asideFile{osFile: f}
	a.moved.L = &a.mu
	return a
}

// WriteAside implements [Aside].
func (f *asideFile) WriteAside(a, b []byte) error {
	f.turn.Lock()
	defer f.turn.Unlock()
	if !f.ready(int64(len(a) + len(b))) {
		return f.plainly(func() error { return f.osFile.writeParts(a, b) })
	}
	f.mu.Lock()
	err := f.err
	f.mu.Unlock()
	if err != nil {
		return err
	}
	f.stage(a)
	f.stage(b)
	f.end += int64(len(a) + len(b))
	return nil
}

// ready makes the file take n bytes aside, and tells whether it can. What has to
// be found out is found out here, above all that the disk is full: writing a stage
// fails late.
func (f *asideFile) ready(n int64) bool {
	if f.never {
		return false
	}
	if f.direct == nil {
		d, err := os.OpenFile(f.Name(), os.O_WRONLY|unix.O_DIRECT, 0)
		if f.never = err != nil; f.never {
			return false
		}
		f.direct = d
	}
	if f.end+n > f.room {
		if err := f.control(func(fd int) error {
			return unix.Fallocate(fd, unix.FALLOC_FL_KEEP_SIZE, f.end, roomSize)
		}); err != nil {
			f.never = !diskFull(err)
			return false
		}
		f.room = f.end + roomSize
	}
	return f.fill != nil || f.begin() == nil
}

// begin makes the first stage, with what the file has of its last block.
func (f *asideFile) begin() error {
	off := f.end / diskBlock * diskBlock
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.next(off)
	s.data = s.data[:f.end-off]
	if _, err := f.File.ReadAt(s.data, off); err != nil {
		f.spare = append(f.spare, s)
		return err
	}
	f.written, f.fill = f.end, s
	return nil
}

// next returns a stage for what comes at off. mu is held.
func (f *asideFile) next(off int64) *stage {
	n := len(f.spare)
	if n == 0 {
		return newStage(off)
	}
	s := f.spare[n-1]
	f.spare = f.spare[:n-1]
	s.off, s.data = off, s.data[:0]
	return s
}

// stage puts b behind what is there.
func (f *asideFile) stage(b []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(b) > 0 {
		s := f.fill
		n := min(len(b), stageSize-len(s.data))
		s.data = append(s.data, b[:n]...)
		b = b[n:]
		if len(s.data) < stageSize {
			return
		}
		f.full = append(f.full, s)
		f.fill = f.next(s.end())
		f.goOn()
		for f.busy && len(f.full) > stages-2 {
			f.moved.Wait()
		}
	}
}

// goOn starts the goroutine unless it runs. mu is held.
func (f *asideFile) goOn() {
	if !f.busy && f.err == nil && len(f.full) > 0 {
		f.busy = true
		f.wg.Go(f.write)
	}
}

// write writes full stages until there is none.
func (f *asideFile) write() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.full) > 0 && f.err == nil {
		s := f.full[0]
		f.mu.Unlock()
		err := f.put(s.data, s.off)
		f.mu.Lock()
		if f.err = err; err == nil {
			f.written, f.full = s.end(), f.full[1:]
			f.spare = append(f.spare, s)
		}
		f.moved.Broadcast()
	}
	f.busy = false
	f.moved.Broadcast()
}

// put writes whole blocks to the file.
func (f *asideFile) put(b []byte, off int64) error {
	_, err := f.direct.WriteAt(b, off)
	if errors.Is(err, unix.EINVAL) { // its blocks are larger, or it never could
		_, err = f.File.WriteAt(b, off)
	}
	return err
}

// drain writes every stage. Where it returns an error, what is not in the file is
// still in its stage. turn is held.
func (f *asideFile) drain() error {
	if f.fill == nil {
		return nil
	}
	f.mu.Lock()
	f.err = nil // what failed is tried once more
	f.goOn()
	for f.busy {
		f.moved.Wait()
	}
	err, s := f.err, f.fill
	f.mu.Unlock()
	if err != nil {
		return err
	}
	whole := len(s.data) / diskBlock * diskBlock
	if whole > 0 {
		err = f.put(s.data[:whole], s.off)
	}
	if err == nil && whole < len(s.data) {
		_, err = f.File.WriteAt(s.data[whole:], s.off+int64(whole))
	}
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.spare, f.fill = append(f.spare, s), nil
	f.mu.Unlock()
	f.room = 0
	return f.File.Truncate(f.end) // gives back the room behind it
}

// plainly does fn, which appends or cuts, once every stage is written.
func (f *asideFile) plainly(fn func() error) error {
	if err := f.drain(); err != nil {
		return err
	}
	return fn()
}

func (f *asideFile) Write(b []byte) (n int, err error) {
	f.turn.Lock()
	defer f.turn.Unlock()
	err = f.plainly(func() error {
		n, err = f.osFile.Write(b)
		return err
	})
	return n, err
}

func (f *asideFile) writeParts(a, b []byte) error {
	f.turn.Lock()
	defer f.turn.Unlock()
	return f.plainly(func() error { return f.osFile.writeParts(a, b) })
}

// Truncate cuts the file even where a stage can't be written, if that goes too.
func (f *asideFile) Truncate(size int64) error {
	f.turn.Lock()
	defer f.turn.Unlock()
	if err := f.drain(); err != nil && !f.discard(size) {
		return err
	}
	return f.osFile.Truncate(size)
}

// discard drops the stages if no byte of them is before size, and tells whether it
// did. The goroutine does not run.
func (f *asideFile) discard(size int64) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if size > f.written {
		return false
	}
	f.spare = append(f.spare, f.full...)
	if f.fill != nil {
		f.spare = append(f.spare, f.fill)
	}
	f.full, f.fill, f.err, f.room = nil, nil, nil, 0
	return true
}

func (f *asideFile) ReadAt(b []byte, off int64) (int, error) {
	f.mu.Lock()
	end := off + int64(len(b))
	if f.fill == nil || end <= f.written {
		f.mu.Unlock()
		return f.File.ReadAt(b, off)
	}
	n := 0 // bytes in the file
	if off < f.written {
		n = int(f.written - off)
	}
	k := n
	for _, s := range append(f.full[:len(f.full):len(f.full)], f.fill) {
		if at := off + int64(k); k < len(b) && at < s.end() {
			k += copy(b[k:], s.data[at-s.off:])
		}
	}
	f.mu.Unlock()
	if m, err := f.File.ReadAt(b[:n], off); m < n {
		return m, err
	}
	if k < len(b) {
		return k, io.EOF
	}
	return k, nil
}

// settle writes every stage and frees them all: more may come soon, or never.
func (f *asideFile) settle() error {
	f.turn.Lock()
	defer f.turn.Unlock()
	if err := f.drain(); err != nil {
		return err
	}
	f.freeSpare()
	return nil
}

// freeSpare frees the stages that hold nothing. turn is held.
func (f *asideFile) freeSpare() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.spare {
		s.free()
	}
	f.spare = nil
}

func (f *asideFile) Sync() error {
	if err := f.settle(); err != nil {
		return err
	}
	return f.osFile.Sync()
}

func (f *asideFile) Close() error {
	f.turn.Lock()
	defer f.turn.Unlock()
	err := f.drain()
	f.wg.Wait()
	if err != nil {
		f.discard(f.written) // what could not be written is lost
	}
	f.freeSpare()
	if f.direct != nil {
		err = errors.Join(err, f.direct.Close())
	}
	return errors.Join(err, f.osFile.Close())
}
