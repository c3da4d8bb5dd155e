// Package codec turns one leaf, up to 1 MiB of a tensor's bytes, into fewer
// bytes and back, alone or against bases. It is lossless: decoding returns
// every bit.
//
// # Format
//
//	version uint8 // of this frame: 1
//	method  uint8 // how the rest is coded
//	...           // as the method says
//
// The methods, and what follows their number:
//
//	0 raw       the bytes themselves; only inside segments
//	1 same      base uint8: the leaf is that base
//	2 fill      value [1, 2, 4 or 8]byte, repeated from the leaf's first byte
//	3 zstd      one zstd frame
//	4 planes    layout uint8, edges, planes
//	5 bitx      base uint8, layout uint8, edges, planes: of leaf XOR base
//	6 segments  (leaf length uvarint, frame length uvarint, frame) …
//	7 delta     base uint8, flags, rows, edges, side, stream: see delta.go
//	8 short     base uint8, scale, edges, stream: see short.go
//	9 sparse    base uint8, edges, gaps and steps: see sparse.go
//	10 lowrank  base uint8, lanes, edges, factors, stream: see lowrank.go
//
// A base is named by its place in [Context.Bases]; leaf bytes that it does not
// cover, it predicts as zero. A base of another of the dtypes BF16, F16 and F32
// is cast. A frame inside segments has no version byte, and is no segments
// itself.
//
// A layout says how wide an element is and which of its bits go to which byte
// plane: see [layout]. Edges are the bytes before the leaf's first whole
// element and after its last, which [Context.Offset] tells; each plane follows
// as
//
//	coding uint8    // 0 raw, 1 fill, 2 zstd, 3 rANS, 4 lanes, 5 one lane, 6 bits, 7 gaps
//	length uvarint  // of what follows; not for raw, fill and bits
//	...
//
// A frame is always smaller than its leaf, and has no bytes to spare.
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
	// caused, but for those that wrap [ErrUnknown].
	ErrCorrupt = errors.New("codec: corrupt chunk")

	// ErrUnknown is wrapped by an error of [Decode] that a newer version of
	// zipnode, or corruption of the chunk's first bytes, may have caused.
	ErrUnknown = errors.New("codec: unknown encoding")
)

// A Context is what a leaf's encoder and decoder both know, beside the bytes.
type Context struct {
	DType  tensor.DType // of the tensor
	Offset int64        // of the leaf's first byte in its tensor
	Row    int          // elements of a row, if known; only Encode looks at it
	Level  Level        // only Encode looks at it
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

// A Level says how much time Encode may take. What it writes, every level reads.
type Level uint8

const (
	// Fast is for adding.
	Fast Level = iota
	// Best tries what Fast estimates. It takes some ten times as long, and saves up
	// to a percent: for what is encoded anew and then kept for long.
	Best
)
