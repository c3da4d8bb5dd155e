package main

import (
	"os"
	"runtime/debug"
)

// memoryLimit is what Go's runtime keeps the process's memory under by collecting
// sooner, files apart, as long as what is in use is less: it lets the heap double
// between collections otherwise. The rest up to 256 MiB is for what is allocated
// while a collection runs.
const memoryLimit = 224 << 20

// limitMemory sets memoryLimit, unless GOMEMLIMIT says something else. It is for
// nodes: what an analysis holds may be more by far, and collecting would take half
// of its time.
func limitMemory() {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit)
	}
}
