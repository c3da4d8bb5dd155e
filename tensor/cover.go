package tensor

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
)

// ErrNotFormat is wrapped by the error of a format's reader when the file is
// not of that format, or is malformed: the file is then plain, unless it is of
// another format. An error that does not wrap it is an error of reading.
var ErrNotFormat = errors.New("tensor: not a well-formed file of the format")

// MaxTensors is the most tensors a file may list. A file that lists more is
// plain.
const MaxTensors = 1 << 20

// Cover returns the layout of a file of size bytes that holds the extents of
// found, in any order: it puts them in the order of their offsets and fills
// what lies between them with opaque extents.
//
// Empty extents cut nothing: each is listed before the first non-empty extent
// that does not begin before it, among themselves in the order of found.
//
// It returns an error wrapping ErrNotFormat if an extent leaves the file or if
// two non-empty ones overlap. It may reorder found and keeps none of it.
func Cover(format string, size int64, found []Extent) (Layout, error) {
	for _, e := range found {
		if e.Offset < 0 || e.Size < 0 || e.Offset > size || e.Size > size-e.Offset {
			return Layout{}, fmt.Errorf("%w: %q at %d+%d of %d bytes", ErrNotFormat, e.Name, e.Offset, e.Size, size)
		}
	}
	slices.SortStableFunc(found, byOffset)
	full := make([]Extent, 0, len(found)+1)
	var pos int64 // every byte before it is covered
	for _, e := range found {
		if e.Size == 0 {
			continue
		}
		if e.Offset < pos {
			return Layout{}, fmt.Errorf("%w: %q overlaps what precedes it", ErrNotFormat, e.Name)
		}
		full = append(fill(full, pos, e.Offset), e)
		pos = e.Offset + e.Size
	}
	full = fill(full, pos, size)
	return Layout{Format: format, Extents: withEmpty(full, found)}, nil
}

// fill appends the opaque extent [from, to) to list, if there is any.
func fill(list []Extent, from, to int64) []Extent {
	if from == to {
		return list
	}
	return append(list, Extent{DType: Opaque, Offset: from, Size: to - from})
}

// withEmpty puts the empty extents of found among the extents of full; both
// are in order.
func withEmpty(full, found []Extent) []Extent {
	count := len(full)
	for _, e := range found {
		if e.Size == 0 {
			full = append(full, e)
		}
	}
	if len(full) > count {
		slices.SortStableFunc(full, byOffset)
	}
	return full
}

// byOffset orders extents by offset, and the empty ones of an offset first.
func byOffset(a, b Extent) int {
	return cmp.Or(cmp.Compare(a.Offset, b.Offset), cmp.Compare(min(a.Size, 1), min(b.Size, 1)))
}

// Check returns an error unless l is the layout of a file of size bytes: its
// extents are in order, the empty ones lie in the file, and the others cover it
// with no gap and no overlap.
func (l Layout) Check(size int64) error {
	var pos int64
	for i, e := range l.Extents {
		switch {
		case i > 0 && byOffset(l.Extents[i-1], e) > 0:
			return fmt.Errorf("tensor: extent %d of %q is out of order", i, e.Name)
		case e.Size < 0 || e.Offset < 0 || e.Offset > size:
			return fmt.Errorf("tensor: extent %d at %d+%d leaves a file of %d bytes", i, e.Offset, e.Size, size)
		case e.Size > 0 && e.Offset != pos:
			return fmt.Errorf("tensor: extent %d begins at %d, not at %d", i, e.Offset, pos)
		}
		pos += e.Size
	}
	if pos != size {
		return fmt.Errorf("tensor: extents cover %d of %d bytes", pos, size)
	}
	return nil
}
