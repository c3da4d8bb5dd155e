package codec

// Contexts where columns have shifts, of floats of 16 bits in rows of whole rounds.
// Eight contexts are found at once, in the bytes of a word, from two words
// of the base: an exponent takes half of 16 bits, so that the second four lie
// between the first. Contexts stay in that order, and unclamped: a look-up clamps
// them.

// pairedOrder is which element of eight each byte is.
var pairedOrder = [8]uint8{0, 4, 1, 5, 2, 6, 3, 7}

// lowestContext is what is added to paired contexts, so that the lowest is 0. The
// highest is pairedHighest then.
const (
	lowestContext = 2*maxShift - anchor
	pairedHighest = 4*maxShift + 2*maxDepth
)

// A pairing finds paired contexts, round by round. It is of floats of 16 bits whose
// rows are whole rounds, and whose top exponent has seven bits.
type pairing struct {
	cols []uint8 // shifts of columns in pairedOrder, from 0 up
	at   int     // the column of the next round

	exponent uint
	mask     uint64 // four times the exponent's
	top      uint64 // eight times, each with the highest bit
}

// pairing returns how contexts are paired where columns have the shifts cols; nil
// if they are not.
func (d *deltaCoder) pairing(cols []int8, n number, g grid, top uint32) *pairing {
	if len(cols) == 0 || !n.float || n.width != 2 || g.row%maxLanes != 0 || g.phase%maxLanes != 0 || top >= 1<<7 {
		return nil
	}
	if len(d.paired) == 0 {
		d.paired = pairColumns(d.paired, cols)
	}
	return &pairing{d.paired, g.phase, n.exponent, uint64(n.mask) * lanes16, uint64(top)*eights | eights<<7}
}

// pairColumns appends to dst the shifts of columns, of which there are whole
// eights, in pairedOrder, from 0 up.
func pairColumns(dst []uint8, cols []int8) []uint8 {
	for ; len(cols) >= 8; cols = cols[8:] {
		for _, i := range pairedOrder {
			dst = append(dst, uint8(cols[i]+maxShift))
		}
	}
	return dst
}

// contexts fills ctx with the paired contexts of a round, given its base and the
// shift of its row.
func (p *pairing) contexts(ctx *[maxLanes]uint8, base *[2 * maxLanes]byte, shift int8) {
	const high = eights << 7
	if p.at == len(p.cols) {
		p.at = 0
	}
	cols := (*[maxLanes]uint8)(p.cols[p.at:])
	p.at += maxLanes
	mask, exponent := p.mask, p.exponent&15
	top, more := p.top, uint64(maxShift+int(shift))*eights
	_, _ = ctx[0], base[0]
	for i := 0; i < maxLanes; i += 8 {
		b := base[2*i : 2*i+16]
		e := le.Uint64(b)>>exponent&mask | le.Uint64(b[8:])>>exponent&mask<<8
		d := top - e&^high // nothing is borrowed
		below := d &^ e & high
		d &= below - below>>7 // 0 where e is above top
		deep := (d + (128-maxDepth-1)*eights) & high
		d = (d | (deep - deep>>7)) & (maxDepth * eights)
		le.PutUint64(ctx[i:i+8], 2*d+more+le.Uint64(cols[i:i+8]))
	}
}

// findPaired is findAll for all lanes and paired contexts.
func (t *roundTables) findPaired(states *[maxLanes]uint32, ctx *[maxLanes]uint8) (fours uint64) {
	_, _, _ = t.mask[0], states[0], ctx[0]
	for j := maxLanes - 1; j > 0; j -= 8 {
		e0, e1 := t.findUnclamped(states[j], ctx[j]), t.findUnclamped(states[j-1], ctx[j-2])
		t.found[j], t.found[j-1] = e0, e1
		e2, e3 := t.findUnclamped(states[j-2], ctx[j-4]), t.findUnclamped(states[j-3], ctx[j-6])
		t.found[j-2], t.found[j-3] = e2, e3
		fours = fours*2 + (e0|e1|e2|e3)>>restBit&1
		e0, e1 = t.findUnclamped(states[j-4], ctx[j-1]), t.findUnclamped(states[j-5], ctx[j-3])
		t.found[j-4], t.found[j-5] = e0, e1
		e2, e3 = t.findUnclamped(states[j-6], ctx[j-5]), t.findUnclamped(states[j-7], ctx[j-7])
		t.found[j-6], t.found[j-7] = e2, e3
		fours = fours*2 + (e0|e1|e2|e3)>>restBit&1
	}
	return fours
}

// findUnclamped is find in paired context c.
func (t *roundTables) findUnclamped(x uint32, c uint8) uint64 {
	return t.entry[(t.pairedRow[c]+x&t.pairedMask[c])&(maxTables<<maxBits-1)]
}

// findPairedWalking is findPaired, and fills dst with the floats that are steps of the
// round before from base's.
func (d *laneDecoder) findPairedWalking(dst, base *[2 * maxLanes]byte) (fours uint64) {
	t := &d.round
	_, _, _ = d.states[0], dst[0], base[0]
	for j := maxLanes - 1; j > 0; j -= 8 {
		e0, e1 := t.findUnclamped(d.states[j], t.ctx[j]), t.findUnclamped(d.states[j-1], t.ctx[j-2])
		t.found[j], t.found[j-1] = e0, e1
		e2, e3 := t.findUnclamped(d.states[j-2], t.ctx[j-4]), t.findUnclamped(d.states[j-3], t.ctx[j-6])
		t.found[j-2], t.found[j-3] = e2, e3
		fours = fours*2 + (e0|e1|e2|e3)>>restBit&1
		b, o := base[2*j-14:2*j+2], dst[2*j-14:2*j+2]
		le.PutUint64(o[8:], walkFloats16(le.Uint64(b[8:]), t.steps16[j>>2]))
		e0, e1 = t.findUnclamped(d.states[j-4], t.ctx[j-1]), t.findUnclamped(d.states[j-5], t.ctx[j-3])
		t.found[j-4], t.found[j-5] = e0, e1
		e2, e3 = t.findUnclamped(d.states[j-6], t.ctx[j-5]), t.findUnclamped(d.states[j-7], t.ctx[j-7])
		t.found[j-6], t.found[j-7] = e2, e3
		fours = fours*2 + (e0|e1|e2|e3)>>restBit&1
		le.PutUint64(o, walkFloats16(le.Uint64(b), t.steps16[j>>2-1]))
	}
	return fours
}

// decodePaired is decodeFloats by paired contexts. Where the loop over words ends is
// what no CPU foresees: contexts of the next round, which do not wait for it, are found
// before.
func (d *laneDecoder) decodePaired(dst, base []byte, p *pairing, in *rowReader, src []byte) (done int, rest []byte, err error) {
	const size = 2 * maxLanes
	n := min(len(dst), len(base)) / size
	if n == 0 {
		return 0, src, nil
	}
	p.next(&d.round.ctx, base, in)
	fours := d.round.findPaired(&d.states, &d.round.ctx)
	for ; ; n-- {
		low := d.takeAll16(maxLanes)
		if n > 1 {
			p.next(&d.round.ctx, base[size:], in)
		}
		if src, _, err = d.takeWords16(low, fours, src); err != nil {
			return 0, nil, err
		}
		done += maxLanes
		d0, b0 := (*[size]byte)(dst), (*[size]byte)(base)
		if n == 1 {
			walkRound16(d0, b0, &d.round.steps16)
			return done, src, nil
		}
		fours = d.findPairedWalking(d0, b0)
		dst, base = dst[size:], base[size:]
	}
}

// next fills ctx with the paired contexts of the next round, whose base is base.
func (p *pairing) next(ctx *[maxLanes]uint8, base []byte, in *rowReader) {
	shift, _ := in.next(maxLanes)
	p.contexts(ctx, (*[2 * maxLanes]byte)(base), shift)
}
