package tensor

import "math/bits"

// The block types of ggml: arrays of structs, each a block of elements with
// its own scales. The plain types of ggml (F32, BF16, I8, …) have the names and
// the bytes that safetensors gives them.
const (
	Q4_0   DType = "Q4_0"
	Q4_1   DType = "Q4_1"
	Q5_0   DType = "Q5_0"
	Q5_1   DType = "Q5_1"
	Q8_0   DType = "Q8_0"
	Q8_1   DType = "Q8_1"
	Q2K    DType = "Q2_K"
	Q3K    DType = "Q3_K"
	Q4K    DType = "Q4_K"
	Q5K    DType = "Q5_K"
	Q6K    DType = "Q6_K"
	Q8K    DType = "Q8_K"
	IQ2XXS DType = "IQ2_XXS"
	IQ2XS  DType = "IQ2_XS"
	IQ3XXS DType = "IQ3_XXS"
	IQ1S   DType = "IQ1_S"
	IQ4NL  DType = "IQ4_NL"
	IQ3S   DType = "IQ3_S"
	IQ2S   DType = "IQ2_S"
	IQ4XS  DType = "IQ4_XS"
	IQ1M   DType = "IQ1_M"
	TQ1_0  DType = "TQ1_0"
	TQ2_0  DType = "TQ2_0"
	MXFP4  DType = "MXFP4"
	NVFP4  DType = "NVFP4"
	Q1_0   DType = "Q1_0"
)

var elementBits = map[DType]int{
	BOOL: 8, F4: 4, F6E2M3: 6, F6E3M2: 6, U8: 8, I8: 8,
	F8E5M2: 8, F8E4M3: 8, F8E8M0: 8, F8E4M3FNUZ: 8, F8E5M2FNUZ: 8,
	I16: 16, U16: 16, F16: 16, BF16: 16, I32: 32, U32: 32, F32: 32,
	C64: 64, F64: 64, I64: 64, U64: 64,
}

// block is how many elements a block has, and in how many bytes.
type block struct{ elems, bytes int }

// The sizes are those of the structs in ggml-common.h.
var blocks = map[DType]block{
	Q4_0: {32, 18}, Q4_1: {32, 20}, Q5_0: {32, 22}, Q5_1: {32, 24}, Q8_0: {32, 34}, Q8_1: {32, 36},
	Q2K: {256, 84}, Q3K: {256, 110}, Q4K: {256, 144}, Q5K: {256, 176}, Q6K: {256, 210}, Q8K: {256, 292},
	IQ2XXS: {256, 66}, IQ2XS: {256, 74}, IQ3XXS: {256, 98}, IQ1S: {256, 50}, IQ4NL: {32, 18},
	IQ3S: {256, 110}, IQ2S: {256, 82}, IQ4XS: {256, 136}, IQ1M: {256, 56},
	TQ1_0: {256, 54}, TQ2_0: {256, 66}, MXFP4: {32, 17}, NVFP4: {64, 36}, Q1_0: {128, 18},
}

// Bits returns the bits of one element, or 0 where elements have no width of
// their own: Opaque, a block type, a type that is not known.
func (d DType) Bits() int { return elementBits[d] }

// Block returns how many elements of a row make a block of a ggml block type,
// and the bytes of one block. Both are 0 for every other type.
func (d DType) Block() (elems, bytes int) {
	b := blocks[d]
	return b.elems, b.bytes
}

// Bytes returns the size in bytes of a tensor of dtype d and shape s. It
// returns false where there is no such size: the type is not known, the size
// overflows 64 bits, elements of less than a byte do not fill whole bytes, or a
// row does not fill whole blocks.
func (d DType) Bytes(s Shape) (uint64, bool) {
	n, ok := s.Elems()
	if !ok {
		return 0, false
	}
	if w := d.Bits(); w != 0 {
		hi, lo := bits.Mul64(n, uint64(w))
		return lo / 8, hi == 0 && lo%8 == 0
	}
	elems, size := d.Block()
	if elems == 0 || len(s) == 0 || s[len(s)-1]%uint64(elems) != 0 {
		return 0, false
	}
	hi, lo := bits.Mul64(n/uint64(elems), uint64(size))
	return lo, hi == 0
}
