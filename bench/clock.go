package main

import (
	"time"

	"golang.org/x/sys/unix"
)

// threadTime returns the CPU time, user and system, that the calling thread has
// had. The goroutine must be locked
// to its thread.
func threadTime() time.Duration { return cpuTime(unix.CLOCK_THREAD_CPUTIME_ID) }

// processTime returns the CPU time of all threads.
func processTime() time.Duration { return cpuTime(unix.CLOCK_PROCESS_CPUTIME_ID) }

func cpuTime(clock int32) time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(clock, &t); err != nil {
		panic(err) // the kernel has both clocks
	}
	return time.Duration(t.Nano())
}
