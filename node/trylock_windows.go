package node

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
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
	err = raw.Control(func(fd uintptr) {
		lockErr = windows.LockFileEx(windows.Handle(fd), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, new(windows.Overlapped))
	})
	if errors.Is(lockErr, windows.ERROR_LOCK_VIOLATION) {
		return false, err
	}
	return lockErr == nil, errors.Join(err, lockErr)
}
