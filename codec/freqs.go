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
	for b := uint(ransBits); b >= minTableBits; b-- {
		if !try.normalise(h, n, b) {
			break
		}
		cost := try.cost(h) + uint64(try.tableBits())<<12
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
// returns false if there are too many symbols for that.
func (f *freqs) normalise(h *histogram, n int, b uint) bool {
	f.bits = b
	total := 1 << b
	sum, top := 0, 0
	for s, c := range h {
		q := (uint64(c)<<b + uint64(n)/2) / uint64(n)
		if c != 0 && q == 0 {
			q = 1
		}
		f.freq[s] = uint16(q)
		sum += int(q)
		if q > uint64(f.freq[top]) {
			top = s
		}
	}
	if sum <= total {
		f.freq[top] += uint16(total - sum)
	}
	for sum > total { // take a little from the largest, again and again
		big := 0
		for s, q := range f.freq {
			if q > f.freq[big] {
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

// cost returns the size of a plane counted in h, in units of 2^-12 bits.
func (f *freqs) cost(h *histogram) uint64 {
	var cost uint64
	for s, c := range h {
		if c != 0 {
			cost += uint64(c) * uint64(uint32(f.bits)<<12-log2[f.freq[s]])
		}
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
