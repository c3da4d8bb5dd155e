package codec

import "math/bits"

// A stream is steps, each in a context, with the tables that they are coded by:
//
//	side  // adaptive: the contexts' tables
//	state [4, 16, 32 or 64]uint32
//	words []uint16

// A stepTables are the tables of a stream.
type stepTables struct {
	n     int             // tables
	of    [contexts]uint8 // which one a context has
	table [maxTables]stepTable

	joiner joiner
}

// stepSymbols is how many symbols a table has at most.
const stepSymbols = 16

// A stepTable is the symbols of a table, in the order of the steps they stand
// for. One of them, at best the most frequent, comes last in the slots and takes
// what the others leave of 2^bits; these have at most maxRare slots together, so
// that a slot's lowest byte finds its symbol, or that it is 255 or more. So rare
// symbols have fine probabilities beside a frequent one, and all tables lie in
// few registers.
type stepTable struct {
	bits   uint8 // of probability, minBits to maxBits
	n      uint8 // symbols
	last   uint8 // which one is last
	symbol [stepSymbols]stepSymbol
}

const (
	minBits = 8
	maxBits = 12
	maxRare = 255
)

// A stepSymbol stands for the steps z with z+1 in [head<<raw, (head+1)<<raw).
type stepSymbol struct {
	head, raw uint8 // head is at most 7
	freq      uint16
}

// codeRaw is from which bit of a symbol's code its raw bits are; below is its
// head.
const codeRaw = 3

// freqOf returns the frequency that index i stands for: i below 16, above that
// one of eight in an octave.
func freqOf(i uint32) uint32 {
	raw := max(i>>3, 1) - 1
	return (i - 8*raw) << raw
}

// freqIndex returns the index of the frequency nearest to f that is not above
// most.
func freqIndex(f, most uint32) uint32 {
	f = min(f, most)
	raw := uint32(max(bits.Len32(f), 4) - 4)
	if up := f + 1<<raw>>1; raw > 0 && up <= most && bits.Len32(up) <= 8 {
		f = up
		raw = uint32(max(bits.Len32(f), 4) - 4)
	}
	return 8*raw + f>>raw
}

// maxFreqIndex is the highest index of a frequency up to maxRare.
const maxFreqIndex = 47

// sideModels are the models of a stream's tables.
type sideModels struct {
	cut  [2]model
	raw  [3]intModel
	freq [3]intModel
}

// write writes st, whose highest context is last.
func (st *stepTables) write(e *adaptiveEncoder, last int) {
	var m sideModels
	e.raw(uint32(last), 6)
	cut := uint32(0)
	for c := 1; c <= last; c++ {
		next := uint32(st.of[c] - st.of[c-1])
		e.bit(&m.cut[cut], next)
		cut = next
	}
	for t := range st.n {
		st.table[t].write(e, &m)
	}
}

func (t *stepTable) write(e *adaptiveEncoder, m *sideModels) {
	e.raw(uint32(t.bits-minBits), 3)
	e.raw(uint32(t.n-1), 4)
	e.raw(uint32(t.last), 4)
	raw, freq := 0, 0
	rawState, freqState := 0, 0
	for i, s := range t.symbol[:t.n] {
		z := zigzag(int(s.raw) - raw)
		e.int(&m.raw[rawState], z)
		raw, rawState = int(s.raw), int(min(z, 2))
		if i != int(t.last) {
			index := int(freqIndex(uint32(s.freq), maxRare))
			z := zigzag(index - freq)
			e.int(&m.freq[freqState], z)
			freq, freqState = index, int(min(z, 2))
		}
	}
}

// read reads what write wrote, for steps of at most 16 bits or of 32.
func (st *stepTables) read(d *adaptiveDecoder, wide bool) error {
	var m sideModels
	last := int(d.raw(6))
	st.of, st.n = [contexts]uint8{}, 1
	cut := uint32(0)
	for c := 1; c <= last; c++ {
		cut = d.bit(&m.cut[cut])
		st.n += int(cut)
		if st.n > maxTables {
			return corrupt("more than %d tables", maxTables)
		}
		st.of[c] = uint8(st.n - 1)
	}
	for c := last + 1; c < contexts; c++ {
		st.of[c] = uint8(st.n - 1)
	}
	most := maxRaw16
	if wide {
		most = maxRaw32
	}
	for t := range st.n {
		if err := st.table[t].read(d, &m, most); err != nil {
			return err
		}
	}
	return nil
}

// The most raw bits of a symbol, of steps of 16 bits and of 32.
const (
	maxRaw16 = 16
	maxRaw32 = 31
)

func (t *stepTable) read(d *adaptiveDecoder, m *sideModels, maxRaw int) error {
	t.bits = uint8(minBits + d.raw(3))
	t.n = uint8(1 + d.raw(4))
	t.last = uint8(d.raw(4))
	if t.bits > maxBits || t.last >= t.n {
		return corrupt("table of %d bits, %d symbols, the last %d", t.bits, t.n, t.last)
	}
	raw, freq, sum := 0, 0, 0
	rawState, freqState := 0, 0
	next := uint64(1)
	for i := range t.n {
		z := d.int(&m.raw[rawState])
		raw, rawState = raw+unzigzag(z&0xff), int(min(z, 2))
		if z > 0xff || raw < 0 || raw > maxRaw || next>>raw > 7 {
			return corrupt("a symbol that no step has")
		}
		s := &t.symbol[i]
		s.head, s.raw = uint8(next>>raw), uint8(raw)
		next = uint64(s.head+1) << raw
		if i == t.last {
			continue
		}
		z = d.int(&m.freq[freqState])
		freq, freqState = freq+unzigzag(z&0xff), int(min(z, 2))
		if z > 0xff || freq < 0 || freq > maxFreqIndex {
			return corrupt("frequency out of range")
		}
		s.freq = uint16(freqOf(uint32(freq)))
		sum += int(s.freq)
	}
	if sum > maxRare {
		return corrupt("frequencies add up to %d", sum)
	}
	t.symbol[t.last].freq = uint16(1<<t.bits - sum)
	return nil
}

// inSlots calls fn for each symbol in the order of the slots, with the first of
// its own.
func (t *stepTable) inSlots(fn func(i, start int)) {
	start := 0
	for i, s := range t.symbol[:t.n] {
		if i != int(t.last) {
			fn(i, start)
			start += int(s.freq)
		}
	}
	fn(int(t.last), start)
}

// forEncoding fills the encoder's tables.
func (st *stepTables) forEncoding(e *laneEncoder) {
	e.stale = st
	for t := range st.n {
		st.table[t].forEncoding(e, t)
	}
	for c, t := range st.of {
		e.quarter[c] = 4 * t
	}
}

// forEncoding fills the encoder's table of that number: of each symbol, and of each
// fine one how it is encoded.
func (t *stepTable) forEncoding(e *laneEncoder, number int) {
	row, symbols := e.table[number*maxSymbols:][:maxSymbols], e.round.symbol[number*maxSymbols:][:maxSymbols]
	clear(row)
	t.inSlots(func(i, start int) {
		s := t.symbol[i]
		e.set(uint8(4*number), i, s, start, t.bits)
		entry := encEntry(s.freq)<<19 | encEntry(start)<<11 | encEntry(t.bits)<<7 | encEntry(s.raw)
		from, to := fineAt(uint64(s.head)<<s.raw), fineAt(uint64(s.head+1)<<s.raw)
		for f := from; f < min(to, maxSymbols); f++ {
			row[uint8(f-1)], symbols[uint8(f-1)] = entry, symbolNumber(number, i, s.raw, t.bits)
		}
	})
	for q := range stepSymbols / 4 {
		at := 4*number + q
		if q == 0 {
			e.first[0][at] = t.firstFine(8)
		}
		if q&1 == 0 {
			e.first[1][at] = t.firstFine(4*q + 4)
		}
		e.first[2][at] = t.firstFine(4*q + 2)
		e.first[3][at], e.first[3][at+32] = t.firstFine(4*q+1), t.firstFine(4*q+3)
	}
}

// set sets how AVX-512 encodes symbol i, of slots from start on, of a table whose
// first quarter that is. Symbols are searched by halves: first are the lowest ones
// of the upper halves, by where the search is. It begins at quarter, and goes on
// by 2, 1, 32 and 64 where it goes up.
func (e *laneEncoder) set(quarter uint8, i int, s stepSymbol, start int, bits uint8) {
	at := int(quarter) + i>>2 + i<<4&32 + i<<6&64
	head := min(s.raw, stepBits-bits)
	most := s.freq << (stepBits - bits - head)
	e.freqLo[at], e.freqHi[at] = uint8(s.freq), uint8(s.freq>>8)
	e.mostLo[at], e.mostHi[at] = uint8(most), uint8(most>>8)
	e.begin[at], e.pack[at], e.rest[at] = uint8(start), head|bits<<4, s.raw-head
}

// firstFine returns one more than the first fine symbol of the i'th symbol, or of
// one that t does not have the most there is.
func (t *stepTable) firstFine(i int) uint8 {
	if i >= int(t.n) {
		return maxSymbols - 1
	}
	return uint8(min(fineAt(uint64(t.symbol[i].head)<<t.symbol[i].raw), maxSymbols-1))
}

// fineAt returns one more than the fine symbol of the steps z with z+1 = v, which
// is the first that a fine symbol has.
func fineAt(v uint64) int {
	raw := max(bits.Len64(v), 4) - 4
	return 8*raw + int(v>>raw)
}

// forDecoding fills the decoder's tables.
func (st *stepTables) forDecoding(d *laneDecoder) {
	d.stale = st
	for t := range st.n {
		st.table[t].forDecoding(d, t)
	}
	for c, t := range st.of {
		d.of[c], d.bits[c] = t, st.table[t].bits
		for q := range d.quarts {
			d.quarts[q][c] = ^d.start[symbolAt(int(t), 4*(q+1))]
		}
	}
	d.quads.set(st, d)
}

// firstMore marks symbols that have other raw bits than the first.
const firstMore = 1 << 7

// symbolAt is where the kernels' tables have the i'th symbol of a table, as they
// find it: the table's number, and from bit 3 on which four of its symbols it is one
// of, and from bit 5 on which one of these, its second bit first.
func symbolAt(number, i int) int { return number | i>>2<<3 | i&1<<6 | i&2<<4 }

// forDecoding fills the decoder's t'th table. The symbols are the last ones of
// their sixteen, with unused ones before them that have no slot.
func (t *stepTable) forDecoding(d *laneDecoder, number int) {
	unused := stepSymbols - int(t.n)
	for i := range unused {
		d.start[symbolAt(number, i)] = 0
	}
	to := unused
	t.inSlots(func(i, start int) {
		s, at := t.symbol[i], symbolAt(number, to)
		to++
		first := min(s.raw, stepBits-t.bits)
		step := uint32(s.head) << s.raw
		d.start[at], d.freqLo[at], d.freqHi[at] = uint8(start), uint8(s.freq), uint8(s.freq>>8)
		d.first[at], d.rest[at] = first, s.raw-first
		if s.raw > first {
			d.first[at] |= firstMore
		}
		for k := range d.step {
			d.step[k][at] = uint8(step >> (8 * k))
		}
	})
	for k := range d.after {
		for q := range stepSymbols / 4 {
			d.after[k][symbolAt(number, 4*q)] = ^d.start[symbolAt(number, 4*q+k+1)]
		}
	}
}

// logBits are the fractional bits of log2of.
const logBits = 12

// log2of returns log2(x), in 2^-logBits, for x > 0, rounded down to about the
// last bit. It is in integers, and the same on all machines.
func log2of(x uint64) uint32 {
	n := bits.Len64(x) - 1
	if n < ransBits {
		return log2[x]
	}
	// Between two entries of the table, along the line.
	shift := uint(n - ransBits + 1)
	hi := x >> shift // in [2^(ransBits-1), 2^ransBits)
	frac := x & (1<<shift - 1)
	a, b := log2[hi], log2[hi+1]
	return a + uint32(uint64(b-a)*frac>>shift) + uint32(shift)<<logBits
}
