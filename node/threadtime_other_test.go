//go:build !linux

package node

import "time"

var began = time.Now()

// threadTime returns the time on the clock: only Linux is asked for a thread's.
func threadTime() time.Duration { return time.Since(began) }
