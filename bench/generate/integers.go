package generate

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
)

// quantise rounds the rows of w to integers of that many bits; the largest of
// each row in base, from which its scale is taken, becomes the largest integer.
func quantise(w, base []float64, cols, bits int) []int8 {
	q := make([]int8, len(w))
	top := float64(int(1)<<(bits-1) - 1)
	for r := 0; r < len(w); r += cols {
		most := 0.0
		for _, x := range base[r : r+cols] {
			most = max(most, math.Abs(x))
		}
		for i, x := range w[r : r+cols] {
			q[r+i] = int8(min(max(math.RoundToEven(x/most*top), -top), top))
		}
	}
	return q
}

// quantisedPair returns weights and the same after a step, both quantised by
// the scales of the former.
func quantisedPair(rng *rand.Rand, rows, cols, bits int, delta float64) (base, data []int8) {
	w := weights(rng, rows, cols)
	tuned := append([]float64(nil), w...)
	step{delta: delta}.take(rng, tuned, cols)
	return quantise(w, w, cols, bits), quantise(tuned, w, cols, bits)
}

// quantised returns what makes weights of one byte each.
func quantised(bits int, delta float64) func(*rand.Rand, int, int) (base, data []byte) {
	return func(rng *rand.Rand, rows, cols int) (base, data []byte) {
		b, d := quantisedPair(rng, rows, cols, bits, delta)
		base, data = make([]byte, len(b)), make([]byte, len(d))
		for i := range b {
			base[i], data[i] = byte(b[i]), byte(d[i])
		}
		return base, data
	}
}

// packed returns what makes 4-bit weights, eight to an int32 as GPTQ packs
// them.
func packed(delta float64) func(*rand.Rand, int, int) (base, data []byte) {
	return func(rng *rand.Rand, rows, cols int) (base, data []byte) {
		b, d := quantisedPair(rng, rows, 8*cols, 4, delta)
		return nibbles(b), nibbles(d)
	}
}

// nibbles packs pairs of q, each offset by 8 so as to be no less than zero.
func nibbles(q []int8) []byte {
	p := make([]byte, len(q)/2)
	for i := range p {
		p[i] = byte(q[2*i]+8) | byte(q[2*i+1]+8)<<4
	}
	return p
}

// indices makes ascending int64, and the same after one in a hundred moved by
// a little.
func indices(rng *rand.Rand, rows, cols int) (base, data []byte) {
	base, data = make([]byte, 0, 8*rows*cols), make([]byte, 0, 8*rows*cols)
	at := uint64(0)
	for range rows * cols {
		at += rng.Uint64N(16)
		moved := at
		if rng.IntN(100) == 0 {
			moved += rng.Uint64N(8)
		}
		base = binary.LittleEndian.AppendUint64(base, at)
		data = binary.LittleEndian.AppendUint64(data, moved)
	}
	return base, data
}
