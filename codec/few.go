package codec

// fewTables are the tables of a byte plane of few values, as kernels look them
// up. Symbols have numbers in the order of the slots. The kernels know where the
// fields are.
type fewTables struct {
	// first is of each part of the slots: where those are of at most two symbols,
	// the number of the first times fewSlots and how many slots of a part the first
	// does not have, so that the number of any is had by adding its place in the
	// part. Of others it is fewExact and how far their numbers are rotated down in
	// exact, which has those of several parts, fewWide bits each.
	first, exact [1 << ransBits / fewSlots]uint16

	freq, start, symbol [fewMost]uint16 // by number; frequencies times 16
}

const (
	fewMost  = 32 // symbols at most
	fewWide  = 5  // bits of their numbers
	fewSlots = 64 // of a part
	fewParts = 3  // parts that have more than two symbols, at most
	fewExact = 1 << 15
)

// set sets t to f, of ransBits bits, and returns false if those are too many
// symbols, or too many parts of them are of more than two.
func (t *fewTables) set(f *freqs) bool {
	n, at := 0, 0
	var ends [fewMost]int
	for b, freq := range f.freq {
		if freq == 0 {
			continue
		}
		if n == fewMost {
			return false
		}
		t.freq[n], t.start[n], t.symbol[n] = freq<<4, uint16(at), uint16(b)
		at += int(freq)
		ends[n] = at
		n++
	}
	symbol, parts := 0, 0
	clear(t.exact[:])
	for i := range t.first {
		from, to := i*fewSlots, (i+1)*fewSlots
		if ends[symbol] == from {
			symbol++
		}
		first := symbol
		for ends[symbol] < to {
			symbol++
		}
		if symbol-first < 2 {
			t.first[i] = uint16((first+1)*fewSlots - min(ends[first]-from, fewSlots))
			continue
		}
		if parts == fewParts {
			return false
		}
		t.first[i] = uint16(fewExact | parts*fewWide)
		for s := range t.exact {
			if from+s == ends[first] {
				first++
			}
			t.exact[s] |= uint16(first << (parts * fewWide))
		}
		parts++
	}
	return true
}
