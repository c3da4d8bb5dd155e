package codec

import "math/bits"

// A stepCounts counts symbols by context.
type stepCounts [contexts][maxSymbols]uint32

// count adds the counts of symbols in contexts ctx. It counts in two tables, of
// which other is one, so that runs of one symbol wait less for their own stores.
func (c *stepCounts) count(ctx, symbols []uint8, other *stepCounts) {
	_, _ = c[0], other[0]
	for len(ctx) > 4 && len(symbols) > 4 { // as in walkFloat16
		c[ctx[0]&(contexts-1)][symbols[0]]++
		other[ctx[1]&(contexts-1)][symbols[1]]++
		c[ctx[2]&(contexts-1)][symbols[2]]++
		other[ctx[3]&(contexts-1)][symbols[3]]++
		ctx, symbols = ctx[4:len(ctx):len(ctx)], symbols[4:len(symbols):len(symbols)]
	}
	for i, s := range symbols {
		c[ctx[i]&(contexts-1)][s]++
	}
}

// countMoved adds the counts of symbols that are not 0.
func (c *stepCounts) countMoved(ctx, symbols []uint8) {
	for len(ctx) > 8 && len(symbols) > 8 { // as in walkFloat16
		for x := le.Uint64(symbols); x != 0; {
			i := bits.TrailingZeros64(x) >> 3
			s := uint8(x >> (8 * i))
			c[ctx[i]&(contexts-1)][s]++
			x &^= 0xff << (8 * i)
		}
		ctx, symbols = ctx[8:len(ctx):len(ctx)], symbols[8:len(symbols):len(symbols)]
	}
	for i, s := range symbols {
		if s != 0 {
			c[ctx[i]&(contexts-1)][s]++
		}
	}
}

// A stepTotals is how many elements each context has, and one more than the
// highest symbol of it, or up to fifteen more than that. Kernels know where the
// fields are.
type stepTotals struct {
	n    [contexts]uint32
	high [contexts]int
}

// add adds other's counts, of which it leaves none, and returns the totals.
func (c *stepCounts) add(other *stepCounts) (t stepTotals) {
	if addFast(c, other, &t) {
		return t
	}
	for i := range c {
		to, from := &c[i], &other[i]
		high := max(highest(to), highest(from))
		for s, n := range from[:high] {
			to[s] += n
		}
		clear(from[:high])
		t.n[i], t.high[i] = total(to[:high]), high
	}
	return t
}

func (c *stepCounts) totals() (t stepTotals) {
	for i := range c {
		high := highest(&c[i])
		t.n[i], t.high[i] = total(c[i][:high]), high
	}
	return t
}

// highest returns one more than the highest symbol, or up to seven more than that.
func highest(h *[maxSymbols]uint32) int {
	high := len(h)
	for ; high > 0; high -= 8 {
		if h := (*[8]uint32)(h[high-8:]); h[0]|h[1]|h[2]|h[3]|h[4]|h[5]|h[6]|h[7] != 0 {
			break
		}
	}
	return high
}

// total returns the sum of counts, of whole fours.
func total(h []uint32) uint32 {
	var a, b, c, d uint32
	for ; len(h) >= 4; h = h[4:] {
		a, b, c, d = a+h[0], b+h[1], c+h[2], d+h[3]
	}
	return a + b + c + d
}

// still tells whether so little moves that a sample says too little of it.
func (c *stepCounts) still(totals *stepTotals) bool {
	var zero, all uint32
	for i := range c {
		zero += c[i][0]
		all += totals.n[i]
	}
	return zero > all-all/16
}

// xlogx[n] of small n are looked up: most counts are small.
var xlogx = func() (t [1 << 12]uint32) {
	for n := 1; n < len(t); n++ {
		t[n] = uint32(n) * log2of(uint64(n))
	}
	return t
}()

func nlogn(n uint32) uint64 {
	if n < uint32(len(xlogx)) {
		return uint64(xlogx[n])
	}
	return nlognMany(n)
}

func nlognMany(n uint32) uint64 { return uint64(n) * uint64(log2of(uint64(n))) }

// tableCost is what each symbol of a table costs, in 2^-logBits bits: about three
// to write, the rest for the time to read it.
const tableCost = 10 << logBits

// A cluster is a run of contexts that share a table.
type cluster struct {
	first int                // context
	h     [maxSymbols]uint32 // up to high
	high  int                // one more than the highest symbol
	total uint32
	cost  uint64 // of coding by a table of its own, and of the table, in 2^-logBits bits
	merge uint64 // cost of this and the next as one
	more  int64  // by how much that is more than what they cost apart
}

// price returns the cost of coding by a table of its own what c counts, of 2^shift
// elements each.
func (c *cluster) price(shift int) uint64 {
	cost := uint64(0)
	used := uint32(0)
	for _, n := range c.h[:c.high] {
		cost += nlogn(n)
		used += (n | -n) >> 31 // not zero
	}
	return (nlogn(c.total)-cost)<<shift + uint64(used)*tableCost
}

// mergedPrice is price of a and b as one.
func mergedPrice(a, b *cluster, shift int) uint64 {
	cost := uint64(0)
	used := uint32(0)
	if a.high < b.high {
		a, b = b, a
	}
	for s, n := range b.h[:b.high] {
		n += a.h[s]
		cost += nlogn(n)
		used += (n | -n) >> 31
	}
	for _, n := range a.h[b.high:a.high] {
		cost += nlogn(n)
		used += (n | -n) >> 31
	}
	return (nlogn(a.total+b.total)-cost)<<shift + uint64(used)*tableCost
}

// cluster merges neighbouring contexts, those first whose merging costs least,
// until at most maxTables are left and merging no longer pays. Each count stands
// for 2^shift elements. It sets which table a context has, and returns what each
// is to be made of, and the highest context that was counted.
func (st *stepTables) cluster(cs []cluster, counts *stepCounts, totals *stepTotals, shift int) (_ []cluster, last int) {
	cs = counted(cs[:0], counts, totals, shift)
	last = cs[len(cs)-1].first
	var room [contexts]*cluster
	left := room[:len(cs)]
	for i := range cs {
		left[i] = &cs[i]
	}
	for len(left) > 1 {
		best, least := 0, int64(1<<62)
		for i, c := range left[:len(left)-1] {
			if c.more < least {
				best, least = i, c.more
			}
		}
		if len(left) <= maxTables && least >= 0 {
			break
		}
		left = mergeAt(left, best, shift)
	}
	cs = cs[:len(left)]
	for t, c := range left { // the t'th or one after it
		if c != &cs[t] {
			cs[t] = *c
		}
	}
	clear(st.of[:cs[0].first])
	for t := range cs {
		end := contexts
		if t+1 < len(cs) {
			end = cs[t+1].first
		}
		for c := cs[t].first; c < end; c++ {
			st.of[c] = uint8(t)
		}
		cs[t].scale(shift)
	}
	st.n = len(cs)
	return cs, last
}

// scale makes c count elements.
func (c *cluster) scale(shift int) {
	for s := range c.h[:c.high] {
		c.h[s] <<= shift
	}
	clear(c.h[c.high:])
}

// counted fills the first of cs, which has room for all, with a cluster for each
// context of which counts has any, at least one.
func counted(cs []cluster, counts *stepCounts, totals *stepTotals, shift int) []cluster {
	for i, total := range totals.n {
		if total == 0 {
			continue
		}
		cs = cs[:len(cs)+1]
		c := &cs[len(cs)-1]
		c.first, c.total, c.high = i, total, totals.high[i]
		copy(c.h[:c.high], counts[i][:])
		for c.h[c.high-1] == 0 {
			c.high--
		}
	}
	for i := range cs {
		cs[i].cost = cs[i].price(shift)
	}
	for i := range len(cs) - 1 {
		cs[i].tryMerge(&cs[i+1], shift)
	}
	return cs
}

// tryMerge sets what merging c with the next would cost.
func (c *cluster) tryMerge(next *cluster, shift int) {
	c.merge = mergedPrice(c, next, shift)
	c.more = int64(c.merge - c.cost - next.cost)
}

// mergeAt makes one cluster of the i'th and the next.
func mergeAt(cs []*cluster, i, shift int) []*cluster {
	a, b := cs[i], cs[i+1]
	if a.high < b.high {
		clear(a.h[a.high:b.high])
		a.high = b.high
	}
	for s, n := range b.h[:b.high] {
		a.h[s] += n
	}
	a.total += b.total
	a.cost = a.merge
	cs = append(cs[:i+1], cs[i+2:]...)
	if i+1 < len(cs) {
		a.tryMerge(cs[i+1], shift)
	}
	if i > 0 {
		cs[i-1].tryMerge(a, shift)
	}
	return cs
}
