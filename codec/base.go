package codec

import "slices"

// maxBases is how many bases Encode tries; a frame can name 256.
const maxBases = 4

// fits tells whether base can predict elements of a tensor of dtype byte for
// byte: both have one width.
func (c *Context) fits(base int) bool {
	b := c.Bases[base].DType
	if b == c.DType {
		return true
	}
	l, known := layoutOf(c.DType)
	m, also := layoutOf(b)
	return known && also && l.width() == m.width()
}

// cover calls fn with each run of leaf bytes [from, to) that base covers, in
// order, spans that touch joined.
func (c *Context) cover(base, size int, fn func(from, to int)) {
	from, to := 0, 0
	for _, s := range c.Bases[base].Spans {
		at, data := s.clip(0, size)
		if len(data) == 0 {
			continue
		}
		if at != to && to > from {
			fn(from, to)
		}
		if at != to || to == from {
			from = at
		}
		to = at + len(data)
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

// view returns what base predicts for each of size leaf bytes: its own bytes,
// and zeros where it covers none. The result is the base's memory, or s's until
// the next call.
func (s *scratch) view(c *Context, base, size int) []byte {
	spans := c.Bases[base].Spans
	for _, sp := range spans {
		if at, data := sp.clip(0, size); at == 0 && len(data) == size {
			return data
		}
	}
	s.base = slices.Grow(s.base[:0], size)[:size]
	clear(s.base)
	for _, sp := range spans {
		at, data := sp.clip(0, size)
		copy(s.base[at:], data)
	}
	return s.base
}

// within sets sub to the context of leaf bytes [from, to) of c's leaf.
func (c *Context) within(sub *Context, from, to int) {
	sub.DType, sub.Side, sub.Offset = c.DType, c.Side, c.Offset+int64(from)
	sub.Bases = slices.Grow(sub.Bases[:0], len(c.Bases))[:len(c.Bases)]
	for i, b := range c.Bases {
		spans := sub.Bases[i].Spans[:0]
		for _, sp := range b.Spans {
			if at, data := sp.clip(from, to); len(data) > 0 {
				spans = append(spans, Span{At: at, Data: data})
			}
		}
		sub.Bases[i] = Base{DType: b.DType, Spans: spans}
	}
}
