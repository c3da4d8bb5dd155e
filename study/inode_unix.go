//go:build unix

package study

import (
	"io/fs"
	"syscall"
)

// An inode is a file, whatever its names.
type inode struct{ dev, ino uint64 }

// inodeOf returns the inode of info, if it has more names than one or was met
// through a link: a file of one name need not be remembered.
func inodeOf(info fs.FileInfo) (inode, bool) {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return inode{}, false
	}
	return inode{uint64(st.Dev), st.Ino}, true
}
