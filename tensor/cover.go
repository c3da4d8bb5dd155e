package tensor

import (
	"cmp"
	"errors"
	"fmt"
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
// two non-empty ones overlap. It may keep found.
func Cover(format string, size int64, found Extents) (Layout, error) {
	for e := range found.All() {
		if e.Offset < 0 || e.Size < 0 || e.Offset > size || e.Size > size-e.Offset {
			return Layout{}, fmt.Errorf("%w: %q at %d+%d of %d bytes", ErrNotFormat, e.Name, e.Offset, e.Size, size)
		}
	}
	if l := (Layout{Format: format, Extents: found}); l.Check(size) == nil {
		return l, nil // as most files are: in order, without holes
	}
	var c cover
	for e := range found.sorted() {
		if e.Size > 0 && e.Offset < c.pos {
			return Layout{}, fmt.Errorf("%w: %q overlaps what precedes it", ErrNotFormat, e.Name)
		}
		c.add(e)
	}
	c.fill(size)
	return Layout{Format: format, Extents: c.list}, nil
}

// A cover is what of a file is covered.
type cover struct {
	list  Extents
	pos   int64    // every byte before it is covered
	empty []Extent // that come before the next extent which is not
}

// add appends e, which does not begin before those added before.
func (c *cover) add(e Extent) {
	if e.Size == 0 {
		c.empty = append(c.empty, e)
		return
	}
	c.fill(e.Offset)
	c.list.Append(e)
	c.pos = e.Offset + e.Size
}

// fill covers what lies before offset to with an opaque extent, if anything does,
// and lists the empty extents where they belong.
func (c *cover) fill(to int64) {
	hole := Extent{DType: Opaque, Offset: c.pos, Size: to - c.pos}
	for _, e := range c.empty {
		if hole.Size > 0 && e.Offset > hole.Offset {
			c.list.Append(hole)
			hole.Size = 0
		}
		c.list.Append(e)
	}
	if hole.Size > 0 {
		c.list.Append(hole)
	}
	c.empty, c.pos = c.empty[:0], to
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
	i := -1
	var last Extent
	for e := range l.Extents.All() {
		i++
		switch {
		case i > 0 && byOffset(last, e) > 0:
			return fmt.Errorf("tensor: extent %d of %q is out of order", i, e.Name)
		case e.Size < 0 || e.Offset < 0 || e.Offset > size:
			return fmt.Errorf("tensor: extent %d at %d+%d leaves a file of %d bytes", i, e.Offset, e.Size, size)
		case e.Size > 0 && e.Offset != pos:
			return fmt.Errorf("tensor: extent %d begins at %d, not at %d", i, e.Offset, pos)
		}
		pos += e.Size
		last = e
	}
	if pos != size {
		return fmt.Errorf("tensor: extents cover %d of %d bytes", pos, size)
	}
	return nil
}
