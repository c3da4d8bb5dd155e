// Package layout says how any file is cut: it asks the reader of each format in
// turn.
//
// # Cuts
//
// The order is part of identity and frozen: safetensors, GGUF, PyTorch zip. The
// first that a file is a well-formed file of decides; a file of none is plain,
// one extent from its first byte to its last. Only the bytes count: no name, no
// extension, for two copies of a file may be called differently. (No file known
// is of two of these formats: GGUF's and zip's first bytes are no sensible
// length of a safetensors header. Where one is forged, the order decides.)
package layout

import (
	"errors"
	"fmt"
	"io"

	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/gguf"
	"github.com/zipnode/zipnode/tensor/safetensors"
	"github.com/zipnode/zipnode/tensor/torchzip"
)

type format struct {
	name string
	read func(io.ReaderAt, int64) (tensor.Layout, error)
}

var formats = []format{
	{safetensors.Format, safetensors.Read},
	{gguf.Format, gguf.Read},
	{torchzip.Format, torchzip.Read},
}

// Of returns the layout of the file r of size bytes, [tensor.Plain] if it is of
// no format that is cut.
//
// Its errors are those of reading r: a file that could not be read is never
// taken to be plain. An r with fewer than size bytes gives
// io.ErrUnexpectedEOF where that is noticed.
func Of(r io.ReaderAt, size int64) (tensor.Layout, error) {
	if size < 0 {
		return tensor.Layout{}, fmt.Errorf("layout: a file of %d bytes", size)
	}
	for _, f := range formats {
		l, err := f.read(r, size)
		if err == nil {
			return l, nil
		}
		if !errors.Is(err, tensor.ErrNotFormat) {
			return tensor.Layout{}, fmt.Errorf("read as %s: %w", f.name, err)
		}
	}
	return tensor.Plain(size), nil
}

// IsTensor tells whether extent e of a file of format is a tensor, not what lies
// between tensors. Of a PyTorch zip's records those are that hold a storage.
func IsTensor(format string, e tensor.Extent) bool {
	if format == torchzip.Format {
		return torchzip.Storage(e.Name)
	}
	return e.Name != ""
}
