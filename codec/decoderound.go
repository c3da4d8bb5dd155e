package codec

import "math/bits"

// Rounds decoded by portable code. What a lane decodes to depends on no other
// lane, only which word it takes does: so there are loops over all lanes without a
// branch that depends on what is decoded, that note low lanes as bits, and one
// over low lanes. Loops are short, as what a CPU has waiting is: one loop for all
// takes 1.2 times as long, though it is of fewer instructions.

// A roundTables is a laneDecoder's tables as portable code looks steps up, and
// what it has of the round that is decoded. No index is compared with a length:
// arrays are as long as their index is wide.
type roundTables struct {
	// By context: one less than how many slots its table has, and where they begin
	// in entry.
	mask, row [256]uint32
	// And by paired context.
	pairedMask, pairedRow [256]uint32

	// entry is by table and slot: the number of the symbol, from entryShift on, and
	// below 2^biasBit more than the bias of its slot. A state times freq and the bias
	// is, times 2^freqBits, the state without the symbol; that the number and 2^biasBit
	// are added too makes no difference, as states have 32 bits. Of steps of 32 bits it
	// is that divided by 2^first portion: the portion is the bits below freqBits, from
	// the highest, and the state without it, too, is those from freqBits on. The number
	// of a symbol is that of its table and its place in it. Bit restBit is set if it has
	// portions of raw bits that are taken apart: the second of steps of 16 bits, the
	// third of those of 32.

	// By symbol. freq is its part of 2^freqBits, of steps of 32 bits without its first
	// portion of raw bits. step is the first step that it stands for. Of steps of 16
	// bits, step16 is the same at the top of 32, and first the first portion: how many
	// bits, and freqBits, in the lowest bits, and as a mask from freqBits on. Of steps
	// of 32 bits, place is where the first portion begins, and raw the mask of the first
	// two.
	freq, first, step, step16 [256]uint32
	rest                      [2]portions
	place, raw                [256]uint32

	ctx   [maxLanes]uint8  // contexts of the round
	found [maxLanes]uint64 // and entries
	// steps of the round, if they have 16 bits: four in each.
	steps16 [maxLanes / 4]uint64
	steps32 [maxLanes]uint32
	// taken, of steps of 32 bits, is eight bytes a lane: the state, and below the first
	// portion, from the highest of freqBits down, so that further right both portions
	// are one. From entryShift on it is the symbol's number.
	taken [8 * maxLanes]byte
	entry [maxTables << maxBits]uint64
}

// The portions of raw bits that symbols have: how many bits, as a mask, what they
// are multiplied by in the step, and how many bits come after them.
type portions struct {
	n, mask, scale [256]uint32
}

const (
	restBit    = 63 // above all tableSymbols
	entryShift = 56
	biasBit    = 55 // so that at most 23 bits further right it is above a state
	freqBits   = 16
)

// fill fills t with the tables of a stream of steps of at most 16 bits or of 32.
func (t *roundTables) fill(st *stepTables, wide bool) {
	row := uint32(0)
	var rows [maxTables]uint32
	for number := range st.n {
		table := &st.table[number]
		rows[number] = row
		table.inSlots(func(i, start int) {
			t.set(uint8(number*stepSymbols+i), row, uint32(start), table.symbol[i], table.bits, wide)
		})
		row += 1 << table.bits
	}
	for c, number := range st.of {
		t.mask[c], t.row[c] = 1<<st.table[number].bits-1, rows[number]
	}
	for i := range pairedHighest + 1 {
		c := min(max(i-lowestContext, 0), contexts-1)
		t.pairedMask[i], t.pairedRow[i] = t.mask[c], t.row[c]
	}
}

// portionsOf returns how many of raw bits come in each portion, of a symbol of a
// table of so many bits.
func portionsOf(raw, width uint8) (first, second, third uint8) {
	first = min(raw, stepBits-width)
	second = min(raw-first, otherRaw)
	return first, second, raw - first - second
}

// set makes slots from start on of the table whose entries begin at row what
// symbol number decodes from.
func (t *roundTables) set(number uint8, row, start uint32, s stepSymbol, width uint8, wide bool) {
	first, second, third := portionsOf(s.raw, width)
	if third > 0 || second > 0 && !wide {
		number |= 1 << (restBit - entryShift)
	}
	t.step[number] = uint32(s.head)<<s.raw - 1
	t.rest[0].set(number, second, first)
	t.rest[1].set(number, third, first+second)
	scale := uint8(freqBits)
	if wide {
		scale -= first
		t.place[number], t.raw[number] = uint32(scale), 1<<(first+second)-1
	} else {
		t.first[number] = uint32(1<<first-1)<<freqBits | freqBits + uint32(first)
		t.step16[number] = t.step[number] << 16
	}
	f := uint64(s.freq) << (scale - width)
	t.freq[number] = uint32(f)
	e := uint64(number)<<entryShift + 1<<biasBit - uint64(start)*f
	up := 1<<scale - f
	slots := t.entry[row+start:][:s.freq]
	for i := range slots {
		slots[i] = e
		e += up
	}
}

// set gives symbol a portion of n bits, between others of before and after bits.
func (p *portions) set(symbol, n, before uint8) {
	p.n[symbol], p.mask[symbol], p.scale[symbol] = uint32(n), (1<<n-1)<<before, 1<<before
}

// find returns the entry of state x in context c.
func (t *roundTables) find(x uint32, c uint8) uint64 {
	return t.entry[(t.row[c]+x&t.mask[c])&(maxTables<<maxBits-1)]
}

// take takes entry e, of steps of 16 bits, and its first portion from state x. It returns the state, the
// symbol, and the portion times 2^freqBits.
func (t *roundTables) take(x uint32, e uint64) (rest uint64, s uint8, raw uint32) {
	s = uint8(e >> entryShift)
	p := uint64(x)*uint64(t.freq[s]) + e
	first := t.first[s]
	return uint64(uint32(p >> (first & 63))), s, uint32(p) & first
}

// take takes symbol s's portion from state x: it returns what it adds to the
// step, and the state.
func (p *portions) take(x uint32, s uint8) (z, rest uint32) {
	return x * p.scale[s] & p.mask[s], x >> (p.n[s] & 31)
}

// findAll finds the entries of the first k lanes, a multiple of four, and returns
// which four have further portions among them.
func (t *roundTables) findAll(states *[maxLanes]uint32, ctx *[maxLanes]uint8, k int) (fours uint64) {
	_, _, _ = t.mask[0], states[0], ctx[0] // nil is looked for here, not in loops
	for j := min(k, maxLanes) - 1; j >= 3; j -= 4 {
		e0, e1 := t.find(states[j], ctx[j]), t.find(states[j-1], ctx[j-1])
		t.found[j], t.found[j-1] = e0, e1
		e2, e3 := t.find(states[j-2], ctx[j-2]), t.find(states[j-3], ctx[j-3])
		t.found[j-2], t.found[j-3] = e2, e3
		fours = fours*2 + (e0|e1|e2|e3)>>restBit&1
	}
	return fours
}

// findSome is findAll for any number of lanes.
func (t *roundTables) findSome(states *[maxLanes]uint32, ctx []uint8) (fours uint64) {
	_, _ = t.mask[0], states[0]
	clear(t.found[:])
	for j, c := range ctx {
		e := t.find(states[j&(maxLanes-1)], c)
		t.found[j&(maxLanes-1)] = e
		fours |= e >> restBit & 1 << (j / 4)
	}
	return fours
}

// withRest returns which lanes found a symbol with further portions, given which
// four.
func (t *roundTables) withRest(fours uint64) (lanes uint64) {
	_ = t.found[0]
	for ; fours != 0; fours &= fours - 1 {
		j := 4 * bits.TrailingZeros64(fours) & (maxLanes - 1)
		e0, e1, e2, e3 := t.found[j], t.found[j|1], t.found[j|2], t.found[j|3]
		lanes |= (e0>>restBit&1 | e1>>restBit&1<<1 | e2>>restBit&1<<2 | e3>>restBit&1<<3) << j
	}
	return lanes
}

// inFour returns which of the four lanes from j on found a symbol with further
// portions.
func (t *roundTables) inFour(j int) uint64 {
	j &= maxLanes - 4
	e0, e1, e2, e3 := t.found[j], t.found[j|1], t.found[j|2], t.found[j|3]
	return e0>>restBit&1 | e1>>restBit&1<<1 | e2>>restBit&1<<2 | e3>>restBit&1<<3
}

// renormalise gives a word of src to each of the lanes low, and returns the words
// that are left.
func (d *laneDecoder) renormalise(src []byte, low uint64) ([]byte, error) {
	words, at := d.roundWords(src), 0
	for ; low != 0; low &= low - 1 {
		j := bits.TrailingZeros64(low) & (maxLanes - 1)
		d.states[j] = d.states[j]<<16 | uint32(le.Uint16(words[at&(roundWords-2):]))
		at += 2
	}
	return skip(src, at)
}

// skip returns src without the first n bytes.
func skip(src []byte, n int) ([]byte, error) {
	if n > len(src) {
		return nil, corrupt("lanes: out of words")
	}
	return src[n:], nil
}

// decodeRound decodes one round.
func decodeRound[Z step](d *laneDecoder, z []Z, ctx []uint8, src []byte) ([]byte, error) {
	t := &d.round
	var fours uint64
	if len(ctx)%4 == 0 {
		copy(t.ctx[:], ctx)
		fours = t.findAll(&d.states, &t.ctx, len(ctx))
	} else {
		fours = t.findSome(&d.states, ctx)
	}
	wide := uint64(^Z(0)) > 1<<16
	var err error
	if wide {
		src, err = d.decodeFound32(len(z), src)
	} else {
		src, err = d.decodeFound16(len(z), fours, src)
	}
	if err != nil {
		return nil, err
	}
	if !wide && len(z)%4 == 0 {
		for i := range t.steps16 {
			if 4*i+4 > len(z) {
				break
			}
			w, z := t.steps16[i], z[4*i:4*i+4]
			z[0], z[1], z[2], z[3] = Z(w), Z(w>>16), Z(w>>32), Z(w>>48)
		}
		return src, nil
	}
	for j := range z {
		if wide {
			z[j] = Z(t.steps32[j&(maxLanes-1)])
		} else {
			z[j] = Z(t.stepAt(j))
		}
	}
	return src, nil
}
