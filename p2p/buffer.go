package p2p

import (
	"sync"

	"github.com/zipnode/zipnode/dag"
)

// Blocks of this length and more are read into pooled buffers: a fetch at
// line rate would otherwise clear a megabyte for each.
const pooledFrom = 64 << 10

var pool = sync.Pool{New: func() any { return new(make([]byte, dag.MaxBlock)) }}

// takeBuffer returns n bytes to read a block into.
func takeBuffer(n int) []byte {
	if n < pooledFrom || n > dag.MaxBlock {
		return make([]byte, n)
	}
	return (*pool.Get().(*[]byte))[:n]
}

// giveBuffer takes back what takeBuffer gave, and nobody holds any more. Anything
// else it leaves alone.
func giveBuffer(b []byte) {
	if len(b) < pooledFrom || cap(b) != dag.MaxBlock {
		return
	}
	b = b[:cap(b)]
	pool.Put(&b)
}
