package yardstick_test

import (
	"bytes"
	"encoding/binary"
	"errors"
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

// TestPlanes reads the planes of each layout off random bytes, which ZipNN
// stores as they are: so the vectorised way and the portable one, which takes
// what is left, split as the layouts say.
func TestPlanes(t *testing.T) {
	c, err := yardstick.New(yardstick.ZipNN)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, tc := range []struct {
		dtype tensor.DType
		plane func(x uint64) []byte // of one element
	}{
		{tensor.BF16, func(x uint64) []byte { return []byte{byte(x >> 7), byte(x>>8&0x80 | x&0x7f)} }},
		{tensor.F32, func(x uint64) []byte {
			return []byte{byte(x), byte(x >> 8), byte(x>>24&0x80 | x>>16&0x7f), byte(x >> 23)}
		}},
		{tensor.F16, bytesOf(2)},
		{tensor.I32, bytesOf(4)},
		{tensor.F64, bytesOf(8)},
		{tensor.U8, bytesOf(1)},
	} {
		w := tc.dtype.Bits() / 8
		n := 32*3 + 5
		data := make([]byte, n*w)
		rng := rand.New(rand.NewPCG(2, uint64(w)))
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		want := make([][]byte, w)
		for i := range n {
			var x [8]byte
			copy(x[:], data[i*w:(i+1)*w])
			for k, b := range tc.plane(binary.LittleEndian.Uint64(x[:])) {
				want[k] = append(want[k], b)
			}
		}
		got, err := c.Compress(nil, data, nil, tc.dtype)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got[3*w:], bytes.Join(want, nil)) {
			t.Errorf("planes of %s are not as its layout says", tc.dtype)
		}
	}
}

func bytesOf(w int) func(uint64) []byte {
	return func(x uint64) []byte { return binary.LittleEndian.AppendUint64(nil, x)[:w] }
}

func TestCorrupt(t *testing.T) {
	base, data := weights(4097)
	for _, kind := range yardstick.Kinds() {
		c, err := yardstick.New(kind)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		coded, err := c.Compress(nil, data, base, tensor.BF16)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Decompress(make([]byte, len(data)), coded[:len(coded)/2], base, tensor.BF16); !errors.Is(err, yardstick.ErrFailed) {
			t.Errorf("%s: half of an encoding decodes: %v", kind, err)
		}
	}
}
