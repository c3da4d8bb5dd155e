package store

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// end returns where the next block would go.
func (s *Store) end() (place, error) {
	p := s.pack(s.last)
	if p == nil {
		return place{}, nil
	}
	size, err := p.size()
	return place{pack: s.last, offset: uint64(size)}, err
}

func (s *Store) pack(n uint32) *pack {
	s.packMu.RLock()
	defer s.packMu.RUnlock()
	return s.packs[n]
}

// find returns where block d lies.
func (s *Store) find(d digest) (place, bool, error) {
	v, err := s.index.get(key(tabBlock, d[:]))
	if v == nil || err != nil {
		return place{}, false, err
	}
	p, err := decodePlace(v)
	return p, err == nil, err
}

// put appends block c unless it is there, and returns the bytes that it wrote:
// 0 for a block that was there. The caller holds a lease that keeps it. A spent
// one is not expected to be read soon.
func (s *Store) put(c cid.Cid, data []byte, spent bool) (int64, error) {
	if err := dag.Supported(c); err != nil {
		return 0, err
	}
	if len(data) > dag.MaxBlock {
		return 0, fmt.Errorf("block %s of %d bytes, more than the %d of a block", c, len(data), dag.MaxBlock)
	}
	d := digestOf(c)
	if _, ok, err := s.find(d); ok || err != nil {
		return 0, err
	}
	s.appendMu.Lock()
	defer s.appendMu.Unlock()
	if _, ok, err := s.find(d); ok || err != nil { // another may have been first
		return 0, err
	}
	write := s.writeSection
	if spent {
		write = s.writeSpent
	}
	return s.append(d, c, data, write)
}

// append writes a section at the end of the last pack, and returns its length.
// appendMu is held.
func (s *Store) append(d digest, c cid.Cid, data []byte, write func(f File, head, data []byte) error) (int64, error) {
	head := dag.CARSection(c, len(data))
	n := int64(len(head) + len(data))
	p, at, err := s.tail(n)
	if err != nil {
		return 0, err
	}
	if err := write(p.file, head, data); err != nil {
		if diskFull(err) {
			err = fmt.Errorf("%w: %w", ErrFull, err)
		}
		return 0, fmt.Errorf("write %s: %w", packName(p.number), err)
	}
	if f, ok := p.file.(earlyWriter); ok && at/startEvery != (at+n)/startEvery {
		f.startWriting(at/startEvery*startEvery, startEvery)
	}
	s.unsynced[p.number] += n
	s.waiting += n
	s.appended.Add(n)
	s.packMu.Lock()
	s.total += n
	s.packMu.Unlock()
	s.index.put(key(tabBlock, d[:]), placed(p.number, at+int64(len(head)), c.Type(), data).encode())
	return n, nil
}

// tail returns the pack to append n bytes to, and its size. appendMu is held.
func (s *Store) tail(n int64) (*pack, int64, error) {
	if !s.moving {
		if total := s.Bytes(); s.quota > 0 && total+n > s.quota {
			return nil, 0, fmt.Errorf("%w: %.1f of %.1f MiB", ErrQuota, mib(total), mib(s.quota))
		}
		if err := s.checkRoom(n); err != nil {
			return nil, 0, err
		}
	}
	if p := s.pack(s.last); p != nil {
		size, err := p.size()
		if err != nil || size+n <= maxPack {
			return p, size, err
		}
	}
	if err := s.roll(); err != nil {
		return nil, 0, err
	}
	return s.pack(s.last), int64(len(carHeader)), nil
}

// settle flushes when much waits. No lock is held.
func (s *Store) settle() error {
	s.appendMu.Lock()
	due := s.waiting > flushBytes
	s.appendMu.Unlock()
	if due || s.index.size() > s.flushAt {
		return s.Flush()
	}
	return nil
}

// read returns the bytes of block c as they lie in its pack, unchecked, and
// that place, or an error wrapping dag.ErrNotFound. They are appended to dst.
func (s *Store) read(dst []byte, c cid.Cid) ([]byte, place, error) {
	for range 4 { // a pack may be rewritten between finding and reading
		at, ok, err := s.find(digestOf(c))
		if err != nil {
			return nil, place{}, err
		}
		if !ok {
			return nil, place{}, fmt.Errorf("block %s: %w", c, dag.ErrNotFound)
		}
		if at.length > dag.MaxBlock {
			return nil, place{}, &dag.CorruptError{CID: c, From: "the index", Reason: "too long for a block"}
		}
		p := s.pack(at.pack)
		if p == nil {
			continue
		}
		n := len(dst)
		dst = slices.Grow(dst, int(at.length))[:n+int(at.length)]
		switch err := p.readAt(dst[n:], int64(at.offset)); {
		case err == nil:
			return dst, at, nil
		case errors.Is(err, errPackGone):
			dst = dst[:n]
		case errors.Is(err, io.EOF):
			return nil, place{}, &dag.CorruptError{CID: c, From: packName(at.pack), Reason: "the pack ends before it"}
		default:
			return nil, place{}, &diskError{fmt.Errorf("read %s: %w", packName(at.pack), err)}
		}
	}
	return nil, place{}, fmt.Errorf("block %s: %w in any pack", c, dag.ErrNotFound)
}

// real returns block c if its bytes lie in a pack, checked against c.
func (s *Store) real(c cid.Cid) (blocks.Block, error) {
	data, _, err := s.read(nil, c)
	if err == nil {
		err = dag.Check(c, data)
	}
	if bad, ok := errors.AsType[*dag.CorruptError](err); ok {
		bad.From = cmp.Or(s.where(c), bad.From)
		s.noteDamage(c, bad.Reason)
	} else if badSector(err) {
		s.noteDamage(c, unreadable)
	}
	if err != nil {
		return nil, err
	}
	return blocks.NewBlockWithCid(data, c)
}

// name names p for a person.
func (p place) name() string { return fmt.Sprintf("%s offset %d", packName(p.pack), p.offset) }

// where names the place of block c for a person.
func (s *Store) where(c cid.Cid) string {
	at, ok, err := s.find(digestOf(c))
	if !ok || err != nil {
		return ""
	}
	return at.name()
}
