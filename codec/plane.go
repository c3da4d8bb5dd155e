package codec

import (
	"encoding/binary"
	"math/bits"
)

const (
	planeRaw   = 0
	planeFill  = 1
	planeZstd  = 2
	planeRANS  = 3
	planeLanes = 4
	planeLane  = 5
	planeBits  = 6
	planeGaps  = 7
)

// rawShift says what is not worth decoding: what saves less than one byte in
// 2^rawShift. The plane then stays raw.
const rawShift = 7

// A codedPlane is a plane as it is coded, but for the bits that are raw. Its parts
// lie in a scratch until the next plane.
type codedPlane struct {
	coding byte
	mask   byte     // the bits that are coded
	head   []byte   // the coding's first bytes
	words  []uint16 // and its last
}

// bytes returns how many bytes c takes for n bytes, at least.
func (c *codedPlane) bytes(n int) int {
	size := len(c.head) + 2*len(c.words)
	size += 1 + bits.Len(uint(size))/8
	if c.mask != 0xff {
		size += 2 + bits.OnesCount8(^c.mask)*((n+7)/8)
	}
	return size
}

// appendTo appends c, which is p coded.
func (c *codedPlane) appendTo(dst, p []byte) []byte {
	if c.coding == planeRaw {
		return append(append(dst, planeRaw), p...)
	}
	if c.mask != 0xff {
		dst = append(dst, planeBits, c.mask)
		dst = appendBits(dst, p, ^c.mask)
	}
	dst = append(dst, c.coding)
	if c.coding != planeFill {
		dst = binary.AppendUvarint(dst, uint64(len(c.head)+2*len(c.words)))
	}
	return appendWords(append(dst, c.head...), c.words)
}

// appendPlane appends the smallest coding of p. If known is not nil, it is the counts
// of a part of it.
func (s *scratch) appendPlane(dst, p []byte, known *histogram) []byte {
	if len(p) == 0 {
		return append(dst, planeRaw)
	}
	var f freqs
	if known == nil && s.looksRaw(p) && !s.zstdPays(p, 1, len(p), f.flat()) {
		return append(append(dst, planeRaw), p...)
	}
	var h histogram
	n := h.countPart(p, known)
	if h.values() == 1 {
		return append(dst, planeFill, p[0])
	}
	c := codedPlane{coding: planeRaw}
	best := len(p) - len(p)>>rawShift
	if h.atLeast(n) < n-n>>rawShift {
		if size := f.fitPart(&h, n); size < n-n>>rawShift {
			if coded := s.order0(p, &h, n, &f, size, dst); coded.bytes(len(p)) < best {
				c, best = coded, coded.bytes(len(p))
			}
		}
	} else {
		f.flat()
	}
	if s.zstdPays(p, 1, best, &f) {
		s.zplane = s.zstdFast().EncodeAll(p, s.zplane[:0])
		if coded := (codedPlane{coding: planeZstd, mask: 0xff, head: s.zplane}); coded.bytes(len(p)) < best {
			c = coded
		}
	}
	return c.appendTo(dst, p)
}

// order0 codes p by f, of size for n bytes that are counted in h, or by what
// splitting its bits gives. It will be appended to dst.
func (s *scratch) order0(p []byte, h *histogram, n int, f *freqs, size int, dst []byte) codedPlane {
	c := codedPlane{coding: planeLane, mask: 0xff}
	switch {
	case len(p) < ransWide:
		s.entropy = s.appendOneLane(s.entropy[:0], p, f)
	case len(p) < lanesLeast:
		c.coding = planeRANS
		s.entropy = s.rans.encode(s.entropy[:0], p, f)
	default:
		f.widen()
		split := bitSplit{0xff, *f, size, *h}
		split.fit(n)
		c.coding, c.mask = planeLanes, split.mask
		s.codeSplit(&c, p, &split, dst)
		return c
	}
	c.head = s.entropy
	return c
}

// readPlane returns the plane of the coding that src begins with, and what follows
// that. It is p, which it fills, or of a raw plane a part of src.
func (s *scratch) readPlane(p, src []byte) (plane, rest []byte, err error) {
	if len(src) == 0 {
		return nil, nil, corrupt("planes are cut short")
	}
	coding, src := src[0], src[1:]
	switch coding {
	case planeRaw:
		if len(src) < len(p) {
			return nil, nil, corrupt("raw plane is cut short")
		}
		return src[:len(p)], src[len(p):], nil
	case planeFill:
		if len(src) == 0 {
			return nil, nil, corrupt("fill plane is cut short")
		}
		fill(p, src[:1])
		return p, src[1:], nil
	case planeBits:
		rest, err = s.readBitsPlane(p, src)
		return p, rest, err
	}
	body, rest, err := cut(src)
	if err != nil {
		return nil, nil, err
	}
	switch coding {
	case planeZstd:
		err = s.unzstd(p, body)
	case planeRANS:
		err = s.rans.decode(p, body)
	case planeLanes:
		err = s.readLanePlane(p, body, noRaw)
	case planeLane:
		err = s.readOneLane(p, body)
	case planeGaps:
		err = readGaps(p, body)
	default:
		err = unknown("plane coding", coding)
	}
	return p, rest, err
}

// cut splits src into the bytes that the uvarint at its start counts, and what
// follows them.
func cut(src []byte) (body, rest []byte, err error) {
	n, src, err := uvarint(src)
	if err != nil {
		return nil, nil, err
	}
	if n > len(src) {
		return nil, nil, corrupt("%d bytes promised, %d left", n, len(src))
	}
	return src[:n:n], src[n:], nil
}

// uvarint reads a length, of at most MaxLeaf, and returns what follows it.
func uvarint(src []byte) (int, []byte, error) {
	n, k := binary.Uvarint(src)
	if k <= 0 || n > MaxLeaf || k > 1 && src[k-1] == 0 {
		return 0, nil, corrupt("length out of range")
	}
	return int(n), src[k:], nil
}

// fill repeats value over dst.
func fill(dst, value []byte) {
	for n := copy(dst, value); n < len(dst); n *= 2 {
		copy(dst[n:], dst[:n])
	}
}
