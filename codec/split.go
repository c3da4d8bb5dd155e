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
	if k := splitFast(l, planes, src, base, n); k > 0 {
		l.splitSlow(planes, src, base, k)
		return
	}
	switch l {
	case layoutBytes:
		xor(planes, src, base)
	case layout16, layoutBF16:
		split16(planes[:n], planes[n:], src, base, l)
	case layout32, layoutF32:
		split32(planes, src, base, l)
	default:
		split64(planes, src, base, l)
	}
}

// join undoes split: it writes to dst the elements of planes, each XORed with
// that of base unless base is nil.
func (l layout) join(dst []byte, planes *planeSet, base []byte) {
	if k := joinFast(l, dst, planes, base); k > 0 {
		l.joinSlow(dst, planes, base, k)
		return
	}
	switch l {
	case layoutBytes:
		if base == nil && len(dst) > 0 && &dst[0] == &planes[0][0] {
			return // it was read to where it belongs
		}
		xor(dst, planes[0], base)
	case layout16, layoutBF16:
		join16(dst, planes[0], planes[1], base, l)
	case layout32, layoutF32:
		join32(dst, planes, base, l)
	default:
		join64(dst, planes, base, l)
	}
}

// A planeSet is the planes of a layout, as many as elements have bytes, and of as
// many bytes as there are elements.
type planeSet [maxWidth][]byte

// maxWidth is the most bytes of an element.
const maxWidth = 8

// splitSlow splits the elements of src from the k'th on, one by one.
func (l layout) splitSlow(planes, src, base []byte, k int) {
	w := l.width()
	n := len(src) / w
	var one [8]byte
	for i := k; i < n; i++ {
		var b []byte
		if base != nil {
			b = base[i*w : (i+1)*w]
		}
		l.split(one[:w], src[i*w:(i+1)*w], b)
		for p := range w {
			planes[p*n+i] = one[p]
		}
	}
}

// joinSlow joins the elements from the k'th on.
func (l layout) joinSlow(dst []byte, planes *planeSet, base []byte, k int) {
	w := l.width()
	if k == len(dst)/w {
		return
	}
	rest := *planes
	for p := range w {
		rest[p] = planes[p][k:]
	}
	if base != nil {
		base = base[k*w:]
	}
	switch dst = dst[k*w:]; w {
	case 2:
		join16(dst, rest[0], rest[1], base, l)
	case 4:
		join32(dst, &rest, base, l)
	default:
		join64(dst, &rest, base, l)
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

// Bytes of each 16-bit lane.
const (
	lanes16 = 0x0001000100010001
	low16   = 0x00ff * lanes16
	sign8   = 0x0080 * lanes16
	mant8   = 0x007f * lanes16
)

// even packs the low byte of each of the eight lanes of a and b, whose high
// bytes are zero.
func even(a, b uint64) uint64 {
	a = (a | a>>8) & 0x0000ffff0000ffff
	b = (b | b>>8) & 0x0000ffff0000ffff
	return (a|a>>16)&0xffffffff | (b|b>>16)<<32
}

// spread undoes even for the low four bytes of x.
func spread(x uint64) uint64 {
	x &= 0xffffffff
	x = (x | x<<16) & 0x0000ffff0000ffff
	return (x | x<<8) & low16
}

// split16 takes eight elements at a time.
func split16(hi, lo, src, base []byte, l layout) {
	for i := range len(hi) / 8 {
		s := (*[16]byte)(src[16*i:])
		a, b := le.Uint64(s[:8]), le.Uint64(s[8:])
		if base != nil {
			s := (*[16]byte)(base[16*i:])
			a ^= le.Uint64(s[:8])
			b ^= le.Uint64(s[8:])
		}
		var h, w uint64
		if l == layoutBF16 {
			h = even(a>>7&low16, b>>7&low16)
			w = even(a>>8&sign8|a&mant8, b>>8&sign8|b&mant8)
		} else {
			h = even(a>>8&low16, b>>8&low16)
			w = even(a&low16, b&low16)
		}
		le.PutUint64((*[8]byte)(hi[8*i:])[:], h)
		le.PutUint64((*[8]byte)(lo[8*i:])[:], w)
	}
	for i := len(hi) &^ 7; i < len(hi); i++ {
		x := le.Uint16(src[2*i:])
		if base != nil {
			x ^= le.Uint16(base[2*i:])
		}
		if l == layoutBF16 {
			x = x<<1&0xff00 | x>>8&0x80 | x&0x7f
		}
		hi[i], lo[i] = byte(x>>8), byte(x)
	}
}

func join16(dst, hi, lo, base []byte, l layout) {
	for i := range len(hi) / 8 {
		h, w := le.Uint64((*[8]byte)(hi[8*i:])[:]), le.Uint64((*[8]byte)(lo[8*i:])[:])
		ha, hb, wa, wb := spread(h), spread(h>>32), spread(w), spread(w>>32)
		var a, b uint64
		if l == layoutBF16 {
			a = ha<<7 | wa&sign8<<8 | wa&mant8
			b = hb<<7 | wb&sign8<<8 | wb&mant8
		} else {
			a, b = ha<<8|wa, hb<<8|wb
		}
		if base != nil {
			s := (*[16]byte)(base[16*i:])
			a ^= le.Uint64(s[:8])
			b ^= le.Uint64(s[8:])
		}
		d := (*[16]byte)(dst[16*i:])
		le.PutUint64(d[:8], a)
		le.PutUint64(d[8:], b)
	}
	for i := len(hi) &^ 7; i < len(hi); i++ {
		x := uint16(hi[i])<<8 | uint16(lo[i])
		if l == layoutBF16 {
			x = x>>1&0x7f80 | x&0x80<<8 | x&0x7f
		}
		if base != nil {
			x ^= le.Uint16(base[2*i:])
		}
		le.PutUint16(dst[2*i:], x)
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

func join32(dst []byte, planes *planeSet, base []byte, l layout) {
	n := len(dst) / 4
	p0, p1, p2, p3 := planes[0][:n], planes[1][:n], planes[2][:n], planes[3][:n]
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

func join64(dst []byte, planes *planeSet, base []byte, l layout) {
	for i := range len(dst) / 8 {
		var x uint64
		for _, p := range planes {
			x = x<<8 | uint64(p[i])
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
