package codec

import "github.com/zipnode/zipnode/tensor"

// A layout says how elements are split into byte planes: byte i of an element,
// counted from the most significant, goes to plane i.
//
// In the other floats than F16 the sign first moves
// from above the exponent to below it. So BF16 and F32 have a plane that is the
// exponent and nothing else, and the sign is beside the top of the mantissa:
// where an update flips signs, it has also changed those bits. In F16 sign and
// exponent are in one byte with the top of the mantissa wherever the sign is.
//
// The paper's code does this for BF16, and treats all else as if it were BF16.
type layout uint8

const (
	layoutBytes layout = 0 // any bytes: one plane
	layout16    layout = 1 // F16: sign, exponent 5, mantissa 2 | mantissa 8; integers
	layout32    layout = 2 // integers
	layout64    layout = 3 // integers
	layoutBF16  layout = 4 // exponent 8 | sign, mantissa 7
	layoutF32   layout = 5 // exponent 8 | sign, mantissa 7 | 8 | 8
	layoutF64   layout = 6 // exponent 8 | exponent 3, sign, mantissa 4 | 8 × 6
	layouts            = 7
)

// width returns the bytes of an element, which is also the number of planes.
func (l layout) width() int {
	return [layouts]int{1, 2, 4, 8, 2, 4, 8}[l]
}

// layoutOf returns how leaves of dtype are split, and false if nothing is known
// of its elements; the layout is then layoutBytes.
func layoutOf(dtype tensor.DType) (layout, bool) {
	switch dtype {
	case tensor.BOOL, tensor.U8, tensor.I8, tensor.F8E5M2, tensor.F8E4M3, tensor.F8E8M0,
		tensor.F8E4M3FNUZ, tensor.F8E5M2FNUZ:
		return layoutBytes, true
	case tensor.I16, tensor.U16, tensor.F16:
		return layout16, true
	case tensor.I32, tensor.U32:
		return layout32, true
	case tensor.I64, tensor.U64:
		return layout64, true
	case tensor.BF16:
		return layoutBF16, true
	case tensor.F32, tensor.C64:
		return layoutF32, true
	case tensor.F64:
		return layoutF64, true
	}
	return layoutBytes, false
}

// edges returns how many of the size bytes at offset in a tensor come before
// the first whole element, and how many after the last.
func (l layout) edges(offset int64, size int) (head, tail int) {
	return edgesOf(l.width(), offset, size)
}
