package codec

// Rounds of byte planes by portable code: as those of steps, without contexts and
// raw bits. Only rounds of all lanes are worth it.

// takeBytes takes a byte from each of all lanes, and returns which are low.
func takeBytes(t *[1 << ransBits]decEntry, states *[maxLanes]uint32, p *[maxLanes]byte) (low uint64) {
	_, _, _ = t[0], states[0], p[0] // nil is looked for here, not in the loop
	for j := maxLanes - 1; j > 0; j -= 2 {
		b, x := takeByte(t, states[j])
		p[j], states[j] = b, x
		low = low*2 + uint64((x-laneLow)>>31)
		b, x = takeByte(t, states[j-1])
		p[j-1], states[j-1] = b, x
		low = low*2 + uint64((x-laneLow)>>31)
	}
	return low
}

// takeByte takes a byte from state x.
func takeByte(t *[1 << ransBits]decEntry, x uint32) (b byte, rest uint32) {
	e := t[x&ransMask]
	return byte(e), uint32(e>>20)*(x>>ransBits) + uint32(e>>8&ransMask)
}

// fillBytes fills t by the entries of bytes.
func (t *encodeTables) fillBytes(entries []encEntry) {
	for b, e := range entries {
		if f := uint32(e >> ransBits); f != 0 {
			t.setDivisor(uint8(b), f, uint32(e&ransMask), ransBits)
			t.first.most[b] = f<<(31-ransBits) - 1
		}
	}
}

// putBytes encodes a byte in each of all lanes, words from the end of words
// downwards, and returns how many.
func putBytes(t *encodeTables, words *[maxLanes]uint16, states *[maxLanes]uint32, p *[maxLanes]byte) int {
	_, _, _, _ = t.row[0], words[0], states[0], p[0]
	n := uint32(0)
	for j := maxLanes - 1; j > 0; j -= 2 {
		x, b := states[j], p[j]
		words[^n&(maxLanes-1)] = uint16(x)
		full := (t.first.most[b] - x) >> 31 // as in putAll
		n += full
		states[j] = t.divide(x>>(full<<4&31), b)
		x, b = states[j-1], p[j-1]
		words[^n&(maxLanes-1)] = uint16(x)
		full = (t.first.most[b] - x) >> 31
		n += full
		states[j-1] = t.divide(x>>(full<<4&31), b)
	}
	return int(n)
}
