package generate

import (
	"github.com/zipnode/zipnode/tensor"
)

var (
	matrix    = tensor.Shape{1024, 1024}
	embedding = tensor.Shape{8192, 256}
	vector    = tensor.Shape{768}
)

// Cases returns every case, in the order of the table.
func Cases() []Case {
	bf16, fp16 := mini{bfloat16}, mini{float16}
	delta := func(name string, dtype tensor.DType, f format, s step) Case {
		return Case{Name: name, DType: dtype, Shape: matrix, label: "linear.weight", fill: fineTune(f, s)}
	}
	alone := func(name string, dtype tensor.DType, f format) Case {
		return Case{Name: name, DType: dtype, Shape: matrix, Alone: true, label: "linear.weight", fill: fineTune(f, step{})}
	}
	third := delta("bf16 third identical", tensor.BF16, bf16, step{delta: 3e-4})
	third.same = 3
	rows := delta("bf16 embedding", tensor.BF16, bf16, step{delta: 5e-3, rows: 0.1})
	rows.Shape, rows.label = embedding, "embeddings.weight"
	vectors := delta("bf16 vectors", tensor.BF16, bf16, step{delta: 1e-3})
	vectors.Shape, vectors.label = vector, "norm.weight"
	return []Case{
		delta("bf16 1e-4", tensor.BF16, bf16, step{delta: 1e-4}),
		delta("bf16 1e-3", tensor.BF16, bf16, step{delta: 1e-3}),
		delta("bf16 5e-3", tensor.BF16, bf16, step{delta: 5e-3}),
		delta("bf16 2e-2", tensor.BF16, bf16, step{delta: 2e-2}),
		third,
		delta("bf16 proportional", tensor.BF16, bf16, step{delta: 3e-3, proportional: true}),
		rows,
		vectors,
		delta("fp16 1e-3", tensor.F16, fp16, step{delta: 1e-3}),
		delta("fp32 1e-3", tensor.F32, full{}, step{delta: 1e-3}),
		delta("fp64 1e-3", tensor.F64, double{}, step{delta: 1e-3}),
		delta("fp8 e4m3 1e-2", tensor.F8E4M3, scaled(f8e4m3), step{delta: 1e-2}),
		delta("fp8 e5m2 1e-2", tensor.F8E5M2, scaled(f8e5m2), step{delta: 1e-2}),
		{Name: "int8 quantised 1e-2", DType: tensor.I8, Shape: matrix, label: "linear.weight", fill: quantised(8, 1e-2)},
		{Name: "int32 of int4 1e-2", DType: tensor.I32, Shape: tensor.Shape{1024, 512}, label: "linear.qweight", fill: packed(1e-2)},
		{Name: "int64 indices", DType: tensor.I64, Shape: tensor.Shape{256 << 10}, label: "indices", fill: indices},
		alone("bf16 alone", tensor.BF16, bf16),
		alone("fp16 alone", tensor.F16, fp16),
		alone("fp32 alone", tensor.F32, full{}),
		alone("fp32 of bf16 alone", tensor.F32, widened{bf16}),
		alone("fp32 of fp16 alone", tensor.F32, widened{fp16}),
		alone("fp8 e4m3 alone", tensor.F8E4M3, scaled(f8e4m3)),
		{Name: "int8 alone", DType: tensor.I8, Shape: matrix, Alone: true, label: "linear.weight", fill: quantised(8, 0)},
	}
}
