package generate

import (
	"math"
	"math/rand/v2"
)

// What weights look like: see the package's doc.
const (
	freedom   = 8    // degrees of freedom of Student's t: even
	rowSpread = 0.1  // standard deviation of the log of a row's scale
	typical   = 0.02 // scale of a typical row
)

// weights fills a tensor of rows × cols.
func weights(rng *rand.Rand, rows, cols int) []float64 {
	w := make([]float64, 0, rows*cols)
	for range rows {
		scale := typical * math.Exp(rowSpread*rng.NormFloat64())
		for range cols {
			w = append(w, scale*student(rng))
		}
	}
	return w
}

// student returns a sample of Student's t.
func student(rng *rand.Rand) float64 {
	chi := 0.0 // chi-squared, of as many degrees of freedom
	for range freedom / 2 {
		chi += 2 * rng.ExpFloat64()
	}
	return rng.NormFloat64() / math.Sqrt(chi/freedom)
}

// deviation returns the standard deviation of w, whose mean is about zero.
func deviation(w []float64) float64 {
	sum := 0.0
	for _, x := range w {
		sum += x * x
	}
	return math.Sqrt(sum / float64(len(w)))
}

// A step is how a fine-tune moves away from its base.
type step struct {
	delta        float64 // standard deviation, in that of the tensor
	proportional bool    // … in that weight itself instead
	rows         float64 // the share of rows that move, each at its own speed; 0 for all alike
}

// take adds the step to w, rows of cols.
func (s step) take(rng *rand.Rand, w []float64, cols int) {
	size := s.delta * deviation(w)
	for i := range w {
		if i%cols == 0 && s.rows > 0 {
			size = 0
			if rng.Float64() < s.rows {
				size = s.delta * typical * math.Exp(rng.NormFloat64())
			}
		}
		switch {
		case s.proportional:
			w[i] += s.delta * w[i] * rng.NormFloat64()
		case size > 0:
			w[i] += size * rng.NormFloat64()
		}
	}
}

// fineTune returns what makes a base and a fine-tune of floats.
func fineTune(f format, s step) func(*rand.Rand, int, int) (base, data []byte) {
	return func(rng *rand.Rand, rows, cols int) (base, data []byte) {
		w := weights(rng, rows, cols)
		base = elements(f, w)
		for i := range w {
			w[i] = f.get(base[i*f.width():]) // training begins at what is stored
		}
		s.take(rng, w, cols)
		return base, elements(f, w)
	}
}

// elements writes w as elements of f.
func elements(f format, w []float64) []byte {
	p := make([]byte, len(w)*f.width())
	for i, x := range w {
		f.put(p[i*f.width():], x)
	}
	return p
}
