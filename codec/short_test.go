package codec

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

// TestShortTables checks that each table uses all slots, has the steps that are
// likeliest, and narrower ones in narrower contexts.
func TestShortTables(t *testing.T) {
	last := uint32(0)
	for c := range allShort().tables[:shortTables] {
		table := &allShort().tables[c]
		used := uint32(0)
		for _, e := range table.enc {
			used += e.freq()
		}
		if used != 1<<shortBits || table.symbols < 3 || table.symbols < last || table.enc[shortEscape].freq() == 0 {
			t.Errorf("table %d: %d slots, %d symbols after %d", c, used, table.symbols, last)
		}
		if z := table.symbols; z > 0 && table.enc[z-1].freq() == 0 {
			t.Errorf("table %d: step %d has no slot", c, z-1)
		}
		last = table.symbols
	}
}

// TestShortScales round-trips steps of every size, those with no symbol among
// them, in leaves of one state and of two.
func TestShortScales(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 8))
	for _, dtype := range []tensor.DType{tensor.I8, tensor.BF16, tensor.F16, tensor.F32, tensor.U32} {
		n, _ := numberOf(dtype)
		for _, count := range []int{2, 127, 128, 129, 700} {
			for size := uint(0); size <= n.bits(); size += 3 {
				base := spreadElements(r, n, count)
				leaf := moved(n, base, func(i int) int64 {
					if i%50 == 49 {
						return int64(r.Uint64())
					}
					return int64(r.Uint64N(1 << size))
				})
				c := against(dtype, 0, base)
				chunk := shortOf(leaf, c)
				got, err := decodeFrame(chunk[1:], len(leaf), c)
				if err != nil || !bytes.Equal(got, leaf) {
					t.Fatalf("%s, %d elements, steps of %d bits: %v", dtype, count, size, err)
				}
				if _, err := decodeFrame(append(chunk[1:], 1), len(leaf), c); err == nil {
					t.Fatalf("%s, %d elements, steps of %d bits: a byte more decodes", dtype, count, size)
				}
			}
		}
	}
}

// TestShortOdd checks that steps of no one scale, few and large among many that
// are zero, take less than by XOR.
func TestShortOdd(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 9))
	for _, dtype := range []tensor.DType{tensor.I8, tensor.BF16, tensor.F32} {
		n, _ := numberOf(dtype)
		for _, part := range []int{3, 10, 50} {
			base := spreadElements(r, n, 800)
			leaf := moved(n, base, func(int) int64 {
				if r.IntN(part) > 0 {
					return 0
				}
				return int64(r.IntN(100) - 50)
			})
			c := against(dtype, 0, base)
			chunk, err := Encode(nil, leaf, c)
			if err != nil {
				t.Fatal(err)
			}
			var s scratch
			l, _ := layoutOf(dtype)
			name, _ := Method(chunk)
			if xor := len(s.appendPlanes([]byte{version, methodBitX, 0}, leaf, base, l, 0, nil)); len(chunk) >= xor {
				t.Errorf("%s, one in %d moved: %s takes %d bytes, XOR %d", dtype, part, name, len(chunk), xor)
			}
		}
	}
}
