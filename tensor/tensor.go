// Package tensor holds the words that every room of zipnode speaks: DType,
// Shape, Extent and Layout. Its sub-packages read one file format each and turn
// a file into a Layout: the list of extents that covers the file from its first
// byte to its last.
//
// Where a file is cut is part of its identity (see docs/format.md, "Cuts"), so
// a cut follows from offsets alone: an unknown dtype, or a shape that disagrees
// with a tensor's size, makes that tensor opaque and moves no cut.
//
// Package tensor knows nothing of CIDs, stores or peers.
package tensor

import (
	"math"
	"math/bits"
)

// A DType names the type of a tensor's elements: as safetensors spells it
// ("BF16"), as ggml does ("Q4_K"), or "opaque" for bytes of which nothing more
// is known. It is a string so that types nobody knew when this was written can
// be carried.
type DType string

// The dtypes of safetensors, and Opaque.
const (
	Opaque     DType = "opaque"
	BOOL       DType = "BOOL"
	F4         DType = "F4"
	F6E2M3     DType = "F6_E2M3"
	F6E3M2     DType = "F6_E3M2"
	U8         DType = "U8"
	I8         DType = "I8"
	F8E5M2     DType = "F8_E5M2"
	F8E4M3     DType = "F8_E4M3"
	F8E8M0     DType = "F8_E8M0"
	F8E4M3FNUZ DType = "F8_E4M3FNUZ"
	F8E5M2FNUZ DType = "F8_E5M2FNUZ"
	I16        DType = "I16"
	U16        DType = "U16"
	F16        DType = "F16"
	BF16       DType = "BF16"
	I32        DType = "I32"
	U32        DType = "U32"
	F32        DType = "F32"
	C64        DType = "C64"
	F64        DType = "F64"
	I64        DType = "I64"
	U64        DType = "U64"
)

// A Shape is the length of each dimension, outermost first, in elements. The
// empty shape is a scalar and has one element.
type Shape []uint64

// Elems returns the number of elements, and false if it overflows 64 bits.
func (s Shape) Elems() (uint64, bool) {
	n := uint64(1)
	over := false
	for _, d := range s {
		hi, lo := bits.Mul64(n, d)
		over = over || hi != 0
		n = lo
		if d == 0 {
			return 0, true
		}
	}
	return n, !over
}

// Row returns the number of elements of a row: of all dimensions but the first.
// It is 0 for what has no rows, and where it overflows an int.
func (s Shape) Row() int {
	if len(s) < 2 {
		return 0
	}
	n, ok := s[1:].Elems()
	if !ok || n > math.MaxInt {
		return 0
	}
	return int(n)
}

// An Extent is one run of a file's bytes: a tensor, or whatever lies between
// tensors (a header, padding, a gap).
type Extent struct {
	Name   string // the tensor's name in its file; "" for bytes that are no tensor
	DType  DType  // Opaque where nothing better is known
	Shape  Shape  // nil where nothing is known
	Offset int64  // of its first byte in the file
	Size   int64  // in bytes; 0 is legal (a tensor with a zero dimension)
}

// A Layout says how a file is cut. The non-empty extents, in order, cover the
// file with no gap and no overlap; empty ones stand where their offset puts
// them, and cut nothing.
type Layout struct {
	Format  string // "safetensors", "gguf", "torchzip" or "plain"
	Extents Extents
}

// Plain returns the layout of a file of size bytes that is not cut.
func Plain(size int64) Layout {
	return Layout{Format: "plain", Extents: Pack(Extent{DType: Opaque, Size: size})}
}
