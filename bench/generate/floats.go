package generate

import "math"

// A minifloat is a float format with a sign: exponent and mantissa bits.
type minifloat struct{ exponent, mantissa int }

var (
	bfloat16 = minifloat{8, 7}
	float16  = minifloat{5, 10}
	f8e5m2   = minifloat{5, 2}
	f8e4m3   = minifloat{4, 3}
)

// The bits of a float64's mantissa, and the bias of its exponent.
const (
	mantissa64 = 52
	bias64     = 1023
)

func (f minifloat) bias() int { return 1<<(f.exponent-1) - 1 }

// bits returns x rounded to the nearest number of the format, ties to even. A
// number out of range becomes the largest finite one of an exponent that is not
// all ones; x is no NaN.
func (f minifloat) bits(x float64) uint16 {
	u := math.Float64bits(x)
	sign := uint16(u>>63) << (f.exponent + f.mantissa)
	x = math.Abs(x)
	// In units of the last place of a normal number; a carry moves on to the
	// next exponent.
	shift := mantissa64 - f.mantissa
	u = u<<1>>1 + 1<<(shift-1) - 1 + u>>shift&1
	code := int(u>>shift) - (bias64-f.bias())<<f.mantissa
	if code < 1<<f.mantissa {
		code = int(math.RoundToEven(x / f.least())) // subnormal, or just above
	}
	return sign | uint16(min(code, (1<<f.exponent-1)<<f.mantissa-1))
}

// least returns the least number above zero.
func (f minifloat) least() float64 {
	return math.Float64frombits(uint64(bias64+1-f.bias()-f.mantissa) << mantissa64)
}

// value returns the number that bits stand for, which is finite.
func (f minifloat) value(bits uint16) float64 {
	sign := uint64(bits>>(f.exponent+f.mantissa)) << 63
	e := int(bits>>f.mantissa) & (1<<f.exponent - 1)
	m := uint64(bits) & (1<<f.mantissa - 1)
	if e == 0 {
		return math.Float64frombits(sign | math.Float64bits(float64(m)*f.least()))
	}
	return math.Float64frombits(sign | uint64(e+bias64-f.bias())<<mantissa64 | m<<(mantissa64-f.mantissa))
}
