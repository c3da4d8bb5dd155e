package models

import (
	"encoding/binary"
	"math"
	"os"
	"slices"

	"github.com/zipnode/zipnode/tensor"
)

// sampled is how many elements of each tensor are compared.
const sampled = 4096

// nearest returns, of the models of m's dtype, the one whose values are nearest
// to those of base, which has another dtype: m itself, if no other is nearer.
// It is nil if m has no value in common with base.
func nearest(models []*Model, base, m *Model) (*Model, error) {
	best, least := (*Model)(nil), math.Inf(1)
	for _, other := range models {
		if other.DType() != m.DType() {
			continue
		}
		d, err := distance(base, other, m)
		if err != nil {
			return nil, err
		}
		if d < least || d == least && other == m {
			best, least = other, d
		}
	}
	return best, nil
}

// distance returns the mean difference of the values of a and b, over the
// tensors of m that both have in m's shape; infinity if there are none.
func distance(a, b, m *Model) (float64, error) {
	of, in := a.byName(), b.byName()
	sum, n := 0.0, 0
	for _, t := range m.Tensors {
		x, ok := of[t.Name]
		y, also := in[t.Name]
		if !ok || !also || !slices.Equal(x.Shape, y.Shape) || !slices.Equal(x.Shape, t.Shape) {
			continue
		}
		xs, err := sample(x)
		if err != nil {
			return 0, err
		}
		ys, err := sample(y)
		if err != nil {
			return 0, err
		}
		for i := range min(len(xs), len(ys)) {
			sum += math.Abs(xs[i] - ys[i])
			n++
		}
	}
	if n == 0 {
		return math.Inf(1), nil
	}
	return sum / float64(n), nil
}

// sample returns the first values of a tensor of 16- or 32-bit floats; none of
// another dtype, or where they are not numbers.
func sample(t Tensor) ([]float64, error) {
	width := int64(t.DType.Bits() / 8)
	f, err := os.Open(t.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p := make([]byte, min(t.Size, sampled*width))
	if _, err := f.ReadAt(p, t.Offset); err != nil {
		return nil, err
	}
	var values []float64
	for ; len(p) > 0; p = p[width:] {
		x, ok := value(t.DType, p)
		if !ok || math.IsNaN(x) || math.IsInf(x, 0) {
			return nil, nil
		}
		values = append(values, x)
	}
	return values, nil
}

// value returns the first number in p, and false if dtype is none it reads.
func value(dtype tensor.DType, p []byte) (float64, bool) {
	switch dtype {
	case tensor.F32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(p))), true
	case tensor.BF16:
		return float64(math.Float32frombits(uint32(binary.LittleEndian.Uint16(p)) << 16)), true
	case tensor.F16:
		return half(binary.LittleEndian.Uint16(p)), true
	}
	return 0, false
}

// half returns the value of an fp16; infinity for one that is no number.
func half(b uint16) float64 {
	e, m := int(b>>10&31), float64(b&1023)
	x := math.Ldexp(m+1024, e-25)
	switch e {
	case 0:
		x = math.Ldexp(m, -24)
	case 31:
		x = math.Inf(1)
	}
	if b>>15 != 0 {
		return -x
	}
	return x
}
