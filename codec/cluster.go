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

// add adds other's counts.
func (c *stepCounts) add(other *stepCounts) {
	for i := addFast(c, other); i < len(c); i++ {
		to := &c[i]
		for s, n := range &other[i] {
			to[s] += n
		}
	}
}

// totals returns how many elements each context has.
func (c *stepCounts) totals() (t [contexts]uint32) {
	for i := range c {
		var a, b, d, e uint32
		for h := c[i][:]; len(h) >= 4; h = h[4:] {
			a, b, d, e = a+h[0], b+h[1], d+h[2], e+h[3]
		}
		t[i] = a + b + d + e
	}
	return t
}

// still tells whether so little moves that a sample says too little of it.
func (c *stepCounts) still(totals *[contexts]uint32) bool {
	var zero, all uint32
	for i := range c {
		zero += c[i][0]
		all += totals[i]
	}
	return zero > all-all/16
}

// high returns one more than the highest symbol of context i.
func (c *stepCounts) high(i int) int {
	for s := len(c[i]); s > 0; s-- {
		if c[i][s-1] != 0 {
			return s
		}
	}
	return 0
}

// xlogx[n] of small n are looked up: most counts are small.
var xlogx = func() (t [1 << 12]uint64) {
	for n := 1; n < len(t); n++ {
		t[n] = uint64(n) * uint64(log2of(uint64(n)))
	}
	return t
}()

func nlogn(n uint32) uint64 {
	if n < uint32(len(xlogx)) {
		return xlogx[n]
	}
	return nlognMany(n)
}

func nlognMany(n uint32) uint64 { return uint64(n) * uint64(log2of(uint64(n))) }

// tableCost is what each symbol of a table costs, in 2^-logBits bits: about three
// to write, the rest for the time to read it.
const tableCost = 10 << logBits

// A cluster is a run of contexts that share a table.
type cluster struct {
	first int // context
	h     [maxSymbols]uint32
	high  int // one more than the highest symbol
	total uint32
	cost  uint64 // of coding by a table of its own, and of the table, in 2^-logBits bits
	merge uint64 // cost of this and the next as one
}

func (c *cluster) price() uint64 {
	cost := uint64(0)
	used := 0
	for _, n := range c.h[:c.high] {
		if n != 0 {
			cost += nlogn(n)
			used++
		}
	}
	return nlogn(c.total) - cost + uint64(used)*tableCost
}

func mergedPrice(a, b *cluster) uint64 {
	cost := uint64(0)
	used := 0
	high := max(a.high, b.high)
	x, y := a.h[:high], b.h[:high]
	for s, n := range x {
		if n += y[s]; n != 0 {
			cost += nlogn(n)
			used++
		}
	}
	return nlogn(a.total+b.total) - cost + uint64(used)*tableCost
}

// cluster merges neighbouring contexts, those first whose merging costs least,
// until at most maxTables are left and merging no longer pays. Each count stands
// for 2^shift elements. It sets which table a context has, and returns what each
// is to be made of, and the highest context that was counted.
func (st *stepTables) cluster(cs []cluster, counts *stepCounts, totals *[contexts]uint32, shift int) (_ []cluster, last int) {
	cs = counted(cs[:0], counts, totals, shift)
	last = cs[len(cs)-1].first
	for len(cs) > 1 {
		best, least := 0, int64(1<<62)
		for i := range len(cs) - 1 {
			if d := int64(cs[i].merge - cs[i].cost - cs[i+1].cost); d < least {
				best, least = i, d
			}
		}
		if len(cs) <= maxTables && least >= 0 {
			break
		}
		cs = mergeAt(cs, best)
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
	}
	st.n = len(cs)
	return cs, last
}

// counted fills the first of cs, which has room for all, with a cluster for each
// context of which counts has any, at least one.
func counted(cs []cluster, counts *stepCounts, totals *[contexts]uint32, shift int) []cluster {
	for i, total := range totals {
		if total == 0 {
			continue
		}
		cs = cs[:len(cs)+1]
		c := &cs[len(cs)-1]
		c.first, c.high, c.total, c.h = i, counts.high(i), total<<shift, counts[i]
		for s := range c.h[:c.high] {
			c.h[s] <<= shift
		}
	}
	for i := range cs {
		cs[i].cost = cs[i].price()
	}
	for i := range len(cs) - 1 {
		cs[i].merge = mergedPrice(&cs[i], &cs[i+1])
	}
	return cs
}

// mergeAt makes one cluster of the i'th and the next.
func mergeAt(cs []cluster, i int) []cluster {
	a := &cs[i]
	a.high = max(a.high, cs[i+1].high)
	for s, n := range cs[i+1].h[:a.high] {
		a.h[s] += n
	}
	a.total += cs[i+1].total
	a.cost = a.merge
	cs = append(cs[:i+1], cs[i+2:]...)
	if i+1 < len(cs) {
		cs[i].merge = mergedPrice(&cs[i], &cs[i+1])
	}
	if i > 0 {
		cs[i-1].merge = mergedPrice(&cs[i-1], &cs[i])
	}
	return cs
}
