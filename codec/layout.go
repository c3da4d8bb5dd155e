package codec

import "github.com/zipnode/zipnode/tensor"

// A layout says how elements are split into byte planes.
//
// A float's sign moves from above its exponent to below it; then byte i of the
// element, counted from the most significant, goes to plane i. So BF16 and F32
// have a plane that is the exponent and nothing else, and all floats have the
// sign beside the top of the mantissa: where an update flips signs, it has also
// changed those bits.
//
// The paper's code does this for BF16 and treats all else as if it were BF16.
type layout uint8

const (
	layoutBytes layout = 0 // any bytes: one plane
	layout16    layout = 1 // integers of 2 bytes
	layout32    layout = 2
	layout64    layout = 3
	layoutBF16  layout = 4 // exponent 8 | sign, mantissa 7
	layoutF16   layout = 5 // exponent 5, sign, mantissa 2 | mantissa 8
	layoutF32   layout = 6 // exponent 8 | sign, mantissa 7 | 8 | 8
	layoutF64   layout = 7 // exponent 8 | exponent 3, sign, mantissa 4 | 8 × 6
	layouts            = 8
)

// width returns the bytes of an element, which is also the number of planes.
func (l layout) width() int {
	return [layouts]int{1, 2, 4, 8, 2, 2, 4, 8}[l]
}

// layoutOf returns how leaves of dtype are split, and false if nothing is known
// of its elements; the layout is then layoutBytes.
func layoutOf(dtype tensor.DType) (layout, bool) {
	switch dtype {
	case tensor.BOOL, tensor.U8, tensor.I8, tensor.F8E5M2, tensor.F8E4M3, tensor.F8E8M0,
		tensor.F8E4M3FNUZ, tensor.F8E5M2FNUZ:
		return layoutBytes, true
	case tensor.I16, tensor.U16:
		return layout16, true
	case tensor.I32, tensor.U32:
		return layout32, true
	case tensor.I64, tensor.U64:
		return layout64, true
	case tensor.BF16:
		return layoutBF16, true
	case tensor.F16:
		return layoutF16, true
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
	w := l.width()
	head = min(size, int(-uint64(offset)&uint64(w-1)))
	return head, (size - head) & (w - 1)
}
