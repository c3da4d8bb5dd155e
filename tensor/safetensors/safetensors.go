// Package safetensors reads the header of a safetensors file and says how the
// file is cut.
//
// # Format
//
//	length uint64 // of the header, little-endian
//	header        // JSON: name -> {"dtype", "shape", "data_offsets"}
//	data          // the tensors; data_offsets count from its start
//
// # Cuts
//
// These rules are part of identity: they are frozen.
//
//   - length is at most 100,000,000 and the header ends within the file.
//   - The header is one JSON object, with white space (space, tab, CR, LF)
//     allowed before and behind it. JSON is taken as RFC 8259 has it: strings
//     are valid UTF-8 without bare control characters, an escaped surrogate is
//     half of a pair, nothing nests deeper than 128 (the header's own object
//     is 1).
//   - No two keys of the header are equal once decoded. "__metadata__" may be
//     any value. Every other key names a tensor, at most 1,048,576 of them; its
//     value is an object of at most 64 keys, no two equal once decoded, one of
//     which is "data_offsets": an array of two plain decimal integers (no sign,
//     fraction, exponent or leading zero), begin <= end, and end within the
//     data. Values of other keys may be anything.
//   - Ranges with begin < end do not overlap.
//
// A file that breaks one of them is plain. Otherwise it is cut at 0, at the
// header's end, and at begin and end of each range with begin < end; holes and
// trailing bytes are kept as opaque extents. A tensor with begin = end is an
// empty extent and cuts nothing.
//
// A dtype that is not known, a shape that is no array of integers or disagrees
// with the size, make the tensor opaque and move no cut.
//
// Package safetensors reads no tensor's bytes.
package safetensors

import (
	"encoding/binary"
	"fmt"
	"hash/maphash"
	"io"
	"math"
	"slices"

	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/internal/window"
)

// Format is the Layout's name of this format.
const Format = "safetensors"

const (
	lengthSize = 8
	maxHeader  = 100_000_000 // bytes, as the reference reader has it
	maxKeys    = 64          // of a tensor's entry
	maxDims    = 64          // of a shape that is kept; more make the tensor opaque
)

// Keys with a meaning.
const (
	keyMetadata = "__metadata__"
	keyDType    = "dtype"
	keyShape    = "shape"
	keyOffsets  = "data_offsets"
)

// Read returns the layout of the safetensors file r of size bytes: the header,
// then the tensors and the bytes between them.
//
// It returns an error wrapping [tensor.ErrNotFormat] if the file is not a
// well-formed safetensors file. Any other error is r's.
func Read(r io.ReaderAt, size int64) (tensor.Layout, error) {
	if size < lengthSize {
		return tensor.Layout{}, fmt.Errorf("%w: %d bytes", tensor.ErrNotFormat, size)
	}
	var p [lengthSize]byte
	if err := window.At(r, p[:], 0); err != nil {
		return tensor.Layout{}, err
	}
	n := binary.LittleEndian.Uint64(p[:])
	if n > maxHeader || int64(n) > size-lengthSize {
		return tensor.Layout{}, fmt.Errorf("%w: header of %d bytes in a file of %d", tensor.ErrNotFormat, n, size)
	}
	h := header{
		scanner: scanner{in: window.New(r, lengthSize, lengthSize+int64(n))},
		data:    lengthSize + int64(n),
		size:    size,
		seed:    maphash.MakeSeed(),
	}
	if err := h.read(); err != nil {
		return tensor.Layout{}, err
	}
	return tensor.Cover(Format, size, h.found)
}

// header reads a header, one entry after the other.
type header struct {
	scanner
	data  int64 // offset of the data in the file
	size  int64 // of the file
	found tensor.Extents
	room  []string // for an entry's keys
	seed  maphash.Seed
	names []uint64 // hashes of the tensors' names
}

// read reads the whole header into h.found, the header's own extent first.
func (h *header) read() error {
	h.found.Append(tensor.Extent{DType: tensor.Opaque, Size: h.data})
	metadata := false
	err := h.object(func(name string) error {
		if name != keyMetadata {
			return h.tensor(name)
		}
		if metadata {
			return h.bad("a second " + keyMetadata)
		}
		metadata = true
		return h.skip()
	})
	if err == nil {
		err = h.end()
	}
	if err != nil {
		return err
	}
	return h.unique()
}

// unique returns an error if two tensors have one name. Names are compared only
// where their hashes are equal.
func (h *header) unique() error {
	slices.Sort(h.names)
	twice := map[uint64]bool{}
	for i := 1; i < len(h.names); i++ {
		if h.names[i-1] == h.names[i] {
			twice[h.names[i]] = true
		}
	}
	if len(twice) == 0 {
		return nil
	}
	seen := map[string]bool{}
	header := true
	for e := range h.found.All() {
		if header || !twice[maphash.String(h.seed, e.Name)] {
			header = false
			continue
		}
		if seen[e.Name] {
			return fmt.Errorf("%w: two tensors named %q", tensor.ErrNotFormat, e.Name)
		}
		seen[e.Name] = true
	}
	return nil
}

// tensor reads the entry of the tensor called name.
func (h *header) tensor(name string) error {
	if h.found.Len() > tensor.MaxTensors {
		return h.bad("too many tensors")
	}
	e := entry{header: h, keys: h.room[:0]}
	if err := h.object(e.member); err != nil {
		return err
	}
	if !e.hasRange {
		return h.bad("a tensor without data_offsets")
	}
	length := uint64(h.size - h.data)
	if e.begin > e.end || e.end > length {
		return h.bad(fmt.Sprintf("data_offsets [%d, %d] of %d bytes", e.begin, e.end, length))
	}
	x := tensor.Extent{
		Name:   name,
		DType:  tensor.Opaque,
		Offset: h.data + int64(e.begin),
		Size:   int64(e.end - e.begin),
	}
	if n, ok := e.dtype.Bytes(e.shape); ok && e.hasShape && e.dtype.Bits() != 0 && n == uint64(x.Size) {
		x.DType, x.Shape = e.dtype, e.shape
	}
	h.found.Append(x)
	h.names = append(h.names, maphash.String(h.seed, name))
	return nil
}

// entry is what the header says of one tensor.
type entry struct {
	*header
	keys       []string
	dtype      tensor.DType // "" while not known
	shape      tensor.Shape
	hasShape   bool // shape is an array of integers
	begin, end uint64
	hasRange   bool
}

// member reads the value of one key of the entry.
func (e *entry) member(key string) error {
	if len(e.keys) == maxKeys || slices.Contains(e.keys, key) {
		return e.bad(fmt.Sprintf("key %q again, or too many keys,", key))
	}
	e.keys = append(e.keys, key)
	e.room = e.keys
	b, err := e.space()
	switch {
	case err != nil:
		return err
	case key == keyOffsets:
		return e.readRange()
	case key == keyDType && b == '"':
		err = e.str(true)
		e.dtype = known(e.text)
		return err
	case key == keyShape && b == '[':
		return e.readShape()
	}
	return e.skip()
}

// known returns the dtype that text names, the string shared by all tensors
// that have it, or "" if no dtype of safetensors is called so.
func known(text []byte) tensor.DType {
	for _, d := range dtypes {
		if string(d) == string(text) {
			return d
		}
	}
	return ""
}

var dtypes = []tensor.DType{
	tensor.BF16, tensor.F32, tensor.F16, tensor.F8E4M3, tensor.F8E5M2, tensor.F64,
	tensor.I64, tensor.I32, tensor.I16, tensor.I8, tensor.U64, tensor.U32, tensor.U16, tensor.U8, tensor.BOOL,
	tensor.F4, tensor.F6E2M3, tensor.F6E3M2, tensor.F8E8M0, tensor.F8E4M3FNUZ, tensor.F8E5M2FNUZ, tensor.C64,
}

// readRange reads the value of data_offsets.
func (e *entry) readRange() error {
	var ends [2]uint64
	n := 0
	err := e.array(func() error {
		v, plain, err := e.number()
		if err != nil {
			return err
		}
		if !plain || v > math.MaxInt64 || n == len(ends) {
			return e.bad("data_offsets that are not two integers")
		}
		ends[n] = v
		n++
		return nil
	})
	if err == nil && n != len(ends) {
		return e.bad("data_offsets that are not two integers")
	}
	e.begin, e.end, e.hasRange = ends[0], ends[1], true
	return err
}

// readShape reads the value of shape, an array of whatever.
func (e *entry) readShape() error {
	good := true
	shape := tensor.Shape{}
	err := e.array(func() error {
		b, err := e.space()
		if err != nil {
			return err
		}
		if b < '0' || b > '9' {
			good = false
			return e.skip()
		}
		v, plain, err := e.number()
		good = good && plain && len(shape) < maxDims
		if good {
			shape = append(shape, v)
		}
		return err
	})
	e.shape, e.hasShape = slices.Clip(shape), good
	return err
}
