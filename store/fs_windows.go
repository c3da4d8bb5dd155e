package store

import (
	"errors"
	"syscall"

	"golang.org/x/sys/windows"
)

// SyncDir does nothing: Windows has no call for it, and NTFS journals directory
// changes in order.
func (d osFS) SyncDir(string) error { return nil }

// FreeSpace returns the bytes that may still be written where dir lies.
func FreeSpace(dir string) (int64, bool) {
	p, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(p, &free, nil, nil); err != nil {
		return 0, false
	}
	return int64(free), true
}

// badSector tells whether err is of bytes that a disk does not give: they may be
// lost, though nothing says so but that it fails again and again.
func badSector(err error) bool {
	return errors.Is(err, windows.ERROR_CRC) || errors.Is(err, windows.ERROR_SECTOR_NOT_FOUND) ||
		errors.Is(err, windows.ERROR_READ_FAULT) || errors.Is(err, windows.ERROR_IO_DEVICE) || errors.Is(err, syscall.EIO)
}

func diskFull(err error) bool {
	return errors.Is(err, windows.ERROR_DISK_FULL) || errors.Is(err, windows.ERROR_HANDLE_DISK_FULL) ||
		errors.Is(err, syscall.ENOSPC)
}
