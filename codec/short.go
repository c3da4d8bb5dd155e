package codec

import "math/bits"

// The short method: what delta is for leaves too short for tables. Each step is
// coded by the adaptive coder, in the context of its base's exponent: how many
// bits its magnitude has, the bit below the highest, the rest raw, the sign raw.
//
//	base  uint8
//	edges          // bytes before and after the whole elements, XORed with the base's
//	steps          // to the end of the frame

// shortMost is the most elements that are coded so: the coder takes tens of
// nanoseconds each.
const shortMost = 4 << 10

// A shortModel is what is known of steps in one context.
type shortModel struct {
	used   bool
	length [34]model
	second [34]model
}

// A shortCoder is the models of the short method, by depth.
type shortCoder struct {
	models [maxDepth + 1]shortModel
}

// at returns the model of depth, which begins as a copy of the nearest that was
// used, of which it remembers little.
func (s *shortCoder) at(depth uint8) *shortModel {
	m := &s.models[depth&maxDepth]
	if m.used {
		return m
	}
	for far := 1; far <= maxDepth; far++ {
		for _, d := range [2]int{int(depth) - far, int(depth) + far} {
			if d < 0 || d > maxDepth || !s.models[d].used {
				continue
			}
			*m = s.models[d]
			for i := range m.length {
				m.length[i].seen = min(m.length[i].seen, 3)
				m.second[i].seen = min(m.second[i].seen, 3)
			}
			return m
		}
	}
	m.used = true
	return m
}

// magnitude splits step z in magnitude and sign.
func magnitude(z uint32) (m, sign uint32) { return z>>1 + z&1, z & 1 }

// appendShort appends the body of a short delta of leaf against base to dst.
func (s *scratch) appendShort(dst, leaf, base []byte, b int, n number, c *Context) []byte {
	head, tail := edgesOf(n.width, c.Offset, len(leaf))
	end := len(leaf) - tail
	dst = append(dst, byte(b))
	dst = appendXOR(dst, leaf[:head], base)
	dst = appendXOR(dst, leaf[end:], base[end:])
	leaf, base = leaf[head:end], base[head:end]
	var e adaptiveEncoder
	from := len(dst)
	e.reset(dst)
	top := n.largest(base)
	if n.float {
		e.raw(top, int(bits.Len32(n.mask)))
	}
	m := s.short()
	for i := range len(leaf) / n.width {
		x := n.load(base, i)
		at := m.at(n.depthOf(x, top))
		at.used = true
		at.write(&e, n.ordering().step(n.load(leaf, i), x))
	}
	return e.end(from)
}

func appendXOR(dst, a, b []byte) []byte {
	for i, x := range a {
		dst = append(dst, x^b[i])
	}
	return dst
}

// short returns models that know nothing.
func (s *scratch) short() *shortCoder {
	if s.shorts == nil {
		s.shorts = new(shortCoder)
	}
	*s.shorts = shortCoder{}
	return s.shorts
}

// decodeShort fills dst from the body of a short delta.
func (s *scratch) decodeShort(dst, body []byte, c *Context) error {
	base, body, err := s.decodeBase(len(dst), body, c)
	if err != nil {
		return err
	}
	n, ok := numberOf(c.DType)
	if !ok {
		return corrupt("delta of dtype %s", c.DType)
	}
	head, tail := edgesOf(n.width, c.Offset, len(dst))
	end := len(dst) - tail
	if len(body) < head+tail || (end-head)/n.width > shortMost {
		return corrupt("short delta of %d bytes for a leaf of %d", len(body), len(dst))
	}
	xor(dst[:head], body[:head], base)
	xor(dst[end:], body[head:head+tail], base[end:])
	var in adaptiveDecoder
	in.reset(body[head+tail:])
	dst, base = dst[head:end], base[head:end]
	top := uint32(0)
	if n.float {
		top = in.raw(int(bits.Len32(n.mask)))
	}
	m := s.short()
	for i := range len(dst) / n.width {
		x := n.load(base, i)
		at := m.at(n.depthOf(x, top))
		at.used = true
		n.store(dst, i, n.ordering().walk(x, at.read(&in)))
	}
	return in.end()
}

func (n number) store(p []byte, i int, x uint32) {
	switch n.width {
	case 1:
		p[i] = byte(x)
	case 2:
		le.PutUint16(p[2*i:], uint16(x))
	default:
		le.PutUint32(p[4*i:], x)
	}
}
