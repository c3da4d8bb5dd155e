package p2p

import (
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	guessRaw  = 1 << 20  // bytes of a block whose length nobody promised
	guessNode = 64 << 10 // of a node, recipe or packing; some have 512 KiB
)

// A want is a block asked of peers.
type want struct {
	c      cid.Cid
	length int     // promised; -1: unknown
	recipe cid.Cid // whose chunk it is; Undef: asked for by its own CID
	index  int     // of the chunk in the recipe
	places []place // that wait for it

	dice    uint32  // decides ties
	holders uint64  // slots of the partial members that say they hold it
	owner   *member // who of those that fetch brings it from a seed; nil: we
	heft    uint64  // of the owner's claim
	turn    int     // how many have a better claim than we
	paid    bool    // it counts against the budget

	tried map[*member]bool // lack it, or sent something else
	asked int              // calls under way
	by    *member          // whom the last call asked
	sent  time.Time        // when
	swap  bool             // asked by Bitswap
	stuck time.Time        // since when no member is left to ask; zero: not
	liar  error            // the last wrong bytes in its place
	done  bool
	whom  map[peer.ID]bool // was asked in vain, for the error
}

// A place is where a want came from: chunk index of range number rng.
type place struct {
	rng   int
	index int
}

// cost is what the want counts against budgets.
func (w *want) cost() int64 {
	switch {
	case w.length >= 0:
		return int64(w.length)
	case w.c.Type() == cid.Raw:
		return guessRaw
	}
	return guessNode
}

// lacks notes that m has not got w.
func (w *want) lacks(m *member) {
	if w.tried == nil {
		w.tried = map[*member]bool{}
	}
	w.tried[m] = true
	w.asks(m)
}

// asks notes that m was asked for w in vain.
func (w *want) asks(m *member) {
	if w.whom == nil {
		w.whom = map[peer.ID]bool{}
	}
	w.whom[m.id] = true
}
