package store

import (
	"errors"

	"golang.org/x/sys/unix"
)

func (f *osFile) writeParts(a, b []byte) error {
	n := 0
	var err error
	if raw, connErr := f.SyscallConn(); connErr == nil {
		connErr = raw.Write(func(fd uintptr) bool {
			for n, err = -1, unix.EINTR; err == unix.EINTR; {
				n, err = unix.Pwritev(int(fd), [][]byte{a, b}, f.end)
			}
			return true
		})
		err = errors.Join(err, connErr)
	} else {
		err = connErr
	}
	n = max(n, 0)
	for err == nil && n < len(a)+len(b) { // a signal, or a disk that fills up
		rest := b[max(n-len(a), 0):]
		if n < len(a) {
			rest = a[n:]
		}
		var k int
		k, err = f.WriteAt(rest, f.end+int64(n))
		n += k
	}
	if err != nil {
		return errors.Join(err, f.File.Truncate(f.end))
	}
	f.end += int64(n)
	return nil
}

// startWriting asks the system to begin writing bytes of f to the disk, and does
// not wait. That it can't is no error: Sync writes what is left.
func (f *osFile) startWriting(off, n int64) {
	f.control(func(fd int) error {
		return unix.SyncFileRange(fd, off, n, unix.SYNC_FILE_RANGE_WRITE)
	})
}

func (f *osFile) control(fn func(fd int) error) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return nil // it is closed
	}
	var called error
	if err := raw.Control(func(fd uintptr) { called = fn(int(fd)) }); err != nil {
		return nil // likewise
	}
	return called
}
