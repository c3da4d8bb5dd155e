package family

import (
	"encoding/binary"
	"math"

	"github.com/zipnode/zipnode/tensor"
)

// Castable tells whether a tensor of dtype from can predict one of dtype to,
// element by element: they are one dtype, or both are IEEE floats or bfloat16.
func Castable(from, to tensor.DType) bool {
	return from == to || ieee(from) && ieee(to)
}

func ieee(d tensor.DType) bool {
	switch d {
	case tensor.F16, tensor.BF16, tensor.F32, tensor.F64:
		return true
	}
	return false
}

// cast returns the run of floats of dtype from as floats of dtype to, rounded
// to the nearest, of two to the even one.
func cast(run []byte, from, to tensor.DType) []byte {
	size, wide := from.Bits()/8, to.Bits()/8
	out := make([]byte, 0, len(run)/size*wide)
	for ; len(run) > 0; run = run[size:] {
		v := narrow(widen(word(run[:size]), from), to)
		out = append(out, binary.LittleEndian.AppendUint64(nil, v)[:wide]...)
	}
	return out
}

func widen(v uint64, from tensor.DType) float64 {
	switch from {
	case tensor.BF16:
		return float64(math.Float32frombits(uint32(v) << 16))
	case tensor.F32:
		return float64(math.Float32frombits(uint32(v)))
	case tensor.F16:
		return fromHalf(uint16(v))
	}
	return math.Float64frombits(v)
}

func narrow(x float64, to tensor.DType) uint64 {
	switch to {
	case tensor.BF16:
		v := math.Float32bits(float32(x))
		if x != x {
			return uint64(v>>16 | 1<<6) // rounding would make some NaN infinite
		}
		return uint64((v + 0x7fff + v>>16&1) >> 16)
	case tensor.F32:
		return uint64(math.Float32bits(float32(x)))
	case tensor.F16:
		return uint64(toHalf(x))
	}
	return math.Float64bits(x)
}

func fromHalf(v uint16) float64 {
	sign, exponent, mantissa := 1-2*float64(v>>15), int(v>>10&31), float64(v&1023)
	switch exponent {
	case 0:
		return sign * math.Ldexp(mantissa, -24)
	case 31:
		if mantissa != 0 {
			return math.NaN()
		}
		return sign * math.Inf(1)
	}
	return sign * math.Ldexp(1024+mantissa, exponent-25)
}

func toHalf(x float64) uint16 {
	sign := uint16(0)
	if math.Signbit(x) {
		sign = 1 << 15
	}
	x = math.Abs(x)
	switch {
	case x != x:
		return sign | 31<<10 | 1<<9
	case x == 0:
		return sign
	case x >= 65520: // half way from the greatest to what would be next
		return sign | 31<<10
	}
	_, exponent := math.Frexp(x)
	exponent = max(exponent-1, -14) // of the leading bit; below, numbers are as fine as there
	steps := uint16(math.RoundToEven(math.Ldexp(x, 10-exponent)))
	return sign | uint16(exponent+14)<<10 + steps // a rounding up carries into the exponent
}
