package codec

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

// Corners are what vectors do not reach, as Encode would choose something else
// or more lanes than a small leaf has: testdata/corners.json, in the form of
// vectors.json.

// cornerDTypes are all dtypes that are numbers.
var cornerDTypes = []tensor.DType{
	tensor.BF16, tensor.F16, tensor.F32, tensor.C64,
	tensor.F8E4M3, tensor.F8E5M2, tensor.F8E4M3FNUZ, tensor.F8E5M2FNUZ, tensor.F8E8M0,
	tensor.BOOL, tensor.U8, tensor.I8, tensor.U16, tensor.I16, tensor.U32, tensor.I32,
}

// spreadElements returns count elements whose exponents spread over some octaves. Integers are
// any bits.
func spreadElements(r *rand.Rand, n number, count int) []byte {
	p := make([]byte, count*n.width)
	for i := range count {
		x := r.Uint32()
		if n.float {
			e := n.mask/2 + 1 - uint32(r.IntN(9))
			x = x&^(n.mask<<n.exponent) | e<<n.exponent
		}
		n.store(p, i, x)
	}
	return p
}

// moved returns base with every element moved by what by says, in the order of
// the numbers. It is written apart from number.walk, which it tests.
func moved(n number, base []byte, by func(i int) int64) []byte {
	top, all := int64(1)<<(n.bits()-1), int64(1)<<n.bits()-1
	flip := func(x int64, negative bool) int64 {
		switch {
		case n.float && negative:
			return x ^ all
		case n.float || n.signed:
			return x ^ top
		}
		return x
	}
	out := bytes.Clone(base)
	for i := range len(base) / n.width {
		x := int64(n.load(base, i))
		o := flip(x, x&top != 0) + by(i)&all
		o &= all
		n.store(out, i, uint32(flip(o, o&top == 0)))
	}
	return out
}

// jitter returns steps of about size.
func jitter(r *rand.Rand, size float64) func(int) int64 {
	return func(int) int64 { return int64(r.NormFloat64() * size) }
}

// deltaIn returns the chunk of a delta in so many lanes, whatever its length.
func deltaIn(leaf []byte, c Context, lanes int) []byte {
	var s scratch
	n, _ := numberOf(c.DType)
	frame := appendWords(s.appendDelta([]byte{version, methodDelta}, leaf, s.view(&c, 0, len(leaf)), 0, n, &c))
	if lanes == 0 {
		return frame
	}
	stream := func(lanes int) []byte {
		if n.width == 4 {
			return appendWords(encodeLanes(&s.delta.enc, nil, s.delta.ctx, s.delta.symbols, s.delta.z32, lanes))
		}
		return appendWords(encodeLanes(&s.delta.enc, nil, s.delta.ctx, s.delta.symbols, s.delta.z16, lanes))
	}
	old := stream(lanesOf(frame[3]))
	frame = append(frame[:len(frame)-len(old)], stream(lanes)...)
	frame[3] = frame[3]&^flagLanes | byte(slices.Index(laneCounts[:], lanes))
	return frame
}

func shortOf(leaf []byte, c Context) []byte {
	var s scratch
	n, _ := numberOf(c.DType)
	return s.appendShort([]byte{version, methodShort}, leaf, s.view(&c, 0, len(leaf)), 0, n, &c)
}

func planesOf(leaf []byte, c Context) []byte {
	var s scratch
	l, _ := layoutOf(c.DType)
	return s.appendPlanes([]byte{version, methodPlanes}, leaf, nil, l, c.Offset, nil)
}

// corners returns the corners with the chunks that they have now.
func corners() []vector {
	r := rand.New(rand.NewPCG(1, 6))
	var vs []vector
	add := func(name string, leaf []byte, c Context, chunk []byte) {
		vs = append(vs, vector{name: name, leaf: leaf, c: c, chunk: chunk})
	}
	for _, dtype := range cornerDTypes {
		n, _ := numberOf(dtype)
		// A byte before and a byte after whole elements, of those that have more.
		base := append(spreadElements(r, n, 60), 7)[n.width-1:]
		leaf := append(moved(n, base[1:len(base)-1], jitter(r, 2)), 8)
		leaf = append([]byte{9}, leaf...)
		c := against(dtype, int64(n.width-1), base)
		if n.width == 1 {
			leaf = moved(n, base, jitter(r, 2))
		}
		add("short-"+string(dtype), leaf, c, shortOf(leaf, c))
		base = spreadElements(r, n, 200)
		leaf = moved(n, base, jitter(r, 3))
		c = against(dtype, 0, base)
		add("delta-"+string(dtype), leaf, c, deltaIn(leaf, c, 0))
	}
	return slices.Concat(vs, laneCorners(r), rowCorners(r), castCorners(r), otherCorners(r))
}

// laneCorners are every number of lanes, the last round not full, and all three
// portions of raw bits.
func laneCorners(r *rand.Rand) (vs []vector) {
	for _, lanes := range []int{4, 16, 32, 64} {
		for _, dtype := range []tensor.DType{tensor.I8, tensor.F16, tensor.F32} {
			n, _ := numberOf(dtype)
			base := spreadElements(r, n, 3*lanes+lanes/2+1)
			leaf := moved(n, base, func(int) int64 { return int64(r.Uint32() >> r.IntN(32)) })
			c := against(dtype, 0, base)
			vs = append(vs, vector{name: "lanes-" + string(dtype) + "-" + map[int]string{4: "4", 16: "16", 32: "32", 64: "64"}[lanes], leaf: leaf, c: c, chunk: deltaIn(leaf, c, lanes)})
		}
	}
	// The largest step there is: from 0 half way around.
	for _, dtype := range []tensor.DType{tensor.U32, tensor.I32, tensor.F32, tensor.I16, tensor.U8} {
		n, _ := numberOf(dtype)
		base := spreadElements(r, n, 40)
		half := int64(1) << (n.bits() - 1)
		leaf := moved(n, base, func(i int) int64 { return []int64{half, half - 1, 1 - half, 0}[i%4] })
		c := against(dtype, 0, base)
		vs = append(vs, vector{name: "largest-" + string(dtype), leaf: leaf, c: c, chunk: deltaIn(leaf, c, 0)},
			vector{name: "short-largest-" + string(dtype), leaf: leaf, c: c, chunk: shortOf(leaf, c)})
	}
	return vs
}

// rowCorners are still rows, and shifts of rows and columns, in leaves that
// begin and end in the middle of a row and of an element.
func rowCorners(r *rand.Rand) (vs []vector) {
	const row = 18
	for _, tc := range []struct {
		name   string
		dtype  tensor.DType
		offset int64 // in bytes
		count  int
		speed  func(row, col int) float64
	}{
		{"still-only", tensor.BF16, 0, 2 * row, func(r, _ int) float64 { return float64(r) }},
		{"columns-only", tensor.I8, 5, 40 * row, func(_, c int) float64 { return float64(int(1) << (c % 6)) }},
		{"still-first", tensor.BF16, 0, 30 * row, func(r, _ int) float64 { return 2 * float64(min(r%3, 1)) }},
		{"still-first-cut", tensor.BF16, 2*7 + 1, 30*row - 3, func(r, _ int) float64 { return float64(r % 3) }},
		{"moved-first-cut", tensor.BF16, 2*13 + 1, 30*row - 5, func(r, _ int) float64 { return float64((r + 1) % 3) }},
		{"rows", tensor.BF16, 0, 30 * row, func(r, _ int) float64 { return float64(int(1) << (r % 8)) }},
		{"rows-cut", tensor.BF16, 2*11 + 1, 30 * row, func(r, _ int) float64 { return float64(int(1) << (r % 8)) }},
		{"columns", tensor.BF16, 0, 50 * row, func(_, c int) float64 { return float64(int(4) << (c % 3)) }},
		{"columns-cut", tensor.BF16, 2*17 + 1, 50*row - 10, func(_, c int) float64 { return float64(int(1) << (c % 8)) }},
		{"rows-columns-still-cut", tensor.BF16, 2*5 + 1, 50*row + 9, func(r, c int) float64 {
			return float64(min(r%5, 1)) * float64(int(1)<<(r%4+c%5))
		}},
	} {
		n, _ := numberOf(tc.dtype)
		head, _ := edgesOf(n.width, tc.offset, tc.count*n.width)
		base := append(make([]byte, head), spreadElements(r, n, tc.count)...)
		base = base[:len(base)-head]
		first := (int(tc.offset) + head) / n.width
		leaf := append(bytes.Repeat([]byte{1}, head), moved(n, base[head:], func(i int) int64 {
			speed := tc.speed((first%row+i)/row, (first+i)%row)
			if speed == 0 {
				return 0
			}
			// All alike, so that rows get shifts only where they should.
			return (int64(speed) | 1) * int64(1-2*r.IntN(2))
		})...)
		c := against(tc.dtype, tc.offset, base)
		c.Row = row
		vs = append(vs, vector{name: "row-" + tc.name, leaf: leaf, c: c, chunk: deltaIn(leaf, c, 0)})
	}
	return vs
}

// castCorners are every cast, of numbers that are rounded, too large, too small
// or none; and a cast base that covers the middle of a leaf.
func castCorners(r *rand.Rand) (vs []vector) {
	floats := []tensor.DType{tensor.BF16, tensor.F16, tensor.F32}
	odd := map[tensor.DType][]uint32{
		tensor.BF16: {0, 0x8000, 0x7f80, 0xff80, 0x7f81, 0xffff, 0x7f7f, 0x0001, 0x3380, 0x3300, 0x477f, 0x4780, 0x3881},
		tensor.F16:  {0, 0x8000, 0x7c00, 0xfc00, 0x7c01, 0xffff, 0x7e00, 0x7bff, 0x0001, 0x83ff, 0x0400, 0x3555, 0x3c08},
		tensor.F32: {0, 1 << 31, 0x7f800000, 0xff800000, 0x7f800001, 0xffffffff, 0x7f810000, 0x7f7fffff, 1, 0x33000000,
			0x33000001, 0x477fefff, 0x477ff000, 0x38800000, 0x387fe000, 0x387ff000, 0x3f808000, 0x3f818000, 0x3f801000, 0x3f803000},
	}
	for _, from := range floats {
		for _, to := range floats {
			if from == to {
				continue
			}
			n, _ := numberOf(from)
			m, _ := numberOf(to)
			base := spreadElements(r, n, len(odd[from])+20)
			for i, x := range odd[from] {
				n.store(base, i, x)
			}
			leaf := moved(m, Cast(nil, base, from, to), jitter(r, 1))
			c := Context{DType: to, Bases: []Base{{from, []Span{{0, base}}}}}
			vs = append(vs, vector{name: "cast-" + string(from) + "-" + string(to), leaf: leaf, c: c, chunk: shortOf(leaf, c)})
		}
	}
	n, _ := numberOf(tensor.F32)
	base := spreadElements(r, n, 40)
	m, _ := numberOf(tensor.BF16)
	leaf := slices.Concat([]byte{5}, make([]byte, 40), moved(m, Cast(nil, base, tensor.F32, tensor.BF16), jitter(r, 1)), make([]byte, 30), []byte{6})
	c := Context{DType: tensor.BF16, Offset: 3, Bases: []Base{{tensor.F32, []Span{{0, base[:12]}, {41, base}, {200, base}}}}}
	// The first span does not begin with an element, and predicts nothing.
	return append(vs, vector{name: "cast-middle", leaf: leaf, c: c, chunk: shortOf(leaf, c)})
}

// otherCorners are tables of many shapes, planes in lanes and of bits, and segments.
func otherCorners(r *rand.Rand) (vs []vector) {
	n, _ := numberOf(tensor.F16)
	base := spreadElements(r, n, 1500)
	leaf := moved(n, base, func(i int) int64 {
		e := n.exponentOf(n.load(base, i))
		return int64(r.NormFloat64() * float64(int(1)<<(16-e)))
	})
	c := against(tensor.F16, 0, base)
	vs = append(vs, vector{name: "tables", leaf: leaf, c: c, chunk: deltaIn(leaf, c, 0)})
	for _, size := range []int{4096, 16384} {
		leaf := make([]byte, size)
		for i := range leaf {
			leaf[i] = byte(min(r.ExpFloat64()*1.5, 255))
		}
		c := Context{DType: tensor.U8}
		vs = append(vs, vector{name: map[int]string{4096: "plane-16-lanes", 16384: "plane-32-lanes"}[size], leaf: leaf, c: c, chunk: planesOf(leaf, c)})
	}
	// Segments that cut an element in two; the base is cast where it is whole.
	m, _ := numberOf(tensor.BF16)
	wide, _ := numberOf(tensor.F32)
	base = spreadElements(r, wide, 60)
	leaf = moved(m, Cast(nil, base, tensor.F32, tensor.BF16), jitter(r, 1))
	c = Context{DType: tensor.BF16, Bases: []Base{{tensor.F32, []Span{{0, base}}}}}
	chunk := []byte{version, methodSegments}
	for from, to := 0, 51; from < len(leaf); from, to = to, len(leaf) {
		var sub Context
		c.within(&sub, from, to)
		frame := shortOf(leaf[from:to], sub)[1:]
		chunk = binary.AppendUvarint(chunk, uint64(to-from))
		chunk = binary.AppendUvarint(chunk, uint64(len(frame)))
		chunk = append(chunk, frame...)
	}
	vs = append(vs, vector{name: "segments-cast", leaf: leaf, c: c, chunk: chunk})
	// Planes of which some bits are raw: one, and three.
	for _, dtype := range []tensor.DType{tensor.F16, tensor.I8} {
		n, _ := numberOf(dtype)
		leaf, c := narrow(31, tensor.I8, n.width*4099), Context{DType: dtype}
		if dtype == tensor.F16 {
			leaf = random(31, len(leaf))
			for i, b := range narrow(31, tensor.F8E4M3, 4099) {
				leaf[2*i+1] = b
			}
		}
		vs = append(vs, vector{name: "plane-bits-" + string(dtype), leaf: leaf, c: c, chunk: planesOf(leaf, c)})
	}
	// Low bits of which hardly any are set, and then none.
	for _, name := range []string{"gaps", "bits-fill"} {
		leaf := random(32, 4100)
		for i := range leaf {
			if leaf[i] &= 0xf8; name == "gaps" && i%600 == 4099%600 {
				leaf[i] |= byte(1 + i%7)
			}
		}
		c := Context{DType: tensor.U8}
		vs = append(vs, vector{name: "plane-" + name, leaf: leaf, c: c, chunk: planesOf(leaf, c)})
	}
	return vs
}

// TestCorners checks that corners decode, that they are encoded as they were,
// and that no chunk decodes to them but one that testdata has.
func TestCorners(t *testing.T) {
	now, want := goldens(t, "testdata/corners.json", corners())
	for i, g := range want {
		v := g.vector(t)
		// Not by Decode, which refuses chunks that are no smaller than their leaf.
		got, err := decodeFrame(v.chunk[1:], len(v.leaf), v.c)
		if err != nil || !bytes.Equal(got, v.leaf) {
			t.Errorf("%s: format changed (%v); if meant, bump the version and rerun with -update:\n got %x\nwant %x", g.Name, err, got, v.leaf)
		}
		if g.Name != now[i].Name || g.Chunk != now[i].Chunk {
			t.Errorf("%s: encoding changed; if meant, rerun with -update:\n got %s\nwant %s", g.Name, now[i].Chunk, g.Chunk)
		}
	}
}

// decodeFrame decodes a frame by memory of its own.
func decodeFrame(frame []byte, size int, c Context) ([]byte, error) {
	var s scratch
	dst := make([]byte, size)
	if err := s.decode(dst, frame, &c, false); err != nil {
		return nil, err
	}
	return dst, nil
}

// TestCornersCover checks that corners are what their names say.
func TestCornersCover(t *testing.T) {
	flags := map[byte]bool{}
	portions := [3]bool{}
	tables := 0
	for _, v := range corners() {
		if v.chunk[1] != methodDelta {
			continue
		}
		flags[v.chunk[3]&flagLanes] = true
		flags[v.chunk[3]&^flagLanes] = true
		var s scratch
		dst := make([]byte, len(v.leaf))
		if err := s.decode(dst, v.chunk[1:], &v.c, false); err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		tables = max(tables, s.delta.tables.n)
		for _, st := range s.delta.tables.table[:s.delta.tables.n] {
			for _, sym := range st.symbol[:st.n] {
				rest := int(sym.raw) + int(st.bits) - stepBits
				portions[0] = portions[0] || sym.raw > 0
				portions[1] = portions[1] || rest > 0
				portions[2] = portions[2] || rest > otherRaw
			}
		}
	}
	for _, want := range []byte{0, 1, 2, 3, flagRows, flagCols, flagMoved, flagRows | flagCols | flagMoved} {
		if !flags[want] {
			t.Errorf("no corner has flags %05b", want)
		}
	}
	if portions != [3]bool{true, true, true} {
		t.Errorf("portions of raw bits in corners: %v", portions)
	}
	if tables < 4 {
		t.Errorf("corners have at most %d tables", tables)
	}
	codings := map[byte]bool{}
	for _, v := range corners() {
		if v.chunk[1] != methodPlanes {
			continue
		}
		at := 3
		codings[v.chunk[at]] = true
		if v.chunk[at] == planeBits {
			n := len(v.leaf)
			if v.c.DType == tensor.F16 {
				n /= 2
			}
			at += 2 + rawBits{mask: v.chunk[at+1]}.count()*((n+7)/8)
			codings[v.chunk[at]] = true
		}
	}
	for _, want := range []byte{planeFill, planeLanes, planeBits, planeGaps} {
		if !codings[want] {
			t.Errorf("no plane of corners is of coding %d", want)
		}
	}
}
