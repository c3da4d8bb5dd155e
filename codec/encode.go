package codec

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"unsafe"
)

// Encode appends to dst the smallest encoding of leaf that it finds, alone or
// against one of the first four of c.Bases, and returns the extended slice.
// Leaf has at most [MaxLeaf] bytes, as they are in the tensor at c.Offset:
// little-endian elements, the first and last perhaps in part.
//
// Leaf and bases must not lie in what dst has room for. It returns dst as it was,
// and ErrIncompressible, if no encoding is smaller than leaf. Equal leaf and context
// give equal bytes within a release, on any CPU and in any number of goroutines.
//
// A delta of numbers is their difference in the order of the numbers, coded by
// how large it should be: see delta.go. What is not numbers is coded as BitX
// does, from Wang et al., "ZipLLM", NSDI 2026 (arXiv:2505.06252): XOR, exponent
// apart from sign and mantissa, each plane by the coder that makes it smallest.
func Encode(dst, leaf []byte, c Context) ([]byte, error) {
	if len(leaf) > MaxLeaf {
		return dst, fmt.Errorf("codec: leaf of %d bytes, at most %d", len(leaf), MaxLeaf)
	}
	s := scratches.Get().(*scratch)
	defer s.release()
	defer s.giveBack(dst, s.lend(dst))
	s.find(leaf, &c, false)
	if s.size+1 >= len(leaf) {
		return dst, ErrIncompressible
	}
	dst = append(slices.Grow(dst, 1+s.size), version)
	return s.appendBest(dst), nil
}

// lend makes the first frame that is tried lie where it belongs, behind what dst
// has and a byte, if there is room for it. It returns the memory that frames lay in
// before.
func (s *scratch) lend(dst []byte) []byte {
	own := s.try
	if cap(dst)-len(dst) > 1 {
		s.try = dst[len(dst)+1 : len(dst)+1 : cap(dst)]
	}
	return own
}

// giveBack ends what lend began.
func (s *scratch) giveBack(dst, own []byte) {
	if cap(dst)-len(dst) <= 1 {
		return
	}
	lent := unsafe.SliceData(dst[len(dst)+1 : cap(dst)])
	for _, b := range []*[]byte{&s.try, &s.best} {
		if unsafe.SliceData(*b) == lent {
			*b = own[:0]
		}
	}
}

// encode returns the smallest frame of leaf, without its version byte: a raw
// one if nothing shrinks. It lies in s until the next call.
func (s *scratch) encode(leaf []byte, c *Context, nested bool) []byte {
	s.find(leaf, c, nested)
	s.settle()
	return s.best
}

// find finds the smallest frame of leaf, and leaves it in s.
func (s *scratch) find(leaf []byte, c *Context, nested bool) {
	s.best, s.lying, s.size = s.best[:0], nil, len(leaf)+1
	if len(leaf) > 0 && !s.same(leaf, c) && !s.fill(leaf) {
		s.search(leaf, c, nested)
	}
	if len(s.best) == 0 {
		s.best = append(append(s.best, methodRaw), leaf...)
	}
	s.size = len(s.best) + 2*len(s.lying)
}

// appendBest appends the best frame to dst, unless it is there.
func (s *scratch) appendBest(dst []byte) []byte {
	if room := dst[len(dst):cap(dst)]; unsafe.SliceData(room) == unsafe.SliceData(s.best) {
		dst = dst[:len(dst)+len(s.best)]
	} else {
		dst = append(dst, s.best...)
	}
	return appendWords(dst, s.lying)
}

// settle puts the words of the best frame with it, before lanes are encoded again.
func (s *scratch) settle() {
	s.best, s.lying = appendWords(s.best, s.lying), nil
}

// search tries the methods that have to be tried to know what they give: first
// against the base that a sample says is best, then, if that leaves room for it,
// alone.
func (s *scratch) search(leaf []byte, c *Context, nested bool) {
	l, known := layoutOf(c.DType)
	if b, ok := s.bestBase(leaf, c, l); ok {
		s.against(leaf, c, b, l, nested)
	}
	s.alone(leaf, c, l, known, nested)
	if !nested {
		s.segments(leaf, c)
	}
}

// bestBase returns the base against which a sample of leaf is smallest, of
// several, and false if there is none.
func (s *scratch) bestBase(leaf []byte, c *Context, l layout) (int, bool) {
	best, least, count := -1, 0, 0
	for b := range s.bases(c) {
		best = b
		count++
	}
	if count < 2 {
		return best, count > 0
	}
	best = -1
	for b := range s.bases(c) {
		if n := s.estimate(leaf, s.view(c, b, len(leaf)), l, c.Offset); best < 0 || n < least {
			best, least = b, n
		}
	}
	return best, true
}

// against tries the methods that use base b.
func (s *scratch) against(leaf []byte, c *Context, b int, l layout, nested bool) {
	base := s.view(c, b, len(leaf))
	n, ok := numberOf(c.DType)
	tryXOR := false
	if ok && len(c.Side) > 0 {
		if frame, words, ok := s.appendLowRank(append(s.try[:0], methodLowRank), leaf, base, b, n, c); ok {
			s.try = frame
			s.keepWith(words)
			s.settle() // lanes are encoded again
		}
	}
	if ok && len(leaf) >= 2*n.width {
		count := len(leaf) / n.width
		if sparse, ok := s.appendSparse(append(s.try[:0], methodSparse), leaf, base, b, n, c, count/sparsePart); ok {
			s.try = sparse
			s.keep()
			return
		}
		odd := false
		if count <= shortMost {
			s.try = s.appendShort(append(s.try[:0], methodShort), leaf, base, b, n, c)
			odd = s.delta.odd(len(s.try))
			s.keep()
			if cuts := stillRuns(leaf, base, n.width); len(cuts) > 1 && !nested {
				s.cut(leaf, c, cuts)
			}
		}
		if odd {
			if sparse, ok := s.appendSparse(append(s.try[:0], methodSparse), leaf, base, b, n, c, count/2); ok {
				s.try = sparse
				s.keep()
			}
		}
		if odd || count > shortMost/2 && (n.float || n.width < 4 || s.steps(leaf, base, n, c.Offset) < 2*s.estimate(leaf, base, l, c.Offset)) {
			var words []uint16
			s.try, words = s.appendDelta(append(s.try[:0], methodDelta), leaf, base, b, n, c)
			s.keepWith(words)
		}
		tryXOR = odd
	}
	// Of numbers, the difference is smaller than the XOR, unless they are no
	// numbers but patterns of bits.
	if ok && !tryXOR && n.float && n.width == 2 && s.size < len(leaf)/2 { // wider ones may be narrower ones, cast
		return
	}
	if scale(s.estimate(leaf, base, l, c.Offset), len(leaf)) < s.size {
		s.try = append(s.try[:0], methodBitX, byte(b))
		s.try = s.appendPlanes(s.try, leaf, base, l, c.Offset, nil)
		s.keep()
	}
}

// alone tries the methods that use no base.
func (s *scratch) alone(leaf []byte, c *Context, l layout, known, nested bool) {
	if known && s.size < len(leaf)/2 && s.hopeless(leaf, l, c.Offset) {
		return
	}
	worth := len(leaf) / 16
	if len(leaf) <= sampleSize {
		worth = len(leaf) / 3 // the sample is all of it, and would cost as much
	}
	if s.size > len(leaf) || s.size > worth && scale(s.estimate(leaf, nil, l, c.Offset), len(leaf)) < s.size+s.size/8 {
		var cuts []int
		var known *histogram
		if s.size > len(leaf) && !nested {
			cuts, known = s.parts(leaf, l, c.Offset)
		}
		if len(cuts) > 1 {
			s.cut(leaf, c, cuts)
		} else {
			s.try = s.appendPlanes(append(s.try[:0], methodPlanes), leaf, nil, l, c.Offset, known)
			s.keep()
		}
	}
	best := s.size
	if best < len(leaf)/16 {
		best += best / 4 // the sample's frame is much of so few bytes
	}
	if known && len(leaf) <= sampleSize && best < len(leaf)/2 {
		return // the base gave more than leaves have that repeat themselves
	}
	if !known || s.zstdPays(leaf, l.width(), best, nil) {
		s.zstd(leaf)
	}
}

// scale returns what a sample's size says of all.
func scale(sampled, size int) int {
	if size <= sampleSize {
		return sampled
	}
	return int(int64(sampled) * int64(size) / sampleSize)
}

// keep makes the frame in s.try the best so far if it is.
func (s *scratch) keep() { s.keepWith(nil) }

// keepWith is keep of a frame that ends in words which lie elsewhere in s.
func (s *scratch) keepWith(words []uint16) {
	if size := len(s.try) + 2*len(words); size < s.size {
		s.best, s.try, s.size, s.lying = s.try, s.best, size, words
	}
}

// bases yields the bases worth trying.
func (s *scratch) bases(c *Context) func(func(int) bool) {
	return func(yield func(int) bool) {
		for b := range min(len(c.Bases), maxBases) {
			if c.fits(b) && len(c.Bases[b].Spans) > 0 && !yield(b) {
				return
			}
		}
	}
}

// same sets s.best and returns true if a base is the leaf itself.
func (s *scratch) same(leaf []byte, c *Context) bool {
	for b := range s.bases(c) {
		if bytes.Equal(leaf, s.view(c, b, len(leaf))) {
			s.best = append(s.best[:0], methodSame, byte(b))
			return true
		}
	}
	return false
}

// fill sets s.best and returns true if leaf repeats its first 1, 2, 4 or 8
// bytes.
func (s *scratch) fill(leaf []byte) bool {
	for w := 1; w <= 8 && w < len(leaf); w *= 2 {
		if bytes.Equal(leaf[w:], leaf[:len(leaf)-w]) {
			s.best = append(append(s.best[:0], methodFill), leaf[:w]...)
			return true
		}
	}
	return false
}

func (s *scratch) zstd(leaf []byte) {
	s.try = s.zstdFull().EncodeAll(leaf, append(s.try[:0], methodZstd))
	s.keep()
}

// appendPlanes appends layout, edges and planes of leaf, or of leaf XOR base. If known
// is not nil, it is the counts of a part of the first plane.
func (s *scratch) appendPlanes(dst, leaf, base []byte, l layout, offset int64, known *histogram) []byte {
	s.settle() // lanes are encoded
	dst = append(dst, byte(l))
	head, tail := l.edges(offset, len(leaf))
	end := len(leaf) - tail
	at := len(dst)
	dst = slices.Grow(dst, head+tail)[:at+head+tail]
	if base == nil {
		xor(dst[at:], leaf[:head], nil)
		xor(dst[at+head:], leaf[end:], nil)
	} else {
		xor(dst[at:], leaf[:head], base[:head])
		xor(dst[at+head:], leaf[end:], base[end:])
		base = base[head:end]
	}
	leaf = leaf[head:end]
	planes := leaf
	if l != layoutBytes || base != nil {
		planes = s.planesOf(len(leaf))
		l.split(planes, leaf, base)
	}
	n := len(leaf) / l.width()
	s.unlike = false
	for i := range l.width() {
		dst = s.appendPlane(dst, planes[i*n:(i+1)*n], known)
		known = nil
	}
	return dst
}

// maxSegments is the most parts that a leaf is cut into.
const maxSegments = 256

// segments tries to cut leaf where the cover of a base begins or ends, so that
// each part is coded in its own way.
func (s *scratch) segments(leaf []byte, c *Context) {
	cuts := []int{len(leaf)}
	for b := range s.bases(c) {
		c.cover(b, len(leaf), func(from, to int) { cuts = append(cuts, from, to) })
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	if cuts[0] == 0 {
		cuts = cuts[1:]
	}
	if len(cuts) < 2 || len(cuts) > maxSegments {
		return
	}
	s.cut(leaf, c, cuts)
}

// cut tries segments of leaf that end at cuts.
func (s *scratch) cut(leaf []byte, c *Context, cuts []int) {
	part := scratches.Get().(*scratch)
	defer part.release()
	s.try = append(s.try[:0], methodSegments)
	from := 0
	for _, to := range cuts {
		c.within(&s.sub, from, to)
		frame := part.encode(leaf[from:to], &s.sub, true)
		s.try = binary.AppendUvarint(s.try, uint64(to-from))
		s.try = binary.AppendUvarint(s.try, uint64(len(frame)))
		s.try = append(s.try, frame...)
		from = to
	}
	s.keep()
}
