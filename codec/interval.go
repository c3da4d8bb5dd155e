package codec

import "math/bits"

// Which symbols a table has is the encoder's choice. It begins with fine ones,
// and joins neighbours, those first for which that costs least: they then share
// a probability, and one more bit of each step is raw.

// symbolCost is what a symbol of a table costs to write, in 2^-logBits bits.
const symbolCost = 8 << logBits

// An interval is the steps z with z+1 in [head<<raw, (head+1)<<raw).
type interval struct {
	head, raw  uint8
	last, next uint8 // the intervals before and after
	count      uint32
	nlogn      uint64 // of count
}

// A joiner is intervals, in the order of their steps, of which some are joined to
// one before: the first is always there.
type joiner struct {
	all  []interval
	left int // that are not joined
	// joins is, for each interval, what joining it with the next costs, in 2^-logBits
	// bits, from bit 8 on, and its number, so that the least is found without
	// branches; and never up to a multiple of four.
	joins []uint64
}

// never is the cost of what cannot be joined.
const never = 1<<64 - 1

// reset makes j those of the finest symbols, up to the end of the octave of the
// highest that h counts. The highest step of all, for which z+1 is 0, hardly ever
// comes: it is one with the lowest.
func (j *joiner) reset(h *[maxSymbols]uint32) {
	high := max(highest(h)-1, 0)
	for high > 0 && (h[high] == 0 || high == maxSymbols-1) {
		high--
	}
	top := octaveEnd(high)
	j.all = j.all[:0]
	for u := 1; u < top; {
		raw := max(u>>3, 1) - 1
		in := interval{head: uint8(u - 8*raw), raw: uint8(raw), count: h[u-1]}
		u++
		if in.head >= 8 { // a head has three bits
			in.head, in.raw, in.count = in.head/2, in.raw+1, in.count+h[u-1]
			u++
		}
		in.last, in.next = uint8(len(j.all)-1), uint8(len(j.all)+1)
		j.all = append(j.all, in)
	}
	if n := h[maxSymbols-1]; n != 0 {
		j.all[0].head, j.all[0].raw, j.all[0].count = 0, 1, h[0]+n
	}
	j.left = len(j.all)
	j.joins = grow(j.joins, (len(j.all)+3)&^3)
	for i := len(j.all); i < len(j.joins); i++ {
		j.joins[i] = never
	}
	for i := range j.all {
		j.all[i].nlogn = nlogn(j.all[i].count)
	}
	for i := range j.all {
		j.price(i)
	}
}

// octaveEnd returns one more than the highest u of the octave of fine symbol s,
// where u is s+1.
func octaveEnd(s int) int {
	if u := s + 1; u >= 8 {
		return (u | 7) + 1
	}
	return 1 << bits.Len(uint(s+1))
}

// price sets what it costs to join the i'th interval and the next.
func (j *joiner) price(i int) {
	j.joins[i] = never
	a := &j.all[i]
	if int(a.next) >= len(j.all) {
		return
	}
	b := &j.all[a.next]
	low := i == 0 && b.head == 1 // together all steps below a power of two
	if !low && (a.head&1 != 0 || a.raw != b.raw || a.head+1 != b.head) || b.raw == maxRaw32 {
		return
	}
	more := (uint64(a.count)*uint64(b.raw+1-a.raw) + uint64(b.count)) << logBits
	less := nlogn(a.count+b.count) - a.nlogn - b.nlogn
	j.joins[i] = (max(more, less)-less)<<8 | uint64(i) // logarithms are rounded
}

// join makes one interval of the i'th and the next, and returns the one before, or
// 0.
func (j *joiner) join(i int) int {
	a := &j.all[i]
	gone := int(a.next)
	b := &j.all[gone]
	a.head, a.raw, a.next = b.head>>1, b.raw+1, b.next
	a.count += b.count
	a.nlogn = nlogn(a.count)
	j.joins[gone] = never
	j.left--
	if int(a.next) < len(j.all) {
		j.all[a.next].last = uint8(i)
	}
	j.price(i)
	if i == 0 {
		return 0
	}
	j.price(int(a.last))
	return int(a.last)
}

// least returns the least of joins.
func (j *joiner) least() uint64 {
	var a, b, c, d uint64 = never, never, never, never // that wait for none of the others
	for x := j.joins; len(x) >= 4; x = x[4:len(x):len(x)] {
		a, b, c, d = min(a, x[0]), min(b, x[1]), min(c, x[2]), min(d, x[3])
	}
	return min(a, b, c, d)
}

// joinFree makes the joins that cost nothing, the first of all first: many are of
// symbols that hardly ever come.
func (j *joiner) joinFree() {
	for i := 0; i < len(j.all); {
		if j.joins[i]>>8 == 0 {
			i = j.join(i)
		} else {
			i = int(j.all[i].next)
		}
	}
}

// fit makes the symbols of table t, with frequencies as h counts fine symbols. Of
// those below sampled only some were counted: any may come.
func (st *stepTables) fit(t int, h *[maxSymbols]uint32, sampled int) {
	j := &st.joiner
	j.reset(h)
	j.joinFree()
	for j.left > 1 {
		least := j.least()
		if j.left <= stepSymbols && least>>8 > symbolCost {
			break
		}
		j.join(int(least & 0xff))
	}
	var in [stepSymbols]interval
	n := 0
	for i := 0; i < len(j.all); i = int(j.all[i].next) {
		in[n] = j.all[i]
		n++
	}
	st.table[t].fit(in[:n], sampled)
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
	sum, rare := 0, total-uint64(in[t.last].count)
	for t.bits = maxBits; ; t.bits-- {
		sum = 0
		fits := true
		if t.bits > minBits && rare<<t.bits*15/16 > (maxRare+stepSymbols)*total {
			continue // by far too many slots, however they are rounded
		}
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
