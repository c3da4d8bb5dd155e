package family_test

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/tensor"
)

// sketched returns the sketch of a tensor as an index would have it.
func sketched(t *testing.T, dtype tensor.DType, data []byte) family.Sketch {
	t.Helper()
	s := take(t, dtype, data)
	k := s.Sketch()
	p := k.Encode(nil)
	if most := 64*8 + 16; len(p) > most || dtype == tensor.BF16 && len(p) > 64*2+16 {
		t.Errorf("%s: a sketch of %d bytes", dtype, len(p))
	}
	k, err := family.DecodeSketch(p)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// A sketch tells the distance of a whole tensor to a third, cast, cut and grown
// ones too, and of the fine-tunes of a tensor which is the nearer.
func TestSketchGlance(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	list := weights(r, 300_000)
	base, little, much := bf16(list), bf16(tune(r, list, 1e-5)), bf16(tune(r, list, 1e-3))
	target := sketched(t, tensor.BF16, base)
	for _, tc := range []struct {
		what  string
		other family.Sketch
		least float64 // bits apart
		most  float64
	}{
		{"itself", sketched(t, tensor.BF16, base), 0, 0},
		{"moved a little", sketched(t, tensor.BF16, little), 0.01, 1},
		{"moved much", sketched(t, tensor.BF16, much), 1, 4.5},
		{"moved much, fp32", sketched(t, tensor.F32, codec.Cast(nil, much, tensor.BF16, tensor.F32)), 1, 4.5},
		{"grown", sketched(t, tensor.BF16, append(little[:len(little):len(little)], much...)), 0.01, 1},
		{"cut", sketched(t, tensor.BF16, little[:len(little)/3]), 0.01, 1},
		{"unrelated", sketched(t, tensor.BF16, bf16(weights(r, len(list)))), 4.5, 8},
		{"of another kind", sketched(t, tensor.I64, base), math.Inf(1), math.Inf(1)},
		{"of blocks", sketched(t, tensor.Q4K, base[:144*1000]), math.Inf(1), math.Inf(1)},
		{"empty", sketched(t, tensor.BF16, nil), math.Inf(1), math.Inf(1)},
	} {
		if got := target.Glance(&tc.other); got < tc.least || got > tc.most {
			t.Errorf("%s: %.2f bits apart, want %.2f to %.2f", tc.what, got, tc.least, tc.most)
		}
	}
}

func TestDecodeSketchErrors(t *testing.T) {
	s := take(t, tensor.BF16, make([]byte, 1<<20))
	k := s.Sketch()
	good := k.Encode(nil)
	for _, p := range [][]byte{
		nil, {1}, good[:3], good[:len(good)-1], append(good[:len(good):len(good)], 0), s.Encode(nil),
		append(binary.AppendUvarint([]byte{2, 4, 'B', 'F', '1', '6'}, 1<<63), make([]byte, 10)...),
	} {
		if _, err := family.DecodeSketch(p); !errors.Is(err, family.ErrSample) {
			t.Errorf("DecodeSketch of %d bytes: %v, want an error", len(p), err)
		}
	}
}
