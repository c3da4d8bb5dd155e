package codec

import (
	"math/bits"

	"github.com/zipnode/zipnode/tensor"
)

// A number is how the bits of an element are ordered and how its magnitude is
// read off them.
type number struct {
	width    int  // bytes of an element: 1, 2 or 4
	exponent uint // the lowest bit of the exponent; 0 for integers, which have none
	mask     uint32
	float    bool // sign and magnitude, not two's complement
	signed   bool // two's complement
}

// numberOf returns how elements of dtype are ordered, and false if they are not
// numbers of one, two or four bytes.
func numberOf(dtype tensor.DType) (number, bool) {
	switch dtype {
	case tensor.BF16:
		return number{width: 2, exponent: 7, mask: 0xff, float: true}, true
	case tensor.F16:
		return number{width: 2, exponent: 10, mask: 0x1f, float: true}, true
	case tensor.F32, tensor.C64:
		return number{width: 4, exponent: 23, mask: 0xff, float: true}, true
	case tensor.F8E4M3, tensor.F8E4M3FNUZ:
		return number{width: 1, exponent: 3, mask: 0xf, float: true}, true
	case tensor.F8E5M2, tensor.F8E5M2FNUZ:
		return number{width: 1, exponent: 2, mask: 0x1f, float: true}, true
	case tensor.I8:
		return number{width: 1, signed: true}, true
	case tensor.U8, tensor.BOOL, tensor.F8E8M0:
		return number{width: 1}, true
	case tensor.I16:
		return number{width: 2, signed: true}, true
	case tensor.U16:
		return number{width: 2}, true
	case tensor.I32:
		return number{width: 4, signed: true}, true
	case tensor.U32:
		return number{width: 4}, true
	}
	return number{}, false
}

// bits returns the bits of an element.
func (n number) bits() uint { return uint(8 * n.width) }

// An ordering maps the bits of an element to an unsigned integer of as many bits
// that is in the order of the numbers: a step from one number to the next is 1,
// also across a power of two and across zero. Signs are as good as random, so
// that nothing here branches on one.
type ordering struct {
	top  uint   // the number of the highest bit, which is the sign if there is one
	flip uint32 // what is flipped in all: the sign
	low  uint32 // and what in negative floats: their magnitude
	mask uint32 // of the bits
}

// ordering returns how elements of n are ordered.
func (n number) ordering() ordering {
	o := ordering{top: n.bits() - 1, mask: 1<<n.bits() - 1}
	if n.float || n.signed {
		o.flip = 1 << o.top
	}
	if n.float {
		o.low = 1<<o.top - 1
	}
	return o
}

// order maps the bits x of an element to their place in the order.
func (o ordering) order(x uint32) uint32 { return x ^ o.flip ^ -(x>>(o.top&31))&o.low }

// unorder undoes order.
func (o ordering) unorder(x uint32) uint32 { return x ^ o.flip ^ (x>>(o.top&31)-1)&o.low }

// step returns the zigzagged difference of the elements a and b, modulo the
// width: 0, 1, 2, 3, 4 for 0, -1, 1, -2, 2.
func (o ordering) step(a, b uint32) uint32 {
	d := o.order(a) - o.order(b)
	return (d<<1 ^ -(d >> (o.top & 31) & 1)) & o.mask
}

// walk undoes step: it returns the element that is step z from b.
func (o ordering) walk(b, z uint32) uint32 {
	return o.unorder((o.order(b) + (z>>1 ^ -(z & 1))) & o.mask)
}

// Steps are counted by fine symbols, which tell a step z as a float of three
// mantissa bits tells z+1: those below 15 are their own symbol, each further
// octave has eight.

// symbolOf returns the fine symbol of step z. The highest step of Z, after which
// there is none, has symbol 255.
func symbolOf[Z step](z Z) uint8 {
	v := uint32(z + 1)
	raw := uint32(bits.Len32(v>>3|1) - 1) // no branch
	return uint8(8*raw + v>>(raw&31) - 1)
}
