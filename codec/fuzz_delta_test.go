package codec

import (
	"errors"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

// fuzzBase returns size bytes of base that are the same every time, of elements
// near each other, which is where contexts differ.
func fuzzBase(size int) []byte { return weights(60, size) }

// addHandmade adds deltas of each shape as parts.
func addHandmade(add func(flags byte, row uint32, side, stream []byte, dtype byte, size int)) {
	for _, v := range corners() {
		if v.chunk[1] != methodDelta {
			continue
		}
		body := v.chunk[3:]
		flags, body := body[0], body[1:]
		row := 0
		if flags&(flagRows|flagCols|flagMoved) != 0 {
			row, body, _ = uvarint(body)
		}
		n, _ := numberOf(v.c.DType)
		head, tail := edgesOf(n.width, v.c.Offset, len(v.leaf))
		side, stream, _ := cut(body[head+tail:])
		add(flags, uint32(row), side, stream, dtypeByte(v.c.DType), len(v.leaf))
	}
}

// dtypeByte returns the place of dtype among those that are numbers.
func dtypeByte(dtype tensor.DType) byte {
	for i, d := range cornerDTypes {
		if d == dtype {
			return byte(i)
		}
	}
	return 0
}

// fuzzDelta returns the frame of a delta of these parts, and what it is decoded
// with. Lengths are right, so that mutations reach what comes behind them.
func fuzzDelta(flags byte, row uint32, side, stream []byte, dtype byte, size int) (frame []byte, leaf int, c Context) {
	leaf = size & (1<<16 - 1) // larger ones only take longer
	n, _ := numberOf(cornerDTypes[int(dtype)%len(cornerDTypes)])
	c = against(cornerDTypes[int(dtype)%len(cornerDTypes)], int64(size>>16&0xff), fuzzBase(leaf))
	head, tail := edgesOf(n.width, c.Offset, leaf)
	h := handmade{flags: flags & flagsAll, edges: make([]byte, head+tail), side: side, states: []uint32{}, words: stream}
	if h.flags&(flagRows|flagCols|flagMoved) != 0 {
		row = row&(maxRow-1) + 1
		for h.row = nil; row >= 0x80; row >>= 7 {
			h.row = append(h.row, byte(row)|0x80)
		}
		h.row = append(h.row, byte(row))
	}
	return h.frame(), leaf, c
}

// FuzzDelta decodes any side and stream of a delta.
func FuzzDelta(f *testing.F) {
	addHandmade(func(flags byte, row uint32, side, stream []byte, dtype byte, size int) {
		f.Add(flags, row, side, stream, dtype, size)
	})
	f.Fuzz(func(t *testing.T, flags byte, row uint32, side, stream []byte, dtype byte, size int) {
		frame, leaf, c := fuzzDelta(flags, row, side, stream, dtype, size)
		if _, err := decodeFrame(frame, leaf, c); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("decoding fails with %v", err)
		}
	})
}

// FuzzShort decodes any steps of a short delta.
func FuzzShort(f *testing.F) {
	for _, v := range corners() {
		if v.chunk[1] == methodShort {
			f.Add(v.chunk[3:], dtypeByte(v.c.DType), len(v.leaf))
		}
	}
	f.Fuzz(func(t *testing.T, steps []byte, dtype byte, size int) {
		size &= 1<<12 - 1
		c := against(cornerDTypes[int(dtype)%len(cornerDTypes)], 0, fuzzBase(size))
		if _, err := decodeFrame(append([]byte{methodShort, 0}, steps...), size, c); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("decoding fails with %v", err)
		}
	})
}
