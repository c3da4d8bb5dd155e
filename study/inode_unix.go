//go:build unix

package study

import (
	"io/fs"
	"syscall"
)

// An inode is a file, whatever its names.
type inode struct{ dev, ino uint64 }

// inodeOf returns the inode of info.
func inodeOf(info fs.FileInfo) (inode, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return inode{}, false
	}
	return inode{uint64(st.Dev), st.Ino}, true
}
