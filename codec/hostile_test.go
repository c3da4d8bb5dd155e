package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

// A handmade is a delta put together by hand, of which every part can be wrong.
// Its zero value, with a side, is one of no steps: the only symbol is 0, so that
// states stay where they begin and no word is read.
type handmade struct {
	flags  byte
	row    []byte // "" for none
	edges  []byte
	side   []byte
	length []byte // of side; nil for the true one
	states []uint32
	words  []byte
}

func (h handmade) frame() []byte {
	f := append([]byte{methodDelta, 0, h.flags}, h.row...)
	f = append(f, h.edges...)
	if h.length == nil {
		h.length = binary.AppendUvarint(nil, uint64(len(h.side)))
	}
	f = append(append(f, h.length...), h.side...)
	if h.states == nil {
		h.states = statesOf(lanesOf(h.flags))
	}
	for _, x := range h.states {
		f = le.AppendUint32(f, x)
	}
	return append(f, h.words...)
}

// statesOf returns states where a stream begins and ends, but for the first few.
func statesOf(lanes int, first ...uint32) []uint32 {
	return append(first, slices.Repeat([]uint32{laneLow}, lanes-len(first))...)
}

// A sideWriter writes a delta's side, right or wrong.
type sideWriter struct {
	adaptiveEncoder
	m sideModels
}

func side(parts ...func(*sideWriter)) []byte {
	var w sideWriter
	w.reset(nil)
	for _, p := range parts {
		p(&w)
	}
	return w.end(0)
}

func raw(x uint32, n int) func(*sideWriter) { return func(w *sideWriter) { w.raw(x, n) } }

// top is the largest exponent, which all begin with.
var top = raw(127, 8)

// stillRows says of each row whether it is still.
func stillRows(still ...uint32) func(*sideWriter) {
	return func(w *sideWriter) {
		var m [4]model
		state := uint32(0)
		for _, b := range still {
			w.bit(&m[state], b)
			state = state<<1&3 | b
		}
	}
}

// shifts writes what a decoder unzigzags and adds to its expectation.
func shifts(zs ...uint32) func(*sideWriter) {
	return func(w *sideWriter) {
		var m [3]intModel
		state := 0
		for _, z := range zs {
			w.int(&m[state], z)
			state = int(min(z, 2))
		}
	}
}

// cuts says for contexts 1 to len(next) whether each has the next table.
func cuts(next ...uint32) func(*sideWriter) {
	return func(w *sideWriter) {
		w.raw(uint32(len(next)), 6)
		before := uint32(0)
		for _, b := range next {
			w.bit(&w.m.cut[before], b)
			before = b
		}
	}
}

// table writes a table of 2^bits slots, the last of them symbol last's: of each
// symbol the zigzagged differences of its raw bits and, but of the last, of its
// frequency's index from those before.
func table(bits, last uint32, symbols ...[2]uint32) func(*sideWriter) {
	return func(w *sideWriter) {
		w.raw(bits-minBits, 3)
		w.raw(uint32(len(symbols)-1), 4)
		w.raw(last, 4)
		rawState, freqState := 0, 0
		for i, s := range symbols {
			w.int(&w.m.raw[rawState], s[0])
			rawState = int(min(s[0], 2))
			if i != int(last) {
				w.int(&w.m.freq[freqState], s[1])
				freqState = int(min(s[1], 2))
			}
		}
	}
}

// still is a table of the step 0 alone.
var still = table(minBits, 0, [2]uint32{})

// tables is one table, of the step 0 alone.
func tables(w *sideWriter) {
	cuts()(w)
	still(w)
}

// hostileContext is of 1024 bytes of BF16 at offset 1: an edge of one byte, 511
// elements, one byte.
func hostileContext() Context {
	return Context{DType: tensor.BF16, Offset: 1, Bases: []Base{
		{tensor.BF16, []Span{{0, weights(50, 1024)}}},
		{tensor.U32, []Span{{0, make([]byte, 1024)}}},
	}}
}

// TestDecodeHandmade checks that what TestDecodeBadDelta breaks is good when it
// is whole.
func TestDecodeHandmade(t *testing.T) {
	c := hostileContext()
	edges := []byte{0, 0}
	all := slices.Repeat([]uint32{1}, 32)
	for name, h := range map[string]handmade{
		"plain":       {edges: edges, side: side(top, tables)},
		"64 lanes":    {flags: 3, edges: edges, side: side(top, tables)},
		"rows":        {flags: flagRows, row: []byte{16}, edges: edges, side: side(top, shifts(slices.Repeat([]uint32{0}, 32)...), tables)},
		"columns":     {flags: flagCols, row: []byte{3}, edges: edges, side: side(top, shifts(48, 53, 0), tables)},
		"still":       {flags: flagMoved, row: []byte{16}, edges: edges, side: side(stillRows(all...), top, tables)},
		"long rows":   {flags: flagRows, row: []byte{0x80, 0x80, 0x04}, edges: edges, side: side(top, shifts(48), tables)},
		"rows of one": {flags: flagRows, row: []byte{1}, edges: edges, side: side(top, shifts(slices.Repeat([]uint32{0}, 511)...), tables)},
		"64 contexts": {edges: edges, side: side(top, cuts(slices.Repeat([]uint32{0}, 63)...), still)},
		"8 tables":    {edges: edges, side: side(slices.Concat([]func(*sideWriter){top, cuts(slices.Repeat([]uint32{1}, 7)...)}, slices.Repeat([]func(*sideWriter){still}, 8))...)},
		"12 bits":     {edges: edges, side: side(top, cuts(), table(12, 0, [2]uint32{}))},
		"all steps":   {edges: edges, side: side(top, cuts(), table(8, 0, [2]uint32{}, [2]uint32{32, 0}))},
		"16 symbols":  {edges: edges, side: side(top, cuts(), table(8, 0, slices.Concat([][2]uint32{{}, {2}}, slices.Repeat([][2]uint32{{2}}, 14))...))},
	} {
		got, err := decodeFrame(h.frame(), 1024, c)
		if err != nil || !bytes.Equal(got, c.Bases[0].Spans[0].Data) {
			t.Errorf("%s: %x: %v, or other bytes than the base's", name, h.frame(), err)
		}
	}
}

func TestDecodeBadDelta(t *testing.T) {
	c := hostileContext()
	edges := []byte{0, 0}
	good := side(top, tables)
	for _, tc := range []struct {
		name string
		h    handmade
		want error
	}{
		{"flag 5", handmade{flags: 1 << 5, edges: edges, side: good}, ErrUnknown},
		{"flag 7", handmade{flags: 1 << 7, edges: edges, side: good}, ErrUnknown},
		{"rows of 0", handmade{flags: flagRows, row: []byte{0}, edges: edges, side: good}, ErrCorrupt},
		{"rows of 65,537", handmade{flags: flagCols, row: []byte{0x81, 0x80, 0x04}, edges: edges, side: good}, ErrCorrupt},
		{"rows of 2^20", handmade{flags: flagMoved, row: []byte{0x80, 0x80, 0x40}, edges: edges, side: good}, ErrCorrupt},
		{"rows of 2^63", handmade{flags: flagMoved, row: bytes.Repeat([]byte{0xff}, 9), edges: edges, side: good}, ErrCorrupt},
		{"a long form of the row", handmade{flags: flagRows, row: []byte{0x90, 0}, edges: edges, side: good}, ErrCorrupt},
		{"side of more than the frame", handmade{edges: edges, side: good, length: []byte{0xff, 0x7f}}, ErrCorrupt},
		{"side of 2^63", handmade{edges: edges, side: good, length: bytes.Repeat([]byte{0xff}, 9)}, ErrCorrupt},
		{"side one byte too long", handmade{edges: edges, side: append(slices.Clone(good), make([]byte, 5)...)}, ErrCorrupt},
		{"no side", handmade{edges: edges}, ErrCorrupt},
		{"states cut short", handmade{edges: edges, side: good, states: statesOf(3)}, ErrCorrupt},
		{"states of 32 lanes for 64", handmade{flags: 3, edges: edges, side: good, states: statesOf(32)}, ErrCorrupt},
		{"a state of 0", handmade{edges: edges, side: good, states: statesOf(4, 0)}, ErrCorrupt},
		{"a state below 2^15", handmade{edges: edges, side: good, states: statesOf(4, laneLow-1)}, ErrCorrupt},
		{"a state of 2^31", handmade{edges: edges, side: good, states: statesOf(4, 1<<31)}, ErrCorrupt},
		{"a state of 2^32-1", handmade{edges: edges, side: good, states: statesOf(4, 1<<32-1)}, ErrCorrupt},
		{"a state that stays too high", handmade{edges: edges, side: good, states: statesOf(4, laneLow+1)}, ErrCorrupt},
		{"the last of 64 states too high", handmade{flags: 3, edges: edges, side: good, states: append(statesOf(63), laneLow+1)}, ErrCorrupt},
		{"a word too many", handmade{edges: edges, side: good, words: []byte{0, 0}}, ErrCorrupt},
		{"half a word too many", handmade{edges: edges, side: good, words: []byte{0}}, ErrCorrupt},
		{"many words too many", handmade{flags: 3, edges: edges, side: good, words: make([]byte, 700)}, ErrCorrupt},
		{"no words", handmade{edges: edges, side: side(top, cuts(), table(8, 1, [2]uint32{0, 80}, [2]uint32{}))}, ErrCorrupt},
		{"no words in 64 lanes", handmade{flags: 3, edges: edges, side: side(top, cuts(), table(8, 1, [2]uint32{0, 80}, [2]uint32{}))}, ErrCorrupt},
		{"too few words in 64 lanes", handmade{flags: 3, edges: edges, side: side(top, cuts(), table(8, 1, [2]uint32{0, 80}, [2]uint32{})), words: make([]byte, 301)}, ErrCorrupt},
		{"a shift of 25", handmade{flags: flagCols, row: []byte{1}, edges: edges, side: side(top, shifts(50), tables)}, ErrCorrupt},
		{"a shift of -25", handmade{flags: flagRows, row: []byte{0x80, 0x80, 4}, edges: edges, side: side(top, shifts(49), tables)}, ErrCorrupt},
		{"a shift of 128", handmade{flags: flagCols, row: []byte{1}, edges: edges, side: side(top, shifts(256), tables)}, ErrCorrupt},
		{"a shift of 2^31", handmade{flags: flagCols, row: []byte{1}, edges: edges, side: side(top, shifts(1<<32-1), tables)}, ErrCorrupt},
		{"shifts that add up to 25", handmade{flags: flagCols, row: []byte{2}, edges: edges, side: side(top, shifts(48, 44), tables)}, ErrCorrupt},
		{"9 tables", handmade{edges: edges, side: side(slices.Concat([]func(*sideWriter){top, cuts(slices.Repeat([]uint32{1}, 8)...)}, slices.Repeat([]func(*sideWriter){still}, 9))...)}, ErrCorrupt},
		{"13 bits", handmade{edges: edges, side: side(top, cuts(), table(13, 0, [2]uint32{}))}, ErrCorrupt},
		{"a last symbol that isn't", handmade{edges: edges, side: side(top, cuts(), table(8, 1, [2]uint32{0, 2}))}, ErrCorrupt},
		{"a step of 17 bits", handmade{edges: edges, side: side(top, cuts(), table(8, 0, [2]uint32{}, [2]uint32{34, 0}))}, ErrCorrupt},
		{"fewer than no raw bits", handmade{edges: edges, side: side(top, cuts(), table(8, 0, [2]uint32{1, 0}))}, ErrCorrupt},
		{"a head of four bits", handmade{edges: edges, side: side(top, cuts(), table(8, 0, make([][2]uint32, 8)...))}, ErrCorrupt},
		{"2^31 raw bits", handmade{edges: edges, side: side(top, cuts(), table(8, 0, [2]uint32{1<<32 - 2, 0}))}, ErrCorrupt},
		{"an index of 48", handmade{edges: edges, side: side(top, cuts(), table(8, 1, [2]uint32{0, 96}, [2]uint32{}))}, ErrCorrupt},
		{"an index of -1", handmade{edges: edges, side: side(top, cuts(), table(8, 1, [2]uint32{0, 1}, [2]uint32{}))}, ErrCorrupt},
		{"an index of 2^31", handmade{edges: edges, side: side(top, cuts(), table(8, 1, [2]uint32{0, 1<<32 - 2}, [2]uint32{}))}, ErrCorrupt},
		{"256 rare slots", handmade{edges: edges, side: side(top, cuts(), table(12, 2, [2]uint32{0, 80}, [2]uint32{0, 0}, [2]uint32{}))}, ErrCorrupt},
	} {
		if _, err := decodeFrame(tc.h.frame(), 1024, c); !errors.Is(err, tc.want) {
			t.Errorf("%s: %x: %v, want %v", tc.name, tc.h.frame(), err, tc.want)
		}
	}
	whole := handmade{edges: edges, side: good}.frame()
	for n := range whole {
		if _, err := decodeFrame(whole[:n], 1024, c); !errors.Is(err, ErrCorrupt) {
			t.Errorf("first %d of %d bytes: %v, want ErrCorrupt", n, len(whole), err)
		}
	}
	for name, frame := range map[string][]byte{
		"base that isn't":       append([]byte{methodDelta, 2}, whole[2:]...),
		"base of another width": append([]byte{methodDelta, 1}, whole[2:]...),
	} {
		if _, err := decodeFrame(frame, 1024, c); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", name, err)
		}
	}
	for _, dtype := range []tensor.DType{tensor.F64, tensor.I64, tensor.U64, tensor.F4, tensor.Opaque, "Q4_K"} {
		for _, m := range []byte{methodDelta, methodShort} {
			c := against(dtype, 0, make([]byte, 1024))
			if _, err := decodeFrame(append([]byte{m}, whole[1:]...), 1024, c); !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), "dtype") {
				t.Errorf("method %d of dtype %s: %v, want ErrCorrupt that names the dtype", m, dtype, err)
			}
		}
	}
}

func TestDecodeBadShort(t *testing.T) {
	base := weights(51, 200)
	leaf := tuned(base, 5)
	c := against(tensor.BF16, 1, base)
	good := shortOf(leaf, c)[1:]
	if got, err := decodeFrame(good, 200, c); err != nil || !bytes.Equal(got, leaf) {
		t.Fatalf("a good one: %v", err)
	}
	most := make([]byte, 2*(shortMost+1))
	for _, tc := range []struct {
		name  string
		frame []byte
		size  int
		c     Context
	}{
		{"nothing", good[:1], 200, c},
		{"base that isn't", slices.Concat(good[:1], []byte{1}, good[2:]), 200, c},
		{"no edges", good[:2], 200, c},
		{"edges cut short", good[:3], 200, c},
		{"no steps", good[:4], 200, c},
		{"few steps", good[:len(good)/2], 200, c},
		{"more than is read", append(slices.Clone(good), make([]byte, 5)...), 200, c},
		{"more elements than it may have", []byte{methodShort, 0, 0}, len(most), against(tensor.BF16, 0, most)},
	} {
		if _, err := decodeFrame(tc.frame, tc.size, tc.c); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v, want ErrCorrupt", tc.name, err)
		}
	}
}

// TestDecodeBadLanes breaks a plane that is coded in lanes.
func TestDecodeBadLanes(t *testing.T) {
	c := Context{DType: tensor.U8}
	two := new(freqs) // two values, of half each
	two.bits = ransBits
	two.freq[3], two.freq[200] = 1<<(ransBits-1), 1<<(ransBits-1)
	wide := two.appendTable(nil)
	narrow := (&freqs{bits: 11, freq: [256]uint16{3: 1 << 10, 200: 1 << 10}}).appendTable(nil)
	plane := func(parts ...[]byte) []byte {
		body := slices.Concat(parts...)
		frame := []byte{methodPlanes, byte(layoutBytes), planeLanes}
		return append(binary.AppendUvarint(frame, uint64(len(body))), body...)
	}
	states := func(xs ...uint32) (p []byte) {
		for _, x := range xs {
			p = le.AppendUint32(p, x)
		}
		return p
	}
	// Four lanes of four bytes each: a state of 2^19 gives the least value four
	// times, which halves it each time.
	const whole = 1 << 19
	if got, err := decodeFrame(plane(wide, states(whole, whole, whole, whole)), 16, c); err != nil || !bytes.Equal(got, bytes.Repeat([]byte{3}, 16)) {
		t.Fatalf("a good one: %x, %v", got, err)
	}
	for _, tc := range []struct {
		name  string
		frame []byte
	}{
		{"nothing", plane()},
		{"a table of 11 bits", plane(narrow, states(whole, whole, whole, whole))},
		{"half a table", plane(wide[:1])},
		{"no states", plane(wide)},
		{"three states of four", plane(wide, states(whole, whole, whole))},
		{"a state below 2^15", plane(wide, states(whole, whole, whole, laneLow-1))},
		{"a state of 2^31", plane(wide, states(whole, whole, whole, 1<<31))},
		{"a state that ends elsewhere", plane(wide, states(whole, whole, whole, whole+1<<16))},
		{"a word too many", plane(wide, states(whole, whole, whole, whole), []byte{0, 0})},
		{"half a word too many", plane(wide, states(whole, whole, whole, whole), []byte{0})},
		{"no words", plane(wide, states(laneLow, laneLow, laneLow, laneLow))},
		{"half a word", plane(wide, states(laneLow, laneLow, laneLow, laneLow), []byte{0})},
	} {
		if _, err := decodeFrame(tc.frame, 16, c); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %x: %v, want ErrCorrupt", tc.name, tc.frame, err)
		}
	}
}

// TestDecodeHostileMemory decodes chunks that say as much as they can of rows,
// columns and elements, each by fresh memory.
func TestDecodeHostileMemory(t *testing.T) {
	widest := []byte{0x80, 0x80, 0x04}
	all := func(row byte) []byte { return []byte{row} }
	base := make([]byte, MaxLeaf)
	most := uint64(6 * MaxLeaf)
	if raceDetector { // it makes what slices.Grow appends, too
		most *= 2
	}
	for _, tc := range []struct {
		name  string
		dtype tensor.DType
		h     handmade
	}{
		{"rows of 1", tensor.I8, handmade{flags: flagRows | 3, row: all(1), side: side(top)}},
		{"rows of 1, still", tensor.I8, handmade{flags: flagMoved | 3, row: all(1), side: side(raw(0, 32))}},
		{"rows of 1, still, with shifts", tensor.I8, handmade{flags: flagMoved | flagRows | flagCols | 3, row: all(1), side: side(raw(1<<31, 32))}},
		{"rows of 1, to the end", tensor.I8, handmade{flags: flagRows | 3, row: all(1), side: side(top, shifts(make([]uint32, MaxLeaf)...), tables)}},
		{"every other row of 1 still", tensor.I8, handmade{flags: flagMoved | flagRows | 3, row: all(1),
			side: side(stillRows(slices.Repeat([]uint32{0, 1}, MaxLeaf/2)...), top, shifts(make([]uint32, MaxLeaf/2)...), tables)}},
		{"columns of 65,536, to the end", tensor.BF16, handmade{flags: flagCols | 3, row: widest, side: side(top, shifts(make([]uint32, maxRow)...), tables)}},
		{"columns of 65,536", tensor.BF16, handmade{flags: flagCols | 3, row: widest, side: side(top)}},
		{"all there is", tensor.F32, handmade{flags: flagsAll, row: widest, side: side(raw(0, 32))}},
		{"no steps", tensor.F32, handmade{flags: 3, side: side(top, tables)}},
		{"side of a MiB", tensor.BF16, handmade{side: make([]byte, MaxLeaf-100)}},
	} {
		frame := tc.h.frame()
		c := against(tc.dtype, 0, base)
		dst := make([]byte, MaxLeaf)
		var s scratch
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := s.decode(dst, frame, &c, false)
		runtime.ReadMemStats(&after)
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", tc.name, err)
		}
		if got := after.TotalAlloc - before.TotalAlloc; got > most {
			t.Errorf("%s: decoding a frame of %d bytes allocated %d, at most %d", tc.name, len(frame), got, most)
		}
		t.Logf("%s: %d bytes allocated for %d; %v", tc.name, after.TotalAlloc-before.TotalAlloc, len(frame), err)
	}
}

// TestDecodeBadBits decodes planes of which some bits are raw.
func TestDecodeBadBits(t *testing.T) {
	const size = 13 // two bytes of each raw bit, of which three bits are after the last
	c := Context{DType: tensor.U8}
	frame := func(parts ...byte) []byte {
		return append([]byte{methodPlanes, byte(layoutBytes), planeBits}, parts...)
	}
	good := frame(0x7f, 0x01, 0x10, planeFill, 0x83) // 0x83 has a bit that is raw, too
	want := bytes.Repeat([]byte{0x83}, size)
	if got, err := decodeFrame(good, size, c); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("a good one: %x, %v", got, err)
	}
	for _, tc := range []struct {
		name  string
		frame []byte
	}{
		{"nothing", frame()},
		{"a mask of all bits", frame(0xff, planeFill, 3)},
		{"a mask alone", frame(0x7f)},
		{"half of the raw bits", frame(0x7f, 0x01)},
		{"raw bits alone", frame(0x7f, 0x01, 0x10)},
		{"one of two raw bits", frame(0x3f, 0x01, 0x10, planeFill)},
		{"a bit after the last", frame(0x7f, 0x01, 0x20, planeFill, 3)},
		{"one after the last of the second", frame(0x3f, 0x01, 0x10, 0x01, 0x80, planeFill, 3)},
		{"a plane of bits inside", frame(0x7f, 0x01, 0x10, planeBits, 0xbf, 0x01, 0x10, planeFill, 3)},
		{"no such plane inside", frame(0x7f, 0x01, 0x10, 0xfe, 3)},
		{"half a plane inside", frame(0x7f, 0x01, 0x10, planeFill)},
		{"a byte too many", frame(0x7f, 0x01, 0x10, planeFill, 3, 0)},
	} {
		if _, err := decodeFrame(tc.frame, size, c); !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnknown) {
			t.Errorf("%s: %x: %v, want ErrCorrupt", tc.name, tc.frame, err)
		}
	}
}
