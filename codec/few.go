package codec

// fewTables are the tables of a byte plane of few values, as kernels look them
// up. Symbols have numbers in the order of the slots. The kernels know where the
// fields are.
type fewTables struct {
	// first is of each part of the slots: where those are of at most two symbols,
	// the number of the first times fewSlots and how many slots of a part the first
	// does not have, so that the number of any is had by adding its place in the
	// part. Of others it is fewExact and where their numbers are in exact.
	first [1 << ransBits / fewSlots]uint16
	// exact has the numbers of several parts. If there are few symbols, they are
	// narrow, of fewBits bits each, in the first of the four, and first says how far
	// they are rotated down; else they are bytes, and first says in bits 13 and 14 in
	// which of the four, too.
	exact [4][1 << ransBits / fewSlots]uint16

	freq, start, symbol [fewMost]uint16 // by number; frequencies times 16
	bytes               [fewMost]uint8  // symbols again

	wide bool // numbers are bytes
}

const (
	fewMost   = 64 // symbols at most
	fewSlots  = 64 // of a part
	fewParts  = 8  // parts that have more than two symbols, at most
	fewExact  = 1 << 15
	fewPair   = 13 // bit from which first says which of exact
	fewNarrow = 32 // symbols that are narrow, at most
	fewBits   = 5  // of a narrow number
	fewRuns   = 3  // parts in one narrow word
	fewRaw    = 3  // bits that are added as bytes are decoded, at most
)

// set sets t to f, of ransBits bits, wide if it is to be or has to be. It returns
// false if those are too many symbols, or too many parts of them are of more than
// two.
func (t *fewTables) set(f *freqs, wide bool) bool {
	n, at := 0, 0
	var ends [fewMost]int
	for b, freq := range f.freq {
		if freq == 0 {
			continue
		}
		if n == fewMost {
			return false
		}
		t.freq[n], t.start[n], t.symbol[n], t.bytes[n] = freq<<4, uint16(at), uint16(b), uint8(b)
		at += int(freq)
		ends[n] = at
		n++
	}
	var parts [fewParts]int // those of more than two symbols
	exact, symbol := 0, 0
	var first [1 << ransBits / fewSlots]uint8 // symbol of each part
	for i := range t.first {
		from, to := i*fewSlots, (i+1)*fewSlots
		if ends[symbol] == from {
			symbol++
		}
		first[i] = uint8(symbol)
		for ends[symbol] < to {
			symbol++
		}
		if k := int(first[i]); symbol-k < 2 {
			t.first[i] = uint16((k+1)*fewSlots - min(ends[k]-from, fewSlots))
			continue
		}
		if exact == fewParts {
			return false
		}
		parts[exact] = i
		exact++
	}
	t.wide = wide || n > fewNarrow || exact > fewRuns
	clear(t.exact[:])
	for k, i := range parts[:exact] {
		word, shift := 0, k*fewBits
		if t.wide {
			word, shift = k/2, k%2*8
		}
		t.first[i] = uint16(fewExact | word<<fewPair | shift)
		number := first[i]
		for s := range t.exact[word] {
			if i*fewSlots+s == ends[number] {
				number++
			}
			t.exact[word][s] |= uint16(number) << shift
		}
	}
	return true
}
