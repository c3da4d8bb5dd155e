package store

import (
	"testing"

	"github.com/ipfs/go-cid"
)

// A place reads as it was written, with and without the CRC that earlier
// zipnodes did not write.
func TestPlace(t *testing.T) {
	with := placed(3, 77, cid.DagCBOR, []byte("data"))
	without := with
	without.sum, without.summed = 0, false
	for _, p := range []place{with, without} {
		if got, err := decodePlace(p.encode()); err != nil || got != p {
			t.Errorf("decodePlace(%+v) = %+v, %v", p, got, err)
		}
	}
	if !with.intact([]byte("data")) || with.intact([]byte("dada")) || without.intact([]byte("data")) {
		t.Error("intact tells other bytes, or tells without a CRC")
	}
}
