package codec

import "math/bits"

// Which symbols a table has is the encoder's choice. It begins with fine ones,
// and joins neighbours, those first for which that costs least: they then share
// a probability, and one more bit of each step is raw.

// symbolCost is what a symbol of a table costs to write, in 2^-logBits bits.
const symbolCost = 8 << logBits

// An interval is the steps z with z+1 in [head<<raw, (head+1)<<raw).
type interval struct {
	head, raw uint8
	count     uint32
	join      uint64 // what joining it with the next costs, in 2^-logBits bits
}

// never is the cost of what cannot be joined.
const never = 1 << 63

// intervals appends to dst those of the finest symbols, up to the end of the
// octave of the highest that h counts. The highest step of all, for which z+1 is
// 0, hardly ever comes: it is one with the lowest.
func intervals(dst []interval, h *[maxSymbols]uint32) []interval {
	high := 0
	for s, c := range h[:maxSymbols-1] {
		if c != 0 {
			high = s
		}
	}
	top := octaveEnd(high)
	for u := 1; u < top; {
		raw := max(u>>3, 1) - 1
		in := interval{head: uint8(u - 8*raw), raw: uint8(raw)}
		next := u + 1
		if in.head >= 8 { // a head has three bits
			in.head, in.raw, next = in.head/2, in.raw+1, u+2
		}
		for ; u < next; u++ {
			in.count += h[u-1]
		}
		dst = append(dst, in)
	}
	if n := h[maxSymbols-1]; n != 0 {
		dst[0] = interval{head: 0, raw: 1, count: h[0] + n}
	}
	for i := range len(dst) - 1 {
		dst[i].join = joining(dst, i)
	}
	return dst
}

// octaveEnd returns one more than the highest u of the octave of fine symbol s,
// where u is s+1.
func octaveEnd(s int) int {
	if u := s + 1; u >= 8 {
		return (u | 7) + 1
	}
	return 1 << bits.Len(uint(s+1))
}

// joining returns what it costs to join the i'th interval and the next.
func joining(in []interval, i int) uint64 {
	a, b := &in[i], &in[i+1]
	low := i == 0 && b.head == 1 // together all steps below a power of two
	if !low && (a.head&1 != 0 || a.raw != b.raw || a.head+1 != b.head) || b.raw == maxRaw32 {
		return never
	}
	more := uint64(a.count)*uint64(b.raw+1-a.raw) + uint64(b.count)
	less := nlogn(a.count+b.count) - nlogn(a.count) - nlogn(b.count)
	return max(more<<logBits, less) - less // logarithms are rounded
}

// joinAt makes one interval of the i'th and the next.
func joinAt(in []interval, i int) []interval {
	in[i].head, in[i].raw = in[i+1].head>>1, in[i+1].raw+1
	in[i].count += in[i+1].count
	in = append(in[:i+1], in[i+2:]...)
	in[i].join = never
	if i+1 < len(in) {
		in[i].join = joining(in, i)
	}
	if i > 0 {
		in[i-1].join = joining(in, i-1)
	}
	return in
}

// joinFree makes the joins that cost nothing, the first of all first: many are of
// symbols that hardly ever come.
func joinFree(in []interval) []interval {
	for i := 0; i+1 < len(in); {
		if in[i].join == 0 {
			in = joinAt(in, i)
			i = max(i-1, 0)
		} else {
			i++
		}
	}
	return in
}

// fit makes the symbols of table t, with frequencies as h counts fine symbols. Of
// those below sampled only some were counted: any may come.
func (st *stepTables) fit(t int, h *[maxSymbols]uint32, sampled int) {
	in := intervals(st.intervals[:0], h)
	st.intervals = in
	in = joinFree(in)
	for len(in) > 1 {
		least := uint64(never)
		for i := range in[:len(in)-1] {
			least = min(least, in[i].join)
		}
		if len(in) <= stepSymbols && least > symbolCost {
			break
		}
		best := 0 // found apart: the least is another one too often for branches
		for in[best].join != least {
			best++
		}
		in = joinAt(in, best)
	}
	st.table[t].fit(in, sampled)
}

// fit sets t to intervals with frequencies as they are counted; those that have
// fine symbols below sampled come at least once.
func (t *stepTable) fit(in []interval, sampled int) {
	total := uint64(0)
	t.n, t.last = uint8(len(in)), 0
	for i, x := range in {
		t.symbol[i] = stepSymbol{head: x.head, raw: x.raw}
		total += uint64(x.count)
		if x.count > in[t.last].count {
			t.last = uint8(i)
		}
	}
	sum := 0
	for t.bits = maxBits; ; t.bits-- {
		sum = 0
		fits := true
		for i, x := range in {
			f := uint32(0)
			if (x.count != 0 || fineAt(uint64(x.head)<<x.raw) <= sampled) && i != int(t.last) {
				f = max(1, uint32((uint64(x.count)<<t.bits+total/2)/total))
				fits = fits && f <= maxRare
				f = freqOf(freqIndex(f, maxRare))
			}
			t.symbol[i].freq = uint16(f)
			sum += int(f)
			if (!fits || sum > maxRare) && t.bits > minBits {
				break
			}
		}
		if fits && sum <= maxRare || t.bits == minBits {
			break
		}
	}
	t.symbol[t.last].freq = 0
	for sum > maxRare { // the most frequent ones give way
		big := 0
		for i := range t.symbol[:t.n] {
			if t.symbol[i].freq > t.symbol[big].freq {
				big = i
			}
		}
		f := &t.symbol[big].freq
		sum -= int(*f)
		*f = uint16(freqOf(freqIndex(uint32(*f), maxRare) - 1))
		sum += int(*f)
	}
	t.symbol[t.last].freq = uint16(1<<t.bits - sum)
}
