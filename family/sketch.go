package family

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/tensor"
)

const (
	maxSketched   = 64 // units of a sketch; a power of two
	maxSketchUnit = 8  // bytes that a unit gives at most: of a block its first
)

// A Sketch is the first units of a quarter of a sample's runs: small enough to
// lie beside its key in an index, and enough to tell which of many samples are
// worth reading. Sketches of tensors of other lengths have positions in common
// as their samples do.
type Sketch struct {
	dtype tensor.DType
	units uint64
	unit  int // bytes of each
	at    []uint64
	data  []byte
}

// Sketch returns the sketch of s.
func (s *Sample) Sketch() Sketch {
	k := newSketch(s.dtype, s.units)
	k.data = make([]byte, 0, len(k.at)*k.unit)
	i := 0
	for _, at := range k.at {
		for s.at[i] != at { // a sketch's positions are a sample's, of a higher level
			i++
		}
		k.data = append(k.data, s.run(i)[:k.unit]...)
	}
	return k
}

func newSketch(dtype tensor.DType, units uint64) Sketch {
	g := gridOf(dtype)
	k := Sketch{dtype: dtype, units: units, unit: min(g.unit, maxSketchUnit)}
	g.runs = min(g.runs, maxSketched)
	k.at = g.positions(units)
	return k
}

// Encode appends k to dst and returns the extended slice.
func (k *Sketch) Encode(dst []byte) []byte {
	dst = append(dst, sampleVersion, byte(len(k.dtype)))
	dst = append(dst, k.dtype...)
	dst = binary.AppendUvarint(dst, k.units)
	return append(dst, k.data...)
}

// DecodeSketch returns the sketch that Encode wrote into p, which it keeps. It
// returns an error wrapping ErrSample if Encode could not have written p.
func DecodeSketch(p []byte) (Sketch, error) {
	dtype, units, data, err := decodeHead(p)
	if err != nil {
		return Sketch{}, err
	}
	k := newSketch(dtype, units)
	if k.data = data; len(data) != len(k.at)*k.unit {
		return Sketch{}, fmt.Errorf("%w: %d bytes of units, want %d", ErrSample, len(data), len(k.at)*k.unit)
	}
	return k, nil
}

// Glance returns about what Distance of the samples of k and other does. It is
// +Inf where Distance is none.
func (k *Sketch) Glance(other *Sketch) float64 {
	if !codec.Castable(k.dtype, other.dtype) {
		return math.Inf(1)
	}
	theirs := other.data
	if k.dtype != other.dtype {
		theirs = codec.Cast(nil, theirs, other.dtype, k.dtype)
	}
	apart, units := 0, 0
	for i, j := 0, 0; i < len(k.at) && j < len(other.at); {
		switch {
		case k.at[i] < other.at[j]:
			i++
		case k.at[i] > other.at[j]:
			j++
		default:
			apart += bitsApart(k.data[i*k.unit:(i+1)*k.unit], theirs[j*k.unit:(j+1)*k.unit])
			units++
			i++
			j++
		}
	}
	if units == 0 {
		return math.Inf(1)
	}
	return float64(apart) / float64(units)
}
