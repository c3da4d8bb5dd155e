package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

// lowBits returns size bytes of noise whose lowest bits, those that are not in raw,
// are set only in one byte of every so many.
func lowBits(seed uint64, size int, raw byte, every int) []byte {
	r := rand.New(rand.NewPCG(seed, 12))
	p := random(seed, size)
	for i := range p {
		if every == 0 || r.IntN(every) > 0 {
			p[i] &= raw
		}
	}
	return p
}

// TestGapsPlanes codes planes whose low bits are seldom set, or never, and checks how.
func TestGapsPlanes(t *testing.T) {
	for _, tc := range []struct {
		raw    byte
		every  int
		coding byte // of the low bits
	}{
		{0xf8, 0, planeFill}, {0xf8, 3000, planeGaps}, {0xf0, 400, planeGaps},
		{0xfe, 1000, planeGaps}, {0xf8, 20, planeLanes}, {0xf8, 200, planeLanes},
	} {
		for seed, size := range []int{20_001, 150_007, MaxLeaf} {
			name := fmt.Sprintf("%02x, one of %d, %d bytes", tc.raw, tc.every, size)
			p := lowBits(uint64(seed), size, tc.raw, tc.every)
			var s scratch
			coded := s.appendPlane(nil, p, nil)
			if want := size / 8 * (bits.OnesCount8(tc.raw)); len(coded) < want || len(coded) > want+want/8 {
				t.Errorf("%s: coded in %d bytes, raw bits are %d", name, len(coded), want)
			}
			if coded[0] != planeBits || coded[1] != ^tc.raw {
				t.Errorf("%s: coding %d, mask %02x, want bits %02x", name, coded[0], coded[1], ^tc.raw)
				continue
			}
			if inner := coded[2+bits.OnesCount8(tc.raw)*((size+7)/8)]; inner != tc.coding {
				t.Errorf("%s: low bits are of coding %d, want %d", name, inner, tc.coding)
			}
			frame := append([]byte{methodPlanes, byte(layoutBytes)}, coded...)
			c := Context{DType: tensor.U8}
			if got, err := decodeFrame(frame, size, c); err != nil || !bytes.Equal(got, p) {
				t.Errorf("%s: %v, or other bytes", name, err)
			}
		}
	}
}

// TestNonzeros finds bytes near the edges of what is looked at at once.
func TestNonzeros(t *testing.T) {
	for size := range 200 {
		for i := range size {
			p := bytes.Repeat([]byte{0xf0}, size)
			p[i] |= 0x08
			if got, ok := nonzeros(nil, p, 0x0f, 1); !ok || len(got) != 1 || got[0] != int32(i) {
				t.Fatalf("%d bytes, of which byte %d is not zero: %v, %v", size, i, got, ok)
			}
			if _, ok := nonzeros(nil, p, 0x0f, 0); ok {
				t.Fatalf("%d bytes, of which byte %d is not zero: fewer than one", size, i)
			}
		}
	}
}

// TestGapsBad decodes gaps that break a rule.
func TestGapsBad(t *testing.T) {
	frame := func(numbers ...uint32) []byte {
		var e adaptiveEncoder
		var m gapsModel
		e.reset(nil)
		e.int(&m.count, numbers[0])
		for i, n := range numbers[1:] {
			e.int([]*intModel{&m.gap, &m.value}[i%2], n)
		}
		body := e.end(0)
		return append(binary.AppendUvarint([]byte{methodPlanes, byte(layoutBytes), planeGaps}, uint64(len(body))), body...)
	}
	c := Context{DType: tensor.U8}
	want := make([]byte, 300)
	want[5], want[299] = 255, 1
	if got, err := decodeFrame(frame(2, 5, 254, 293, 0), 300, c); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("a good one: %x, %v", got, err)
	}
	longer := frame(1, 5, 0)
	longer[3] += 5
	for _, tc := range []struct {
		name  string
		frame []byte
	}{
		{"more than there are", frame(301)},
		{"a gap to the end", frame(1, 300, 0)},
		{"gaps beyond the end", frame(2, 298, 0, 1, 0)},
		{"a huge gap", frame(1, 1<<32-2, 0)},
		{"a byte of 256", frame(1, 0, 255)},
		{"a huge byte", frame(1, 0, 1<<32-2)},
		{"bytes to spare", append(longer, 1, 2, 3, 4, 5)},
		{"no length", []byte{methodPlanes, byte(layoutBytes), planeGaps}},
		{"cut short", frame(2, 5, 254, 293, 0)[:5]},
	} {
		if _, err := decodeFrame(tc.frame, 300, c); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", tc.name, err)
		}
	}
}
