package codec

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// The delta method: the steps from the base's elements to the leaf's, in the
// order of the numbers, each coded in a context that says how large it should
// be.
//
//	base  uint8
//	flags uint8    // lanes, and what side has: see below
//	row   uvarint  // elements of a row, if flags says that there are rows
//	edges          // bytes before and after the whole elements, XORed with the base's
//	side  uvarint length, then that many bytes, by the adaptive coder
//	stream         // see stream.go
const (
	flagLanes = 3 << 0 // 4, 16, 32 or 64
	flagRows  = 1 << 2 // rows have shifts
	flagCols  = 1 << 3 // columns have shifts
	flagMoved = 1 << 4 // rows that did not move are marked, and not coded
	flagsAll  = flagLanes | flagRows | flagCols | flagMoved
)

const (
	minRow = 16
	maxRow = 1 << 16
	// guessRow is a part of most models' rows: nearly all of what rows give is
	// had by it.
	guessRow = 128
	// minRows is from how many rows on columns may have shifts.
	minRows = 32
	// manyRows is from how many on a part of them tells whether any is still.
	manyRows = 128
)

// A deltaCoder is the memory of the delta method.
type deltaCoder struct {
	enc     laneEncoder
	dec     *laneDecoder // by itself, as what is as large begins with a page, and so each of its tables with a cache line
	tables  stepTables
	counts  stepCounts
	second  stepCounts // all zero, but while symbols are counted
	cs      []cluster
	scaler  scaler
	scale   scaling
	still   []bool // rows that did not move
	target  []byte // moved rows of the leaf, together
	base    []byte // and of the base
	z16     []uint16
	z32     []uint32
	keys    []uint16
	symbols []uint8
	depth   []uint8
	ctx     []uint8
	shifts  []int8
	paired  []uint8  // shifts of columns, for decoding
	refiner *refiner // nil until it is needed
	side    adaptiveEncoder
	buf     []byte
}

func grow[T any](s []T, n int) []T { return slices.Grow(s[:0], n)[:n] }

// rowsOf returns where rows begin in a leaf of n elements at offset, in
// elements, of a tensor whose rows have row, or 0 if that is not known.
func rowsOf(row int, offset int64, n int) grid {
	if row < 1 {
		row = guessRow
	}
	if row < minRow {
		row *= (minRow + row - 1) / row
	}
	if row > maxRow || row > n/2 {
		return grid{}
	}
	return grid{row, phaseOf(offset, row)}
}

// phaseOf returns which element of its row the one at offset is.
func phaseOf(offset int64, row int) int {
	phase := int(offset % int64(row))
	if phase < 0 { // no tensor has such an offset
		phase += row
	}
	return phase
}

// appendDelta appends the body of a delta of leaf against base to dst, but for its
// last words, which it returns. They lie in s until lanes are encoded again.
func (s *scratch) appendDelta(dst, leaf, base []byte, b int, n number, c *Context) ([]byte, []uint16) {
	d := s.deltas()
	head, tail := edgesOf(n.width, c.Offset, len(leaf))
	end := len(leaf) - tail
	edges := [14]byte{}
	xor(edges[:head], leaf[:head], base[:head])
	xor(edges[head:], leaf[end:], base[end:])
	leaf, base = leaf[head:end], base[head:end]
	count := len(leaf) / n.width
	g := rowsOf(c.Row, (c.Offset+int64(head))/int64(n.width), count)

	d.side.reset(d.buf[:0])
	flags := byte(0)
	if g.row > 0 && d.markStill(leaf, base, g, n.width) {
		flags |= flagMoved
		d.writeStill()
		d.target = d.gatherMoved(d.target, leaf, g, n.width)
		d.base = d.gatherMoved(d.base, base, g, n.width)
		leaf, base, g = d.target, d.base, g.afterDrop(d.still)
		count = len(leaf) / n.width
	}
	top := n.largest(base)
	d.side.raw(top, 8)
	d.steps(leaf, base, n, top)
	flags |= d.fitScale(count, g, c.Row > 0, c.Level)
	d.writeScale()
	last := d.count(count, c.Level)
	d.tables.write(&d.side, last)
	lanes := lanesFor(count)
	flags |= byte(slices.Index(laneCounts[:], lanes))

	dst = append(dst, byte(b), flags)
	if flags&(flagRows|flagCols|flagMoved) != 0 {
		dst = binary.AppendUvarint(dst, uint64(g.row))
	}
	dst = append(dst, edges[:head+tail]...)
	d.buf = d.side.end(0)
	dst = binary.AppendUvarint(dst, uint64(len(d.buf)))
	dst = append(dst, d.buf...)
	d.tables.forEncoding(&d.enc)
	if n.width == 4 {
		return encodeLanes(&d.enc, dst, d.ctx[:count], d.symbols[:count], d.z32[:count], lanes)
	}
	return encodeLanes(&d.enc, dst, d.ctx[:count], d.symbols[:count], d.z16[:count], lanes)
}

// edgesOf returns how many of size bytes at offset in a tensor come before the
// first whole element of width bytes, and how many after the last.
func edgesOf(width int, offset int64, size int) (head, tail int) {
	head = min(size, int(-uint64(offset)&uint64(width-1)))
	return head, (size - head) & (width - 1)
}

// markStill finds the rows that did not move, and tells whether they are worth
// leaving out.
func (d *deltaCoder) markStill(leaf, base []byte, g grid, width int) bool {
	n := len(leaf) / width
	rows := g.rows(n)
	isStill := func(r int) bool {
		from, to := g.span(r, n)
		return bytes.Equal(leaf[from*width:to*width], base[from*width:to*width])
	}
	if rows > manyRows {
		// Where few rows are still, nearly all leaves show none in every eighth row.
		any := false
		for r := g.firstWhole(); r < rows-1 && !any; r += 8 {
			at := (r*g.row - g.phase) * width
			// Of what is far from the processor, eight bytes come while others are
			// awaited, and nearly always tell.
			any = le.Uint64(leaf[at:]) == le.Uint64(base[at:]) && isStill(r)
		}
		if !any {
			return false
		}
	}
	d.still = grow(d.still, rows)
	still := 0
	for r := range d.still {
		if d.still[r] = isStill(r); d.still[r] {
			still++
		}
	}
	return still > rows/16 && still < rows
}

// afterDrop returns where rows begin once those that are still are left out.
func (g grid) afterDrop(still []bool) grid {
	if len(still) > 0 && still[0] {
		g.phase = 0
	}
	return g
}

// gatherMoved appends the rows of src that moved to dst[:0], which grows once: a
// row may be one element.
func (d *deltaCoder) gatherMoved(dst, src []byte, g grid, width int) []byte {
	n := len(src) / width
	dst = slices.Grow(dst[:0], len(src))
	for r, still := range d.still {
		if !still {
			from, to := g.span(r, n)
			dst = append(dst, src[from*width:to*width]...)
		}
	}
	return dst
}

// scatterMoved puts the rows of d.target that moved in their places in dst.
func (d *deltaCoder) scatterMoved(dst []byte, g grid, width int) {
	n := len(dst) / width
	moved := d.target
	for r, still := range d.still {
		if !still {
			from, to := g.span(r, n)
			moved = moved[copy(dst[from*width:to*width], moved):]
		}
	}
}

// largest returns the largest exponent in a sample of base.
func (n number) largest(base []byte) uint32 {
	if !n.float {
		return 0
	}
	top := uint32(0)
	count := len(base) / n.width
	if n.width == 2 && count <= 1<<10 {
		return largest16(base[:2*count]) >> n.exponent
	}
	// Elements that lie together: each that is far from others may be far from the
	// processor. The first and last of all are asked for without waiting for others.
	const most, together = 1 << 10, 32
	stride := max(1, count/most) * together
	for i := 0; i < count; i += stride {
		top = max(top, n.exponentOf(n.load(base, i)), n.exponentOf(n.load(base, min(i+together, count)-1)))
	}
	for i := 0; i < count; i += stride {
		end := min(i+together, count)
		if n.width == 2 {
			top = max(top, largest16(base[2*i:2*end])>>n.exponent)
			continue
		}
		for k := i; k < end; k++ {
			top = max(top, n.exponentOf(n.load(base, k)))
		}
	}
	return top
}

// largest16 returns the largest magnitude of floats of 16 bits, four at a time in
// each of two words, which do not wait for each other.
func largest16(base []byte) uint32 {
	a, b := uint64(0), uint64(0)
	for len(base) > 16 {
		a = larger16(a, le.Uint64(base))
		b = larger16(b, le.Uint64(base[8:]))
		base = base[16:len(base):len(base)]
	}
	top := uint32(0)
	for a = larger16(a, b); a != 0; a >>= 16 {
		top = max(top, uint32(a&(1<<15-1)))
	}
	for ; len(base) >= 2; base = base[2:] {
		top = max(top, uint32(le.Uint16(base))&(1<<15-1))
	}
	return top
}

// larger16 returns the larger of each of four magnitudes and those of x.
func larger16(most, x uint64) uint64 {
	const sign = 1 << 15 * lanes16
	more := (x | sign) - most&^sign // the sign is left where x is not less
	more &= sign
	more -= more >> 15
	return most ^ (most^x)&more
}

func (n number) load(p []byte, i int) uint32 {
	switch n.width {
	case 1:
		return uint32(p[i])
	case 2:
		return uint32(le.Uint16(p[2*i:]))
	}
	return le.Uint32(p[4*i:])
}

func (n number) exponentOf(x uint32) uint32 { return x >> n.exponent & n.mask }

// steps fills z16 or z32, symbols and depth, block by block: the base's elements
// are looked at twice.
func (d *deltaCoder) steps(leaf, base []byte, n number, top uint32) {
	count := len(leaf) / n.width
	d.symbols, d.depth, d.ctx = grow(d.symbols, count), grow(d.depth, count), grow(d.ctx, count)
	if n.width == 4 {
		d.z32 = grow(d.z32, count)
	} else {
		d.z16 = grow(d.z16, count)
	}
	for at, end := 0, 0; at < count; at = end {
		end = min(at+stepBlock, count)
		x, b, symbols := leaf[at*n.width:end*n.width], base[at*n.width:end*n.width], d.symbols[at:end]
		if n.width == 2 {
			k := floats16Fast(n, d.z16[at:end], symbols, d.depth[at:end], x, b, top)
			at, x, b, symbols = at+k, x[2*k:], b[2*k:], symbols[k:]
		}
		n.depths(d.depth[at:end], b, top)
		switch n.width {
		case 1:
			n.steps8(d.z16[at:end], symbols, x, b)
		case 2:
			n.steps16(d.z16[at:end], symbols, x, b)
		case 4:
			n.steps32(d.z32[at:end], symbols, x, b)
		}
	}
}

// stepBlock is how many elements' steps are found together: these, the elements and
// all else that is found of them stay near the processor.
const stepBlock = 2 << 10

// fitScale finds shifts of rows, and of columns if wanted, fills ctx, and returns the flags.
func (d *deltaCoder) fitScale(count int, g grid, columns bool, level Level) byte {
	d.scale.rows, d.scale.cols = d.scale.rows[:0], d.scale.cols[:0]
	ctx, depth, symbols := d.ctx[:count], d.depth[:count], d.symbols[:count]
	rows := g.rows(count)
	if rows < 2 {
		d.scale.contexts(ctx, depth, g)
		return 0
	}
	d.scaler.fit(symbols, depth, &d.scale, g)
	d.scale.rows = worthwhile(d.scaler.rows(d.scale.rows, symbols, depth, g), 32)
	if columns = columns && rows >= minRows; columns {
		if len(d.scale.rows) > 0 { // the curve of rows that are alike
			d.scaler.fit(symbols, depth, &d.scale, g)
		}
		every := rowsApart(count, g)
		d.scale.contextsOf(ctx, depth, g, every)
		d.scale.cols = worthwhile(d.scaler.columns(d.scale.cols, symbols, ctx, g, every), 8)
	}
	if level == Best {
		d.scale.contexts(ctx, depth, g)
		d.refine(count, g, columns)
	} else { // in their place, which is near the processor
		d.scale.contexts(depth, depth, g)
		d.ctx, d.depth = d.depth, d.ctx
	}
	flags := byte(0)
	if len(d.scale.rows) > 0 {
		flags |= flagRows
	}
	if len(d.scale.cols) > 0 {
		flags |= flagCols
	}
	return flags
}

// worthwhile returns shifts, or none if fewer than one in part is not zero: writing and
// reading all of them costs more than they give.
func worthwhile(shifts []int8, part int) []int8 {
	n := 0
	for _, s := range shifts {
		if s != 0 {
			n++
		}
	}
	if n < len(shifts)/part {
		return shifts[:0]
	}
	return shifts
}

// writeStill writes which rows did not move.
func (d *deltaCoder) writeStill() {
	var m [4]model
	state := 0
	for _, still := range d.still {
		bit := uint32(0)
		if still {
			bit = 1
		}
		d.side.bit(&m[state], bit)
		state = state<<1&3 | int(bit)
	}
}

// writeScale writes the shifts.
func (d *deltaCoder) writeScale() {
	for _, shifts := range [][]int8{d.scale.rows, d.scale.cols} {
		writeShifts(&d.side, shifts)
	}
}

func writeShifts(e *adaptiveEncoder, shifts []int8) {
	var m [3]intModel
	mean := 0 // of the last ones, times 8
	state := 0
	for _, s := range shifts {
		z := zigzag(int(s) - (mean+4)>>3)
		e.int(&m[state], z)
		mean += int(s) - (mean+4)>>3
		state = int(min(z, 2))
	}
}

// Of a leaf of many elements the fast level counts a part: every fourth window,
// or one of more, such that countedMost are counted. What a window more would
// tell of a probability is less than what its rounding loses.
const (
	countWindow = 256
	countedMost = 64 << 10
)

// countPart returns of how many windows of count elements one is counted, as a
// power of two.
func countPart(count int, level Level) (shift int) {
	if level == Best {
		return 0
	}
	for count>>shift > countedMost {
		shift++
	}
	return shift
}

// countKeys counts one window of each 2^shift, which one by turns, so that rows do
// not come in step with them. Kernels count keys, context<<8 | symbol.
func (d *deltaCoder) countKeys(count, shift int) stepTotals {
	clear(d.counts[:])
	d.keys = grow(d.keys, countWindow)
	turn := uint32(0)
	for at := 0; at < count; at += countWindow << shift {
		turn += 0x9e3779b9
		from := at + int(turn>>8)&(1<<shift-1)*countWindow
		end := min(from+countWindow, count)
		if from >= end {
			continue
		}
		ctx, symbols := d.ctx[from:end], d.symbols[from:end]
		k := countFast(&d.counts, &d.second, d.keys, ctx, symbols)
		d.counts.count(ctx[k:], symbols[k:], &d.second)
	}
	return d.counts.add(&d.second)
}

// count counts, merges contexts to tables, and returns the highest context that
// was counted.
func (d *deltaCoder) count(count int, level Level) (last int) {
	shift := countPart(count, level)
	totals := d.countKeys(count, shift)
	still := shift > 0 && d.counts.still(&totals)
	if still {
		d.countMoved(count, shift)
		shift, totals = 0, d.counts.totals()
	}
	if d.cs == nil {
		d.cs = make([]cluster, contexts)
	}
	cs, last := d.tables.cluster(d.cs, &d.counts, &totals, shift)
	var sampled [maxTables]int
	if shift > 0 {
		for t := range cs {
			sampled[t] = cs[t].high
		}
		d.countAbove(cs, count)
	}
	for t := range cs {
		if still { // none of those that did not move may have been counted
			cs[t].h[0] = max(cs[t].h[0], 1)
		}
		d.tables.fit(t, &cs[t].h, sampled[t])
	}
	return last
}

// countMoved makes counts of one of each 2^shift elements those of all: where
// hardly anything moved, what did is counted anew, all of it, and what did not is
// as the part says.
func (d *deltaCoder) countMoved(count, shift int) {
	for c := range d.counts {
		still := d.counts[c][0] << shift
		clear(d.counts[c][:])
		d.counts[c][0] = still
	}
	d.keys = grow(d.keys, movedWindow+32)
	for at := 0; at < count; at += movedWindow {
		end := min(at+movedWindow, count)
		ctx, symbols := d.ctx[at:end], d.symbols[at:end]
		n, k := movedKeysFast(d.keys, ctx, symbols)
		for _, key := range d.keys[:n] {
			d.counts[key>>8&(contexts-1)][key&(maxSymbols-1)]++
		}
		d.counts.countMoved(ctx[k:], symbols[k:])
	}
}

// movedWindow is how many elements' keys are made together.
const movedWindow = 4 << 10

// countAbove counts all symbols that are above those of their tables.
func (d *deltaCoder) countAbove(cs []cluster, count int) {
	var most [contexts]uint8
	for c, t := range d.tables.of {
		most[c] = uint8(cs[t].high - 1)
	}
	ctx, symbols := d.ctx[:count], d.symbols[:count]
	for len(ctx) > 0 {
		k := belowFast(ctx, symbols, &most)
		ctx, symbols = ctx[k:], symbols[k:]
		n := min(len(ctx), belowUnit)
		for i, c := range ctx[:n] {
			if s := symbols[i]; s > most[c&(contexts-1)] {
				cs[d.tables.of[c]].h[s]++
			}
		}
		ctx, symbols = ctx[n:], symbols[n:]
	}
}

// belowUnit is how many symbols kernels compare at a time.
const belowUnit = 64

func (s *scratch) deltas() *deltaCoder {
	if s.delta == nil {
		s.delta = &deltaCoder{dec: new(laneDecoder)}
	}
	return s.delta
}
