package node

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// allocate gives f, which is empty, room for size bytes: writing where room is
// costs a third less, the file lies in one piece, and a full disk speaks before
// anything is fetched. Where a file system can't, nothing is lost.
func allocate(f *os.File, size int64) error {
	raw, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var full error
	err = raw.Control(func(fd uintptr) {
		if err := unix.Fallocate(int(fd), 0, 0, size); errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
			full = &os.PathError{Op: "allocate", Path: f.Name(), Err: err}
		}
	})
	return errors.Join(err, full)
}
