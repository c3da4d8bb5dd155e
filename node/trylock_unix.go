//go:build unix

package node

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// tryLock locks f until it is closed, and tells whether it could: nobody else
// has it locked. Packages for it open a path, which may be a link out of the
// directory that f was opened in.
func tryLock(f *os.File) (bool, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var lockErr error
	err = raw.Control(func(fd uintptr) { lockErr = unix.Flock(int(fd), unix.LOCK_EX|unix.LOCK_NB) })
	if errors.Is(lockErr, unix.EWOULDBLOCK) {
		return false, err
	}
	return lockErr == nil, errors.Join(err, lockErr)
}
