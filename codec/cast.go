package codec

import (
	"math/bits"

	"github.com/zipnode/zipnode/tensor"
)

// Castable tells whether a base of dtype from can predict a tensor of dtype to:
// both are one dtype, or both are BF16, F16 or F32, whose numbers are cast.
func Castable(from, to tensor.DType) bool { return from == to || castable(from) && castable(to) }

func castable(d tensor.DType) bool { return d == tensor.BF16 || d == tensor.F16 || d == tensor.F32 }

// Cast appends to dst the elements of src, of dtype from, as elements of dtype
// to, both of which are BF16, F16 or F32: each rounded to the nearest, of two to
// the even one, and what is too large to infinity. A NaN keeps the bits that fit,
// and stays one. It is all in integers, the same everywhere.
func Cast(dst, src []byte, from, to tensor.DType) []byte {
	for len(src) >= 2 {
		var x uint32
		switch from {
		case tensor.BF16:
			x, src = uint32(le.Uint16(src))<<16, src[2:]
		case tensor.F16:
			x, src = widenHalf(uint32(le.Uint16(src))), src[2:]
		default:
			if len(src) < 4 {
				return dst
			}
			x, src = le.Uint32(src), src[4:]
		}
		switch to {
		case tensor.BF16:
			dst = le.AppendUint16(dst, uint16(roundToBF16(x)))
		case tensor.F16:
			dst = le.AppendUint16(dst, uint16(roundToHalf(x)))
		default:
			dst = le.AppendUint32(dst, x)
		}
	}
	return dst
}

const (
	signF32 = 1 << 31
	infF32  = 0xff << 23
)

func roundToBF16(x uint32) uint32 {
	if x&^signF32 > infF32 && x&0xffff != 0 { // rounding could make it infinite
		return x>>16 | 1<<6
	}
	return uint32((uint64(x) + 0x7fff + uint64(x>>16&1)) >> 16)
}

func widenHalf(x uint32) uint32 {
	sign, exponent, mantissa := x>>15<<31, x>>10&31, x&1023
	switch {
	case exponent == 31:
		return sign | infF32 | mantissa<<13
	case exponent > 0:
		return sign | (exponent+112)<<23 | mantissa<<13
	case mantissa == 0:
		return sign
	}
	shift := uint32(bits.LeadingZeros32(mantissa)) - 21 // to bring its highest bit to bit 10
	return sign | (113-shift)<<23 | mantissa<<shift&1023<<13
}

func roundToHalf(x uint32) uint32 {
	sign, x := x>>31<<15, x&^signF32
	switch {
	case x > infF32:
		return sign | 31<<10 | 1<<9 | x>>13&1023
	case x >= (127+16)<<23:
		return sign | 31<<10
	case x < (127-25)<<23: // below half of the least
		return sign
	}
	exponent := x >> 23
	mantissa := x&(1<<23-1) | 1<<23
	drop := uint32(13)
	base := uint32(0)
	if exponent > 127-15 {
		base = (exponent - (127 - 14)) << 10 // less the leading bit, which adds one
	} else {
		drop += 127 - 14 - exponent
	}
	half := uint32(1) << (drop - 1)
	rounded := (mantissa + half - 1 + mantissa>>drop&1) >> drop
	return sign | min(base+rounded, 31<<10)
}
