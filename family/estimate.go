package family

import (
	"math"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/tensor"
)

// minPairs is how many runs must be shared before a delta is estimated: below
// that chance speaks.
const minPairs = 8

// Estimate returns how many bits a unit of the target will take, on average,
// when it is encoded against base, or stand-alone if base is nil. A unit is an
// element, but for the dtypes that the package's format names. It returns +Inf
// if the samples cannot tell: their dtypes differ, and are not both floats that
// can be cast, or they share less than eight runs.
//
// Where base is shorter, the rest of target is reckoned as stand-alone.
//
// It is a model of the codec, not the codec. Stand-alone, a float is its
// exponent, and sign and mantissa in bytes, each by the frequencies in the
// sample. Against a base it is the difference of both as integers in the order
// of the numbers, by octave with the base's exponent as context, and raw bits;
// runs that did not move are marked where that is cheaper. Any other unit is
// its bytes, or their XOR with the base's.
func Estimate(target Sample, base *Sample) float64 {
	if base == nil {
		return alone(&target)
	}
	if !codec.Castable(base.dtype, target.dtype) {
		return math.Inf(1)
	}
	p := pairsOf(&target, base)
	if len(p.target) < minPairs {
		return math.Inf(1)
	}
	units := float64(len(p.target) * (target.grid.run / target.grid.unit))
	delta := p.bits() / units
	if base.units >= target.units {
		return delta
	}
	covered := float64(base.units) / float64(target.units)
	return covered*delta + (1-covered)*alone(&target)
}

// float is how a float's bits are divided, below the sign.
type float struct{ exponent, mantissa int }

var floats = map[tensor.DType]float{
	tensor.F8E5M2: {5, 2}, tensor.F8E5M2FNUZ: {5, 2}, tensor.F8E4M3: {4, 3}, tensor.F8E4M3FNUZ: {4, 3},
	tensor.F16: {5, 10}, tensor.BF16: {8, 7}, tensor.F32: {8, 23}, tensor.C64: {8, 23}, tensor.F64: {11, 52},
}

// alone estimates bits a unit without a base.
func alone(s *Sample) float64 {
	if len(s.at) == 0 {
		return 0
	}
	units := float64(len(s.data) / s.grid.unit)
	f, ok := floats[s.dtype]
	if !ok {
		return bytesAlone(s) / units
	}
	var exponents [2]histogram // an exponent may have 11 bits
	var rest [8]histogram
	for p := s.data; len(p) > 0; p = p[s.grid.unit:] {
		v := word(p[:s.grid.unit])
		add(exponents[:planes(f.exponent)], uint64(f.exponentOf(v)))
		sign := v >> (f.mantissa + f.exponent)
		add(rest[:planes(f.mantissa+1)], v&(1<<f.mantissa-1)|sign<<f.mantissa)
	}
	return (planeBits(exponents[:], f.exponent) + planeBits(rest[:], f.mantissa+1)) / units
}

// planes returns how many bytes hold so many bits.
func planes(width int) int { return (width + 7) / 8 }

func bytesAlone(s *Sample) float64 {
	var h [8]histogram
	for i := 0; i < len(s.data); i += s.grid.unit {
		addBytes(&h, s.data[i:i+s.grid.unit])
	}
	return planeBits(h[:], 64)
}

// addBytes counts the bytes of a unit, each at its place; those of a block,
// all at one.
func addBytes(h *[8]histogram, unit []byte) {
	for i, b := range unit {
		if len(unit) > len(h) {
			i = 0
		}
		h[i][b]++
	}
}
