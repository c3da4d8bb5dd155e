package family

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"math"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/tensor"
)

// MinSize is the size in bytes from which on a tensor has a sample. For smaller
// ones the tensor of the same name and shape in the chosen model is tried.
const MinSize = 64 << 10

// ErrSample is wrapped by every error of [Decode].
var ErrSample = errors.New("family: malformed sample")

const (
	sampleVersion = 2
	maxDType      = 255 // bytes
)

// A Sample is a small part of a tensor, as it is. The zero Sample is that of an
// empty tensor. It is not changed after it was made, and may be used by several
// goroutines at once.
type Sample struct {
	dtype tensor.DType
	units uint64
	grid  grid
	at    []uint64 // the numbers of the runs, ascending
	data  []byte   // the runs
}

// Take reads the sample of the tensor that is extent e of the file r.
func Take(r io.ReaderAt, e tensor.Extent) (Sample, error) {
	size := uint64(max(e.Size, 0))
	if n, ok := e.DType.Bytes(e.Shape); ok && e.Shape != nil {
		size = min(size, n) // padding may follow
	}
	g := gridOf(e.DType)
	s := newSample(e.DType, size/uint64(g.unit))
	s.data = make([]byte, len(s.at)*g.run)
	for i, at := range s.at {
		in := io.NewSectionReader(r, e.Offset+int64(at)*int64(g.run), int64(g.run))
		if _, err := io.ReadFull(in, s.run(i)); err != nil {
			return Sample{}, fmt.Errorf("sample tensor %q: %w", e.Name, err)
		}
	}
	return s, nil
}

func newSample(dtype tensor.DType, units uint64) Sample {
	if len(dtype) > maxDType {
		dtype = tensor.Opaque
	}
	g := gridOf(dtype)
	return Sample{dtype: dtype, units: units, grid: g, at: g.positions(units)}
}

// DType returns the dtype of the sampled tensor.
func (s *Sample) DType() tensor.DType { return s.dtype }

// run returns the bytes of the i'th run.
func (s *Sample) run(i int) []byte {
	n := s.grid.run
	return s.data[i*n : (i+1)*n : (i+1)*n]
}

// Encode appends s to dst and returns the extended slice.
func (s *Sample) Encode(dst []byte) []byte {
	dst = append(dst, sampleVersion, byte(len(s.dtype)))
	dst = append(dst, s.dtype...)
	dst = binary.AppendUvarint(dst, s.units)
	return append(dst, s.data...)
}

// Decode returns the sample that Encode wrote into p, which it keeps. It
// returns an error wrapping ErrSample if Encode could not have written p, and
// then has allocated no more than a good sample takes.
func Decode(p []byte) (Sample, error) {
	dtype, units, data, err := decodeHead(p)
	if err != nil {
		return Sample{}, err
	}
	s := newSample(dtype, units)
	s.data = data
	if len(s.data) != len(s.at)*s.grid.run {
		return Sample{}, fmt.Errorf("%w: %d bytes of runs, want %d", ErrSample, len(s.data), len(s.at)*s.grid.run)
	}
	return s, nil
}

// decodeHead returns what samples and sketches begin with, and what follows.
func decodeHead(p []byte) (dtype tensor.DType, units uint64, rest []byte, err error) {
	if len(p) < 2 || p[0] != sampleVersion {
		return "", 0, nil, fmt.Errorf("%w: version", ErrSample)
	}
	n := int(p[1])
	if p = p[2:]; n > len(p) {
		return "", 0, nil, fmt.Errorf("%w: dtype of %d bytes", ErrSample, n)
	}
	units, width := binary.Uvarint(p[n:])
	if width <= 0 || width > 1 && p[n+width-1] == 0 {
		return "", 0, nil, fmt.Errorf("%w: number of elements", ErrSample)
	}
	return tensor.DType(p[:n]), units, p[n+width:], nil
}

// pairs yields the runs of a and b that stand at the same positions, those of b
// cast to a's dtype.
func pairs(a, b *Sample) iter.Seq2[[]byte, []byte] {
	return func(yield func(x, y []byte) bool) {
		for i, j := 0, 0; i < len(a.at) && j < len(b.at); {
			switch {
			case a.at[i] < b.at[j]:
				i++
			case a.at[i] > b.at[j]:
				j++
			default:
				y := b.run(j)
				if a.dtype != b.dtype {
					y = codec.Cast(nil, y, b.dtype, a.dtype)
				}
				if !yield(a.run(i), y) {
					return
				}
				i++
				j++
			}
		}
	}
}

// Distance returns the bit distance of the tensors of a and b, from Wang et
// al., "ZipLLM", NSDI 2026 (arXiv:2505.06252): how many bits of an element
// differ, on average over the runs that both samples have. Of two float dtypes
// the finer is cast to the coarser. It returns false if they have no run in
// common, or neither can be cast to the other.
func Distance(a, b Sample) (float64, bool) {
	if !codec.Castable(a.dtype, b.dtype) {
		return 0, false
	}
	if f, g := floats[a.dtype], floats[b.dtype]; f.mantissa > g.mantissa {
		a, b = b, a
	}
	apart, units := 0, 0
	for x, y := range pairs(&a, &b) {
		apart += bitsApart(x, y)
		units += len(x) / a.grid.unit
	}
	if units == 0 {
		return 0, false
	}
	return float64(apart) / float64(units), true
}

// glances is of how many runs of a sample Glance looks at one.
const glances = 16

// Glance returns about what Distance does, from a sixteenth of the runs: enough
// to tell which of many candidates are worth an estimate. It is +Inf where
// Distance is none.
func Glance(a, b *Sample) float64 {
	if !codec.Castable(a.dtype, b.dtype) {
		return math.Inf(1)
	}
	apart, units, n := 0, 0, 0
	for i, j := 0, 0; i < len(a.at) && j < len(b.at); {
		switch {
		case a.at[i] < b.at[j]:
			i++
		case a.at[i] > b.at[j]:
			j++
		default:
			if n%glances == 0 {
				y := b.run(j)
				if a.dtype != b.dtype {
					y = codec.Cast(nil, y, b.dtype, a.dtype)
				}
				apart += bitsApart(a.run(i), y)
				units += a.grid.run / a.grid.unit
			}
			n++
			i++
			j++
		}
	}
	if units == 0 {
		return math.Inf(1)
	}
	return float64(apart) / float64(units)
}

// Changed returns which part of the elements differ between the tensors of a and
// b, over the runs that both samples have; those of b are cast to a's dtype. It
// returns 1 where they have none in common.
func Changed(a, b Sample) float64 {
	if !codec.Castable(a.dtype, b.dtype) {
		return 1
	}
	changed, units := 0, 0
	for x, y := range pairs(&a, &b) {
		for n := a.grid.unit; len(x) >= n && len(y) >= n; x, y = x[n:], y[n:] {
			units++
			if !bytes.Equal(x[:n], y[:n]) {
				changed++
			}
		}
	}
	if units == 0 {
		return 1
	}
	return float64(changed) / float64(units)
}
