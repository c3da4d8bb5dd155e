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

// bits returns x rounded to the nearest number of the format, ties to even. A
// number out of range becomes the largest finite one of an exponent that is not
// all ones; x is no NaN.
func (f minifloat) bits(x float64) uint16 {
	sign := uint16(math.Float64bits(x)>>63) << (f.exponent + f.mantissa)
	x = math.Abs(x)
	bias := 1<<(f.exponent-1) - 1
	e := max(math.Ilogb(x), 1-bias) // subnormals share the least exponent
	if x == 0 {
		return sign
	}
	// In units of the last place: 2^mantissa and more for a normal number.
	units := int(math.RoundToEven(math.Ldexp(x, f.mantissa-e)))
	code := (e+bias-1)<<f.mantissa + units // a carry moves on to the next exponent
	return sign | uint16(min(code, (1<<f.exponent-1)<<f.mantissa-1))
}

// value returns the number that bits stand for, which is finite.
func (f minifloat) value(bits uint16) float64 {
	bias := 1<<(f.exponent-1) - 1
	e := int(bits>>f.mantissa) & (1<<f.exponent - 1)
	units := int(bits) & (1<<f.mantissa - 1)
	if e > 0 {
		units |= 1 << f.mantissa
	}
	x := math.Ldexp(float64(units), max(e, 1)-bias-f.mantissa)
	if bits>>(f.exponent+f.mantissa)&1 != 0 {
		return -x
	}
	return x
}
