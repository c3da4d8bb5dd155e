package generate_test

import (
	"bytes"
	"math"
	"testing"

	"github.com/zipnode/zipnode/bench/generate"
	"github.com/zipnode/zipnode/bench/yardstick"
)

func TestDeterministic(t *testing.T) {
	for _, c := range generate.Cases() {
		a, b, other := c.Tensor(1), c.Tensor(1), c.Tensor(0)
		if !bytes.Equal(a.Data, b.Data) || !bytes.Equal(a.Base, b.Base) {
			t.Errorf("%s: the same tensor differs between two calls", c.Name)
		}
		if bytes.Equal(a.Data, other.Data) {
			t.Errorf("%s: two tensors are equal", c.Name)
		}
		if len(a.Data) != c.Bytes() || c.Alone != (a.Base == nil) || !c.Alone && len(a.Base) != len(a.Data) {
			t.Errorf("%s: %d bytes and a base of %d, want %d", c.Name, len(a.Data), len(a.Base), c.Bytes())
		}
	}
}

// TestRatios holds the data to what BitX is known to make of its kind.
func TestRatios(t *testing.T) {
	known := map[string]float64{
		"bf16 1e-4": 30.4, "bf16 1e-3": 6.06, "bf16 5e-3": 3.19, "bf16 2e-2": 2.28,
		"bf16 third identical": 18.4, "bf16 proportional": 6.46, "fp16 1e-3": 2.85, "bf16 alone": 1.413,
	}
	codec, err := yardstick.New(yardstick.BitX)
	if err != nil {
		t.Fatal(err)
	}
	defer codec.Close()
	for _, c := range generate.Cases() {
		want, ok := known[c.Name]
		if !ok {
			continue
		}
		in, out := 0, 0
		for i := range 3 {
			x := c.Tensor(i)
			coded, err := codec.Compress(nil, x.Data, x.Base, c.DType)
			if err != nil {
				t.Fatal(err)
			}
			in, out = in+len(x.Data), out+len(coded)
		}
		if got := float64(in) / float64(out); math.Abs(got/want-1) > 0.05 {
			t.Errorf("%s: BitX's ratio is %.3f, known is %.3f", c.Name, got, want)
		} else {
			t.Logf("%s: BitX's ratio is %.3f, known is %.3f", c.Name, got, want)
		}
	}
}
