package node

import (
	"math"

	"github.com/zipnode/zipnode/store"
)

// reserve is what a repack leaves free of the disk: gc needs room for the part
// of a pack that it keeps, and the index for its own work.
const reserve = 1 << 30

// room returns the bytes that a repack may write now.
func (n *Node) room() int64 {
	room := int64(math.MaxInt64)
	bytes := n.store.Bytes()
	if n.cfg.Quota > 0 {
		room = n.cfg.Quota - bytes
	}
	if free, ok := store.FreeSpace(n.cfg.Dir); ok && n.lock != nil { // else it is in memory
		room = min(room, free-min(reserve, bytes))
	}
	return room
}
