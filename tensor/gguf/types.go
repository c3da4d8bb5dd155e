package gguf

import "github.com/zipnode/zipnode/tensor"

// dtypes are ggml's tensor types by their number. An absent one makes its
// tensor opaque, among them those that were withdrawn (4, 5, 31 to 33, 36 to
// 38: other programs have used the numbers again) and Q2_0 (42), whose block
// has 64 elements in ggml and 128 in the fork that published models with it.
var dtypes = map[uint32]tensor.DType{
	0: tensor.F32, 1: tensor.F16, 2: tensor.Q4_0, 3: tensor.Q4_1,
	6: tensor.Q5_0, 7: tensor.Q5_1, 8: tensor.Q8_0, 9: tensor.Q8_1,
	10: tensor.Q2K, 11: tensor.Q3K, 12: tensor.Q4K, 13: tensor.Q5K, 14: tensor.Q6K, 15: tensor.Q8K,
	16: tensor.IQ2XXS, 17: tensor.IQ2XS, 18: tensor.IQ3XXS, 19: tensor.IQ1S,
	20: tensor.IQ4NL, 21: tensor.IQ3S, 22: tensor.IQ2S, 23: tensor.IQ4XS,
	24: tensor.I8, 25: tensor.I16, 26: tensor.I32, 27: tensor.I64, 28: tensor.F64,
	29: tensor.IQ1M, 30: tensor.BF16, 34: tensor.TQ1_0, 35: tensor.TQ2_0,
	39: tensor.MXFP4, 40: tensor.NVFP4, 41: tensor.Q1_0,
}
