package generate

import (
	"math"
	"testing"
)

func TestMinifloat(t *testing.T) {
	for _, tc := range []struct {
		what string
		f    minifloat
		x    float64
		bits uint16
		back float64
	}{
		{"one", bfloat16, 1, 0x3f80, 1},
		{"minus two", bfloat16, -2, 0xc000, -2},
		{"tie to even, down", bfloat16, 1 + 1.0/256, 0x3f80, 1},
		{"tie to even, up", bfloat16, 1 + 3.0/256, 0x3f82, 1 + 1.0/64},
		{"a carry into the exponent", bfloat16, 1.999, 0x4000, 2},
		{"zero", float16, 0, 0, 0},
		{"one", float16, 1, 0x3c00, 1},
		{"the largest", float16, 65504, 0x7bff, 65504},
		{"beyond it", float16, 1e9, 0x7bff, 65504},
		{"the least subnormal", float16, math.Ldexp(1, -24), 1, math.Ldexp(1, -24)},
		{"half of it, to even", float16, math.Ldexp(1, -25), 0, 0},
		{"the least normal", float16, math.Ldexp(1, -14), 0x400, math.Ldexp(1, -14)},
		{"one", f8e4m3, 1, 0x38, 1},
		{"between", f8e4m3, -1.06, 0xb8, -1},
		{"one", f8e5m2, 1, 0x3c, 1},
	} {
		if got := tc.f.bits(tc.x); got != tc.bits {
			t.Errorf("%s: bits(%v) = %#x, want %#x", tc.what, tc.x, got, tc.bits)
		}
		if got := tc.f.value(tc.bits); got != tc.back {
			t.Errorf("%s: value(%#x) = %v, want %v", tc.what, tc.bits, got, tc.back)
		}
	}
	for _, f := range []minifloat{bfloat16, float16, f8e5m2, f8e4m3} {
		for b := range uint16((1<<f.exponent - 1) << f.mantissa) {
			if got := f.bits(f.value(b)); got != b {
				t.Fatalf("%v: bits(value(%#x)) = %#x", f, b, got)
			}
		}
	}
}
