package codec

import "slices"

// maxBases is how many bases Encode tries; a frame can name 256.
const maxBases = 4

// fits tells whether base can predict elements of a tensor of dtype: it can be
// cast to it, or both have one width.
func (c *Context) fits(base int) bool {
	b := c.Bases[base].DType
	if Castable(b, c.DType) {
		return true
	}
	l, known := layoutOf(c.DType)
	m, also := layoutOf(b)
	return known && also && l.width() == m.width()
}

// casts tells whether base has to be cast, and how wide the elements of both
// are.
func (c *Context) casts(base int) (from, to int, ok bool) {
	b := c.Bases[base].DType
	if b == c.DType || !Castable(b, c.DType) {
		return 0, 0, false
	}
	n, _ := numberOf(b)
	m, _ := numberOf(c.DType)
	return n.width, m.width, true
}

// cover calls fn with each run of leaf bytes [from, to) that base covers, in
// order, spans that touch joined.
func (c *Context) cover(base, size int, fn func(from, to int)) {
	from, to := 0, 0
	bw, w, casts := c.casts(base)
	for _, s := range c.Bases[base].Spans {
		at, n := max(s.At, 0), 0
		if casts {
			n = min(size-at, len(s.Data)/bw*w)
		} else {
			var data []byte
			at, data = s.clip(0, size)
			n = len(data)
		}
		if n <= 0 {
			continue
		}
		if at != to && to > from {
			fn(from, to)
		}
		if at != to || to == from {
			from = at
		}
		to = at + n
	}
	if to > from {
		fn(from, to)
	}
}

// clip returns the part of s that lies in leaf bytes [from, to), and where it
// begins, counted from from.
func (s Span) clip(from, to int) (at int, data []byte) {
	at, data = s.At-from, s.Data
	if at < 0 {
		data = data[min(len(data), -at):]
		at = 0
	}
	if at >= to-from {
		return 0, nil
	}
	return at, data[:min(len(data), to-from-at)]
}

// clipCast returns the whole elements of s that lie in leaf bytes [from, to),
// where the base's elements have bw bytes and the leaf's w.
func (s Span) clipCast(from, to, bw, w int) (Span, bool) {
	skip := max(0, from-s.At+w-1) / w
	at := s.At + skip*w
	n := min((to-at)/w, len(s.Data)/bw-skip)
	if n <= 0 {
		return Span{}, false
	}
	return Span{At: at - from, Data: s.Data[skip*bw : (skip+n)*bw]}, true
}

// view returns what base predicts for each of size leaf bytes: its own bytes,
// and zeros where it covers none. The result is the base's memory, or s's until
// the next call.
func (s *scratch) view(c *Context, base, size int) []byte {
	spans := c.Bases[base].Spans
	if _, w, ok := c.casts(base); ok {
		return s.castView(c, base, size, w)
	}
	for _, sp := range spans {
		if at, data := sp.clip(0, size); at == 0 && len(data) == size {
			return data
		}
	}
	s.base = grow(s.base, size)
	clear(s.base)
	for _, sp := range spans {
		at, data := sp.clip(0, size)
		copy(s.base[at:], data)
	}
	return s.base
}

// castView is view of a base that has to be cast. Spans that do not begin with
// an element of the leaf, or lie outside it, predict nothing.
func (s *scratch) castView(c *Context, base, size, w int) []byte {
	s.base = grow(s.base, size)
	clear(s.base)
	head, _ := edgesOf(w, c.Offset, size)
	b := c.Bases[base]
	for _, sp := range b.Spans {
		if sp.At >= head && sp.At < size && (sp.At-head)%w == 0 {
			s.cast = Cast(s.cast[:0], sp.Data, b.DType, c.DType)
			copy(s.base[sp.At:size], s.cast)
		}
	}
	return s.base
}

// within sets sub to the context of leaf bytes [from, to) of c's leaf.
func (c *Context) within(sub *Context, from, to int) {
	sub.DType, sub.Side, sub.Offset, sub.Row = c.DType, c.Side, c.Offset+int64(from), c.Row
	sub.Bases = slices.Grow(sub.Bases[:0], len(c.Bases))[:len(c.Bases)]
	for i, b := range c.Bases {
		spans := sub.Bases[i].Spans[:0]
		bw, w, casts := c.casts(i)
		for _, sp := range b.Spans {
			if casts {
				if sp, ok := sp.clipCast(from, to, bw, w); ok {
					spans = append(spans, sp)
				}
				continue
			}
			if at, data := sp.clip(from, to); len(data) > 0 {
				spans = append(spans, Span{At: at, Data: data})
			}
		}
		sub.Bases[i] = Base{DType: b.DType, Spans: spans}
	}
}
