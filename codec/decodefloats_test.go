package codec

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

// TestRoundsAcrossRows decodes leaves whose rows end anywhere in rounds of all
// lanes, and move by different powers of two.
func TestRoundsAcrossRows(t *testing.T) {
	for _, dtype := range []tensor.DType{tensor.BF16, tensor.F16, tensor.F32} {
		n, _ := numberOf(dtype)
		for _, row := range []int{0, 17, 63, 64, 100, 1000} {
			for _, offset := range []int{0, 3 * n.width} {
				r := rand.New(rand.NewPCG(uint64(row), uint64(offset)))
				length, count := row, 60<<10+5
				if row == 0 {
					length = guessRow
				}
				leaf, base := make([]byte, count*n.width), make([]byte, count*n.width)
				for i := range count {
					moved := (i/length*3 + i/length*i/length) % 7
					if n.width == 4 {
						moved += 12
					}
					x := (n.mask/2<<n.exponent + r.Uint32N(1<<n.exponent)) >> r.IntN(2)
					y := x + r.Uint32N(1<<moved)
					if r.IntN(100) == 0 {
						y += 1 << 9
					}
					if n.width == 2 {
						le.PutUint16(base[2*i:], uint16(x))
						le.PutUint16(leaf[2*i:], uint16(y))
					} else {
						le.PutUint32(base[4*i:], x)
						le.PutUint32(leaf[4*i:], y)
					}
				}
				c := against(dtype, int64(offset), base)
				c.Row = row
				name := fmt.Sprintf("%s, rows of %d, offset %d", dtype, row, offset)
				chunk, err := Encode(nil, leaf, c)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if chunk[1] != methodDelta || chunk[3]&flagRows == 0 {
					t.Fatalf("%s: method %d, flags %x: not a delta whose rows have shifts", name, chunk[1], chunk[3])
				}
				got, err := Decode(nil, chunk, len(leaf), c)
				if err != nil || !bytes.Equal(got, leaf) {
					t.Errorf("%s: does not come back: %v", name, err)
				}
			}
		}
	}
}
