package codec

import "math/bits"

// A stream is steps, each in a context, with the tables that they are coded by:
//
//	side  // adaptive: the contexts' tables
//	state [4, 16, 32 or 64]uint32
//	words []uint16

// A stepTables are the tables of a stream.
type stepTables struct {
	n       int                          // tables
	of      [contexts]uint8              // which one a context has
	symbols int                          // one more than the highest symbol with a frequency
	index   [maxTables][maxSymbols]uint8 // log-scaled frequencies; 0 for none
	freq    [maxTables][maxSymbols]uint16
}

// Frequencies are written on a logarithmic scale of four steps an octave: index
// i ≥ 1 weighs 2^((i-1)/4). The rounding costs about a tenth of a percent, the
// frequencies themselves would cost more.
const (
	maxIndex   = 41 // 2^10
	weightBits = 6
)

// indexWeights[i] is 2^((i-1)/4), times 2^weightBits.
var indexWeights = func() (w [maxIndex + 1]uint32) {
	quarter := [4]uint32{1 << 16, 77936, 92682, 110218} // 2^(k/4), times 2^16
	for i := 1; i <= maxIndex; i++ {
		w[i] = (quarter[(i-1)&3]<<((i-1)>>2) + 1<<(15-weightBits)) >> (16 - weightBits)
	}
	return w
}()

// setFreqs makes the frequencies that the indices of table t stand for, which
// add up to 2^laneBits. It returns false if all are zero, or if there are more
// symbols than frequencies.
func (st *stepTables) setFreqs(t int) bool {
	index, freq := &st.index[t], &st.freq[t]
	total, count := uint32(0), 0
	for s := range st.symbols {
		if index[s] != 0 {
			total += indexWeights[index[s]]
			count++
		}
	}
	if count == 0 || count > 1<<laneBits {
		return false
	}
	sum, top := 0, -1
	for s := range st.symbols {
		freq[s] = 0
		if index[s] == 0 {
			continue
		}
		f := max(1, (uint64(indexWeights[index[s]])<<laneBits+uint64(total)/2)/uint64(total))
		freq[s] = uint16(f)
		sum += int(f)
		if top < 0 || freq[s] > freq[top] {
			top = s
		}
	}
	for sum > 1<<laneBits {
		big := 0
		for s := range st.symbols {
			if freq[s] > freq[big] {
				big = s
			}
		}
		take := min(sum-1<<laneBits, max(1, int(freq[big])/16))
		freq[big] -= uint16(take)
		sum -= take
	}
	freq[top] += uint16(1<<laneBits - sum)
	return true
}

// fit sets index of table t to the counts h of its symbols.
func (st *stepTables) fit(t int, h *[maxSymbols]uint32) {
	total := uint64(0)
	for _, c := range h[:st.symbols] {
		total += uint64(c)
	}
	for s, c := range h[:st.symbols] {
		st.index[t][s] = 0
		if c == 0 {
			continue
		}
		// four times log2 of the frequency in 2^-10, rounded
		l := int(log2of(uint64(c))) - int(log2of(total)) + laneBits<<logBits
		st.index[t][s] = uint8(min(maxIndex, max(1, 1+(l+1<<(logBits-3))>>(logBits-2))))
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

// sideModels are the models of a stream's tables.
type sideModels struct {
	cut   [2]model
	index [3]intModel
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
	e.raw(uint32(st.symbols-1), 8)
	for t := range st.n {
		state := 0
		for s := range st.symbols {
			z := zigzag(int(st.index[t][s]) - st.expect(t, s))
			e.int(&m.index[state], z)
			state = int(min(z, 2))
		}
	}
}

// expect predicts the index of symbol s of table t: like that of the table
// before, as far as the symbol before was.
func (st *stepTables) expect(t, s int) int {
	left, up, corner := 0, 0, 0
	if s > 0 {
		left = int(st.index[t][s-1])
	}
	if t == 0 {
		return left
	}
	up = int(st.index[t-1][s])
	if s == 0 {
		return up
	}
	corner = int(st.index[t-1][s-1])
	if left == 0 && corner == 0 {
		return up
	}
	return min(maxIndex, max(0, up+(left-corner)/2))
}

// read reads what write wrote. Symbols have to be at most maxSymbol.
func (st *stepTables) read(d *adaptiveDecoder, maxSymbol uint32) error {
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
	st.symbols = int(d.raw(8)) + 1
	if uint32(st.symbols) > maxSymbol+1 {
		return corrupt("a symbol that no step has")
	}
	for t := range st.n {
		state := 0
		for s := range st.symbols {
			z := d.int(&m.index[state])
			i := st.expect(t, s) + unzigzag(z)
			if z > 4*maxIndex || i < 0 || i > maxIndex {
				return corrupt("frequency out of range")
			}
			st.index[t][s] = uint8(i)
			state = int(min(z, 2))
		}
		if !st.setFreqs(t) {
			return corrupt("empty table")
		}
	}
	return nil
}

// forEncoding fills the encoder's table for contexts up to last.
func (st *stepTables) forEncoding(e *laneEncoder, last int) {
	for c := 0; c <= last; c++ {
		row := e.table[c*maxSymbols:][:maxSymbols]
		t := st.of[c]
		if c > 0 && t == st.of[c-1] {
			copy(row[:st.symbols], e.table[(c-1)*maxSymbols:])
			continue
		}
		start := uint32(0)
		for s, f := range st.freq[t][:st.symbols] {
			row[s] = encEntry(uint32(f)<<laneBits | start)
			start += uint32(f)
		}
	}
}

// forDecoding fills the decoder's tables.
func (st *stepTables) forDecoding(d *laneDecoder) {
	d.of = st.of
	for t := range st.n {
		row := d.table[t<<laneBits:][:1<<laneBits]
		at := 0
		for s, f := range st.freq[t][:st.symbols] {
			e := decEntry(uint32(f)<<18 | uint32(s)<<10)
			slots := row[at : at+int(f)]
			for i := range slots {
				slots[i] = e | decEntry(i)
			}
			at += int(f)
		}
	}
}
