// Package gguf reads the header of a GGUF file, of versions 1 to 3, and says
// how the file is cut.
//
// # Format
//
// All numbers are little-endian. A count is a uint64, in version 1 a uint32; so
// are the length of a string and a tensor's dimensions.
//
//	magic   "GGUF"
//	version uint32
//	tensors count
//	keys    count
//	keys times:
//	    key   string // a count and that many bytes
//	    type  uint32
//	    value        // as the type says
//	tensors times:
//	    name   string
//	    rank   uint32
//	    shape  rank counts, innermost first
//	    type   uint32 // ggml's
//	    offset uint64 // of its bytes, from the start of the data
//	padding // to a multiple of the alignment, from the start of the file
//	data
//
// A value's type is 0 uint8, 1 int8, 2 uint16, 3 int16, 4 uint32, 5 int32,
// 6 float32, 7 bool (a byte), 8 string, 9 array (the elements' type, a count,
// the elements), 10 uint64, 11 int64, 12 float64. An empty array may name any
// type of elements.
//
// # Cuts
//
// These rules are part of identity: they are frozen.
//
//   - The version is 1, 2 or 3. (A big-endian file has another.)
//   - Keys and names are at most 65,535 bytes long. A tensor's rank is at most
//     8. There are at most 1,048,576 tensors. Arrays nest at most 8 deep.
//   - The tensors' descriptions end within the first 2^30 bytes, and take up at
//     most 100,000,000.
//   - "general.alignment" occurs at most once; where it does, it is a uint32, a
//     multiple of 8 and not 0. Otherwise the alignment is 32.
//   - Each tensor's start, which is the start of the data plus its offset, is
//     at most the size of the file.
//
// A file that breaks one of them is plain. Otherwise it is cut at each tensor's
// start. A tensor goes up to the next start and the last one to the end of the
// file, padding and all; what precedes the first start is the header. Of
// tensors with one start, the last in the order of the header has the bytes,
// and the others are empty extents.
//
// A tensor keeps its dtype and shape if its extent has at least the bytes that
// they ask for, and is opaque if not, or if its type is not known. Neither
// moves a cut. A name is kept as it is, valid UTF-8 or not.
//
// Package gguf reads no tensor's bytes.
package gguf

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/internal/window"
)

// Format is the Layout's name of this format.
const Format = "gguf"

const (
	magic            = "GGUF"
	maxVersion       = 3
	maxHeader        = 1 << 30     // bytes, to the end of the tensors' descriptions
	maxInfos         = 100_000_000 // bytes of the tensors' descriptions
	maxName          = 1<<16 - 1   // bytes of a key or a tensor's name
	maxRank          = 8
	maxDepth         = 8 // of arrays in arrays
	alignmentKey     = "general.alignment"
	defaultAlignment = 32
)

// Read returns the layout of the GGUF file r of size bytes: the header, then
// the tensors in the order of their starts.
//
// It returns an error wrapping [tensor.ErrNotFormat] if the file is not a
// well-formed GGUF file. Any other error is r's.
func Read(r io.ReaderAt, size int64) (tensor.Layout, error) {
	if err := checkMagic(r, size); err != nil {
		return tensor.Layout{}, err
	}
	h := header{
		Reader:    window.New(r, int64(len(magic)), min(size, maxHeader)),
		alignment: defaultAlignment,
		size:      size,
	}
	if err := h.read(); err != nil {
		return tensor.Layout{}, err
	}
	list, err := h.extents()
	if err != nil {
		return tensor.Layout{}, err
	}
	return tensor.Cover(Format, size, tensor.Pack(list...))
}

func checkMagic(r io.ReaderAt, size int64) error {
	var p [len(magic)]byte
	if size < int64(len(p)) {
		return fmt.Errorf("%w: %d bytes", tensor.ErrNotFormat, size)
	}
	if err := window.At(r, p[:], 0); err != nil {
		return err
	}
	if string(p[:]) != magic {
		return fmt.Errorf("%w: magic %q", tensor.ErrNotFormat, p[:])
	}
	return nil
}

// header reads a header from behind the magic.
type header struct {
	*window.Reader
	version   uint32
	alignment uint32
	aligned   bool // general.alignment was met
	size      int64
	tensors   []tensor.Extent // in the header's order, Offset counted from the data, Size not known
}

func (h *header) bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s before byte %d", tensor.ErrNotFormat, fmt.Sprintf(format, args...), h.Offset())
}

func (h *header) read() (err error) {
	if h.version, err = h.Uint32(); err != nil {
		return err
	}
	if h.version < 1 || h.version > maxVersion {
		return h.bad("version %d", h.version)
	}
	tensors, err := h.count()
	if err != nil {
		return err
	}
	if tensors > tensor.MaxTensors {
		return h.bad("%d tensors", tensors)
	}
	keys, err := h.count()
	if err != nil {
		return err
	}
	for range keys { // each takes bytes, so the window ends a count that lies
		if err := h.pair(); err != nil {
			return err
		}
	}
	return h.readInfos(tensors)
}

func (h *header) readInfos(tensors uint64) error {
	start := h.Offset()
	for range tensors {
		e, err := h.info()
		if err != nil {
			return err
		}
		if h.Offset()-start > maxInfos {
			return h.bad("more than %d bytes of tensor descriptions", maxInfos)
		}
		h.tensors = append(h.tensors, e)
	}
	return nil
}

// count reads a number of things or bytes.
func (h *header) count() (uint64, error) {
	if h.version == 1 {
		n, err := h.Uint32()
		return uint64(n), err
	}
	return h.Uint64()
}

// name reads a string that is kept.
func (h *header) name() (string, error) {
	n, err := h.count()
	if err != nil {
		return "", err
	}
	if n > maxName {
		return "", h.bad("a name of %d bytes", n)
	}
	if n > uint64(h.Left()) { // before it is allocated
		return "", h.bad("a name of %d bytes, %d left", n, h.Left())
	}
	p := make([]byte, n)
	err = h.Full(p)
	return string(p), err
}

// pair reads a key and its value.
func (h *header) pair() error {
	key, err := h.name()
	if err != nil {
		return err
	}
	kind, err := h.Uint32()
	if err != nil {
		return err
	}
	if key == alignmentKey {
		return h.readAlignment(kind)
	}
	return h.value(kind, 0)
}

func (h *header) readAlignment(kind uint32) error {
	if h.aligned || kind != kindUint32 {
		return h.bad("%s twice, or of type %d", alignmentKey, kind)
	}
	h.aligned = true
	a, err := h.Uint32()
	if err != nil {
		return err
	}
	if a == 0 || a%8 != 0 {
		return h.bad("%s of %d", alignmentKey, a)
	}
	h.alignment = a
	return nil
}

// The types of values that are more than so many bytes, and the alignment's.
const (
	kindUint32 = 4
	kindString = 8
	kindArray  = 9
)

// widths are the bytes of a value by its type, where that is fixed.
var widths = [...]uint64{0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}

// value passes over a value, in so many arrays.
func (h *header) value(kind uint32, depth int) error {
	switch {
	case kind == kindString:
		n, err := h.count()
		if err != nil {
			return err
		}
		return h.Skip(n)
	case kind == kindArray:
		return h.array(depth + 1)
	case int(kind) < len(widths):
		return h.Skip(widths[kind])
	}
	return h.bad("a value of type %d", kind)
}

func (h *header) array(depth int) error {
	if depth > maxDepth {
		return h.bad("arrays nested too deep")
	}
	kind, err := h.Uint32()
	if err != nil {
		return err
	}
	n, err := h.count()
	if err != nil {
		return err
	}
	if kind != kindString && kind != kindArray && kind < uint32(len(widths)) {
		if n > math.MaxUint64/widths[kind] {
			return h.bad("an array of %d elements", n)
		}
		return h.Skip(n * widths[kind])
	}
	for range n { // each takes bytes, or is an error
		if err := h.value(kind, depth); err != nil {
			return err
		}
	}
	return nil
}

// info reads the description of one tensor.
func (h *header) info() (e tensor.Extent, err error) {
	if e.Name, err = h.name(); err != nil {
		return e, err
	}
	if e.Shape, err = h.shape(); err != nil {
		return e, err
	}
	kind, err := h.Uint32()
	if err != nil {
		return e, err
	}
	e.DType = dtypes[kind]
	offset, err := h.Uint64()
	if err != nil {
		return e, err
	}
	if offset > math.MaxInt64 {
		return e, h.bad("tensor %q at %d", e.Name, offset)
	}
	e.Offset = int64(offset)
	return e, nil
}

func (h *header) shape() (tensor.Shape, error) {
	rank, err := h.Uint32()
	if err != nil {
		return nil, err
	}
	if rank > maxRank {
		return nil, h.bad("a tensor of rank %d", rank)
	}
	s := make(tensor.Shape, rank)
	for d := range s {
		if s[d], err = h.count(); err != nil {
			return nil, err
		}
	}
	slices.Reverse(s)
	return s, nil
}

// extents returns the tensors where they stand in the file.
func (h *header) extents() ([]tensor.Extent, error) {
	align := int64(h.alignment)
	start := (h.Offset() + align - 1) / align * align // at most 2^30 + 2^32
	list := h.tensors
	for _, e := range list {
		if e.Offset > h.size-start {
			return nil, h.bad("tensor %q starts at %d+%d of %d bytes", e.Name, start, e.Offset, h.size)
		}
	}
	slices.SortStableFunc(list, func(a, b tensor.Extent) int { return cmp.Compare(a.Offset, b.Offset) })
	end := h.size
	for i := range slices.Backward(list) { // the last of equal starts first: it has the bytes
		list[i].Offset += start
		list[i].Size = end - list[i].Offset
		end = list[i].Offset
		if n, ok := list[i].DType.Bytes(list[i].Shape); !ok || n > uint64(list[i].Size) {
			list[i].DType, list[i].Shape = tensor.Opaque, nil
		}
	}
	return list, nil
}
