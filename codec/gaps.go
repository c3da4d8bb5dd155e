package codec

import "math/bits"

// A byte plane of which nearly all bytes are zero: those that are not, by the adaptive
// coder. So are, of F16 that was BF16, the three lowest bits, which only numbers
// below 2^-14 have.
//
//	count int                // of bytes that are not zero
//	(gap int, byte - 1 int)  // for each: how many zeros come before it
//
// The three kinds of number have models of their own.

const (
	gapsPart   = 256 // of how many bytes at most one may be not zero
	gapsGlance = 32  // the same where a part is counted, and one more of each value
)

// A gapsModel is what is known of a plane's gaps and bytes.
type gapsModel struct{ count, gap, value intModel }

// nonzeros appends the numbers of those of p's bytes that have bits in mask, and
// returns false if they are more than most.
func nonzeros(dst []int32, p []byte, mask byte, most int) ([]int32, bool) {
	wide := uint64(mask) * eachByte
	at := 0
	for ; at+64 <= len(p) && len(dst) <= most; at += 64 {
		b := (*[64]byte)(p[at:])
		x := le.Uint64(b[:]) | le.Uint64(b[8:]) | le.Uint64(b[16:]) | le.Uint64(b[24:])
		x |= le.Uint64(b[32:]) | le.Uint64(b[40:]) | le.Uint64(b[48:]) | le.Uint64(b[56:])
		if x&wide == 0 {
			continue
		}
		for i := 0; i < 64; i += 8 {
			for x := le.Uint64(b[i:]) & wide; x != 0; {
				k := bits.TrailingZeros64(x) / 8
				dst = append(dst, int32(at+i+k))
				x &^= 0xff << (8 * k)
			}
		}
	}
	for ; at < len(p); at++ {
		if p[at]&mask != 0 {
			dst = append(dst, int32(at))
		}
	}
	return dst, len(dst) <= most
}

// appendGaps appends the coding of those bits of p's bytes that are in mask, and
// returns false if it is not worth it.
func (s *scratch) appendGaps(dst, p []byte, mask byte) ([]byte, bool) {
	var few bool
	if s.moved, few = nonzeros(s.moved[:0], p, mask, len(p)/gapsPart); !few {
		return dst, false
	}
	var e adaptiveEncoder
	var m gapsModel
	from := len(dst)
	e.reset(dst)
	e.int(&m.count, uint32(len(s.moved)))
	next := int32(0)
	for _, i := range s.moved {
		e.int(&m.gap, uint32(i-next))
		e.int(&m.value, uint32(p[i]&mask-1))
		next = i + 1
	}
	return e.end(from), true
}

// readGaps fills p from src, which is exactly one coding.
func readGaps(p, src []byte) error {
	clear(p)
	var in adaptiveDecoder
	var m gapsModel
	in.reset(src)
	count := in.int(&m.count)
	if count > uint32(len(p)) {
		return corrupt("%d bytes of %d are not zero", count, len(p))
	}
	for ; count > 0; count-- {
		gap := in.int(&m.gap)
		if gap >= uint32(len(p)) {
			return corrupt("a gap beyond the last byte")
		}
		value := in.int(&m.value)
		if value > 0xfe {
			return corrupt("a byte of %d", value)
		}
		p[gap] = byte(value + 1)
		p = p[gap+1:]
	}
	return in.end()
}
