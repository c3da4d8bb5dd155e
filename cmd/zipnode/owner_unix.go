//go:build unix

package main

import (
	"os"
	"syscall"
)

// ofOther reports whether path belongs to another user.
func ofOther(path string) bool {
	info, err := os.Stat(path)
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) != os.Geteuid()
}
