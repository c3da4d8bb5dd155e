package codec

import (
	"bytes"
	"slices"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

// TestParts checks that a leaf is cut where what it holds changes, and only
// there.
func TestParts(t *testing.T) {
	var s scratch
	one := weights(71, MaxLeaf)
	if got, counts := s.parts(one, layoutBF16, 0); got != nil || counts == nil {
		t.Errorf("a leaf that is alike all over is cut at %v", got)
	}
	two := bytes.Clone(one)
	for i := MaxLeaf / 2; i < MaxLeaf; i += 2 { // of few exponents
		x := le.Uint16(two[i:])
		le.PutUint16(two[i:], x&0x80ff|0x3f00)
	}
	if got, _ := s.parts(two, layoutBF16, 0); !slices.Equal(got, []int{MaxLeaf / 2, MaxLeaf}) {
		t.Errorf("a leaf of two halves is cut at %v", got)
	}
	c := Context{DType: tensor.BF16}
	chunk, err := Encode(nil, two, c)
	if name, _ := Method(chunk); err != nil || name != "segments" {
		t.Fatalf("a leaf of two halves is coded by %q, error %v", name, err)
	}
	if whole := len(planesOf(two, c)); len(chunk) >= whole-whole/32 {
		t.Errorf("segments take %d bytes, planes of the whole %d", len(chunk), whole)
	}
	if got, err := Decode(nil, chunk, len(two), c); err != nil || !bytes.Equal(got, two) {
		t.Errorf("does not decode: %v", err)
	}
}

// TestStillRuns checks that a row that did not move is cut from one that did.
func TestStillRuns(t *testing.T) {
	base := weights(72, 1600)
	leaf := slices.Concat(stepped(73, base[:800], tensor.BF16, 20), base[800:])
	if got := stillRuns(leaf, base, 2); !slices.Equal(got, []int{800, 1600}) {
		t.Errorf("still from 800 on, cut at %v", got)
	}
	if got := stillRuns(leaf[:800], base[:800], 2); !slices.Equal(got, []int{800}) {
		t.Errorf("moved all over, cut at %v", got)
	}
	c := against(tensor.BF16, 0, base)
	chunk, err := Encode(nil, leaf, c)
	if whole := len(shortOf(leaf, c)); err != nil || len(chunk) >= whole {
		t.Errorf("segments take %d bytes, the whole %d, error %v", len(chunk), whole, err)
	}
	if got, err := Decode(nil, chunk, len(leaf), c); err != nil || !bytes.Equal(got, leaf) {
		t.Errorf("does not decode: %v", err)
	}
}
