package codec

import "math/bits"

// log2 holds log2(f) in units of 2^-12, rounded down, for f from 1 to 2^12. It
// is computed in integers: a float's last bit may differ between CPUs, and what
// is chosen by it must not.
var log2 = func() (t [1<<ransBits + 1]uint32) {
	for f := 1; f < len(t); f++ {
		n := bits.Len32(uint32(f)) - 1
		t[f] = uint32(n) << 12
		x := uint64(f) << (31 - n) // the mantissa, in [2^31, 2^32)
		for bit := uint32(1 << 11); bit != 0; bit >>= 1 {
			x = x * x >> 31
			if x >= 1<<32 {
				x >>= 1
				t[f] |= bit
			}
		}
	}
	return t
}()

// freqs are probabilities of the bytes as multiples of 2^-bits.
type freqs struct {
	bits uint
	freq [256]uint16
}

const minTableBits = 5

// fit sets f to the frequencies with which a plane of n bytes, counted in h, is
// coded in the fewest bits, table included, and returns that number of bytes,
// rounded up, without the states. At least two bytes must have been counted.
func (f *freqs) fit(h *histogram, n int) int {
	best := uint64(1 << 62)
	var try freqs
	var all [256]byte
	used := h.used(&all)
	for b := uint(ransBits); b >= minTableBits; b-- {
		if !try.normalise(h, used, n, b) {
			break
		}
		cost := try.cost(h, used) + uint64(try.tableBits())<<12
		if cost >= best {
			break // fewer bits only get worse from here
		}
		best, *f = cost, try
		if n >= partLeast {
			break // the table is a trifle
		}
	}
	return int((best>>12 + 7) >> 3)
}

// atLeast returns about how many bytes fit finds for n bytes counted in h, at least.
func (h *histogram) atLeast(n int) int {
	bits := h.cost() >> logBits
	if n < partLeast {
		bits += uint64(4 + 3*h.values()) // of the table, at least
	}
	return int(bits >> 3)
}

// used puts the values that were counted into all, and returns those.
func (h *histogram) used(all *[256]byte) []byte {
	n := 0
	for v, c := range h {
		all[n&255] = byte(v)
		n += int((c | -c) >> 31) // not 0
	}
	return all[:n]
}

// fitPart is fit of what may be counts of a part of a plane: then without the table,
// which is not for the part.
func (f *freqs) fitPart(h *histogram, n int) int {
	size := f.fit(h, n)
	if n >= partLeast {
		size -= f.tableBits() / 8
	}
	return size
}

// normalise scales the counts of n bytes to frequencies that add up to 2^b, and
// returns false if there are too many symbols for that. Used are the values that
// were counted; f has no others from before.
func (f *freqs) normalise(h *histogram, used []byte, n int, b uint) bool {
	f.bits = b
	total := 1 << b
	sum, top := 0, 0
	inverse := ^uint64(0)/uint64(n) + 1 // of n, at least 2: what is divided is below 2^33
	for _, s := range used {
		q, _ := bits.Mul64(uint64(h[s])<<b+uint64(n)/2, inverse)
		q = max(1, q)
		f.freq[s] = uint16(q)
		sum += int(q)
		if q > uint64(f.freq[top]) {
			top = int(s)
		}
	}
	if sum <= total {
		f.freq[top] += uint16(total - sum)
	}
	for sum > total { // take a little from the largest, again and again
		big := used[0]
		for _, s := range used {
			if f.freq[s] > f.freq[big] {
				big = s
			}
		}
		if f.freq[big] == 1 {
			return false
		}
		take := min(sum-total, max(1, int(f.freq[big])/16))
		f.freq[big] -= uint16(take)
		sum -= take
	}
	if int(f.freq[top]) == total { // another symbol has to fit
		return f.share(h, top)
	}
	return true
}

// share gives one part of top's frequency, which is all there is, to the other
// symbol that was counted. It returns false if there is none.
func (f *freqs) share(h *histogram, top int) bool {
	for s, c := range h {
		if c != 0 && s != top {
			f.freq[s], f.freq[top] = 1, f.freq[top]-1
			return true
		}
	}
	return false
}

// cost returns the size of a plane counted in h, of the values used, in units of
// 2^-12 bits.
func (f *freqs) cost(h *histogram, used []byte) uint64 {
	var cost uint64
	for _, s := range used {
		cost += uint64(h[s]) * uint64(uint32(f.bits)<<12-log2[f.freq[s]])
	}
	return cost
}

// widen makes f's frequencies multiples of 2^-ransBits.
func (f *freqs) widen() {
	for s := range f.freq {
		f.freq[s] <<= ransBits - f.bits
	}
	f.bits = ransBits
}

// last returns the highest byte that has a frequency.
func (f *freqs) last() byte {
	b := len(f.freq) - 1
	for b > 0 && f.freq[b] == 0 {
		b--
	}
	return byte(b)
}

// flat sets f to the frequencies of bytes that are all alike, and returns it.
func (f *freqs) flat() *freqs {
	f.bits = ransBits
	for s := range f.freq {
		f.freq[s] = 1 << (ransBits - 8)
	}
	return f
}
