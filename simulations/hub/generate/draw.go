package generate

import "math/rand/v2"

// A source gives the random numbers of one tensor. Only sums, products and
// roots are taken of them, and none in one operation (hence the conversions to
// float64), so that every machine draws the same.
type source struct{ rand.PCG }

func newSource(seed uint64, name string, stream uint64) *source {
	s := &source{}
	for _, c := range []byte(name) {
		seed = (seed ^ uint64(c)) * 0x100000001b3
	}
	s.Seed(seed, stream)
	return s
}

// uniform returns a number in [0, 1).
func (s *source) uniform() float64 { return float64(s.Uint64()>>11) * (1.0 / (1 << 53)) }

// normal returns a number that is normally distributed, nearly: the sum of four
// uniform ones, of mean 0 and variance 1, at most 3.47.
func (s *source) normal() float64 {
	u := s.Uint64()
	sum := u&0xffff + u>>16&0xffff + u>>32&0xffff + u>>48
	return (float64(sum) - 2*65535) * (1 / 37836.9) // the root of 4 (65536² − 1)/12
}

// about returns a factor of median 1 whose logarithm has nearly that standard
// deviation, of at most a quarter.
func (s *source) about(deviation float64) float64 {
	x := 1 + float64(deviation/2*s.normal())
	return x * x
}

// A curve is a distribution, by its quantiles.
type curve []float64

// draw returns a number so distributed.
func (c curve) draw(s *source) float64 {
	u := s.Uint64() >> 32 * uint64(len(c)-1)
	i, part := u>>32, float64(u&(1<<32-1))*(1.0/(1<<32))
	return c[i] + float64(part*(c[i+1]-c[i]))
}
