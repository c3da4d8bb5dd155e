package codec

import (
	"math"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

// TestCast compares with the machine's floats, and casts every F16 and BF16
// there and back.
func TestCast(t *testing.T) {
	half := func(v uint32) float64 {
		m, e := float64(v&1023), int(v>>10&31)
		x := math.Ldexp(m, -24)
		if e > 0 {
			x = math.Ldexp(1024+m, e-25)
		}
		if v>>15 != 0 {
			x = -x
		}
		return x
	}
	for v := range uint32(1 << 16) {
		if v&0x7c00 != 0x7c00 {
			if got := math.Float32frombits(widenHalf(v)); float64(got) != half(v) {
				t.Fatalf("F16 %04x widens to %v, want %v", v, got, half(v))
			}
		}
		if got := roundToHalf(widenHalf(v)); got != v && (v&0x7c00 != 0x7c00 || v&0x3ff == 0) {
			t.Fatalf("F16 %04x comes back as %04x", v, got)
		}
		if got := roundToBF16(v << 16); got != v {
			t.Fatalf("BF16 %04x comes back as %04x", v, got)
		}
	}
	// Between two neighbours the middle goes to the even one, and what is on
	// either side of it to the nearer.
	for v := range uint32(0x7bff) {
		mid := float32((half(v) + half(v+1)) / 2)
		even := v + v&1
		for _, tc := range []struct {
			x    float32
			want uint32
		}{
			{mid, even},
			{math.Nextafter32(mid, 0), v},
			{math.Nextafter32(mid, 1e9), v + 1},
		} {
			if got := roundToHalf(math.Float32bits(tc.x)); got != tc.want {
				t.Fatalf("%v rounds to F16 %04x, want %04x", tc.x, got, tc.want)
			}
		}
	}
	for _, tc := range []struct{ x, want uint32 }{
		{0x3f808000, 0x3f80}, {0x3f818000, 0x3f82}, {0x3f808001, 0x3f81}, {0x7f7fffff, 0x7f80},
		{0xff7fffff, 0xff80}, {0x7f800001, 0x7fc0}, {0xffffffff, 0xffff}, {0x80000000, 0x8000},
	} {
		if got := roundToBF16(tc.x); got != tc.want {
			t.Errorf("%08x rounds to BF16 %04x, want %04x", tc.x, got, tc.want)
		}
	}
	for _, tc := range []struct{ x, want uint32 }{
		{0x477fefff, 0x7bff}, {0x477ff000, 0x7c00}, {0x7f800000, 0x7c00}, {0xff800000, 0xfc00},
		{0x7f800001, 0x7e00}, {0x33000000, 0}, {0x33000001, 1}, {0xb3800000, 0x8001},
	} {
		if got := roundToHalf(tc.x); got != tc.want {
			t.Errorf("%08x rounds to F16 %04x, want %04x", tc.x, got, tc.want)
		}
	}
}

// TestCastBase encodes against a base of another dtype.
func TestCastBase(t *testing.T) {
	wide := Cast(nil, weights(40, 3000), tensor.BF16, tensor.F32)
	for _, tc := range []struct{ from, to tensor.DType }{
		{tensor.F32, tensor.BF16}, {tensor.F32, tensor.F16}, {tensor.BF16, tensor.F32},
		{tensor.F16, tensor.F32}, {tensor.BF16, tensor.F16}, {tensor.F16, tensor.BF16},
	} {
		base := Cast(nil, wide, tensor.F32, tc.from)
		leaf := Cast(nil, base, tc.from, tc.to)
		c := Context{DType: tc.to, Bases: []Base{{tc.from, []Span{{0, base}}}}}
		if chunk := check(t, leaf, c); len(chunk) != 3 {
			t.Errorf("%s cast from %s takes %d bytes, want 3", tc.to, tc.from, len(chunk))
		}
		leaf[100] ^= 1
		if chunk := check(t, leaf, c); len(chunk) > 300 {
			t.Errorf("%s all but cast from %s takes %d bytes of %d", tc.to, tc.from, len(chunk), len(leaf))
		}
	}
}
