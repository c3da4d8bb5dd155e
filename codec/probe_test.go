package codec

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

// TestRepeatsBesideBase encodes a leaf that repeats itself every KiB, against a base
// that halves it: alone it is smaller yet.
func TestRepeatsBesideBase(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 31))
	n, _ := numberOf(tensor.BF16)
	period := spreadElements(r, n, 512)
	leaf := bytes.Repeat(period, 64)
	base := moved(n, leaf, jitter(r, 3))
	chunk := check(t, leaf, against(tensor.BF16, 0, base))
	if name, _ := Method(chunk); name != "zstd" || len(chunk) > len(leaf)/16 {
		t.Errorf("a leaf of %d bytes that repeats its first %d: %d bytes by %s", len(leaf), len(period), len(chunk), name)
	}
}
