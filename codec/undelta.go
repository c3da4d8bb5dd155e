package codec

import "slices"

// decodeDelta fills dst from the body of a delta.
func (s *scratch) decodeDelta(dst, body []byte, c *Context) error {
	base, body, err := s.decodeBase(len(dst), body, c)
	if err != nil {
		return err
	}
	n, ok := numberOf(c.DType)
	if !ok {
		return corrupt("delta of dtype %s", c.DType)
	}
	if len(body) == 0 {
		return corrupt("delta is cut short")
	}
	flags, body := body[0], body[1:]
	if flags&^flagsAll != 0 {
		return unknown("flags", flags)
	}
	head, tail := edgesOf(n.width, c.Offset, len(dst))
	count := (len(dst) - head - tail) / n.width
	var g grid
	if flags&(flagRows|flagCols|flagMoved) != 0 {
		if g.row, body, err = uvarint(body); err != nil {
			return err
		}
		if g.row < 1 || g.row > maxRow {
			return corrupt("rows of %d elements", g.row)
		}
		g.phase = phaseOf((c.Offset+int64(head))/int64(n.width), g.row)
	}
	if len(body) < head+tail {
		return corrupt("edges are cut short")
	}
	end := len(dst) - tail
	xor(dst[:head], body[:head], base)
	xor(dst[end:], body[head:head+tail], base[end:])
	side, words, err := cut(body[head+tail:])
	if err != nil {
		return err
	}
	d := s.deltas()
	return d.decode(dst[head:end], base[head:end], side, words, flags, n, g, count)
}

// decode fills dst, whole elements, given the base's.
func (d *deltaCoder) decode(dst, base, side, words []byte, flags byte, n number, g grid, count int) error {
	var in adaptiveDecoder
	in.reset(side)
	if flags&flagMoved == 0 {
		return d.decodeMoved(dst, base, &in, words, flags, n, g)
	}
	d.readStill(&in, g.rows(count))
	moved := g.afterDrop(d.still)
	d.base = d.copyBase(dst, base, g, n.width)
	d.target = grow(d.target, len(d.base))
	if err := d.decodeMoved(d.target, d.base, &in, words, flags, n, moved); err != nil {
		return err
	}
	d.scatterMoved(dst, g, n.width)
	return nil
}

// copyPart is how many bytes are copied at once: few enough that they are near when
// rows of them are taken, and that Go does not write them past the caches, in which
// whoever reads the leaf next wants them.
const copyPart = 64 << 10

// copyBase fills dst with base, and returns the rows that moved, together: all of
// base in one stream, which is faster than without them where memory is far.
func (d *deltaCoder) copyBase(dst, base []byte, g grid, width int) []byte {
	rows, n := slices.Grow(d.base[:0], len(base)), len(base)/width
	copied := 0
	for r, still := range d.still {
		from, to := g.span(r, n)
		for copied < to*width {
			copied += copy(dst[copied:], base[copied:min(copied+copyPart, len(base))])
		}
		if !still {
			rows = append(rows, base[from*width:to*width]...)
		}
	}
	return rows
}

// decodeMoved fills dst, of which every row is coded.
func (d *deltaCoder) decodeMoved(dst, base []byte, in *adaptiveDecoder, words []byte, flags byte, n number, g grid) error {
	count := len(dst) / n.width
	top := in.raw(8)
	if err := d.readScale(in, flags, g, count); err != nil {
		return err
	}
	if err := d.tables.read(in, n.width == 4); err != nil {
		return err
	}
	if err := in.end(); err != nil {
		return err
	}
	d.tables.forDecoding(d.dec)
	lanes := lanesOf(flags)
	words, err := d.dec.readStates(words, lanes)
	if err != nil {
		return err
	}
	for at := 0; at < count; at += block {
		from, to := at*n.width, min(at+block, count)*n.width
		sc := d.scale.from(g, at)
		if words, err = d.decodeBlock(dst[from:to], base[from:to], sc, n, g.from(at), top, words, lanes); err != nil {
			return err
		}
	}
	return d.dec.end(words)
}

// decodeBlock fills dst, at most a block, and returns the words that are left.
func (d *deltaCoder) decodeBlock(dst, base []byte, sc *scaling, n number, g grid, top uint32, words []byte, lanes int) ([]byte, error) {
	k := len(dst) / n.width
	done := 0
	if fused(n, lanes) {
		d.shifts = sc.shifts(d.shifts, k, g)
		done, words = decodeFusedFast(d.dec, n, dst, base, d.shifts, top, words, lanes)
		if done == k {
			return words, nil
		}
	}
	rounds := n.float && n.width > 1 && lanes == maxLanes && done == 0 // of floats
	var paired *pairing
	if rounds {
		paired = d.pairing(sc.cols, n, g, top)
	}
	var err error
	if rounds && (paired != nil || len(sc.cols) == 0) {
		if done, words, err = d.dec.decodeFloats(dst, base, n, g.reader(sc.rows), paired, nil, top, words); err != nil || done == k {
			return words, err
		}
		rounds = false
	}
	d.depth, d.ctx = grow(d.depth, k), grow(d.ctx, k)
	n.depths(d.depth, base, top)
	sc.contexts(d.ctx, d.depth, g)
	if rounds {
		if done, words, err = d.dec.decodeFloats(dst, base, n, rowReader{}, nil, d.ctx, top, words); err != nil || done == k {
			return words, err
		}
	}
	ctx, out, b := d.ctx[done:], dst[done*n.width:], base[done*n.width:]
	if n.width == 4 {
		d.z32 = grow(d.z32, k-done)
		if words, err = decodeLanes(d.dec, d.z32, ctx, words, lanes); err == nil {
			n.walk32(out, b, d.z32)
		}
		return words, err
	}
	d.z16 = grow(d.z16, k-done)
	if words, err = decodeLanes(d.dec, d.z16, ctx, words, lanes); err == nil {
		n.walk16(out, b, d.z16)
	}
	return words, err
}

// block is how many elements are decoded together: a multiple of all numbers of
// lanes, and few enough to stay in the nearest cache.
const block = 8 << 10

func (d *deltaCoder) readStill(in *adaptiveDecoder, rows int) {
	var m [4]model
	state := 0
	d.still = grow(d.still, rows)
	// As bit does, written out: where few rows moved, it is much of the time.
	size, code := in.size, in.code
	for r := range d.still {
		l := &m[state&3]
		bound := size >> 16 * l.odds()
		state <<= 1
		if code < bound {
			size = bound
			d.still[r] = false
			l.learn(0)
		} else {
			size, code = size-bound, code-bound
			d.still[r] = true
			l.learn(1)
			state |= 1
		}
		for size < 1<<24 {
			size, code = size<<8, code<<8|in.next()
		}
	}
	in.size, in.code = size, code
}

func (d *deltaCoder) readScale(in *adaptiveDecoder, flags byte, g grid, count int) (err error) {
	d.scale.rows, d.scale.cols, d.paired = d.scale.rows[:0], d.scale.cols[:0], d.paired[:0]
	if flags&flagRows != 0 {
		d.scale.rows = grow(d.scale.rows, g.rows(count))
		if err := readShifts(in, d.scale.rows); err != nil {
			return err
		}
	}
	if flags&flagCols != 0 {
		d.scale.cols = grow(d.scale.cols, g.row)
		return readShifts(in, d.scale.cols)
	}
	return nil
}

func readShifts(in *adaptiveDecoder, shifts []int8) error {
	var m [3]intModel
	mean, state := 0, 0
	for i := range shifts {
		z := in.int(&m[state])
		s := unzigzag(z&0xff) + (mean+4)>>3
		if z > 0xff || s < -maxShift || s > maxShift {
			return corrupt("shift out of range")
		}
		shifts[i] = int8(s)
		mean += s - (mean+4)>>3
		state = int(min(z, 2))
	}
	return nil
}

// laneCounts are what flagLanes says.
var laneCounts = [...]int{4, 16, 32, 64}

func lanesOf(flags byte) int { return laneCounts[flags&flagLanes] }
