package study

import (
	"maps"
	"math/bits"
	"slices"

	"github.com/zipnode/zipnode/tensor"
)

// A bitSum counts which bits differ from the base's.
type bitSum struct {
	pieces, units, changed, sign, exponent, mantissa int64
}

func (t *totals) addBits(dtype string, f bitSum) {
	if f.units == 0 {
		return
	}
	s := t.fields[dtype]
	if s == nil {
		s = &bitSum{}
		t.fields[dtype] = s
	}
	s.pieces++
	s.units += f.units
	s.changed += f.changed
	s.sign += f.sign
	s.exponent += f.exponent
	s.mantissa += f.mantissa
}

func (t *totals) fieldList() []Field {
	var out []Field
	for _, dtype := range slices.Sorted(maps.Keys(t.fields)) {
		s := t.fields[dtype]
		n := float64(s.units)
		out = append(out, Field{dtype, s.pieces, float64(s.changed) / n, float64(s.sign) / n, float64(s.exponent) / n, float64(s.mantissa) / n})
	}
	return out
}

// countBits compares the elements of floats that data and base have in common.
func countBits(data, base []byte, dtype tensor.DType) bitSum {
	exponent, mantissa, ok := floatOf(dtype)
	var s bitSum
	if !ok {
		return s
	}
	w := (1 + exponent + mantissa) / 8
	for n := min(len(data), len(base)) / w; n > 0; n-- {
		x := uint64(0)
		for k := w - 1; k >= 0; k-- {
			x = x<<8 | uint64(data[k]^base[k])
		}
		data, base = data[w:], base[w:]
		s.units++
		if x == 0 {
			continue
		}
		s.changed++
		s.mantissa += int64(bits.OnesCount64(x & (1<<mantissa - 1)))
		s.exponent += int64(bits.OnesCount64(x >> mantissa & (1<<exponent - 1)))
		s.sign += int64(x >> (mantissa + exponent))
	}
	return s
}

// floatOf returns how many bits of a float are its exponent and its mantissa.
func floatOf(dtype tensor.DType) (exponent, mantissa int, ok bool) {
	switch dtype {
	case tensor.BF16:
		return 8, 7, true
	case tensor.F16:
		return 5, 10, true
	case tensor.F32:
		return 8, 23, true
	case tensor.F64:
		return 11, 52, true
	case tensor.F8E4M3, tensor.F8E4M3FNUZ:
		return 4, 3, true
	case tensor.F8E5M2, tensor.F8E5M2FNUZ:
		return 5, 2, true
	}
	return 0, 0, false
}
