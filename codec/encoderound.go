package codec

import "math/bits"

// Rounds encoded by portable code: as they are decoded, from the last portion of
// raw bits to the symbols, and from the last lane to the first.

// An encodeTables is a laneEncoder's tables as portable code looks symbols up;
// symbols have numbers as in roundTables.
type encodeTables struct {
	row    [256]uint32                   // where those of its table begin in symbol, by context
	symbol [maxTables * maxSymbols]uint8 // by table and fine symbol

	// By symbol. A state divided by the frequency is the high word of its product
	// with recip; what the state then grows by is bias and comp times that.
	recip      [256]uint64
	bias, comp [256]uint32
	first      encodePortions
	rest       [2]encodePortions
}

// The portions of raw bits that symbols have: how many bits, as a mask, how many
// come before them, and the highest state that has room for them and, if they are
// the first, the symbol.
type encodePortions struct {
	n, mask, before, most [256]uint32
}

// fill fills t, but for symbol, with the tables of a stream.
func (t *encodeTables) fill(st *stepTables) {
	for c, number := range st.of {
		t.row[c] = uint32(number) * maxSymbols
	}
	for number := range st.n {
		table := &st.table[number]
		table.inSlots(func(i, start int) {
			if s := table.symbol[i]; s.freq > 0 {
				t.set(symbolNumber(number, i, s.raw, table.bits), s, uint32(start), table.bits)
			}
		})
	}
}

// set sets symbol number, of slots from start on of 2^width.
func (t *encodeTables) set(number uint8, s stepSymbol, start uint32, width uint8) {
	f := uint32(s.freq)
	t.setDivisor(number, f, start, width)
	first, second, third := portionsOf(s.raw, width)
	t.first.set(number, first, 0, f<<(31-width-first)-1)
	t.rest[0].set(number, second, first, 1<<(31-second)-1)
	t.rest[1].set(number, third, first+second, 1<<(31-third)-1)
}

// setDivisor sets how symbol number is encoded, of f slots from start on of
// 2^width.
func (t *encodeTables) setDivisor(number uint8, f, start uint32, width uint8) {
	t.comp[number] = 1<<width - f
	t.recip[number], t.bias[number] = ^uint64(0)/uint64(f)+1, start
	if f == 1 { // the high word is then one less than the state
		t.recip[number], t.bias[number] = ^uint64(0), start+t.comp[number]
	}
}

func (p *encodePortions) set(number, n, before uint8, most uint32) {
	p.n[number], p.mask[number], p.before[number], p.most[number] = uint32(n), 1<<n-1, uint32(before), most
}

// put puts symbol s and its first portion, of step z, to state x, which has room.
func (t *encodeTables) put(x uint32, s uint8, z uint32) uint32 {
	return t.divide(x<<(t.first.n[s]&31)|(z+1)&t.first.mask[s], s)
}

// divide puts symbol s, without raw bits, to state x, which has room.
func (t *encodeTables) divide(x uint32, s uint8) uint32 {
	q, _ := bits.Mul64(uint64(x), t.recip[s])
	return x + t.bias[s] + uint32(q)*t.comp[s]
}

// put puts symbol s's portion, of step z, to state x, which has room.
func (p *encodePortions) put(x uint32, s uint8, z uint32) uint32 {
	return x<<(p.n[s]&31) | (z+1)>>(p.before[s]&31)&p.mask[s]
}

// encodeRound encodes a round, words below e.words[p], and returns where they
// begin.
func encodeRound[Z step](e *laneEncoder, ctx, fine []uint8, z []Z, p int) int {
	t, symbols := &e.round, &e.symbols
	if len(ctx) == maxLanes && len(fine) == maxLanes && len(z) == maxLanes {
		ctx, fine, z := (*[maxLanes]uint8)(ctx), (*[maxLanes]uint8)(fine), (*[maxLanes]Z)(z)
		third := t.findAll(symbols, ctx, fine)
		p = encodeRest(e, z[:], p, third)
		return p - putAll(t, e.room(p), &e.states, symbols, z)
	}
	clear(symbols[:])
	third := uint32(0)
	fine = fine[:len(ctx)]
	for j, c := range ctx {
		s := t.find(c, fine[j])
		symbols[j&(maxLanes-1)] = s
		third |= t.rest[1].n[s]
	}
	p = encodeRest(e, z, p, third)
	return p - putSome(t, e.room(p), &e.states, symbols, z)
}

// find returns the symbol of a fine one in a context.
func (t *encodeTables) find(ctx, fine uint8) uint8 {
	return t.symbol[(t.row[ctx]+uint32(fine))&(maxTables*maxSymbols-1)]
}

// findAll finds the symbols of all lanes, and returns not 0 if some have a third
// portion.
func (t *encodeTables) findAll(symbols, ctx, fine *[maxLanes]uint8) (third uint32) {
	_, _, _, _ = t.row[0], symbols[0], ctx[0], fine[0]
	for j := 0; j < maxLanes; j += 2 {
		s := t.find(ctx[j], fine[j])
		symbols[j] = s
		third |= t.rest[1].n[s]
		s = t.find(ctx[j+1], fine[j+1])
		symbols[j+1] = s
		third |= t.rest[1].n[s]
	}
	return third
}

// encodeRest encodes further portions, words below e.words[p], and returns where
// they begin.
func encodeRest[Z step](e *laneEncoder, z []Z, p int, third uint32) int {
	lanes := restOf(&e.symbols)
	if third != 0 {
		p -= putRest(&e.round.rest[1], e.room(p), &e.states, &e.symbols, z, lanes)
	}
	if lanes != 0 {
		p -= putRest(&e.round.rest[0], e.room(p), &e.states, &e.symbols, z, lanes)
	}
	return p
}

// room returns where words below e.words[p] go.
func (e *laneEncoder) room(p int) *[maxLanes]uint16 {
	return (*[maxLanes]uint16)(e.words[p-maxLanes:])
}

// putAll encodes symbols and their first portions, words from the end of words
// downwards, and returns how many.
func putAll[Z step](t *encodeTables, words *[maxLanes]uint16, states *[maxLanes]uint32, symbols *[maxLanes]uint8, z *[maxLanes]Z) int {
	_, _, _, _, _ = t.row[0], words[0], states[0], symbols[0], z[0] // nil is looked for here, not in the loop
	n := uint32(0)
	for j := maxLanes - 1; j > 0; j -= 2 {
		// A lane is full as good as at random: no branch. Both sides are below 2^31.
		x, s := states[j], symbols[j]
		words[^n&(maxLanes-1)] = uint16(x)
		full := (t.first.most[s] - x) >> 31
		n += full
		states[j] = t.put(x>>(full<<4&31), s, uint32(z[j]))
		x, s = states[j-1], symbols[j-1]
		words[^n&(maxLanes-1)] = uint16(x)
		full = (t.first.most[s] - x) >> 31
		n += full
		states[j-1] = t.put(x>>(full<<4&31), s, uint32(z[j-1]))
	}
	return int(n)
}

// putSome is putAll for fewer lanes.
func putSome[Z step](t *encodeTables, words *[maxLanes]uint16, states *[maxLanes]uint32, symbols *[maxLanes]uint8, z []Z) int {
	_, _, _, _ = t.row[0], words[0], states[0], symbols[0]
	n := uint32(0)
	for j := len(z) - 1; j >= 0; j-- {
		x, s := states[j&(maxLanes-1)], symbols[j&(maxLanes-1)]
		words[^n&(maxLanes-1)] = uint16(x)
		full := (t.first.most[s] - x) >> 31
		n += full
		states[j&(maxLanes-1)] = t.put(x>>(full<<4&31), s, uint32(z[j]))
	}
	return int(n)
}

// putRest is putSome for a further portion, of lanes.
func putRest[Z step](t *encodePortions, words *[maxLanes]uint16, states *[maxLanes]uint32, symbols *[maxLanes]uint8, z []Z, lanes uint64) int {
	if len(z) == maxLanes && bits.OnesCount64(lanes) > maxLanes/4 {
		return putRestAll(t, words, states, symbols, (*[maxLanes]Z)(z))
	}
	n := uint32(0)
	for lanes != 0 {
		j := (bits.Len64(lanes) - 1) & (maxLanes - 1)
		lanes &^= 1 << j
		x, s := states[j], symbols[j]
		words[^n&(maxLanes-1)] = uint16(x)
		full := (t.most[s] - x) >> 31
		n += full
		states[j] = t.put(x>>(full<<4&31), s, uint32(z[j]))
	}
	return int(n)
}

// putRestAll is putRest of all lanes, which is faster if many have the portion.
func putRestAll[Z step](t *encodePortions, words *[maxLanes]uint16, states *[maxLanes]uint32, symbols *[maxLanes]uint8, z *[maxLanes]Z) int {
	_, _, _, _, _ = t.n[0], words[0], states[0], symbols[0], z[0]
	n := uint32(0)
	for j := maxLanes - 1; j >= 0; j-- {
		x, s := states[j], symbols[j]
		words[^n&(maxLanes-1)] = uint16(x)
		full := (t.most[s] - x) >> 31
		n += full
		states[j] = t.put(x>>(full<<4&31), s, uint32(z[j]))
	}
	return int(n)
}

// restFlag, above all tableSymbols, is in the number of a symbol that has portions of
// raw bits after the first.
const restFlag = 1 << 7

// symbolNumber returns the number of a table's i'th symbol, as encoding has it.
func symbolNumber(table, i int, raw, width uint8) uint8 {
	number := uint8(table*stepSymbols + i)
	if raw > stepBits-width {
		number |= restFlag
	}
	return number
}

// restOf returns which of symbols have restFlag.
func restOf(symbols *[maxLanes]uint8) (lanes uint64) {
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
