package p2p

import (
	"github.com/ipfs/go-cid"
)

const (
	holdingsBytes = 256 << 10 // of one peer's bitfields
	holdingsCost  = 128       // that a recipe counts beside its bits
)

// Holdings are which chunks of which recipes someone has.
type holdings struct {
	of    map[cid.Cid][]byte // a bit for each chunk
	bytes int
}

// add notes chunks of recipe from number first on, and reports whether any is
// new. What would take too much memory is passed over.
func (h *holdings) add(recipe cid.Cid, first uint64, set []byte) bool {
	end := first + uint64(len(set))*8
	if first > 8*holdingsBytes || end > 8*holdingsBytes {
		return false
	}
	have, known := h.of[recipe]
	grow := max(0, int(end+7)/8-len(have))
	cost := grow
	if !known {
		cost += holdingsCost
	}
	if h.bytes+cost > holdingsBytes {
		return false
	}
	if h.of == nil {
		h.of = map[cid.Cid][]byte{}
	}
	h.bytes += cost
	have = append(have, make([]byte, grow)...)
	fresh := false
	for i := range len(set) * 8 {
		if at := int(first) + i; bit(set, i) && !bit(have, at) {
			setBit(have, at)
			fresh = true
		}
	}
	h.of[recipe] = have
	return fresh
}

func (h *holdings) has(recipe cid.Cid, i int) bool {
	have := h.of[recipe]
	return i/8 < len(have) && bit(have, i)
}
