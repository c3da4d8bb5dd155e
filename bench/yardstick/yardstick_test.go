package yardstick_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/zipnode/zipnode/bench/yardstick"
	"github.com/zipnode/zipnode/tensor"
)

// sizes are bytes of tensors: none, less than an element, less than a vector
// register, odd, and over ZipNN's chunk.
var sizes = []int{0, 1, 3, 7, 8, 31, 64, 768, 1 << 10, 4097, 256<<10 + 1, 600<<10 + 6}

// weights returns n bytes, and others that differ from them in few bits.
func weights(n int) (base, data []byte) {
	rng := rand.New(rand.NewPCG(1, uint64(n)))
	base, data = make([]byte, n), make([]byte, n)
	for i := range base {
		base[i] = byte(rng.NormFloat64() * 20)
		data[i] = base[i] ^ byte(rng.ExpFloat64())
	}
	return base, data
}

func TestRoundTrip(t *testing.T) {
	dtypes := []tensor.DType{tensor.BF16, tensor.F16, tensor.F32, tensor.F64, tensor.F8E4M3, tensor.I8, tensor.I64, tensor.Opaque}
	for _, kind := range yardstick.Kinds() {
		c, err := yardstick.New(kind)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for _, size := range sizes {
			base, data := weights(size)
			for _, dtype := range dtypes {
				for _, covered := range []int{0, size / 3, size} { // bytes that the base covers
					what := fmt.Sprintf("%s of %d bytes of %s, %d covered", kind, size, dtype, covered)
					coded, err := c.Compress([]byte("before"), data, base[:covered], dtype)
					if err != nil || !bytes.HasPrefix(coded, []byte("before")) {
						t.Fatalf("%s: Compress: %v", what, err)
					}
					got := bytes.Repeat([]byte{0xaa}, size)
					if err := c.Decompress(got, coded[6:], base[:covered], dtype); err != nil || !bytes.Equal(got, data) {
						t.Errorf("%s: round trip differs: %v", what, err)
					}
				}
			}
		}
	}
}
