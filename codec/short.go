package codec

import (
	"math/bits"
	"sync"
)

// The short method: what delta is for leaves too short for tables of their own.
// Steps are coded by tables that are part of the format, of distributions that
// are alike but for their scale; the leaf says only which scale is whose.
//
//	base  uint8
//	scale int8   // what contexts begin at
//	top   uint8  // the largest exponent; of floats only
//	edges        // bytes before and after the whole elements, XORed with the base's
//	state [1 or 2]uint32
//	words []uint16
//	raw   []byte // bits of steps, read from the end
//
// The context of an element is clamp(scale + 2·depth, 0, contexts-1), in half
// octaves as in delta. Steps in context c have a standard deviation near
// 2^((c-6)/2). From context lastShort on, only that many bits of a step are
// coded as have a shape; those below are raw.

const (
	// shortMost is the most elements that are coded so: of more, tables of their
	// own are smaller.
	shortMost = 4 << 10
	// lastShort is the first of the last two contexts that have a table: beyond,
	// the tables of two contexts earlier do for one bit less.
	lastShort   = 12
	shortTables = lastShort + 2
	shortBits   = 10 // of probability
	shortMask   = 1<<shortBits - 1
	// scaleSample is about how many elements say which scale is best.
	scaleSample = 128
	// shortFrame is about what a short delta has beside its steps.
	shortFrame = 16
	// oneState is from how many elements on there are two states, in turn.
	oneState = 128
)

// logistic[i] is what part of steps is below i/16 of the scale: tanh(9/10·i/16),
// in 2^-16.
var logistic = [...]uint16{
	0, 3683, 7342, 10955, 14502, 17961, 21315, 24549, 27650, 30607, 33412, 36062,
	38552, 40883, 43057, 45075, 46943, 48667, 50253, 51707, 53038, 54254, 55361, 56368,
	57282, 58110, 58860, 59538, 60150, 60702, 61199, 61647, 62050, 62412, 62737, 63029,
	63292, 63527, 63738, 63927, 64096, 64248, 64384, 64505, 64614, 64712, 64799, 64877,
	64947, 65009, 65065, 65115, 65160, 65200, 65235, 65267, 65296, 65321, 65344, 65364,
	65383, 65399, 65414, 65427, 65438, 65449, 65458, 65466, 65474, 65480, 65486, 65491,
	65496, 65500, 65504, 65508, 65511, 65513, 65516, 65518, 65520, 65522,
}

// within returns what part of the steps in context c is of at most magnitude m,
// in 2^-16.
func within(m uint32, c int) uint32 {
	// The edge m + 1/2 over the scale 2^((c-6)/2), in 2^-12.
	edge := (2*m + 1) * [2]uint32{1 << 14, 11585}[c&1] >> (c >> 1)
	i := edge >> 8
	if i >= uint32(len(logistic))-1 {
		return uint32(logistic[len(logistic)-1])
	}
	a, b := uint32(logistic[i]), uint32(logistic[i+1])
	return a + (b-a)*(edge&0xff)>>8
}

// A shortTable is how steps are coded in one context, both ways. A step that has
// no symbol is the escape and all bits of it, raw.
type shortTable struct {
	// slots are frequency << 18 | symbol << 10 | slot less the symbol's first, and
	// shortSpecial where raw bits come with it.
	slots   [1 << shortBits]uint32
	symbols uint32 // the steps below have one
	enc     [shortSymbols]shortEntry
	price   [shortSymbols]uint32 // of each symbol, in 2^-logBits bits
}

const (
	shortSymbols = 256
	shortEscape  = shortSymbols - 1
)

// A shortEntry is how a symbol is encoded.
type shortEntry struct {
	reciprocal uint64 // 2^64 over the frequency, rounded up; of 1, all ones
	full       uint32 // states from here on give up a word: the frequency, shifted
	start      uint16 // and for a frequency of 1, what the reciprocal lacks
	comp       uint16 // 2^shortBits less the frequency
}

// newShortEntry returns how the symbol of slots from start on is encoded.
func newShortEntry(start, freq uint32) shortEntry {
	e := shortEntry{full: freq << (31 - shortBits), start: uint16(start), comp: uint16(1<<shortBits - freq)}
	if freq == 1 {
		e.reciprocal = ^uint64(0)
		e.start += e.comp
		return e
	}
	e.reciprocal = ^uint64(0)/uint64(freq) + 1
	return e
}

// freq returns the frequency.
func (e *shortEntry) freq() uint32 { return e.full >> (31 - shortBits) }

// shortSpecial marks slots of the escape, and all of contexts with raw bits.
const shortSpecial = 1 << 31

// A shortSet is all tables, the last two of them again for contexts with raw bits,
// and which of them contexts have.
type shortSet struct {
	tables [shortTables + 2]shortTable
	of     [contexts]*shortTable
	raw    [contexts]uint8 // bits of a step that are raw
	// few is prices of small steps in contexts from -2·maxDepth on, before they are
	// clamped: those without a symbol are marked, and lack their raw bits, and others
	// are 0.
	few [4*maxDepth + contexts][2 * shortFew]uint32
}

const (
	shortFew  = 64      // steps below have their prices in one table
	fewEscape = 1 << 20 // marks those without a symbol
)

// allShort returns the tables.
var allShort = sync.OnceValue(func() *shortSet {
	all := new(shortSet)
	for c := range all.tables[:shortTables] {
		all.tables[c].make(c)
	}
	for i := range all.tables[shortTables:] {
		t := &all.tables[shortTables+i]
		*t = all.tables[lastShort+i]
		for s := range t.slots {
			t.slots[s] |= shortSpecial
		}
	}
	for c := range all.of {
		t := c
		if c >= lastShort {
			t, all.raw[c] = lastShort+c&1, uint8(c-lastShort)>>1
		}
		if all.raw[c] > 0 {
			t += 2
		}
		all.of[c] = &all.tables[t]
	}
	for i := range all.few {
		c := min(max(i-2*maxDepth, 0), contexts-1)
		for z := range uint32(shortFew) {
			all.few[i][z] = all.price(z, c, number{})
			if z>>all.raw[c] >= all.of[c].symbols {
				all.few[i][z] += fewEscape
			}
		}
	}
	return all
})

// make sets t to the table of context c.
func (t *shortTable) make(c int) {
	at := uint32(0)
	for z := range uint32(shortEscape) {
		// Of two steps of one magnitude, the odd one comes first.
		part := within(z>>1, c)
		if z&1 == 1 {
			part = (part + within(z>>1+1, c)) / 2
		}
		end := (part*shortMask + 1<<15) >> 16
		if z < 3 {
			end = max(end, at+1)
		}
		if end == at {
			break
		}
		t.put(z, at, end)
		t.symbols, at = z+1, end
	}
	t.put(shortEscape, at, 1<<shortBits)
}

func (t *shortTable) put(symbol, start, end uint32) {
	f := end - start
	t.enc[symbol] = newShortEntry(start, f)
	t.price[symbol] = shortBits<<logBits - log2[f]
	for i := range f {
		t.slots[start+i] = f<<18 | symbol<<10 | i
		if symbol == shortEscape {
			t.slots[start+i] |= shortSpecial
		}
	}
}

// A shortCoder is the memory of the short method.
type shortCoder struct {
	words []uint16
	raws  bitStack

	// A sample of steps, and what it costs at those scales that were tried.
	z          []uint32
	few, depth []uint8 // the least of z and shortFew
	many       []int32 // which steps are not below
	costs      [2*maxDepth + contexts]uint64
}

// appendShort appends the body of a short delta of leaf against base to dst.
func (s *scratch) appendShort(dst, leaf, base []byte, b int, n number, c *Context) []byte {
	d := s.deltas()
	head, tail := edgesOf(n.width, c.Offset, len(leaf))
	end := len(leaf) - tail
	top := n.largest(base[head:end])
	d.steps(leaf[head:end], base[head:end], n, top)
	count := (end - head) / n.width
	dst = append(dst, byte(b))
	if n.width == 4 {
		return appendShortSteps(s, dst, d.z32[:count], leaf, base, n, top, c)
	}
	return appendShortSteps(s, dst, d.z16[:count], leaf, base, n, top, c)
}

// appendShortSteps appends what follows the base's number: z is the steps that
// s.delta has last.
func appendShortSteps[Z step](s *scratch, dst []byte, z []Z, leaf, base []byte, n number, top uint32, c *Context) []byte {
	d := s.delta
	every := 1 + len(z)/scaleSample
	if c.Level == Best {
		every = 1
	}
	sampleShort(&s.shorts, z, d.depth, every)
	scale := s.shorts.bestScale(n)
	dst = append(dst, byte(scale))
	if n.float {
		dst = append(dst, byte(top))
	}
	head, tail := edgesOf(n.width, c.Offset, len(leaf))
	end := len(leaf) - tail
	dst = appendXOR(dst, leaf[:head], base)
	dst = appendXOR(dst, leaf[end:], base[end:])
	rowContexts(d.ctx, d.depth, nil, scale)
	return encodeShort(&s.shorts, dst, z, d.ctx, n)
}

// odd tells whether a short delta of size bytes, of the steps that d has last, is
// larger than if they were coded by a table of their own without contexts: they
// are then distributed in some other way.
func (d *deltaCoder) odd(size int) bool {
	var h histogram
	counts := h[:]
	if few, ok := countLow(d.symbols); ok {
		counts = few[:]
	} else {
		h.count(d.symbols)
	}
	total, cost, raw := uint32(0), uint64(0), 0
	for s, n := range counts {
		total += n
		cost += nlogn(n)
		raw += int(n) * (max(s+1, 8)>>3 - 1) // bits below a symbol's mantissa
	}
	own := (int((nlogn(total)-cost)>>logBits) + raw) >> 3
	return size > own+own/32+shortFrame
}

// lowSymbols is a power of two: symbols of short leaves are mostly below.
const lowSymbols = 64

// countLow counts symbols, and returns false if some are not low.
func countLow(symbols []uint8) (h [lowSymbols]uint32, ok bool) {
	var t [3][lowSymbols]uint32 // as in histogram.count
	const high = 0x0101010101010101 * (256 - lowSymbols)
	for len(symbols) > 8 {
		x := le.Uint64(symbols)
		if x&high != 0 {
			return h, false
		}
		h[x%lowSymbols]++
		t[0][x>>8&(lowSymbols-1)]++
		t[1][x>>16&(lowSymbols-1)]++
		t[2][x>>24&(lowSymbols-1)]++
		h[x>>32&(lowSymbols-1)]++
		t[0][x>>40&(lowSymbols-1)]++
		t[1][x>>48&(lowSymbols-1)]++
		t[2][x>>56&(lowSymbols-1)]++
		symbols = symbols[8:len(symbols):len(symbols)]
	}
	for _, s := range symbols {
		if s >= lowSymbols {
			return h, false
		}
		h[s]++
	}
	for i := range h {
		h[i] += t[0][i] + t[1][i] + t[2][i]
	}
	return h, true
}

// bestScale returns a scale at which the sample costs little.
func (k *shortCoder) bestScale(n number) int {
	scale := -2 * maxDepth
	for i, z := range k.z {
		// The larger of scale and what z would have, unless that is 0: no branch.
		more := 2*bits.Len32(z) - 2*int(k.depth[i]) - scale
		scale += more &^ (more >> 63) &^ ((int(z) - 1) >> 63)
	}
	scale = min(scale, contexts-1)
	least := k.scaleCost(n, scale)
	for step := 4; step > 0; step /= 2 {
		for _, by := range [2]int{-step, step} {
			for moved := false; ; moved = true {
				to := scale + by
				if to < -2*maxDepth || to >= contexts {
					break
				}
				cost := k.scaleCost(n, to)
				if cost >= least {
					if moved {
						step = max(step/2, 1) // what is beyond is dearer
					}
					break
				}
				scale, least = to, cost
			}
		}
	}
	return scale
}

// sampleShort keeps one of so many steps and their depths, and forgets what scales
// cost.
func sampleShort[Z step](k *shortCoder, z []Z, depth []uint8, every int) {
	count := (len(z) + every - 1) / every
	k.z, k.depth, k.few = grow(k.z, count), grow(k.depth, count), grow(k.few, count)
	depth = depth[:len(z)]
	k.many = k.many[:0]
	for i, at := 0, 0; at < len(z); i, at = i+1, at+every {
		x := uint32(z[at])
		if x >= shortFew {
			k.many = append(k.many, int32(i))
		}
		k.z[i], k.depth[i], k.few[i] = x, depth[at], uint8(min(x, shortFew))
	}
	clear(k.costs[:])
}

// scaleCost returns what the sample costs at scale.
func (k *shortCoder) scaleCost(n number, scale int) uint64 {
	known := &k.costs[scale+2*maxDepth]
	if *known != 0 {
		return *known
	}
	all := allShort()
	rows := all.few[scale+2*maxDepth:][:2*maxDepth+1]
	few, depth := k.few, k.depth[:len(k.few)]
	cost, escapes := uint64(0), uint64(0)
	for i, z := range few {
		price := rows[2*(depth[i]&maxDepth)][z&(2*shortFew-1)]
		cost += uint64(price & (fewEscape - 1))
		escapes += uint64(price / fewEscape)
	}
	cost += escapes * uint64(n.bits()) << logBits
	for _, i := range k.many {
		cost += uint64(all.price(k.z[i], min(max(scale+2*int(depth[i]), 0), contexts-1), n))
	}
	*known = cost
	return cost
}

// price returns what step z costs in context c, in 2^-logBits bits.
func (all *shortSet) price(z uint32, c int, n number) uint32 {
	t, raw := all.of[c], all.raw[c]
	if s := z >> raw; s < t.symbols {
		return t.price[s&shortEscape] + uint32(raw)<<logBits
	}
	return t.price[shortEscape] + uint32(n.bits())<<logBits
}

// put encodes e's symbol in state x, whose words lie from words[at] on.
func (e *shortEntry) put(x uint32, words []uint16, at int) (uint32, int) {
	words[at-1] = uint16(x)
	full := (e.full - 1 - x) >> 31 // as in encodeRound
	at -= int(full)
	x >>= full << 4 & 31
	q, _ := bits.Mul64(uint64(x), e.reciprocal)
	return x + uint32(e.start) + uint32(q)*uint32(e.comp), at
}

// entry returns how step z is encoded in context c, and puts its raw bits on raws.
func (all *shortSet) entry(raws *bitStack, z uint32, c uint8, n number) *shortEntry {
	t, raw := all.of[c&(contexts-1)], all.raw[c&(contexts-1)]
	s := z >> (raw & 31)
	if s >= t.symbols {
		raws.push(z, n.bits())
		return &t.enc[shortEscape]
	}
	if raw > 0 {
		raws.push(z&(1<<(raw&31)-1), uint(raw))
	}
	return &t.enc[s&shortEscape]
}

// encodeShort appends steps z in the contexts ctx to dst, from the last to the
// first.
func encodeShort[Z step](k *shortCoder, dst []byte, z []Z, ctx []uint8, n number) []byte {
	all := allShort()
	k.words = grow(k.words, len(z)+1)
	k.raws.reset()
	words, at := k.words, len(k.words)
	ctx = ctx[:len(z)]
	x, y := uint32(laneLow), uint32(laneLow)
	i := len(z)
	if len(z) < oneState {
		for ; i > 0; i-- {
			x, at = all.entry(&k.raws, uint32(z[i-1]), ctx[i-1], n).put(x, words, at)
		}
		dst = le.AppendUint32(dst, x)
	} else {
		if len(z)&1 == 1 {
			i--
			x, at = all.entry(&k.raws, uint32(z[i]), ctx[i], n).put(x, words, at)
		}
		for {
			i, at = encodeShortFast(all, &x, &y, z[:i], ctx, words, at)
			if i == 0 {
				break
			}
			y, at = all.entry(&k.raws, uint32(z[i-1]), ctx[i-1], n).put(y, words, at)
			x, at = all.entry(&k.raws, uint32(z[i-2]), ctx[i-2], n).put(x, words, at)
			if i -= 2; i == 0 {
				break
			}
		}
		dst = le.AppendUint32(le.AppendUint32(dst, x), y)
	}
	return append(appendWords(dst, words[at:]), k.raws.end()...)
}

func appendXOR(dst, a, b []byte) []byte {
	for i, x := range a {
		dst = append(dst, x^b[i])
	}
	return dst
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
	count := (end - head) / n.width
	params := 1
	if n.float {
		params = 2
	}
	if len(body) < params+head+tail || count > shortMost {
		return corrupt("short delta of %d bytes for a leaf of %d", len(body), len(dst))
	}
	scale, top := int(int8(body[0])), uint32(body[params-1])
	if scale < -2*maxDepth || scale >= contexts {
		return corrupt("scale out of range")
	}
	body = body[params:]
	xor(dst[:head], body[:head], base)
	xor(dst[end:], body[head:head+tail], base[end:])
	body, dst, base = body[head+tail:], dst[head:end], base[head:end]
	d := s.deltas()
	d.depth, d.ctx = grow(d.depth, count), grow(d.ctx, count)
	n.depths(d.depth, base, top)
	rowContexts(d.ctx, d.depth, nil, scale)
	if n.width == 4 {
		d.z32 = grow(d.z32, count)
		if err := decodeShortSteps(d.z32, d.ctx, body, n); err != nil {
			return err
		}
		n.walk32(dst, base, d.z32)
		return nil
	}
	d.z16 = grow(d.z16, count)
	if err := decodeShortSteps(d.z16, d.ctx, body, n); err != nil {
		return err
	}
	n.walk16(dst, base, d.z16)
	return nil
}

// decodeShortSteps fills z from src, which holds nothing else.
func decodeShortSteps[Z step](z []Z, ctx []uint8, src []byte, n number) error {
	states := 8
	if len(z) < oneState {
		states = 4
	}
	if len(src) < states {
		return corrupt("short delta: states are cut short")
	}
	x, y := le.Uint32(src), uint32(laneLow)
	if states == 8 {
		y = le.Uint32(src[4:])
	}
	if x-laneLow >= 1<<31-laneLow || y-laneLow >= 1<<31-laneLow {
		return corrupt("short delta: state out of range")
	}
	all := allShort()
	raws := bitUnstack{src: src[states:], at: len(src) - states}
	words, p := src[states:], 0
	ctx = ctx[:len(z)]
	i := 0
	for states == 8 && i+2 <= len(z) && p+4 <= len(words) {
		k, read := decodeShortFast(all, &x, &y, z[i:], ctx[i:], words[p:], &raws, n)
		if i, p = i+2*k, p+read; i+2 > len(z) || p+4 > len(words) {
			break
		}
		w := le.Uint32(words[p:])
		var s, low uint32
		c := ctx[i] & (contexts - 1)
		s, x = all.of[c].take(x)
		low = (x - laneLow) >> 31 // as in decodeRound
		x = x<<(low<<4&31) | w&0xffff&-low
		w >>= low << 4 & 31
		p += int(2 * low)
		if raw := all.raw[c]; raw != 0 || s == shortEscape {
			s = raws.rest(s, raw, n)
		}
		z[i] = Z(s)
		c = ctx[i+1] & (contexts - 1)
		s, y = all.of[c].take(y)
		low = (y - laneLow) >> 31
		y = y<<(low<<4&31) | w&0xffff&-low
		p += int(2 * low)
		if raw := all.raw[c]; raw != 0 || s == shortEscape {
			s = raws.rest(s, raw, n)
		}
		z[i+1] = Z(s)
		i += 2
	}
	for ; i < len(z); i++ {
		c := ctx[i] & (contexts - 1)
		var s uint32
		s, x = all.of[c].take(x)
		if x < laneLow {
			if p+2 > len(words) {
				return corrupt("short delta: out of words")
			}
			x = x<<16 | uint32(le.Uint16(words[p:]))
			p += 2
		}
		if raw := all.raw[c]; raw != 0 || s == shortEscape {
			s = raws.rest(s, raw, n)
		}
		z[i] = Z(s)
		if states == 8 {
			x, y = y, x
		}
	}
	if x != laneLow || y != laneLow || raws.have != 0 || raws.at != p {
		return corrupt("short delta: does not end where it should")
	}
	return nil
}

// take takes a symbol from state x.
func (t *shortTable) take(x uint32) (symbol, rest uint32) {
	e := t.slots[x&shortMask]
	return e >> 10 & 0xff, e>>18&shortMask*(x>>shortBits) + e&shortMask
}

// rest returns the step of symbol s in a context of so many raw bits.
func (r *bitUnstack) rest(s uint32, raw uint8, n number) uint32 {
	if s == shortEscape {
		return r.pop(n.bits())
	}
	return s<<(raw&31) | r.pop(uint(raw))
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
