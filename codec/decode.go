package codec

import (
	"fmt"
	"slices"
)

// Decode appends to dst the leaf of size bytes that chunk encodes, and returns
// the extended slice. c is what [Encode] was given: the same dtype, offset,
// bases and side.
//
// Chunk may come from anyone. An error wraps ErrCorrupt, or ErrUnknown where a
// newer version of zipnode may know better; dst is then returned as it was. No
// chunk makes Decode allocate more than a few times MaxLeaf, and none with a side
// block more than 16 times it. A chunk that decodes without error still needs its
// leaf checked against the leaf's CID: wrong bases give wrong bytes.
func Decode(dst, chunk []byte, size int, c Context) ([]byte, error) {
	if size < 0 || size > MaxLeaf {
		return dst, fmt.Errorf("codec: leaf of %d bytes, at most %d", size, MaxLeaf)
	}
	if len(chunk) < 2 || len(chunk) >= size {
		return dst, corrupt("chunk of %d bytes for a leaf of %d", len(chunk), size)
	}
	if chunk[0] != version {
		return dst, unknown("version", chunk[0])
	}
	if chunk[1] == methodRaw {
		return dst, corrupt("raw frame outside segments")
	}
	s := scratches.Get().(*scratch)
	defer s.release()
	n := len(dst)
	out := slices.Grow(dst, size)[:n+size]
	if err := s.decode(out[n:], chunk[1:], &c, false); err != nil {
		return dst, err
	}
	return out, nil
}

// decode fills dst from a frame without its version byte.
func (s *scratch) decode(dst, frame []byte, c *Context, nested bool) error {
	if len(frame) == 0 {
		return corrupt("empty frame")
	}
	body := frame[1:]
	switch frame[0] {
	case methodRaw:
		if len(body) != len(dst) {
			return corrupt("%d raw bytes, want %d", len(body), len(dst))
		}
		copy(dst, body)
		return nil
	case methodSame:
		return s.decodeSame(dst, body, c)
	case methodFill:
		return decodeFill(dst, body)
	case methodZstd:
		return s.unzstd(dst, body)
	case methodPlanes:
		return s.decodePlanes(dst, body, nil, c)
	case methodBitX:
		base, body, err := s.decodeBase(len(dst), body, c)
		if err != nil {
			return err
		}
		return s.decodePlanes(dst, body, base, c)
	case methodDelta:
		return s.decodeDelta(dst, body, c)
	case methodShort:
		return s.decodeShort(dst, body, c)
	case methodSparse:
		return s.decodeSparse(dst, body, c)
	case methodLowRank:
		return s.decodeLowRank(dst, body, c)
	case methodSegments:
		if nested {
			return corrupt("segments inside segments")
		}
		return s.decodeSegments(dst, body, c)
	}
	return unknown("method", frame[0])
}

// decodeBase returns the base that body begins with, and what follows.
func (s *scratch) decodeBase(size int, body []byte, c *Context) (base, rest []byte, err error) {
	if len(body) == 0 || int(body[0]) >= len(c.Bases) {
		return nil, nil, corrupt("base %x of %d", body[:min(len(body), 1)], len(c.Bases))
	}
	b := int(body[0])
	if !c.fits(b) {
		return nil, nil, corrupt("base of dtype %s for %s", c.Bases[b].DType, c.DType)
	}
	return s.view(c, b, size), body[1:], nil
}

func (s *scratch) decodeSame(dst, body []byte, c *Context) error {
	base, rest, err := s.decodeBase(len(dst), body, c)
	if err != nil {
		return err
	}
	if len(rest) != 0 {
		return corrupt("%d bytes after the frame", len(rest))
	}
	copy(dst, base)
	return nil
}

func decodeFill(dst, value []byte) error {
	switch len(value) {
	case 1, 2, 4, 8:
		fill(dst, value)
		return nil
	}
	return corrupt("fill of %d bytes", len(value))
}

func (s *scratch) decodePlanes(dst, body, base []byte, c *Context) error {
	if len(body) == 0 {
		return corrupt("no layout")
	}
	if body[0] >= layouts {
		return unknown("layout", body[0])
	}
	l, body := layout(body[0]), body[1:]
	head, tail := l.edges(c.Offset, len(dst))
	if len(body) < head+tail {
		return corrupt("edges are cut short")
	}
	end := len(dst) - tail
	edges, body := body[:head+tail], body[head+tail:]
	if base == nil {
		copy(dst, edges[:head])
		copy(dst[end:], edges[head:])
	} else {
		xor(dst[:head], edges[:head], base)
		xor(dst[end:], edges[head:], base[end:])
		base = base[head:end]
	}
	dst = dst[head:end]
	if (l == layoutBF16 || l == layout16) && base == nil {
		if done, err := s.readJoined(dst, body, l); done {
			return err
		}
	}
	room := dst // for the only plane
	if l != layoutBytes || base != nil {
		room = s.planesOf(len(dst))
	}
	planes, body, err := s.readPlanes(room, body, l)
	if err != nil {
		return err
	}
	if len(body) != 0 {
		return corrupt("%d bytes after the planes", len(body))
	}
	l.join(dst, &planes, base)
	return nil
}

// readPlanes reads the planes that body begins with, of elements that are as many
// bytes as room, and returns them and what follows. They lie in room, where they are
// not parts of body; those of one byte again and again may be the same memory.
func (s *scratch) readPlanes(room, body []byte, l layout) (planes planeSet, rest []byte, err error) {
	n := len(room) / l.width()
	var filled []byte
	for i := range l.width() {
		fills := len(body) > 1 && body[0] == planeFill
		if fills && len(filled) > 0 && filled[0] == body[1] {
			planes[i], body = filled, body[2:]
			continue
		}
		if planes[i], body, err = s.readPlane(room[i*n:(i+1)*n], body); err != nil {
			return planes, nil, err
		}
		if fills {
			filled = planes[i]
		}
	}
	return planes, body, nil
}

func (s *scratch) decodeSegments(dst, body []byte, c *Context) error {
	for at, parts := 0, 0; at < len(dst) || len(body) > 0; parts++ {
		if parts == maxSegments {
			return corrupt("more than %d segments", maxSegments)
		}
		n, rest, err := uvarint(body)
		if err != nil {
			return err
		}
		if n == 0 || n > len(dst)-at {
			return corrupt("segment of %d bytes, %d left", n, len(dst)-at)
		}
		frame, rest, err := cut(rest)
		if err != nil {
			return err
		}
		c.within(&s.sub, at, at+n)
		if err := s.decode(dst[at:at+n], frame, &s.sub, true); err != nil {
			return err
		}
		at, body = at+n, rest
	}
	return nil
}
