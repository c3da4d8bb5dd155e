package torchzip

import (
	"io"

	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/internal/window"
)

// entry is what the central directory says of one record.
type entry struct {
	name   string
	flags  uint16
	method uint16
	stored uint64 // bytes in the file
	size   uint64 // bytes of the record
	offset uint64 // of its local header
}

const encrypted = 1 << 0 // in flags

// readEntry reads the next entry of the central directory.
func readEntry(in *window.Reader) (entry, error) {
	var p [entrySize]byte
	if err := in.Full(p[:]); err != nil {
		return entry{}, err
	}
	if string(p[:4]) != entryMagic {
		return entry{}, bad("no directory entry before %d", in.Offset())
	}
	rest := make([]byte, int(le.Uint16(p[28:]))+int(le.Uint16(p[30:])))
	if err := in.Full(rest); err != nil {
		return entry{}, err
	}
	if err := in.Skip(uint64(le.Uint16(p[32:]))); err != nil { // the comment
		return entry{}, err
	}
	nameLen := le.Uint16(p[28:])
	e := entry{
		name:   string(rest[:nameLen]),
		flags:  le.Uint16(p[8:]),
		method: le.Uint16(p[10:]),
		stored: uint64(le.Uint32(p[20:])),
		size:   uint64(le.Uint32(p[24:])),
		offset: uint64(le.Uint32(p[42:])),
	}
	return e, e.widen(rest[nameLen:])
}

// widen replaces the fields that are all ones by those of the zip64 extra.
func (e *entry) widen(extra []byte) error {
	var wide []*uint64
	for _, f := range []*uint64{&e.size, &e.stored, &e.offset} {
		if *f == ones32 {
			wide = append(wide, f)
		}
	}
	if len(wide) == 0 {
		return nil
	}
	value, ok := zip64(extra)
	if !ok || len(value) < 8*len(wide) {
		return bad("%q needs a zip64 extra field", e.name)
	}
	for i, f := range wide {
		*f = le.Uint64(value[8*i:])
	}
	return nil
}

// zip64 returns the value of the first field of extra with ID 1.
func zip64(extra []byte) ([]byte, bool) {
	for len(extra) >= 4 {
		id, n := le.Uint16(extra), int(le.Uint16(extra[2:]))
		extra = extra[4:]
		if n > len(extra) {
			return nil, false
		}
		if id == 1 {
			return extra[:n], true
		}
		extra = extra[n:]
	}
	return nil, false
}

// cut reports whether the file is cut at the entry.
func (e entry) cut() bool {
	return e.method == 0 && e.flags&encrypted == 0 && e.size != 0
}

// extent returns where the record's bytes are; they end before limit.
func (e entry) extent(r io.ReaderAt, limit int64) (tensor.Extent, error) {
	if e.stored != e.size {
		return tensor.Extent{}, bad("%q is stored, of %d bytes in %d", e.name, e.size, e.stored)
	}
	if limit < localSize || e.offset > uint64(limit-localSize) {
		return tensor.Extent{}, bad("%q has its header at %d", e.name, e.offset)
	}
	n, err := readLocal(r, int64(e.offset))
	if err != nil {
		return tensor.Extent{}, err
	}
	begin := int64(e.offset) + n
	if begin > limit || e.size > uint64(limit-begin) {
		return tensor.Extent{}, bad("%q is %d bytes at %d, of %d", e.name, e.size, begin, limit)
	}
	return tensor.Extent{Name: e.name, DType: tensor.Opaque, Offset: begin, Size: int64(e.size)}, nil
}

// readLocal reads the local file header at off and returns its size, with the
// name and the extra field.
func readLocal(r io.ReaderAt, off int64) (int64, error) {
	var p [localSize]byte
	if err := window.At(r, p[:], off); err != nil {
		return 0, err
	}
	if string(p[:4]) != localMagic {
		return 0, bad("no local header at %d", off)
	}
	return localSize + int64(le.Uint16(p[26:])) + int64(le.Uint16(p[28:])), nil
}
