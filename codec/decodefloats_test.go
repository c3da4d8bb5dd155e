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
		for _, row := range []int{0, 17, 63, 64, 100, 128, 1000} {
			for _, offset := range []int{0, 3 * n.width, 64 * n.width} {
				r := rand.New(rand.NewPCG(uint64(row), uint64(offset)))
				length, count := row, 60<<10+5
				if row == 0 {
					length = guessRow
				}
				leaf, base := make([]byte, count*n.width), make([]byte, count*n.width)
				for i := range count {
					moved := (i/length*3 + i/length*i/length) % 7
					if row == 128 { // columns move too
						moved = (moved + i%row*7/row) / 2
					}
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
				if row == 128 && chunk[3]&flagCols == 0 {
					t.Errorf("%s: columns have no shifts", name)
				}
				got, err := Decode(nil, chunk, len(leaf), c)
				if err != nil || !bytes.Equal(got, leaf) {
					t.Errorf("%s: does not come back: %v", name, err)
				}
			}
		}
	}
}

// TestPairedContexts compares paired contexts of any elements with those found one
// by one.
func TestPairedContexts(t *testing.T) {
	const row, rows = 2 * maxLanes, 5
	r := rand.New(rand.NewPCG(1, 2))
	shifts := func(n int) []int8 {
		s := make([]int8, n)
		for i := range s {
			s[i] = int8(r.IntN(2*maxShift+1) - maxShift)
		}
		return s
	}
	for _, dtype := range []tensor.DType{tensor.BF16, tensor.F16} {
		n, _ := numberOf(dtype)
		for _, top := range []uint32{0, 1, 20, 31, 32, 100, 127} {
			base := make([]byte, 2*row*rows)
			for i := range base {
				base[i] = byte(r.Uint32())
			}
			g, sc := grid{row, maxLanes}, scaling{shifts(rows + 1), shifts(row)}
			depth, want := make([]uint8, row*rows), make([]uint8, row*rows)
			n.depths(depth, base, top)
			sc.contexts(want, depth, g)
			var d deltaCoder
			p, in := d.pairing(sc.cols, n, g, top), g.reader(sc.rows)
			for at := 0; at < len(want); at += maxLanes {
				var ctx [maxLanes]uint8
				shift, _ := in.next(maxLanes)
				p.contexts(&ctx, (*[2 * maxLanes]byte)(base[2*at:]), shift)
				for j, c := range ctx {
					i := at + j&^7 + int(pairedOrder[j&7])
					if got := min(max(int(c)-lowestContext, 0), contexts-1); c > pairedHighest || got != int(want[i]) {
						t.Fatalf("%s, top %d: element %d of base %x has context %d, paired %d, not %d", dtype, top, i, base[2*i:2*i+2], got, c, want[i])
					}
				}
			}
		}
	}
}
