// Package codec turns one leaf, up to 1 MiB of a tensor's bytes, into fewer
// bytes and back, alone or against bases. It is lossless: decoding returns
// every bit.
//
// # Format
//
//	version uint8 // of this frame
//	method  uint8 // how the rest is coded
//	...           // as the method says
//
// Package codec knows nothing of CIDs, files or peers.
package codec

import (
	"errors"

	"github.com/zipnode/zipnode/tensor"
)

// MaxLeaf is the most bytes a leaf has.
const MaxLeaf = 1 << 20

var (
	// ErrIncompressible is returned by [Encode] when no method makes the leaf
	// smaller: it is then best stored as it is, without a frame.
	ErrIncompressible = errors.New("codec: leaf does not shrink")

	// ErrCorrupt is wrapped by every error of [Decode] that the chunk's bytes
	// caused.
	ErrCorrupt = errors.New("codec: corrupt chunk")
)

// A Context is what a leaf's encoder and decoder both know, beside the bytes.
type Context struct {
	DType  tensor.DType // of the tensor
	Offset int64        // of the leaf's first byte in its tensor
	Bases  []Base       // in the recipe's order; none for a stand-alone leaf
	Side   []byte       // what all chunks of the tensor share; nil for none
}

// A Base is the part of one base tensor that lines up with a leaf.
type Base struct {
	DType tensor.DType
	Spans []Span // in ascending order of At, not overlapping; none: covers nothing
}

// A Span is a run of base bytes that lines up with a run of the leaf's. Where
// the dtypes of base and tensor have one width, Data covers leaf bytes
// [At, At+len(Data)); otherwise it covers as many elements as it holds.
type Span struct {
	At   int // offset in the leaf, in leaf bytes, of the first byte covered
	Data []byte
}
