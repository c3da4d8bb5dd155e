package family

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

func TestCast(t *testing.T) {
	for _, tc := range []struct {
		what     string
		from, to tensor.DType
		in, want uint64
	}{
		{"BF16 widens", tensor.BF16, tensor.F32, 0x3f80, 0x3f800000},
		{"half way goes to even, down", tensor.F32, tensor.BF16, 0x3f808000, 0x3f80},
		{"half way goes to even, up", tensor.F32, tensor.BF16, 0x3f818000, 0x3f82},
		{"rounds into the next power of two", tensor.F32, tensor.BF16, 0x3fffffff, 0x4000},
		{"1 in F16", tensor.F32, tensor.F16, 0x3f800000, 0x3c00},
		{"the greatest F16", tensor.F32, tensor.F16, uint64(math.Float32bits(65504)), 0x7bff},
		{"too great for F16", tensor.F32, tensor.F16, uint64(math.Float32bits(65520)), 0x7c00},
		{"the least F16", tensor.F32, tensor.F16, uint64(math.Float32bits(float32(math.Ldexp(1, -24)))), 1},
		{"half of it goes to even", tensor.F32, tensor.F16, uint64(math.Float32bits(float32(math.Ldexp(1, -25)))), 0},
		{"subnormal rounds up to normal", tensor.F32, tensor.F16, uint64(math.Float32bits(float32(math.Ldexp(1023.75, -24)))), 0x400},
		{"minus zero", tensor.F16, tensor.F64, 0x8000, 1 << 63},
		{"infinite", tensor.F16, tensor.BF16, 0xfc00, 0xff80},
		{"no number stays none", tensor.F32, tensor.BF16, 0x7f800001, 0x7fc0},
		{"no number stays none in F16", tensor.F32, tensor.F16, 0x7f800001, 0x7e00},
	} {
		in := binary.LittleEndian.AppendUint64(nil, tc.in)[:tc.from.Bits()/8]
		if got := word(cast(in, tc.from, tc.to)); got != tc.want {
			t.Errorf("%s: %s %x is %s %x, want %x", tc.what, tc.from, tc.in, tc.to, got, tc.want)
		}
	}
}

// Every F16 and BF16 number survives a wider type.
func TestCastBack(t *testing.T) {
	for _, d := range []tensor.DType{tensor.F16, tensor.BF16} {
		for v := range uint64(1 << 16) {
			in := binary.LittleEndian.AppendUint16(nil, uint16(v))
			for _, wide := range []tensor.DType{tensor.F32, tensor.F64} {
				back := word(cast(cast(in, d, wide), wide, d))
				if x := widen(v, d); x == x && back != v {
					t.Fatalf("%s %x through %s is %x", d, v, wide, back)
				}
			}
		}
	}
	r := rand.New(rand.NewPCG(7, 7))
	for range 1000 {
		x := float32(r.NormFloat64())
		if got := widen(narrow(float64(x), tensor.F32), tensor.F32); got != float64(x) {
			t.Errorf("F32 %v is %v", x, got)
		}
	}
}
