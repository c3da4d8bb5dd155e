package codec

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/zipnode/zipnode/tensor"
)

// mergedMatrix returns weights as layers have them, and the same plus an update of low
// rank, of so large a part of them, rounded: a merged adapter.
func mergedMatrix(seed uint64, rows, columns, rank int, part float64) (base, target realTensor) {
	r := rand.New(rand.NewPCG(seed, 77))
	u, v := make([]float32, rows*rank), make([]float32, columns*rank)
	for i := range u { // the last of the rank are the weakest, as of real ones
		u[i] = float32(r.NormFloat64() * math.Exp(-2.5*float64(i%rank)/float64(rank)))
	}
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	round := func(x float32) uint16 {
		b := math.Float32bits(x)
		return uint16((b + 0x7fff + b>>16&1) >> 16)
	}
	scale := float32(part * 0.02 * math.Sqrt(5/float64(rank)))
	base, target = realTensor{tensor.BF16, nil, columns}, realTensor{tensor.BF16, nil, columns}
	for i := range rows {
		size := 0.02 * math.Exp(0.3*r.NormFloat64())
		for j := range columns {
			w := round(float32(size * r.NormFloat64()))
			y := round(math.Float32frombits(uint32(w)<<16) + scale*dot32(u[i*rank:(i+1)*rank], v[j*rank:(j+1)*rank]))
			base.data, target.data = le.AppendUint16(base.data, w), le.AppendUint16(target.data, y)
		}
	}
	return base, target
}

// TestLowRankGenerated tells what merged adapters of the size that real ones have
// take, with and without a side block.
func TestLowRankGenerated(t *testing.T) {
	if testing.Short() {
		t.Skip("tens of MB of weights")
	}
	for _, part := range []float64{1e-3, 3e-3, 1e-2} {
		base, target := mergedMatrix(1, 2048, 2048, 16, part)
		start := time.Now()
		plain, _ := encodeAll(t, target, base, nil)
		took := time.Since(start)
		start = time.Now()
		maybe := MaybeLowRank(target.data[:4<<20], base.data[:4<<20], tensor.BF16, 2048)
		glance := time.Since(start)
		start = time.Now()
		side := LowRank(target.data, base.data, tensor.BF16, 2048, int64(len(base.data)), int64(plain))
		search := time.Since(start)
		if side == nil {
			t.Errorf("%g: %v no side block", part, maybe)
			continue
		}
		start = time.Now()
		low, methods := encodeAll(t, target, base, side)
		bits := func(n int) float64 { return float64(8*n) / float64(len(base.data)/2) }
		t.Logf("%g: %.3f bits an element → %.3f, of these %.3f in a side block of rank %d, %v; encoded in %v, %v; glance %v %v, search %v",
			part, bits(plain), bits(low+len(side)), bits(len(side)), side[1], methods, took, time.Since(start), maybe, glance, search)
	}
}

// BenchmarkLowRank encodes and decodes a leaf of a merged adapter of rank 16, with and
// without a side block.
func BenchmarkLowRank(b *testing.B) {
	base, target := mergedMatrix(2, 256, 2048, 16, 3e-3)
	side := LowRank(target.data, base.data, tensor.BF16, 2048, 8<<20, 3<<20)
	for _, bench := range []struct {
		name string
		side []byte
	}{{"ordinary", nil}, {"lowrank", side}} {
		c := against(tensor.BF16, 0, base.data)
		c.Row, c.Level, c.Side = 2048, Best, bench.side
		chunk, err := Encode(nil, target.data, c)
		if err != nil {
			b.Fatal(err)
		}
		out := make([]byte, 0, MaxLeaf)
		b.Run("decode/"+bench.name, func(b *testing.B) {
			b.SetBytes(MaxLeaf)
			for b.Loop() {
				if out, err = Decode(out[:0], chunk, MaxLeaf, c); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(chunk))/MaxLeaf, "ratio")
		})
		b.Run("encode/"+bench.name, func(b *testing.B) {
			b.SetBytes(MaxLeaf)
			for b.Loop() {
				if out, err = Encode(out[:0], target.data, c); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
