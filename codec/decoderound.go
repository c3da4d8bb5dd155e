package codec

import "math/bits"

// Rounds decoded by portable code. Which symbol a lane has depends on no other
// lane, only which word it takes does: so there are loops over all lanes without a
// branch that depends on what is decoded, that note low lanes as bits, and one
// over low lanes. Loops are short, as what a CPU has waiting is: one loop for all
// takes 1.3 times as long, though it is of fewer instructions.

// A roundTables is a laneDecoder's tables as portable code looks symbols up. No
// index is compared with a length: arrays are as long as their index is wide.
type roundTables struct {
	// By context: one less than how many slots its table has, and where they begin
	// in symbol.
	mask, row [256]uint32

	// symbol is by table and slot. The number of a symbol is that of its table and
	// its place in it, and restFlag if it has portions of raw bits after the first.
	symbol [maxTables << maxBits]uint8

	// By symbol. others is 2^maxBits less its part of that, high masks what of a
	// state is not its slot, step is the first step that it stands for.
	start, others, high, step [256]uint32
	first                     portions
	rest                      [2]portions
}

// The portions of raw bits that symbols have: how many bits, as a mask, what they
// are multiplied by in the step, and how many bits come after them.
type portions struct {
	n, mask, scale, after [256]uint32
}

const restFlag = tableSymbols

// fill fills t with the tables of a stream.
func (t *roundTables) fill(st *stepTables) {
	for c, number := range st.of {
		t.mask[c], t.row[c] = 1<<st.table[number].bits-1, uint32(number)<<maxBits
	}
	for number := range st.n {
		table := &st.table[number]
		table.inSlots(func(i, start int) {
			t.set(number, i, start, table.symbol[i], table.bits)
		})
	}
}

// portionsOf returns how many of raw bits come in each portion, of a symbol of a
// table of so many bits.
func portionsOf(raw, width uint8) (first, second, third uint8) {
	first = min(raw, stepBits-width)
	second = min(raw-first, otherRaw)
	return first, second, raw - first - second
}

// symbolNumber returns the number of a table's i'th symbol.
func symbolNumber(table, i int, raw, width uint8) uint8 {
	number := uint8(table*stepSymbols + i)
	if raw > stepBits-width {
		number |= restFlag
	}
	return number
}

// set makes slots from start on what the i'th symbol of a table decodes
// from.
func (t *roundTables) set(table, i, start int, s stepSymbol, width uint8) {
	first, second, third := portionsOf(s.raw, width)
	number := symbolNumber(table, i, s.raw, width)
	t.start[number], t.high[number] = uint32(start), ^uint32(1<<width-1)
	t.others[number] = 1<<maxBits - uint32(s.freq)<<(maxBits-width)
	t.step[number] = uint32(s.head)<<s.raw - 1
	t.first.set(number, first, 0, second+third)
	t.rest[0].set(number, second, first, third)
	t.rest[1].set(number, third, first+second, 0)
	fill(t.symbol[table<<maxBits+start:][:s.freq], []byte{number})
}

// set gives symbol a portion of n bits, between others of before and after bits.
func (p *portions) set(symbol, n, before, after uint8) {
	p.n[symbol], p.mask[symbol], p.scale[symbol], p.after[symbol] = uint32(n), 1<<n-1, 1<<before, uint32(after)
}

// find returns the symbol of state x in context c.
func (t *roundTables) find(x uint32, c uint8) uint8 {
	return t.symbol[(t.row[c]+x&t.mask[c])&(maxTables<<maxBits-1)]
}

// take takes symbol s and its first portion from state x: it returns the step so
// far, and the state.
//
// The state without the slot is a multiple of the table's slots, so that it may
// be divided after it was multiplied; and by a constant, as all tables are scaled
// to maxBits.
func (t *roundTables) take(x uint32, s uint8) (z, rest uint32) {
	x -= t.start[s] + uint32(uint64(x&t.high[s])*uint64(t.others[s])>>maxBits)
	return x&t.first.mask[s] + t.step[s], x >> (t.first.n[s] & 31)
}

// take takes symbol s's portion from state x: it returns what it adds to the
// step, and the state.
func (p *portions) take(x uint32, s uint8) (z, rest uint32) {
	return x & p.mask[s] * p.scale[s], x >> (p.n[s] & 31)
}

// decodeRound decodes one round.
func decodeRound[Z step](d *laneDecoder, z []Z, ctx []uint8, src []byte) ([]byte, error) {
	t, symbols := &d.round, &d.symbols
	var low uint64
	if len(z) == maxLanes && len(ctx) >= maxLanes {
		low = takeAll(t, &d.states, symbols, (*[maxLanes]Z)(z), (*[maxLanes]uint8)(ctx))
	} else {
		clear(symbols[:])
		low = takeSome(t, &d.states, symbols, z, ctx)
	}
	src, err := d.renormalise(src, low)
	if err != nil {
		return nil, err
	}
	lanes := withRest(symbols)
	for i := 0; lanes != 0; i++ {
		low, lanes = takeRest(&t.rest[i&1], &d.states, symbols, z, lanes)
		if src, err = d.renormalise(src, low); err != nil {
			return nil, err
		}
	}
	return src, nil
}

// takeAll takes a symbol and its first portion from each of all lanes, and
// returns which are low.
func takeAll[Z step](t *roundTables, states *[maxLanes]uint32, symbols *[maxLanes]uint8, z *[maxLanes]Z, ctx *[maxLanes]uint8) (low uint64) {
	_, _, _, _, _ = t.mask[0], states[0], symbols[0], z[0], ctx[0] // nil is looked for here, not in loops
	for j := maxLanes - 1; j > 0; j -= 2 {
		symbols[j] = t.find(states[j], ctx[j])
		symbols[j-1] = t.find(states[j-1], ctx[j-1])
	}
	for j := maxLanes - 1; j > 0; j -= 2 {
		step, x := t.take(states[j], symbols[j])
		z[j], states[j] = Z(step), x
		low = low*2 + uint64((x-laneLow)>>31)
		step, x = t.take(states[j-1], symbols[j-1])
		z[j-1], states[j-1] = Z(step), x
		low = low*2 + uint64((x-laneLow)>>31)
	}
	return low
}

// takeSome is takeAll for fewer lanes.
func takeSome[Z step](t *roundTables, states *[maxLanes]uint32, symbols *[maxLanes]uint8, z []Z, ctx []uint8) (low uint64) {
	_, _, _ = t.mask[0], states[0], symbols[0]
	ctx = ctx[:len(z)]
	for j, c := range ctx {
		symbols[j&(maxLanes-1)] = t.find(states[j&(maxLanes-1)], c)
	}
	for j := len(z) - 1; j >= 0; j-- {
		step, x := t.take(states[j&(maxLanes-1)], symbols[j&(maxLanes-1)])
		z[j], states[j&(maxLanes-1)] = Z(step), x
		low = low*2 + uint64((x-laneLow)>>31)
	}
	return low
}

// takeRest takes a further portion from each of lanes, and none from others. It
// returns which lanes are low, and if there are further portions, lanes.
func takeRest[Z step](t *portions, states *[maxLanes]uint32, symbols *[maxLanes]uint8, z []Z, lanes uint64) (low, more uint64) {
	if len(z) == maxLanes && bits.OnesCount64(lanes) > maxLanes/4 {
		low, after := takeRestAll(t, states, symbols, (*[maxLanes]Z)(z))
		if after == 0 {
			lanes = 0
		}
		return low, lanes
	}
	_, _, _ = t.n[0], states[0], symbols[0]
	after := uint32(0)
	for left := lanes; left != 0; left &= left - 1 {
		j := bits.TrailingZeros64(left) & (maxLanes - 1)
		s := symbols[j]
		add, x := t.take(states[j], s)
		z[j] += Z(add)
		states[j] = x
		after |= t.after[s]
		low |= uint64((x-laneLow)>>31) << j
	}
	if after == 0 {
		lanes = 0
	}
	return low, lanes
}

// takeRestAll takes the portion from all lanes, which is faster if many have it.
// It returns which are low, and not 0 if there are further portions.
func takeRestAll[Z step](t *portions, states *[maxLanes]uint32, symbols *[maxLanes]uint8, z *[maxLanes]Z) (low uint64, after uint32) {
	_, _, _, _ = t.n[0], states[0], symbols[0], z[0]
	for j := maxLanes - 1; j > 0; j -= 2 {
		s := symbols[j]
		add, x := t.take(states[j], s)
		z[j] += Z(add)
		states[j] = x
		after |= t.after[s]
		low = low*2 + uint64((x-laneLow)>>31)
		s = symbols[j-1]
		add, x = t.take(states[j-1], s)
		z[j-1] += Z(add)
		states[j-1] = x
		after |= t.after[s]
		low = low*2 + uint64((x-laneLow)>>31)
	}
	return low, after
}

// withRest returns which of symbols have restFlag.
func withRest(symbols *[maxLanes]uint8) (lanes uint64) {
	const ones = 0x0101010101010101
	var all uint64
	for i := 0; i < maxLanes; i += 8 {
		all |= le.Uint64(symbols[i:])
	}
	if all&(restFlag*ones) == 0 {
		return 0
	}
	for i := 0; i < maxLanes; i += 8 {
		// The multiplication gathers the lowest bits of eight bytes in the highest.
		lanes |= (le.Uint64(symbols[i:]) >> 7 & ones * 0x0102040810204080) >> 56 << i
	}
	return lanes
}

// renormalise gives a word of src to each of the lanes low, and returns the words
// that are left.
func (d *laneDecoder) renormalise(src []byte, low uint64) ([]byte, error) {
	words, at := d.roundWords(src), 0
	for ; low != 0; low &= low - 1 {
		j := bits.TrailingZeros64(low) & (maxLanes - 1)
		d.states[j] = d.states[j]<<16 | uint32(le.Uint16(words[at&(2*maxLanes-2):]))
		at += 2
	}
	if at > len(src) {
		return nil, corrupt("lanes: out of words")
	}
	return src[at:], nil
}
