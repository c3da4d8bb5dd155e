package main

import (
	"os"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timersLate is how much later than asked timers of a node on the network may end.
// Go's monitor sleeps for 20 µs at a time while anything runs, 10,000 times a second:
// 3 to 7 % of the CPU of a get on two cores, and 8 to 11 % of its time.
const timersLate = time.Millisecond

// relaxed is set in the environment of the program that relaxTimers started.
const relaxed = "ZIPNODE_TIMERS_RELAXED"

// relaxTimers starts this program anew in its place, with timers that may be
// timersLate: that is said of a thread, which those that it starts inherit, as does
// what it executes. Of Go's monitor, which runs before any of our code, nobody but
// root can say it otherwise. Where it can't be done all stays as it is. It is called
// before anything is opened or said.
func relaxTimers() {
	if os.Getenv(relaxed) != "" {
		_ = os.Unsetenv(relaxed)
		return
	}
	self, err := os.Executable()
	if err != nil {
		return
	}
	runtime.LockOSThread() // the slack is this thread's
	defer runtime.UnlockOSThread()
	if unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(timersLate), 0, 0, 0) == nil {
		_ = syscall.Exec(self, os.Args, append(os.Environ(), relaxed+"=1"))
	}
}
