package codec

import (
	"math/bits"
	"slices"
)

// A byte plane of which only some bits are worth coding: signs of F16 and the
// lowest bits of integers are noise, which doubles the symbols of a table and
// gives nothing.
//
//	mask u8                     // the bits that are coded
//	raw  [8 - bits][⌈n/8⌉]u8    // each other bit of all bytes, from the lowest bit up
//	plane                       // of the bytes' bits in mask, by another coding
//
// Of a bit that is raw, that of byte i is bit i mod 8 of byte i / 8.

// bitsWorth is how much larger, as one part in 2^bitsWorth, a plane may be with fewer
// values, which are coded faster.
const bitsWorth = 9

// A bitSplit is a mask, the frequencies of bytes AND it if these are not all the same,
// about how many bytes they are coded in, with those that the other bits take, and
// their counts.
type bitSplit struct {
	mask   byte
	freqs  freqs
	size   int
	counts histogram
}

// fit sets b, which is of all bits, to the split by which a plane of n bytes is
// smallest, or nearly, with a table of ransBits bits. It leaves out one bit after the
// other, always the one that tells least.
func (b *bitSplit) fit(n int) {
	least := b.size
	try := bitSplit{mask: 0xff, counts: b.counts}
	for raw := 0; ; {
		bit, loss := try.counts.idlest(try.mask, n)
		if loss > n>>(bitsWorth-3)+16 {
			return
		}
		try.mask &^= 1 << bit
		try.counts.merge(bit)
		raw += (n + 7) / 8
		try.size = raw + 1
		if try.counts.values() > 1 {
			try.size += try.freqs.fitPart(&try.counts, n)
			if try.freqs.bits != ransBits {
				try.freqs.widen()
			}
		}
		least = min(least, try.size)
		if try.size <= least+least>>bitsWorth {
			*b = try
		}
	}
}

// codeSplit codes the bits of p that are in b's mask, by what is shortest. It will be
// appended to dst.
func (s *scratch) codeSplit(c *codedPlane, p []byte, b *bitSplit, dst []byte) {
	total := uint32(0)
	for _, k := range b.counts {
		total += k
	}
	glance := uint32(gapsGlance)
	if int(total) == len(p) { // all are counted
		glance = gapsPart
	}
	if zeros := b.counts[0]; zeros == total { // all are looked at for which there are
		c.coding, c.head = planeFill, append(s.entropy[:0], 0)
		return
	} else if zeros >= total-total/glance {
		var few bool
		if s.entropy, few = s.appendGaps(s.entropy[:0], p, b.mask); few {
			c.coding, c.head = planeGaps, s.entropy
			return
		}
	}
	raw := bits.OnesCount8(^b.mask) * ((len(p) + 7) / 8)
	out := dst[min(len(dst)+raw, cap(dst)):cap(dst)]
	s.entropy, c.words = s.lanePlane(s.entropy[:0], p, &b.freqs, b.mask, out)
	c.head = s.entropy
}

// idlest returns the bit in mask without which bytes counted in h, and that bit as
// it is, take least more, and how many bits more. It is fewer than n.
func (h *histogram) idlest(mask byte, n int) (bit uint, loss int) {
	var logs [256]uint64
	for v, c := range h {
		if c != 0 {
			logs[v] = nlogn(c)
		}
	}
	least := uint64(1 << 62)
	for b := range uint(8) {
		if mask>>b&1 == 0 {
			continue
		}
		// Of two values of a and b bytes the bit is told by so much that the sum of
		// n log n differs.
		told := uint64(0)
		for v := 0; v < len(h); v += 1 << b {
			for end := v + 1<<b; v < end; v++ {
				if w := v | 1<<b; h[v] != 0 && h[w&255] != 0 {
					told += nlogn(h[v]+h[w&255]) - logs[v] - logs[w&255]
				}
			}
		}
		if more := uint64(n)<<logBits - min(told, uint64(n)<<logBits); more < least {
			least, bit = more, b
		}
	}
	return bit, int(least >> logBits)
}

// merge counts values that differ in bit alone as those without it.
func (h *histogram) merge(bit uint) {
	for v := range h {
		if w := v | 1<<bit; v != w {
			h[v] += h[w]
			h[w] = 0
		}
	}
}

// values returns how many values were counted.
func (h *histogram) values() int {
	n := 0
	for _, c := range h {
		if c != 0 {
			n++
		}
	}
	return n
}

// rawBits are the bits of a plane that are not coded: of each bit that is not in
// mask, from the lowest up, each bytes.
type rawBits struct {
	mask byte
	each int
	bits []byte
}

// noRaw is the raw bits of a plane that has none.
var noRaw = rawBits{mask: 0xff}

func (r rawBits) count() int { return 8 - bits.OnesCount8(r.mask) }

// readRaw reads mask and raw bits of a plane of n bytes, and returns what follows them.
func readRaw(src []byte, n int) (r rawBits, rest []byte, err error) {
	if len(src) == 0 || src[0] == 0xff {
		return noRaw, nil, corrupt("plane of bits: no mask")
	}
	r.mask, r.each, src = src[0], (n+7)/8, src[1:]
	size := r.count() * r.each
	if len(src) <= size {
		return noRaw, nil, corrupt("plane of bits: raw bits are cut short")
	}
	r.bits = src[:size]
	for i := r.each - 1; n&7 != 0 && i < size; i += r.each {
		if r.bits[i]>>(n&7) != 0 {
			return noRaw, nil, corrupt("plane of bits: bits after the last")
		}
	}
	return r, src[size:], nil
}

// addTo adds what r has for them to the bytes of p: of its first fewRaw bits to those
// from first on, a multiple of 8, of the others from at on.
func (r rawBits) addTo(p []byte, at, first int) {
	for ; at < len(p) || first < len(p); at, first = at+bitsBlock, first+bitsBlock {
		raw := r.bits
		for i, other := 0, ^r.mask; other != 0; i, other = i+1, other&(other-1) {
			from := at
			if i < fewRaw {
				from = first
			}
			if from < len(p) {
				end := min(from+bitsBlock, len(p))
				addBit(p[from:end], raw[from/8:(end+7)/8], uint(bits.TrailingZeros8(other)))
			}
			raw = raw[r.each:]
		}
	}
}

// readBitsPlane fills p from what src begins with, and returns what follows that.
func (s *scratch) readBitsPlane(p, src []byte) (rest []byte, err error) {
	raw, src, err := readRaw(src, len(p))
	if err != nil {
		return nil, err
	}
	switch src[0] {
	case planeBits:
		return nil, corrupt("plane of bits inside one")
	case planeLanes:
		body, rest, err := cut(src[1:])
		if err != nil {
			return nil, err
		}
		return rest, s.readLanePlane(p, body, raw)
	}
	plane, rest, err := s.readPlane(p, src)
	if err != nil {
		return nil, err
	}
	copy(p, plane)
	raw.addTo(p, 0, 0)
	return rest, nil
}

// eachByte is the lowest bit of each byte.
const eachByte = 0x0101010101010101

// bitsBlock is of how many bytes one bit is taken after the other: they are near then.
const bitsBlock = 8 << 10

// appendBits appends those bits of each of p's bytes, from the lowest up.
func appendBits(dst, p []byte, which byte) []byte {
	each := (len(p) + 7) / 8
	at, size := len(dst), each*bits.OnesCount8(which)
	dst = slices.Grow(dst, size)[:at+size]
	for from := 0; from < len(p); from += bitsBlock {
		block, raw := p[from:min(from+bitsBlock, len(p))], dst[at+from/8:]
		for left := which; left != 0; left &= left - 1 {
			takeBit(raw[:(len(block)+7)/8], block, uint(bits.TrailingZeros8(left)))
			if left&(left-1) != 0 {
				raw = raw[each:]
			}
		}
	}
	return dst
}

// takeBit fills raw with that bit of each of p's bytes.
func takeBit(raw, p []byte, bit uint) {
	k := takeBitFast(raw, p, bit)
	p, raw = p[k:], raw[k/8:]
	for len(p) >= 8 && len(raw) > 0 {
		x := le.Uint64(p) >> (bit & 7) & eachByte
		raw[0] = byte(x * 0x0102040810204080 >> 56)
		p, raw = p[8:], raw[1:]
	}
	if len(p) > 0 {
		raw[0] = 0
	}
	for i, b := range p {
		raw[0] |= b >> (bit & 7) & 1 << i
	}
}

// addBit sets that bit of those of p's bytes that raw names.
func addBit(p, raw []byte, bit uint) {
	k := addBitFast(p, raw, bit)
	p, raw = p[k:], raw[k/8:]
	for len(p) >= 8 {
		x := uint64(raw[0]) * eachByte & 0x8040201008040201 // one bit for each byte
		x = (x + 0x7f*eachByte) >> 7 & eachByte
		le.PutUint64(p, le.Uint64(p)|x<<(bit&7))
		p, raw = p[8:], raw[1:]
	}
	for i := range p {
		p[i] |= raw[0] >> i & 1 << (bit & 7)
	}
}
