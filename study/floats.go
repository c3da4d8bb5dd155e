package study

import "github.com/zipnode/zipnode/tensor"

// floatOf returns how many bits of a float are its exponent and its mantissa.
func floatOf(dtype tensor.DType) (exponent, mantissa int, ok bool) {
	switch dtype {
	case tensor.BF16:
		return 8, 7, true
	case tensor.F16:
		return 5, 10, true
	case tensor.F32:
		return 8, 23, true
	case tensor.F64:
		return 11, 52, true
	case tensor.F8E4M3, tensor.F8E4M3FNUZ:
		return 4, 3, true
	case tensor.F8E5M2, tensor.F8E5M2FNUZ:
		return 5, 2, true
	}
	return 0, 0, false
}
