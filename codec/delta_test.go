package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

// TestDeltaBad changes one thing of a good delta, or builds one that breaks one
// rule.
func TestDeltaBad(t *testing.T) {
	base := weights(60, 9000)
	leaf := stepped(61, base, tensor.BF16, 2)
	c := against(tensor.BF16, 0, base)
	c.Row = 4000 // more than half of it: no rows
	chunk := check(t, leaf, c)
	if chunk[1] != methodDelta || chunk[3]&flagRows != 0 {
		t.Fatalf("coded by method %d with flags %x, want a delta without rows", chunk[1], chunk[3])
	}
	side, n := binary.Uvarint(chunk[4:])
	states := 4 + n + int(side)
	lanes := lanesOf(chunk[3])
	change := func(at int, with ...byte) []byte {
		b := bytes.Clone(chunk)
		copy(b[at:], with)
		return b
	}
	// with returns a delta with this side and these flags, and no words.
	with := func(flags byte, row int, write func(e *adaptiveEncoder)) []byte {
		b := []byte{version, methodDelta, 0, flags}
		if flags&(flagRows|flagCols|flagMoved) != 0 {
			b = binary.AppendUvarint(b, uint64(row))
		}
		var e adaptiveEncoder
		e.reset(nil)
		write(&e)
		part := e.end(0)
		b = append(binary.AppendUvarint(b, uint64(len(part))), part...)
		for range lanesOf(flags) {
			b = le.AppendUint32(b, laneLow)
		}
		return b
	}
	tables := func(e *adaptiveEncoder, n, symbols int, index uint32) {
		var m sideModels
		e.raw(63, 6)
		cut := uint32(0)
		for i := 1; i < contexts; i++ {
			next := uint32(0)
			if i < n {
				next = 1
			}
			e.bit(&m.cut[cut], next)
			cut = next
		}
		e.raw(uint32(symbols-1), 8)
		e.int(&m.index[0], zigzag(int(index)))
	}
	top := func(e *adaptiveEncoder) { e.raw(120, 8) }
	for _, tc := range []struct {
		name  string
		chunk []byte
		want  error
	}{
		{"no flags", chunk[:3], ErrCorrupt},
		{"a later flag", change(3, chunk[3]|1<<5), ErrUnknown},
		{"a base that is not", change(2, 9), ErrCorrupt},
		{"no side", chunk[:4], ErrCorrupt},
		{"side longer than the frame", append(bytes.Clone(chunk[:4]), 0xff, 0xff, 0x3f), ErrCorrupt},
		{"side with a byte to spare", append(append(append(bytes.Clone(chunk[:4]), binary.AppendUvarint(nil, side+9)...), append(bytes.Clone(chunk[4+n:states]), make([]byte, 9)...)...), chunk[states:]...), ErrCorrupt},
		{"states cut short", chunk[:states+4*lanes-1], ErrCorrupt},
		{"a state too low", change(states, 0, 0, 0, 0), ErrCorrupt},
		{"a state too high", change(states, 0, 0, 0, 0x80), ErrCorrupt},
		{"a word too few", chunk[:len(chunk)-2], ErrCorrupt},
		{"a byte too few", chunk[:len(chunk)-1], ErrCorrupt},
		{"a word too many", append(bytes.Clone(chunk), 0, 0), ErrCorrupt},
		{"a byte too many", append(bytes.Clone(chunk), 0), ErrCorrupt},
		{"rows of none", with(flagRows, 0, top), ErrCorrupt},
		{"rows too long", with(flagRows, maxRow+1, top), ErrCorrupt},
		{"a shift out of range", with(flagRows, 1500, func(e *adaptiveEncoder) {
			top(e)
			var m intModel
			e.int(&m, zigzag(maxShift+1))
		}), ErrCorrupt},
		{"a shift of many bits", with(flagRows, 1500, func(e *adaptiveEncoder) {
			top(e)
			var m intModel
			e.int(&m, 1<<20)
		}), ErrCorrupt},
		{"seventeen tables", with(0, 0, func(e *adaptiveEncoder) { top(e); tables(e, 17, 1, 1) }), ErrCorrupt},
		{"a symbol beyond 16 bits", with(0, 0, func(e *adaptiveEncoder) { top(e); tables(e, 1, 113, 1) }), ErrCorrupt},
		{"an empty table", with(0, 0, func(e *adaptiveEncoder) { top(e); tables(e, 1, 1, 0) }), ErrCorrupt},
		{"a frequency out of range", with(0, 0, func(e *adaptiveEncoder) { top(e); tables(e, 1, 1, maxIndex+1) }), ErrCorrupt},
	} {
		out, err := Decode([]byte("dst"), tc.chunk, len(leaf), c)
		if !errors.Is(err, tc.want) || string(out) != "dst" {
			t.Errorf("%s: Decode = %d bytes, %v, want %v", tc.name, len(out)-3, err, tc.want)
		}
	}
	// One table with one symbol, of steps of nothing: the base.
	same := with(0, 0, func(e *adaptiveEncoder) { top(e); tables(e, 1, 1, 1) })
	if out, err := Decode(nil, same, len(leaf), c); err != nil || !bytes.Equal(out, base) {
		t.Errorf("a delta without steps: %v", err)
	}
}

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
