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
)

// rawShift says what is not worth decoding: what saves less than one byte in
// 2^rawShift. The plane then stays raw.
const rawShift = 7

// appendPlane appends the smallest coding of p.
func (s *scratch) appendPlane(dst, p []byte) []byte {
	if len(p) == 0 {
		return append(dst, planeRaw)
	}
	var f freqs
	if s.looksRaw(p) && !s.zstdPays(p, 1, len(p), f.flat()) {
		return append(append(dst, planeRaw), p...)
	}
	var h histogram
	n := h.countPart(p)
	if int(h[p[0]]) == n {
		return append(dst, planeFill, p[0])
	}
	best, coding := p[:len(p)-len(p)>>rawShift], byte(planeRaw)
	if size := f.fitPart(&h, n); size < n-n>>rawShift {
		s.entropy, coding = s.appendOrder0(s.entropy[:0], p, &h, n, &f, size)
		best = s.entropy
		if lengthAnd(best) >= len(p)-len(p)>>rawShift {
			best, coding = p[:len(p)-len(p)>>rawShift], planeRaw
		}
	}
	if s.zstdPays(p, 1, len(best), &f) {
		s.zplane = s.zstdFast().EncodeAll(p, s.zplane[:0])
		if lengthAnd(s.zplane) < len(best) {
			best, coding = s.zplane, planeZstd
		}
	}
	dst = append(dst, coding)
	switch coding {
	case planeRaw:
		return append(dst, p...)
	case planeBits:
		return append(dst, best...)
	}
	return append(appendUvarint(dst, len(best)), best...)
}

// appendOrder0 appends p without its coding and length, coded by f, of size for n
// bytes that are counted in h, or by what splitting its bits gives, and returns
// the coding.
func (s *scratch) appendOrder0(dst, p []byte, h *histogram, n int, f *freqs, size int) ([]byte, byte) {
	switch {
	case len(p) < ransWide:
		return s.appendOneLane(dst, p, f), planeLane
	case len(p) < lanesLeast:
		return s.rans.encode(dst, p, f), planeRANS
	}
	f.widen()
	split := bitSplit{0xff, *f, size}
	split.fit(h, n)
	if split.mask == 0xff {
		return s.appendLanePlane(dst, p, f, 0xff), planeLanes
	}
	return s.appendBitsPlane(dst, p, &split), planeBits
}

func appendUvarint(dst []byte, n int) []byte { return binary.AppendUvarint(dst, uint64(n)) }

// lengthAnd returns the size of p and its length before it, at least.
func lengthAnd(p []byte) int { return len(p) + 1 + bits.Len(uint(len(p)))/8 }

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
