package node

import "github.com/ipfs/go-cid"

// A cidSet is a set of CIDs that dag.Supported takes, by hash and codec: a
// cid.Cid is a pointer to a string of its own, and as a key takes twice the
// memory.
type cidSet map[[33]byte]struct{}

func cidKey(c cid.Cid) (k [33]byte) {
	h := c.Hash()
	copy(k[:32], h[len(h)-32:])
	k[32] = byte(c.Type()) // of raw, dag-pb and dag-cbor no two agree in it
	return k
}

func (s cidSet) has(c cid.Cid) bool {
	_, ok := s[cidKey(c)]
	return ok
}

// add adds c, and tells whether it is new.
func (s cidSet) add(c cid.Cid) bool {
	before := len(s)
	s[cidKey(c)] = struct{}{}
	return len(s) > before
}
