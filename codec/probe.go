package codec

import "math/bits"

// What is tried is chosen by probes that cost a fraction of trying. They look
// at the leaf alone and count in integers, so that every machine chooses alike.
const (
	sampleWindows = 16
	sampleWindow  = 512
	sampleSize    = sampleWindows * sampleWindow

	zstdWindows = 4
	zstdWindow  = 2 << 10

	glances = 4 // windows
)

// sample appends to dst evenly spaced windows of src, or src if it is not larger
// than they are. They begin at multiples of 8.
func sample(dst, src []byte) []byte { return windows(dst, src, sampleWindows) }

// windows is sample of that many windows.
func windows(dst, src []byte, n int) []byte {
	if len(src) <= n*sampleWindow {
		return append(dst, src...)
	}
	for i := range n {
		at := (len(src) - sampleWindow) * i / (n - 1) &^ 7
		dst = append(dst, src[at:at+sampleWindow]...)
	}
	return dst
}

// estimate returns about how many bytes a sample of the planes of leaf, or of
// leaf XOR base, takes; only useful beside that of another base.
func (s *scratch) estimate(leaf, base []byte, l layout, offset int64) int {
	head, tail := l.edges(offset, len(leaf))
	end := len(leaf) - tail
	s.sample = sample(s.sample[:0], leaf[head:end])
	src := s.sample
	n := len(src)
	if base != nil {
		s.sample = sample(s.sample, base[head:end])
		src, base = s.sample[:n], s.sample[n:]
	}
	planes := s.planesOf(n)
	l.split(planes, src, base)
	total := 0
	w := l.width()
	for i := range w {
		total += estimatePlane(planes[i*n/w : (i+1)*n/w])
	}
	return total
}

// hopeless tells by a glance whether leaf is so much larger without a base than
// s.size that no sample has to be taken.
func (s *scratch) hopeless(leaf []byte, l layout, offset int64) bool {
	if len(leaf) <= sampleSize {
		return false
	}
	head, tail := l.edges(offset, len(leaf))
	s.sample = windows(s.sample[:0], leaf[head:len(leaf)-tail], glances)
	n := len(s.sample)
	planes := s.planesOf(n)
	l.split(planes, s.sample, nil)
	w := l.width()
	total := 0
	for i := range w {
		total += estimatePlane(planes[i*n/w : (i+1)*n/w])
	}
	return total*len(leaf) > n*(s.size+s.size/4) && !s.matches(leaf[head:][:zstdWindow], w, 4)
}

// steps returns about how many bytes a sample of the steps from base to leaf
// takes in one context: of integers, which may be several packed in one, whose
// XOR then takes less.
func (s *scratch) steps(leaf, base []byte, n number, offset int64) int {
	head, tail := edgesOf(n.width, offset, len(leaf))
	end := len(leaf) - tail
	s.sample = sample(s.sample[:0], leaf[head:end])
	size := len(s.sample)
	s.sample = sample(s.sample, base[head:end])
	var h histogram
	raw := uint64(0)
	o := n.ordering()
	for i := range size / n.width {
		z := o.step(n.load(s.sample[:size], i), n.load(s.sample[size:], i))
		h[symbolOf(z)]++
		raw += uint64(max(bits.Len32(z+1), 4) - 4) // below the symbol's mantissa
	}
	return int((h.cost()>>logBits + raw) >> 3)
}

func estimatePlane(p []byte) int {
	if len(p) == 0 {
		return 0
	}
	var h histogram
	h.count(p)
	if int(h[p[0]]) == len(p) {
		return 1
	}
	bits := nlogn(uint32(len(p)))
	for _, c := range h {
		if c != 0 {
			bits -= nlogn(c)
		}
	}
	return min(len(p), int(bits>>(logBits+3)))
}

// zstdPays tells whether zstd may do better than best bytes on p, given that
// order-0 coding by f, if any, is the next best thing. P is elements of width
// bytes.
func (s *scratch) zstdPays(p []byte, width, best int, f *freqs) bool {
	if len(p) <= sampleSize {
		return s.matches(p, width, 1)
	}
	s.sample = s.sample[:0]
	for i := range zstdWindows {
		at := (len(p) - zstdWindow) * i / (zstdWindows - 1)
		s.sample = append(s.sample, p[at:at+zstdWindow]...)
	}
	if !s.matches(s.sample, width, 1) {
		return f != nil && s.rowsRepeat(p, best, f)
	}
	s.zplane = s.zstdFast().EncodeAll(s.sample, s.zplane[:0])
	if uint64(len(s.zplane))*uint64(len(p)) < uint64(best)*zstdWindows*zstdWindow/16*17 {
		return true
	}
	return f != nil && s.rowsRepeat(p, best, f)
}

// rowsRepeat tells whether best bytes of a plane, coded by f, are much that came
// before. Where nothing at all did in a plane that tells enough of its elements,
// nothing does in those that follow.
func (s *scratch) rowsRepeat(p []byte, best int, f *freqs) bool {
	if s.unlike {
		return false
	}
	n := s.repeats(p, f)
	s.unlike = n == 0 && best >= len(p)*repeatBits/64
	return n > best/64
}

// matches tells whether at least one element of p in 64, times sharper, of width
// bytes, begins eight bytes that came before: without such, zstd finds nothing that
// order 0 does not.
func (s *scratch) matches(p []byte, width, sharper int) bool {
	clear(s.words[:])
	n := 0
	if len(p) == zstdWindows*zstdWindow {
		width = max(width, 4) // what comes again at an odd distance does so at four times that, too
	}
	for i := 0; i+8 <= len(p); i += width {
		x := le.Uint64(p[i:])
		seen := &s.words[x*0x9e3779b97f4a7c15>>(64-10)]
		if *seen == x {
			n++
		}
		*seen = x
	}
	return n*width*sharper >= len(p)/64
}

// looksRaw tells whether samples of p, of many bytes, have so flat a histogram
// that order-0 coding would save next to nothing. Most planes of which that is not so
// are known by a glance, whose histogram tells less of what is rare.
func (s *scratch) looksRaw(p []byte) bool {
	if len(p) < 8*sampleSize {
		return false
	}
	const glance = glances * sampleWindow
	s.sample = windows(s.sample[:0], p, glances)
	if estimatePlane(s.sample) < glance-glance/8 {
		return false
	}
	s.sample = sample(s.sample[:0], p)
	return estimatePlane(s.sample) >= sampleSize-sampleSize>>rawShift
}

// A word that comes again counts if order-0 coding spends repeatBits on it:
// cheaper ones repeat by chance.
const repeatBits = 40

// repeatStride is how many bytes apart the words are that repeats looks at, twice
// that in planes of repeatWide bytes and more: rows are multiples of it.
const (
	repeatStride = 64
	repeatWide   = 256 << 10
)

// repeats returns about how many bytes order-0 coding by f spends on words of p
// that came before: rows that are there twice, too far apart for a sample.
func (s *scratch) repeats(p []byte, f *freqs) int {
	clear(s.words[:])
	var saved uint64
	stride := repeatStride
	if len(p) >= repeatWide {
		stride *= 2
	}
	for i := 0; i+8 <= len(p); i += stride {
		x := le.Uint64(p[i:])
		h := x * 0x9e3779b97f4a7c15
		if h>>61 != 0 || x == 0 { // one word in 8, chosen by content
			continue
		}
		seen := &s.words[h>>(61-10)&(1<<10-1)]
		if *seen == x {
			if c := f.wordBits(x); c >= repeatBits {
				saved += c
			}
		}
		*seen = x
	}
	return int(saved * 8 * uint64(stride) / 8 / 8)
}

// wordBits returns the bits that eight bytes cost.
func (f *freqs) wordBits(x uint64) uint64 {
	var cost uint64
	for range 8 {
		cost += uint64(uint32(f.bits)<<12 - log2[max(1, f.freq[byte(x)])])
		x = bits.RotateLeft64(x, 8)
	}
	return cost >> 12
}
