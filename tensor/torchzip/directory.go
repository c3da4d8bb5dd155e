package torchzip

import (
	"encoding/binary"
	"io"

	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/internal/window"
)

const (
	localMagic   = "PK\x03\x04"
	entryMagic   = "PK\x01\x02"
	endMagic     = "PK\x05\x06"
	locatorMagic = "PK\x06\x07"
	end64Magic   = "PK\x06\x06"

	localSize   = 30 // of each, without what follows
	entrySize   = 46
	endSize     = 22
	locatorSize = 20
	end64Size   = 56

	maxDirectory = 100_000_000 // bytes of a central directory

	ones16 = 1<<16 - 1
	ones32 = 1<<32 - 1
)

var le = binary.LittleEndian

// directory is where the central directory stands.
type directory struct {
	entries      uint64
	offset, size int64
}

// fields are what both end records say.
type fields struct {
	disk, dirDisk        uint64
	diskEntries, entries uint64
	size, offset         uint64
}

// locate finds the central directory of the zip r of size bytes.
func locate(r io.ReaderAt, size int64) (directory, error) {
	at := size - endSize // where the directory must end
	var p [endSize]byte
	if err := window.At(r, p[:], at); err != nil {
		return directory{}, err
	}
	if string(p[:4]) != endMagic || le.Uint16(p[20:]) != 0 {
		return directory{}, bad("no end record at %d", at)
	}
	f := fields{
		disk: uint64(le.Uint16(p[4:])), dirDisk: uint64(le.Uint16(p[6:])),
		diskEntries: uint64(le.Uint16(p[8:])), entries: uint64(le.Uint16(p[10:])),
		size: uint64(le.Uint32(p[12:])), offset: uint64(le.Uint32(p[16:])),
	}
	f64, at64, err := locate64(r, at)
	if err != nil {
		return directory{}, err
	}
	if at64 != 0 {
		if !f.agrees(f64) {
			return directory{}, bad("the end records disagree")
		}
		f, at = f64, at64
	}
	return f.directory(at)
}

// agrees reports whether each field equals that of wide, or is all ones.
func (f fields) agrees(wide fields) bool {
	same := func(v, w, ones uint64) bool { return v == w || v == ones }
	return same(f.disk, wide.disk, ones16) && same(f.dirDisk, wide.dirDisk, ones16) &&
		same(f.diskEntries, wide.diskEntries, ones16) && same(f.entries, wide.entries, ones16) &&
		same(f.size, wide.size, ones32) && same(f.offset, wide.offset, ones32)
}

// directory returns what f says, if it is a directory that ends at end.
func (f fields) directory(end int64) (directory, error) {
	switch {
	case f.disk != 0 || f.dirDisk != 0 || f.diskEntries != f.entries:
		return directory{}, bad("more than one disk")
	case f.entries > tensor.MaxTensors || f.size > maxDirectory:
		return directory{}, bad("a directory of %d entries and %d bytes", f.entries, f.size)
	case f.offset > uint64(end) || f.size != uint64(end)-f.offset:
		return directory{}, bad("a directory at %d+%d that does not end at %d", f.offset, f.size, end)
	}
	return directory{entries: f.entries, offset: int64(f.offset), size: int64(f.size)}, nil
}

// locate64 reads the zip64 end record if a locator ends at end. It returns the
// record's offset, and 0 if there is no locator.
func locate64(r io.ReaderAt, end int64) (fields, int64, error) {
	end -= locatorSize
	if end < end64Size {
		return fields{}, 0, nil
	}
	var p [locatorSize]byte
	if err := window.At(r, p[:], end); err != nil {
		return fields{}, 0, err
	}
	if string(p[:4]) != locatorMagic {
		return fields{}, 0, nil
	}
	at := le.Uint64(p[8:])
	if at == 0 || at > uint64(end-end64Size) || le.Uint32(p[4:]) != 0 || le.Uint32(p[16:]) > 1 {
		return fields{}, 0, bad("a zip64 locator that points to %d", at)
	}
	f, err := readEnd64(r, int64(at), end)
	return f, int64(at), err
}

// readEnd64 reads the zip64 end record [at, end).
func readEnd64(r io.ReaderAt, at, end int64) (fields, error) {
	var p [end64Size]byte
	if err := window.At(r, p[:], at); err != nil {
		return fields{}, err
	}
	if string(p[:4]) != end64Magic || le.Uint64(p[4:]) != uint64(end-at-12) {
		return fields{}, bad("no zip64 end record at %d", at)
	}
	return fields{
		disk: uint64(le.Uint32(p[16:])), dirDisk: uint64(le.Uint32(p[20:])),
		diskEntries: le.Uint64(p[24:]), entries: le.Uint64(p[32:]),
		size: le.Uint64(p[40:]), offset: le.Uint64(p[48:]),
	}, nil
}
