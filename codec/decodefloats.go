package codec

// A floatTables are, by the shift of a row and the highest nine bits of an element,
// which in all floats hold its exponent, the mask and the row of a roundTables.
type floatTables struct {
	filled uint64 // which shifts are, from the lowest
	at     [2*maxShift + 1]*floatTable
}

type floatTable struct {
	mask, row [len(depthTable{})]uint32
}

// of returns the table of a row with a shift. Those of another stream, or of
// another depth, have to be forgotten by clearing filled.
func (f *floatTables) of(shift int8, depth *depthTable, t *roundTables) *floatTable {
	i := int(shift) + maxShift
	if f.filled>>i&1 == 0 {
		if f.at[i] == nil {
			f.at[i] = new(floatTable)
		}
		f.at[i].fill(int(shift), depth, t)
		f.filled |= 1 << i
	}
	return f.at[i]
}

// fill fills f for a shift.
func (f *floatTable) fill(shift int, depth *depthTable, t *roundTables) {
	var mask, row [maxDepth + 1]uint32
	for d := range mask {
		c := uint8(min(max(anchor+shift+2*d, 0), contexts-1))
		mask[d], row[d] = t.mask[c], t.row[c]
	}
	const half = len(depthTable{}) / 2 // the others are negative
	for i, d := range depth[:half] {
		f.mask[i], f.row[i] = mask[d&maxDepth], row[d&maxDepth]
	}
	copy(f.mask[half:], f.mask[:half])
	copy(f.row[half:], f.row[:half])
}

// decodeFloats fills dst with floats of 16 or 32 bits in as many whole rounds of
// all lanes as there are, given the base's, the largest of which has exponent top,
// and the shifts of their rows. If columns have shifts too, paired is not nil, or
// ctx is the elements' contexts. It returns how many that were, and the words that
// are left.
func (d *laneDecoder) decodeFloats(dst, base []byte, n number, in rowReader, paired *pairing, ctx []uint8, top uint32, src []byte) (done int, rest []byte, err error) {
	d.fill(n.width == 4)
	if d.floats.filled == 0 {
		d.depth = n.depthTable(top)
	}
	if paired != nil {
		return d.decodePaired(dst, base, paired, &in, src)
	}
	for size := maxLanes * n.width; len(dst) >= size && len(base) >= size; done += maxLanes {
		var fours uint64
		if ctx != nil {
			fours = d.round.findAll(&d.states, (*[maxLanes]uint8)(ctx[done:]), maxLanes)
		} else {
			fours = d.findRound(base[:size], n, &in)
		}
		if n.width == 2 {
			src, err = d.finishFloats16((*[2 * maxLanes]byte)(dst), (*[2 * maxLanes]byte)(base), fours, src)
		} else {
			src, err = d.finishFloats32((*[4 * maxLanes]byte)(dst), (*[4 * maxLanes]byte)(base), fours, src)
		}
		if err != nil {
			return 0, nil, err
		}
		dst, base = dst[size:], base[size:]
	}
	return done, src, nil
}

// A rowReader tells the shift of each element in turn.
type rowReader struct {
	rows []int8 // from the current one on; empty: all zero
	row  int    // elements of a row
	left int    // of the current one
}

// reader returns a reader of rows, whose first element is the grid's.
func (g grid) reader(rows []int8) rowReader { return rowReader{rows, g.row, g.row - g.phase} }

// next returns the shift of the next elements, and how many have it, at most n.
func (r *rowReader) next(n int) (shift int8, k int) {
	if len(r.rows) == 0 {
		return 0, n
	}
	if r.left == 0 {
		r.rows, r.left = r.rows[1:], r.row
	}
	k = min(r.left, n)
	r.left -= k
	return r.rows[0], k
}

// findRound finds the entries of all lanes, where the base's floats are known, and
// returns which four have further portions among them.
func (d *laneDecoder) findRound(base []byte, n number, in *rowReader) (fours uint64) {
	t := &d.round
	shift, k := in.next(maxLanes)
	f := d.floats.of(shift, &d.depth, t)
	switch {
	case k < maxLanes:
		fours = t.findFloats(&d.states, base, n, 0, k, f)
		for from := k; from < maxLanes; from += k {
			shift, k = in.next(maxLanes - from)
			fours |= t.findFloats(&d.states, base, n, from, from+k, d.floats.of(shift, &d.depth, t))
		}
		return fours
	case n.width == 2:
		return t.findFloats16(&d.states, (*[2 * maxLanes]byte)(base), f)
	}
	return t.findFloats32(&d.states, (*[4 * maxLanes]byte)(base), f)
}

// find returns the entry of state x where the highest bits of the base's float are
// top.
func (f *floatTable) find(t *roundTables, x, top uint32) uint64 {
	return t.entry[(f.row[top]+x&f.mask[top])&(maxTables<<maxBits-1)]
}

// findFloats16 finds the entries of all lanes, of floats of 16 bits of one row.
func (t *roundTables) findFloats16(states *[maxLanes]uint32, base *[2 * maxLanes]byte, f *floatTable) (fours uint64) {
	const shift = 16 - depthBits
	_, _, _, _ = t.mask[0], states[0], base[0], f.mask[0]
	for j := maxLanes - 1; j > 0; j -= 4 {
		b := base[2*j-6 : 2*j+2]
		e0 := f.find(t, states[j], uint32(le.Uint16(b[6:]))>>shift)
		t.found[j] = e0
		e1 := f.find(t, states[j-1], uint32(le.Uint16(b[4:]))>>shift)
		t.found[j-1] = e1
		e2 := f.find(t, states[j-2], uint32(le.Uint16(b[2:]))>>shift)
		t.found[j-2] = e2
		e3 := f.find(t, states[j-3], uint32(le.Uint16(b[0:]))>>shift)
		t.found[j-3] = e3
		fours = fours*2 + (e0|e1|e2|e3)>>restBit&1
	}
	return fours
}

// findFloats32 is findFloats16 for floats of 32 bits.
func (t *roundTables) findFloats32(states *[maxLanes]uint32, base *[4 * maxLanes]byte, f *floatTable) (fours uint64) {
	const shift = 32 - depthBits
	_, _, _, _ = t.mask[0], states[0], base[0], f.mask[0]
	for j := maxLanes - 1; j > 0; j -= 4 {
		b := base[4*j-12 : 4*j+4]
		e0 := f.find(t, states[j], le.Uint32(b[12:])>>shift)
		t.found[j] = e0
		e1 := f.find(t, states[j-1], le.Uint32(b[8:])>>shift)
		t.found[j-1] = e1
		e2 := f.find(t, states[j-2], le.Uint32(b[4:])>>shift)
		t.found[j-2] = e2
		e3 := f.find(t, states[j-3], le.Uint32(b[0:])>>shift)
		t.found[j-3] = e3
		fours = fours*2 + (e0|e1|e2|e3)>>restBit&1
	}
	return fours
}

// findFloats is findFloats16 for either width and lanes from to to.
func (t *roundTables) findFloats(states *[maxLanes]uint32, base []byte, n number, from, to int, f *floatTable) (fours uint64) {
	shift := n.bits() - depthBits
	for j := from; j < to; j++ {
		e := f.find(t, states[j], n.load(base, j)>>shift&(1<<depthBits-1))
		t.found[j] = e
		fours |= e >> restBit & 1 << (j / 4)
	}
	return fours
}

// walkRound16 fills dst with the floats that are steps from base's.
func walkRound16(dst, base *[2 * maxLanes]byte, steps *[maxLanes / 4]uint64) {
	_, _ = dst[0], base[0]
	for i := 0; i < len(steps); i += 2 {
		b, d := base[8*i:8*i+16], dst[8*i:8*i+16]
		le.PutUint64(d, walkFloats16(le.Uint64(b), steps[i]))
		le.PutUint64(d[8:], walkFloats16(le.Uint64(b[8:]), steps[i+1]))
	}
}
