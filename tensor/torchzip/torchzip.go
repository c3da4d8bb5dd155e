// Package torchzip reads the directory of a zip that torch.save or torch.jit
// wrote, and says how the file is cut. It never unpickles.
//
// # Format
//
// A zip (PKWARE's APPNOTE.TXT), whose records are stored and begin at multiples
// of 64 bytes:
//
//	NAME/data.pkl    // what the tensors are called, and their shapes: a pickle
//	NAME/data/0      // the bytes of one storage
//	NAME/data/1
//	NAME/version
//	central directory, end of central directory
//
// # Cuts
//
// These rules are part of identity: they are frozen. They are stricter than
// what archive/zip accepts, which may change.
//
//   - The file begins with a local file header ("PK\x03\x04") and its last 22
//     bytes are an end record ("PK\x05\x06") without a comment.
//   - If the 20 bytes before that are a zip64 locator ("PK\x06\x07"), the zip64
//     end record ("PK\x06\x06") is where the locator says and ends where the
//     locator begins; it then says where the central directory is, and each
//     field of the end record equals its field or is all ones. Otherwise the
//     end record says it.
//   - There is one disk, as these records say. The central directory begins at the offset given,
//     counted from the start of the file, has as many entries as given and ends
//     where the (zip64) end record begins. It is at most 100,000,000 bytes and
//     1,048,576 entries long.
//   - An entry whose size, stored size or offset is all ones has a zip64 extra
//     field, the first with ID 1, that holds all such, in this order; all
//     fields before that one are well formed.
//   - One entry's name, or more, is one path element followed by "/data.pkl":
//     at least one byte, none of them a slash.
//   - An entry is cut if its method is 0, its flags have bit 0 (encrypted)
//     clear, and its size is not 0. It then has a stored size equal to its
//     size, and a local header ("PK\x03\x04") at its offset; its bytes follow
//     that header, its name and its extra field, whose lengths the local header
//     gives, and end before the central directory.
//   - No two entries that are cut overlap.
//
// A file that breaks one of them is plain. Otherwise it is cut at the start and
// at the end of the bytes of each entry that is cut; what lies between them is
// opaque. Every entry that is cut becomes an extent with the entry's name as it
// is, valid UTF-8 or not. Dtypes and shapes stand in the pickle only, so all
// extents are opaque. Entries that are compressed, encrypted or empty are part
// of what lies between.
//
// Package torchzip reads no record's bytes.
package torchzip

import (
	"fmt"
	"io"
	"strings"

	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/internal/window"
)

// Format is the Layout's name of this format.
const Format = "torchzip"

// Storage reports whether an extent of a torchzip layout called name holds a
// tensor's storage: NAME/data/ and decimal digits.
func Storage(name string) bool {
	_, rest, _ := strings.Cut(name, "/")
	digits, ok := strings.CutPrefix(rest, "data/")
	return ok && digits != "" && strings.Trim(digits, "0123456789") == ""
}

// Read returns the layout of the PyTorch zip r of size bytes: its stored
// records, and the bytes between them.
//
// It returns an error wrapping [tensor.ErrNotFormat] if the file is not a
// well-formed PyTorch zip. Any other error is r's.
func Read(r io.ReaderAt, size int64) (tensor.Layout, error) {
	if size < localSize+endSize {
		return tensor.Layout{}, bad("%d bytes", size)
	}
	if _, err := readLocal(r, 0); err != nil {
		return tensor.Layout{}, err
	}
	dir, err := locate(r, size)
	if err != nil {
		return tensor.Layout{}, err
	}
	found, err := dir.extents(r)
	if err != nil {
		return tensor.Layout{}, err
	}
	return tensor.Cover(Format, size, tensor.Pack(found...))
}

func bad(format string, args ...any) error {
	return fmt.Errorf("%w: %s", tensor.ErrNotFormat, fmt.Sprintf(format, args...))
}

// extents returns those of the entries that are cut, in directory order.
func (d directory) extents(r io.ReaderAt) ([]tensor.Extent, error) {
	var found []tensor.Extent
	torch := false
	in := window.New(r, d.offset, d.offset+d.size)
	for range d.entries {
		e, err := readEntry(in)
		if err != nil {
			return nil, err
		}
		torch = torch || isPickle(e.name)
		if !e.cut() {
			continue
		}
		x, err := e.extent(r, d.offset)
		if err != nil {
			return nil, err
		}
		found = append(found, x)
	}
	if in.Left() != 0 {
		return nil, bad("%d bytes behind the last entry", in.Left())
	}
	if !torch {
		return nil, bad("no data.pkl: not PyTorch's")
	}
	return found, nil
}

// isPickle reports whether name is that of the pickle of a PyTorch zip.
func isPickle(name string) bool {
	dir, ok := strings.CutSuffix(name, "/data.pkl")
	return ok && dir != "" && !strings.Contains(dir, "/")
}
