package codec

import (
	"encoding/binary"
	"math/bits"
)

var le = binary.LittleEndian

// split writes the elements of src, each XORed with that of base unless base is
// nil, to planes: plane i of n elements is planes[i*n : (i+1)*n].
func (l layout) split(planes, src, base []byte) {
	n := len(src) / l.width()
	planes = planes[:len(src)]
	switch l {
	case layoutBytes:
		xor(planes, src, base)
	case layout16, layoutF16, layoutBF16:
		split16(planes[:n], planes[n:], src, base, l)
	case layout32, layoutF32:
		split32(planes, src, base, l)
	default:
		split64(planes, src, base, l)
	}
}

// join undoes split: it writes to dst the elements of planes, each XORed with
// that of base unless base is nil.
func (l layout) join(dst, planes, base []byte) {
	n := len(dst) / l.width()
	planes = planes[:len(dst)]
	switch l {
	case layoutBytes:
		xor(dst, planes, base)
	case layout16, layoutF16, layoutBF16:
		join16(dst, planes[:n], planes[n:], base, l)
	case layout32, layoutF32:
		join32(dst, planes, base, l)
	default:
		join64(dst, planes, base, l)
	}
}

// xor writes src XOR base to dst, or src where base is nil.
func xor(dst, src, base []byte) {
	if base == nil {
		copy(dst, src)
		return
	}
	for len(src) >= 8 && len(base) >= 8 && len(dst) >= 8 {
		le.PutUint64(dst, le.Uint64(src)^le.Uint64(base))
		dst, src, base = dst[8:], src[8:], base[8:]
	}
	for i := range src {
		dst[i] = src[i] ^ base[i]
	}
}

// The masks below keep, of each 16-bit lane, the sign, the exponent and the
// mantissa in their places in the file.
const (
	lanes16  = 0x0001000100010001
	expBF16  = 0x7f80 * lanes16
	mantBF16 = 0x007f * lanes16
	expF16   = 0x7c00 * lanes16
	mantF16  = 0x03ff * lanes16
	low16    = 0x00ff * lanes16
)

// masks16 returns what rotate16 and unrotate16 want: exponent and mantissa in
// the file's places, and the place of the sign when it is below the exponent.
func masks16(l layout) (exp, mant uint64, sign uint) {
	switch l {
	case layoutBF16:
		return expBF16, mantBF16, 7
	case layoutF16:
		return expF16, mantF16, 10
	}
	return 0x7fff * lanes16, 0, 0 // rotated by one bit; not used
}

func rotate16(x, exp, mant uint64, sign uint) uint64 {
	return x&exp<<1 | x>>15&lanes16<<(sign&15) | x&mant
}

func unrotate16(x, exp, mant uint64, sign uint) uint64 {
	return x>>1&exp | x>>(sign&15)&lanes16<<15 | x&mant
}

// even packs the low byte of each of the eight lanes of a and b.
func even(a, b uint64) uint64 {
	a &= low16
	b &= low16
	a = (a | a>>8) & 0x0000ffff0000ffff
	b = (b | b>>8) & 0x0000ffff0000ffff
	return (a|a>>16)&0xffffffff | (b|b>>16)<<32
}

// spread undoes even for four bytes.
func spread(x uint64) uint64 {
	x = (x | x<<16) & 0x0000ffff0000ffff
	return (x | x<<8) & low16
}

func split16(hi, lo, src, base []byte, l layout) {
	exp, mant, sign := masks16(l)
	plain := l == layout16
	for len(src) >= 16 && len(hi) >= 8 && len(lo) >= 8 {
		a, b := le.Uint64(src), le.Uint64(src[8:])
		if len(base) >= 16 {
			a ^= le.Uint64(base)
			b ^= le.Uint64(base[8:])
			base = base[16:]
		}
		if !plain {
			a, b = rotate16(a, exp, mant, sign), rotate16(b, exp, mant, sign)
		}
		le.PutUint64(hi, even(a>>8, b>>8))
		le.PutUint64(lo, even(a, b))
		src, hi, lo = src[16:], hi[8:], lo[8:]
	}
	for i := range hi {
		x := uint64(le.Uint16(src[2*i:]))
		if base != nil {
			x ^= uint64(le.Uint16(base[2*i:]))
		}
		if !plain {
			x = rotate16(x, exp, mant, sign)
		}
		hi[i], lo[i] = byte(x>>8), byte(x)
	}
}

func join16(dst, hi, lo, base []byte, l layout) {
	exp, mant, sign := masks16(l)
	plain := l == layout16
	for len(dst) >= 16 && len(hi) >= 8 && len(lo) >= 8 {
		h, w := le.Uint64(hi), le.Uint64(lo)
		a := spread(h&0xffffffff)<<8 | spread(w&0xffffffff)
		b := spread(h>>32)<<8 | spread(w>>32)
		if !plain {
			a, b = unrotate16(a, exp, mant, sign), unrotate16(b, exp, mant, sign)
		}
		if len(base) >= 16 {
			a ^= le.Uint64(base)
			b ^= le.Uint64(base[8:])
			base = base[16:]
		}
		le.PutUint64(dst, a)
		le.PutUint64(dst[8:], b)
		dst, hi, lo = dst[16:], hi[8:], lo[8:]
	}
	for i := range hi {
		x := uint64(hi[i])<<8 | uint64(lo[i])
		if !plain {
			x = unrotate16(x, exp, mant, sign)
		}
		if base != nil {
			x ^= uint64(le.Uint16(base[2*i:]))
		}
		le.PutUint16(dst[2*i:], uint16(x))
	}
}

const (
	expF32  = 0x7f800000
	mantF32 = 0x007fffff
	expF64  = 0x7ff0000000000000
	mantF64 = 0x000fffffffffffff
)

func split32(planes, src, base []byte, l layout) {
	n := len(src) / 4
	p0, p1, p2, p3 := planes[:n], planes[n:][:n], planes[2*n:][:n], planes[3*n:][:n]
	for i := range p0 {
		x := le.Uint32(src[4*i:])
		if base != nil {
			x ^= le.Uint32(base[4*i:])
		}
		if l == layoutF32 {
			x = x&expF32<<1 | x>>31<<23 | x&mantF32
		}
		p0[i], p1[i], p2[i], p3[i] = byte(x>>24), byte(x>>16), byte(x>>8), byte(x)
	}
}

func join32(dst, planes, base []byte, l layout) {
	n := len(dst) / 4
	p0, p1, p2, p3 := planes[:n], planes[n:][:n], planes[2*n:][:n], planes[3*n:][:n]
	for i := range p0 {
		x := uint32(p0[i])<<24 | uint32(p1[i])<<16 | uint32(p2[i])<<8 | uint32(p3[i])
		if l == layoutF32 {
			x = x>>1&expF32 | x>>23<<31 | x&mantF32
		}
		if base != nil {
			x ^= le.Uint32(base[4*i:])
		}
		le.PutUint32(dst[4*i:], x)
	}
}

func split64(planes, src, base []byte, l layout) {
	n := len(src) / 8
	for i := range n {
		x := le.Uint64(src[8*i:])
		if base != nil {
			x ^= le.Uint64(base[8*i:])
		}
		if l == layoutF64 {
			x = x&expF64<<1 | x>>63<<52 | x&mantF64
		}
		for p := range 8 {
			x = bits.RotateLeft64(x, 8)
			planes[p*n+i] = byte(x)
		}
	}
}

func join64(dst, planes, base []byte, l layout) {
	n := len(dst) / 8
	for i := range n {
		var x uint64
		for p := range 8 {
			x = x<<8 | uint64(planes[p*n+i])
		}
		if l == layoutF64 {
			x = x>>1&expF64 | x>>52<<63 | x&mantF64
		}
		if base != nil {
			x ^= le.Uint64(base[8*i:])
		}
		le.PutUint64(dst[8*i:], x)
	}
}
