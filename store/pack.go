package store

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// maxPack is the most bytes of a pack file.
const maxPack = 1 << 30

// carHeader is a CARv1 header whose one root is the empty identity CID: blocks
// follow, none of them special.
var carHeader = []byte("\x19\xa2eroots\x81\xd8\x2aE\x00\x01\x55\x00\x00gversion\x01")

// A place is where a block's bytes lie.
type place struct {
	pack   uint32
	offset uint64 // of the first byte of the block's data
	length uint32
	codec  uint64
	sum    uint32 // CRC-32C of the data
	summed bool   // sum is known: it is not where an earlier zipnode wrote the entry
}

// placed returns the place of data at an offset of a pack.
func placed(pack uint32, offset int64, codec uint64, data []byte) place {
	return place{
		pack: pack, offset: uint64(offset), length: uint32(len(data)), codec: codec,
		sum: crc32.Checksum(data, castagnoli), summed: true,
	}
}

// intact tells whether data, read from p, are the bytes that were put there: by
// their CRC, which costs a tenth of their hash.
func (p place) intact(data []byte) bool {
	return p.summed && crc32.Checksum(data, castagnoli) == p.sum
}

func (p place) less(q place) bool {
	return p.pack < q.pack || p.pack == q.pack && p.offset < q.offset
}

// A pack is one open file of packs/.
type pack struct {
	number uint32
	mu     sync.RWMutex // held while reading, so that a removed pack is closed only when no one reads
	file   File         // nil when closed
}

var errPackGone = errors.New("store: the pack is gone")

func packName(n uint32) string { return fmt.Sprintf("packs/%06d.car", n) }

func packNumber(name string) (uint32, bool) {
	digits, ok := strings.CutSuffix(name, ".car")
	if !ok || len(digits) < 6 {
		return 0, false
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err == nil && n > 0
}

func (p *pack) readAt(b []byte, off int64) error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.file == nil {
		return errPackGone
	}
	n, err := p.file.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	return err
}

func (p *pack) size() (int64, error) {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.file == nil {
		return 0, errPackGone
	}
	return p.file.Size()
}

func (p *pack) sync() error {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if p.file == nil {
		return nil // removed meanwhile: nothing of it is wanted
	}
	return p.file.Sync()
}

func (p *pack) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.file == nil {
		return nil
	}
	f := p.file
	p.file = nil
	return f.Close()
}

// A section is one block of a pack.
type section struct {
	cid    cid.Cid
	offset int64 // of its data
	data   []byte
	end    int64
}

// sections reads the blocks of p one by one from offset from on, each checked.
type sections struct {
	r    *dag.CARReader
	from int64
	disk *packReader
}

func (p *pack) sections(from, size int64) sections {
	disk := &packReader{p: p}
	return sections{dag.NewCARReader(io.NewSectionReader(disk, from, size-from)), from, disk}
}

// next returns io.EOF at a clean end, and a *diskError where the pack could not
// be read: any other says that there is no valid section.
func (s sections) next() (section, error) {
	b, err := s.r.Next()
	if err != nil && s.disk.err != nil {
		return section{}, &diskError{s.disk.err}
	}
	if err != nil {
		return section{}, err
	}
	end := s.from + s.r.Offset()
	return section{cid: b.Cid(), data: b.RawData(), offset: end - int64(len(b.RawData())), end: end}, nil
}

// scan calls found with each block of the pack from offset from on, and returns
// where the valid blocks end. Where a section does not parse, or its bytes do
// not hash to its CID, it goes on at the next valid one, and tells damaged.
func (p *pack) scan(from int64, found func(section) error, damaged func(from, to int64)) (end int64, err error) {
	size, err := p.size()
	if err != nil {
		return 0, err
	}
	for from < size {
		rd := p.sections(from, size)
		for {
			s, err := rd.next()
			if err == io.EOF {
				return size, nil
			}
			if _, failed := errors.AsType[*diskError](err); failed {
				return from, err
			}
			if err != nil {
				break
			}
			if err := found(s); err != nil {
				return from, err
			}
			from = s.end
		}
		next, err := p.resync(from+1, size)
		if err != nil {
			return from, err
		}
		if next < 0 {
			return from, nil
		}
		damaged(from, next)
		from = next
	}
	return from, nil
}

// resync returns the offset of the first valid section at or after from, or -1.
// A section is told by the first bytes of its CID, and believed when its bytes
// hash to it.
func (p *pack) resync(from, size int64) (int64, error) {
	const window = 1 << 20
	marks := [][]byte{{1, cid.Raw, 0x12, 32}, {1, cid.DagProtobuf, 0x12, 32}, {1, cid.DagCBOR, 0x12, 32}}
	buf := make([]byte, window)
	for at := from; at < size; {
		n := int(min(window, size-at))
		if err := p.readAt(buf[:n], at); err != nil {
			return -1, err
		}
		for i := 0; i+4 <= n; i++ {
			if !slices.ContainsFunc(marks, func(m []byte) bool { return bytes.Equal(m, buf[i:i+4]) }) {
				continue
			}
			for width := int64(1); width <= 4; width++ {
				start := at + int64(i) - width
				if start < from {
					continue
				}
				s, err := p.sections(start, size).next()
				if _, failed := errors.AsType[*diskError](err); failed {
					return -1, err
				}
				// The varint must be width bytes wide, or the CID lies elsewhere.
				if err == nil && s.offset-36 == start+width {
					return start, nil
				}
			}
		}
		if n < window {
			break
		}
		at += int64(n) - 3
	}
	return -1, nil
}

// A diskError says that bytes could not be read. They may be whole.
type diskError struct{ err error }

func (e *diskError) Error() string { return e.err.Error() }
func (e *diskError) Unwrap() error { return e.err }

// A packReader reads a pack, and remembers that this failed: a parser may take
// the failure for malformed bytes.
type packReader struct {
	p   *pack
	err error
}

func (r *packReader) ReadAt(b []byte, off int64) (int, error) {
	r.p.mu.RLock()
	defer r.p.mu.RUnlock()
	if r.p.file == nil {
		r.err = errPackGone
		return 0, errPackGone
	}
	n, err := r.p.file.ReadAt(b, off)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}
