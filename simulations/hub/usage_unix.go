//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// peak returns the bytes that a process had resident at most.
func peak(p *os.ProcessState) int64 {
	u, ok := p.SysUsage().(*syscall.Rusage)
	switch {
	case !ok:
		return 0
	case runtime.GOOS == "darwin":
		return u.Maxrss
	}
	return u.Maxrss * 1024
}
