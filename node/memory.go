package node

import (
	"context"
	"runtime/metrics"
)

// A MemoryResult is what the process has in memory, in bytes.
type MemoryResult struct {
	Heap int64 `json:"heap"` // objects: those in use, and those that the next collection finds are not
}

// Memory tells how much memory the process uses.
func (n *Node) Memory(context.Context, none) (MemoryResult, error) {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(s)
	return MemoryResult{Heap: int64(s[0].Value.Uint64())}, nil
}
