package codec

import "slices"

// A histogram counts byte values.
type histogram [256]uint32

// A byteCounts is counts of bytes. Four tables keep runs of one value from waiting for their
// own stores.
type byteCounts struct {
	t     [4]histogram
	zeros uint32
}

// count sets h to the counts of src's bytes. Where most are 0, as a XOR leaves
// them, only the others are looked at, if there is a kernel to put them together.
func (h *histogram) count(src []byte) {
	var t byteCounts
	var few [countBlock + 64]byte
	for sparse := 0; len(src) > 0; sparse++ {
		block := src[:min(len(src), countBlock)]
		src = src[len(block):]
		if sparse < 0 {
			t.add(block)
			continue
		}
		n, done := nonzeroFast(few[:], block)
		t.zeros += uint32(done - n)
		t.add(few[:n])
		t.add(block[done:])
		if n > done/2 {
			sparse = -countDense
		}
	}
	t.sum(h)
}

// sum sets h to the sums of c's tables.
func (c *byteCounts) sum(h *histogram) {
	t := &c.t
	for i := range h {
		h[i] = t[0][i] + t[1][i] + t[2][i] + t[3][i]
	}
	h[0] += c.zeros
}

const (
	countBlock = 4 << 10
	countDense = 16 // how many blocks are counted as they are after one whose bytes are not 0
)

// add counts src's bytes.
func (c *byteCounts) add(src []byte) {
	t := &c.t
	for len(src) >= 8 {
		x := le.Uint64(src)
		if x == 0 {
			c.zeros += 8
			src = src[8:]
			continue
		}
		t[0][byte(x)]++
		t[1][byte(x>>8)]++
		t[2][byte(x>>16)]++
		t[3][byte(x>>24)]++
		t[0][byte(x>>32)]++
		t[1][byte(x>>40)]++
		t[2][byte(x>>48)]++
		t[3][byte(x>>56)]++
		src = src[8:]
	}
	for _, b := range src {
		t[0][b]++
	}
}

// Of large planes a part is counted, windows spread evenly but for some chance,
// as rows have a length of their own.
const (
	partLeast  = 16 << 10 // bytes that are counted, at least
	partMany   = 32 << 10 // of planes of at least eight times as many
	partWindow = 128
	partTimes  = 4
)

// countPart sets h to partTimes the counts of a part of p's bytes, and 1 more for each
// value that is in p: all that are have to get a frequency. It returns what the
// counts add up to. Where nearly all bytes are the same, all are counted, as a part
// says too little of the others. If known is not nil, it is the counts of a part.
func (h *histogram) countPart(p []byte, known *histogram) int {
	n := 0
	if known != nil {
		*h = *known
		for _, k := range h {
			n += int(k)
		}
	} else if n = h.countWindows(p); n == len(p) {
		return n
	}
	values := *h
	for v, k := range values {
		values[v] = (k | -k) >> 31 // whether it came
	}
	values.mark(p)
	if int(slices.Max(h[:])) > n-n/16 {
		if values.values() == 1 {
			*h = values
			return 1
		}
		h.count(p)
		return len(p)
	}
	all := 0
	for v, k := range values {
		h[v] = h[v]*partTimes + k
		all += int(h[v])
	}
	return all
}

// countWindows sets h to the counts of a part of p's bytes, or of all, and returns
// how many those are.
func (h *histogram) countWindows(p []byte) (n int) {
	least, shift := partLeast, 0
	if len(p) >= 8*partMany {
		least = partMany
	}
	for len(p)>>(shift+1) >= least {
		shift++
	}
	if shift == 0 {
		h.count(p)
		return len(p)
	}
	var t byteCounts
	for i := range len(p) / partWindow >> shift {
		at := (i<<shift + i*0x9e37>>7&(1<<shift-1)) * partWindow
		t.add(p[at : at+partWindow])
		n += partWindow
	}
	t.sum(h)
	return n
}

// mark sets h, which is 1 for some values and 0 for the others, to 1 for each value of
// p's bytes.
func (h *histogram) mark(p []byte) {
	var set [32]uint8
	for v, k := range h {
		set[v>>3] |= uint8(k) << (v & 7)
	}
	for len(p) > 0 {
		p = p[seenFast(p, &set):]
		block := p[:min(len(p), seenBlock)]
		p = p[len(block):]
		for _, v := range block {
			set[v>>3] |= 1 << (v & 7)
			h[v] = 1
		}
	}
}

// seenBlock is how many bytes seenFast looks at at once.
const seenBlock = 128
