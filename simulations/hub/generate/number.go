package generate

import (
	"encoding/binary"
	"math"

	"github.com/zipnode/zipnode/tensor"
)

// encode appends row to dst in a dtype of F32, F16 or BF16, rounded to the
// nearest, ties to even. Numbers are finite, and small enough for the dtype.
func encode(dst []byte, row []float32, d tensor.DType) []byte {
	switch d {
	case tensor.BF16:
		for _, x := range row {
			u := math.Float32bits(x)
			dst = binary.LittleEndian.AppendUint16(dst, uint16((u+0x7fff+u>>16&1)>>16))
		}
	case tensor.F16:
		for _, x := range row {
			dst = binary.LittleEndian.AppendUint16(dst, half(x))
		}
	default:
		for _, x := range row {
			dst = binary.LittleEndian.AppendUint32(dst, math.Float32bits(x))
		}
	}
	return dst
}

// half returns x as fp16.
func half(x float32) uint16 {
	u := math.Float32bits(x)
	sign := uint16(u >> 16 & 0x8000)
	u &= 0x7fffffff
	if u < 113<<23 { // below 2^-14: a multiple of 2^-24
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(u))*(1<<24)))
	}
	u += 0xfff + u>>13&1
	return sign | uint16(u>>13-112<<10)
}

// decode reads elements of bf16, all of them.
func decode(row []float32, p []byte) {
	for i := range row {
		row[i] = math.Float32frombits(uint32(binary.LittleEndian.Uint16(p[2*i:])) << 16)
	}
}
