package generate

import (
	"math"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

func TestEncode(t *testing.T) {
	for _, tc := range []struct {
		what string
		x    float32
		d    tensor.DType
		want []byte
	}{
		{"one", 1, tensor.BF16, []byte{0x80, 0x3f}},
		{"half way to the next: even", 1 + 1.0/256, tensor.BF16, []byte{0x80, 0x3f}},
		{"half way from odd: up", 1 + 3.0/256, tensor.BF16, []byte{0x82, 0x3f}},
		{"negative", -1.5, tensor.BF16, []byte{0xc0, 0xbf}},
		{"one", 1, tensor.F16, []byte{0x00, 0x3c}},
		{"half way from odd: up", 1 + 3.0/2048, tensor.F16, []byte{0x02, 0x3c}},
		{"least normal", 1.0 / (1 << 14), tensor.F16, []byte{0x00, 0x04}},
		{"subnormal", -3.0 / (1 << 24), tensor.F16, []byte{0x03, 0x80}},
		{"carries into the normal", (1<<11 - 1) / float32(1<<25), tensor.F16, []byte{0x00, 0x04}},
		{"below the least", 1.0 / (1 << 26), tensor.F16, []byte{0x00, 0x00}},
		{"as it is", math.Pi, tensor.F32, []byte{0xdb, 0x0f, 0x49, 0x40}},
	} {
		if got := encode(nil, []float32{tc.x}, tc.d); string(got) != string(tc.want) {
			t.Errorf("%s: %v as %s is %x, want %x", tc.what, tc.x, tc.d, got, tc.want)
		}
	}
}

// Draws look like what they are drawn from.
func TestCurve(t *testing.T) {
	c := quantiles([]float64{3, 1, 2, 0, 4}, 4)
	s, sum := newSource(1, "curve", 0), 0.0
	for range 10000 {
		x := c.draw(s)
		if x < 0 || x > 4 {
			t.Fatalf("drew %v of numbers from 0 to 4", x)
		}
		sum += x
	}
	if mean := sum / 10000; mean < 1.95 || mean > 2.05 {
		t.Errorf("the mean is %v, want 2", mean)
	}
}
