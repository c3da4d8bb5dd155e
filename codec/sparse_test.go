package codec

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

// TestSparseBad decodes sparse and short deltas that break a rule.
func TestSparseBad(t *testing.T) {
	base := weights(62, 400)
	c := against(tensor.BF16, 0, base)
	frame := func(method byte, numbers ...uint32) []byte {
		var e adaptiveEncoder
		var m sparseModel
		e.reset([]byte{version, method, 0})
		e.int(&m.count, numbers[0])
		for _, n := range numbers[1:] {
			e.int(&m.gap, n)
			m.step.write(&e, 1)
		}
		return e.end(3)
	}
	for _, tc := range []struct {
		name  string
		chunk []byte
	}{
		{"more than there are", frame(methodSparse, 201)},
		{"a gap to the end", frame(methodSparse, 1, 200)},
		{"gaps beyond the end", frame(methodSparse, 2, 198, 1)},
		{"a huge gap", frame(methodSparse, 1, 1<<32-2)},
		{"bytes to spare", append(frame(methodSparse, 1, 5), 1, 2, 3, 4, 5, 6)},
		{"short, of nothing", []byte{version, methodShort}},
	} {
		if out, err := Decode(nil, tc.chunk, len(base), c); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: Decode = %d bytes, %v, want ErrCorrupt", tc.name, len(out), err)
		}
	}
	long := weights(63, 2*shortMost+100)
	if _, err := Decode(nil, []byte{version, methodShort, 0, 1}, len(long), against(tensor.BF16, 0, long)); !errors.Is(err, ErrCorrupt) {
		t.Errorf("short, too long: %v, want ErrCorrupt", err)
	}
}

// TestDiffer counts elements that differ, some of them by one bit.
func TestDiffer(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 31))
	for _, width := range []int{1, 2, 4} {
		a := weights(64, 2048)
		b := bytes.Clone(a)
		want := 0
		for i := 0; i < len(a); i += width {
			if r.IntN(3) == 0 {
				b[i+r.IntN(width)] ^= 1 << r.IntN(8)
				want++
			}
		}
		if got := differ(a, b, width); got != want {
			t.Errorf("%d elements of %d bytes differ, want %d", got, width, want)
		}
	}
}
