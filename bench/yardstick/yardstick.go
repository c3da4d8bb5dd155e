// Package yardstick holds the codecs that zipnode's is measured against, in C
// with libzstd: fast versions of what others publish, so that to be faster
// means something.
//
//   - [BitX], of ZipLLM (arXiv:2505.06252): XOR with the base; exponent apart
//     from sign and mantissa; zstd, level 3.
//   - [TensorX], of TensorDex (arXiv:2604.17104): XOR, byte planes, zstd 1.
//   - [Zstd]: zstd 3 of the tensor as it is, no base.
//   - [ZipNN] (arXiv:2411.05239): byte groups, each by Huffman; no base.
//
// Each takes a whole tensor in one call, since that gives less than leaf by
// leaf; ZipNN cuts it as its authors' code does. XOR and splitting are
// vectorised with AVX2 where the machine has it.
//
// Package yardstick trusts the bytes that it decodes: its own.
package yardstick

/*
#cgo CFLAGS: -O3 -Wall
#cgo noescape ys_zstd_compress
#cgo nocallback ys_zstd_compress
#cgo noescape ys_zstd_decompress
#cgo nocallback ys_zstd_decompress
#cgo noescape ys_zipnn_compress
#cgo nocallback ys_zipnn_compress
#cgo noescape ys_zipnn_decompress
#cgo nocallback ys_zipnn_decompress
#include "yardstick.h"
*/
import "C"

import (
	"errors"
	"slices"
	"unsafe"

	_ "github.com/DataDog/zstd" // libzstd 1.5.7: see zstd_abi.h

	"github.com/zipnode/zipnode/tensor"
)

// ErrFailed is returned when a yardstick can't code, or decode, a tensor.
var ErrFailed = errors.New("yardstick: coding failed")

// A Kind is one of the codecs.
type Kind int

const (
	BitX    Kind = iota // XOR, exponent plane, sign and mantissa plane, zstd 3
	TensorX             // XOR, byte planes, zstd 1
	Zstd                // zstd 3
	ZipNN               // byte groups, Huffman
)

// Kinds returns all kinds, in the order of a table's columns.
func Kinds() []Kind { return []Kind{BitX, TensorX, Zstd, ZipNN} }

func (k Kind) String() string { return [...]string{"BitX", "TensorX", "zstd-3", "ZipNN"}[k] }

// level returns how k calls zstd.
func (k Kind) level() C.ys_level {
	switch k {
	case BitX:
		return C.YS_STREAM3
	case TensorX:
		return C.YS_STREAM1
	}
	return C.YS_LEVEL3
}

// layout returns how k splits elements of dtype.
//
// BitX's published code takes every tensor as a row of bf16, whatever it is. So
// does this for 16 bits. For others it is kinder: planes as wide as the elements,
// those of fp32 with the exponent apart.
func (k Kind) layout(dtype tensor.DType) C.ys_layout {
	switch {
	case k == Zstd:
		return C.YS_BYTES1
	case k == BitX && dtype.Bits() == 16, k == ZipNN && dtype == tensor.BF16:
		return C.YS_FLOAT16
	case k != TensorX && dtype == tensor.F32:
		return C.YS_FLOAT32
	}
	switch dtype.Bits() {
	case 16:
		return C.YS_BYTES2
	case 32:
		return C.YS_BYTES4
	case 64:
		return C.YS_BYTES8
	}
	return C.YS_BYTES1
}

// A Codec codes tensors in one way. It is for one goroutine at a time.
type Codec struct {
	kind Kind
	c    *C.ys
}

// New returns a codec, which holds C memory until [Codec.Close].
func New(kind Kind) (*Codec, error) {
	c := C.ys_new(kind.level())
	if c == nil {
		return nil, errors.New("yardstick: no memory, or libzstd is not 1.5.7")
	}
	return &Codec{kind, c}, nil
}

// Close frees what c holds.
func (c *Codec) Close() { C.ys_free(c.c) }

// Vectorised tells whether planes are split and joined by AVX2 on this machine.
func Vectorised() bool { return C.ys_vectorised() != 0 }

// Compress appends to dst the encoding of data, the elements of dtype of a
// tensor, against base, and returns the extended slice. A base that is shorter
// predicts the rest as zero; nil is none. [Zstd] and [ZipNN] use none.
func (c *Codec) Compress(dst, data, base []byte, dtype tensor.DType) ([]byte, error) {
	span := c.span(len(data), len(base), dtype)
	bound := C.ys_zstd_bound(span.layout, span.n)
	if c.kind == ZipNN {
		bound = C.ys_zipnn_bound(span.layout, span.n)
	}
	dst = slices.Grow(dst, int(bound))
	out, n := pointer(dst[len(dst):cap(dst)]), C.int64_t(0)
	if c.kind == ZipNN {
		n = C.ys_zipnn_compress(c.c, out, bound, pointer(data), span)
	} else {
		n = C.ys_zstd_compress(c.c, out, bound, pointer(data), pointer(base), span)
	}
	if n < 0 {
		return dst, ErrFailed
	}
	return dst[:len(dst)+int(n)], nil
}

// Decompress fills dst with the tensor that src is the encoding of. Base and
// dtype are as they were for Compress.
func (c *Codec) Decompress(dst, src, base []byte, dtype tensor.DType) error {
	span := c.span(len(dst), len(base), dtype)
	bad := C.int(0)
	if c.kind == ZipNN {
		bad = C.ys_zipnn_decompress(c.c, pointer(dst), pointer(src), C.size_t(len(src)), span)
	} else {
		bad = C.ys_zstd_decompress(c.c, pointer(dst), pointer(src), C.size_t(len(src)), pointer(base), span)
	}
	if bad != 0 {
		return ErrFailed
	}
	return nil
}

// span describes a tensor of size bytes, and its base, to C.
func (c *Codec) span(size, base int, dtype tensor.DType) C.ys_span {
	s := C.ys_span{n: C.size_t(size), layout: c.kind.layout(dtype)}
	if c.kind == BitX || c.kind == TensorX {
		s.nbase = C.size_t(base)
	}
	return s
}

func pointer(p []byte) *C.uint8_t { return (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(p))) }
