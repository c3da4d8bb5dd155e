package codec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

// benchLeaves are leaves of the real pairs: the pair, the tensor, the bytes, and the
// elements of a row, where that is told.
var benchLeaves = []struct {
	target, base string
	tensor       string
	size, row    int
}{
	{"finetune", "base", "encoder.layer.1.intermediate.dense.weight", MaxLeaf, 0},
	{"finetune", "base", "encoder.layer.1.intermediate.dense.weight", 64 << 10, 0},
	{"finetune", "base", "encoder.layer.1.output.dense.bias", 768, 0},
	{"run-step50", "base", "encoder.layer.1.intermediate.dense.weight", MaxLeaf, 0},
	{"run-step50", "base", "encoder.layer.1.intermediate.dense.weight", MaxLeaf, 384},
	{"finetune-fp16", "base-fp16", "encoder.layer.1.intermediate.dense.weight", MaxLeaf, 0},
	{"finetune-fp16", "base-fp16", "encoder.layer.1.intermediate.dense.weight", MaxLeaf, 384},
	{"finetune-fp32", "base-fp32", "encoder.layer.0.intermediate.dense.weight", MaxLeaf, 0},
	{"base", "", "encoder.layer.1.intermediate.dense.weight", MaxLeaf, 0},
	{"base-fp32", "", "encoder.layer.0.intermediate.dense.weight", MaxLeaf, 0},
	{"finetune-fp32", "", "encoder.layer.0.intermediate.dense.weight", MaxLeaf, 0},
	{"base-fp16", "", "encoder.layer.1.intermediate.dense.weight", MaxLeaf, 0},
	{"finetune-fp16", "", "encoder.layer.1.intermediate.dense.weight", MaxLeaf, 0},
	{"finetune-fp16", "", "encoder.layer.1.intermediate.dense.weight", 288 << 10, 0},
}

// benchEach runs fn for each of benchLeaves that the test data has.
func benchEach(b *testing.B, fn func(b *testing.B, leaf []byte, c Context)) {
	for _, bl := range benchLeaves {
		target := readModel(b, bl.target)[bl.tensor]
		c := Context{DType: target.dtype}
		kind := "alone"
		if bl.base != "" {
			c = against(target.dtype, 0, readModel(b, bl.base)[bl.tensor].data[:bl.size])
			kind = "delta"
		}
		if bl.row > 0 {
			c.Row = bl.row
			kind += "-rows"
		}
		b.Run(fmt.Sprintf("%s/%s/%s/%d", target.dtype, kind, bl.target, bl.size), func(b *testing.B) {
			b.SetBytes(int64(bl.size))
			b.ReportAllocs()
			fn(b, target.data[:bl.size], c)
		})
	}
	for _, dtype := range []tensor.DType{tensor.I8, tensor.F8E4M3} {
		b.Run(fmt.Sprintf("%s/alone/generated/%d", dtype, MaxLeaf), func(b *testing.B) {
			b.SetBytes(MaxLeaf)
			fn(b, narrow(31, dtype, MaxLeaf), Context{DType: dtype})
		})
	}
}

// narrow returns normal numbers of one byte each, integers or F8E4M3.
func narrow(seed uint64, dtype tensor.DType, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	p := make([]byte, n)
	for i := range p {
		x := r.NormFloat64()
		if dtype == tensor.I8 {
			p[i] = byte(int8(max(-127, min(127, math.Round(x*28)))))
			continue
		}
		f := math.Float32bits(float32(math.Abs(x)))
		e := max(0, min(127, int(f+1<<19)>>20-(127-11)<<3))
		if p[i] = byte(e); x < 0 {
			p[i] |= 0x80
		}
	}
	return p
}

func BenchmarkEncode(b *testing.B) {
	benchEach(b, func(b *testing.B, leaf []byte, c Context) {
		var chunk []byte
		for b.Loop() {
			chunk, _ = Encode(chunk[:0], leaf, c)
		}
		b.ReportMetric(float64(len(chunk))/float64(len(leaf)), "ratio")
	})
}

func BenchmarkDecode(b *testing.B) {
	benchEach(b, func(b *testing.B, leaf []byte, c Context) {
		chunk, err := Encode(nil, leaf, c)
		if err != nil {
			b.Skip(err)
		}
		var out []byte
		for b.Loop() {
			out, _ = Decode(out[:0], chunk, len(leaf), c)
		}
		b.ReportMetric(float64(len(chunk))/float64(len(leaf)), "ratio")
	})
}

// BenchmarkRANS codes planes of many and of few bits a byte.
func BenchmarkRANS(b *testing.B) {
	for _, symbols := range []int{3, 256} {
		p := skewed(1, 512<<10, symbols)
		var h histogram
		h.count(p)
		var f freqs
		f.fit(&h, len(p))
		var r ransCoder
		enc := r.encode(nil, p, &f)
		b.Run(fmt.Sprintf("encode/%s/symbols=%d", tensor.U8, symbols), func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				enc = r.encode(enc[:0], p, &f)
			}
			b.ReportMetric(float64(len(enc))/float64(len(p)), "ratio")
		})
		b.Run(fmt.Sprintf("decode/%s/symbols=%d", tensor.U8, symbols), func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				if err := r.decode(p, enc); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(enc))/float64(len(p)), "ratio")
		})
	}
}
