package tensor

import (
	"encoding/binary"
	"iter"
	"slices"
)

// Extents is a list of extents, packed: an Extent for each of a million tensors
// would take over 100 MB, and this takes about 20 bytes and the name for each.
// The zero Extents is empty. A copy of one that is appended to later is not to be
// used.
type Extents struct {
	blocks [][]byte // each of whole extents
	dtypes []DType  // of the list
	count  int
	buf    []byte
}

// extentsBlock is the bytes of a block, unless one extent takes more.
const extentsBlock = 64 << 10

// Pack returns the list of es.
func Pack(es ...Extent) Extents {
	var l Extents
	for _, e := range es {
		l.Append(e)
	}
	return l
}

// Len returns the number of extents.
func (l Extents) Len() int { return l.count }

// Append appends e.
func (l *Extents) Append(e Extent) {
	dtype := slices.Index(l.dtypes, e.DType)
	if dtype < 0 {
		dtype = len(l.dtypes)
		l.dtypes = append(l.dtypes, e.DType)
	}
	b := binary.AppendVarint(l.buf[:0], e.Offset)
	b = binary.AppendVarint(b, e.Size)
	b = binary.AppendUvarint(b, uint64(dtype))
	if e.Shape == nil {
		b = append(b, 0)
	} else {
		b = binary.AppendUvarint(b, uint64(len(e.Shape))+1)
	}
	for _, d := range e.Shape {
		b = binary.AppendUvarint(b, d)
	}
	b = append(binary.AppendUvarint(b, uint64(len(e.Name))), e.Name...)
	last := len(l.blocks) - 1
	if last < 0 || len(l.blocks[last])+len(b) > cap(l.blocks[last]) {
		l.blocks = append(l.blocks, make([]byte, 0, max(extentsBlock, len(b))))
		last++
	}
	l.blocks[last] = append(l.blocks[last], b...)
	l.buf = b
	l.count++
}

// All yields the extents in the order in which they were appended.
func (l Extents) All() iter.Seq[Extent] {
	return func(yield func(Extent) bool) {
		for _, b := range l.blocks {
			for len(b) > 0 {
				var e Extent
				if e, b = l.first(b); !yield(e) {
					return
				}
			}
		}
	}
}

// first reads the extent that b, a block or the end of one, begins with, and
// returns what follows it.
func (l Extents) first(b []byte) (Extent, []byte) {
	offset, n := binary.Varint(b)
	b = b[n:]
	size, n := binary.Varint(b)
	b = b[n:]
	next := func() uint64 {
		v, n := binary.Uvarint(b)
		b = b[n:]
		return v
	}
	e := Extent{Offset: offset, Size: size, DType: l.dtypes[next()]}
	if dims := next(); dims > 0 {
		e.Shape = make(Shape, dims-1)
	}
	for i := range e.Shape {
		e.Shape[i] = next()
	}
	name := next()
	e.Name = string(b[:name])
	return e, b[name:]
}

// sorted yields the extents in the order of byOffset, and those that are equal in
// it in their own.
func (l Extents) sorted() iter.Seq[Extent] {
	type ref struct {
		offset, size int64
		block, pos   uint32
	}
	refs := make([]ref, 0, l.count)
	for i, b := range l.blocks {
		for rest := b; len(rest) > 0; {
			at := len(b) - len(rest)
			var e Extent
			e, rest = l.first(rest)
			refs = append(refs, ref{e.Offset, e.Size, uint32(i), uint32(at)})
		}
	}
	slices.SortStableFunc(refs, func(a, b ref) int {
		return byOffset(Extent{Offset: a.offset, Size: a.size}, Extent{Offset: b.offset, Size: b.size})
	})
	return func(yield func(Extent) bool) {
		for _, r := range refs {
			if e, _ := l.first(l.blocks[r.block][r.pos:]); !yield(e) {
				return
			}
		}
	}
}
