package codec

// A step is as many units in the last place as the update is large beside them:
// how large is told by the exponent of the base's element, and by how fast its
// row and its column moved. The context of an element is the sum of the three,
// in half octaves:
//
//	context = clamp(anchor + row + column + 2·depth, 0, contexts-1)
//
// where depth is by how many powers of two the element is below the largest.
const (
	anchor   = 12
	maxDepth = 31
	maxShift = 24 // of a row or column, either way
)

// A grid is where the rows of a leaf begin.
type grid struct {
	row   int // elements of a row; 0 if the leaf is not cut in rows
	phase int // of the first element in its row
}

// rows returns how many rows n elements touch.
func (g grid) rows(n int) int {
	if g.row == 0 || n == 0 {
		return 0
	}
	return (g.phase + n + g.row - 1) / g.row
}

// span returns the elements of row r of n.
func (g grid) span(r, n int) (from, to int) {
	from = max(0, r*g.row-g.phase)
	return from, min(n, (r+1)*g.row-g.phase)
}

// firstWhole returns the first row that begins in the leaf.
func (g grid) firstWhole() int { return min(g.phase, 1) }

// wholeRows returns the first whole row of n elements, and how many there are.
func (g grid) wholeRows(n int) (first, rows int) {
	first = g.firstWhole()
	at, _ := g.span(first, n)
	return first, max(0, n-at) / g.row
}

// from returns where rows begin in the elements from at on.
func (g grid) from(at int) grid {
	if g.row > 0 {
		g.phase = (g.phase + at) % g.row
	}
	return g
}

// from returns the part of sc that is for the elements from at on.
func (sc *scaling) from(g grid, at int) *scaling {
	if len(sc.rows) == 0 {
		return sc
	}
	return &scaling{sc.rows[(g.phase+at)/g.row:], sc.cols}
}

// A scaling is what rows and columns add to the contexts of their elements.
type scaling struct {
	rows, cols []int8 // empty: all zero
}

// contexts fills ctx with the contexts of elements whose depths are depth.
func (sc *scaling) contexts(ctx, depth []uint8, g grid) {
	n := len(depth)
	if g.row == 0 || len(sc.rows) == 0 && len(sc.cols) == 0 {
		rowContexts(ctx[:n], depth, nil, anchor)
		return
	}
	done := sc.wholeContexts(ctx, depth, g, 1)
	for r := range g.rows(n) {
		if from, to := g.span(r, n); to-from < g.row || !done {
			shift, cols := sc.ofRow(r, from, to, g)
			rowContexts(ctx[from:to], depth[from:to], cols, shift)
		}
	}
}

// wholeContexts is contexts of one whole row in every, if kernels have that.
func (sc *scaling) wholeContexts(ctx, depth []uint8, g grid, every int) bool {
	first, n := g.wholeRows(len(depth))
	if n == 0 {
		return false
	}
	at, _ := g.span(first, len(depth))
	var rows, cols []int8
	if len(sc.rows) > 0 {
		rows = sc.rows[first:]
	}
	if len(sc.cols) > 0 {
		cols = sc.cols
	}
	return rowsContextsFast(ctx[at:len(depth)], depth[at:], rows, cols, g.row, n, every)
}

// contextsOf is contexts of one whole row in every, where there are shifts of rows
// alone.
func (sc *scaling) contextsOf(ctx, depth []uint8, g grid, every int) {
	if sc.wholeContexts(ctx, depth, g, every) {
		return
	}
	for r := g.firstWhole(); r < g.rows(len(depth)); r += every {
		from, to := g.span(r, len(depth))
		shift, _ := sc.ofRow(r, from, to, g)
		rowContexts(ctx[from:to], depth[from:to], nil, shift)
	}
}

// ofRow returns what is added to all of row r, which is elements from to to, and
// the shifts of its columns, if any.
func (sc *scaling) ofRow(r, from, to int, g grid) (shift int, cols []int8) {
	shift = anchor
	if len(sc.rows) > 0 {
		shift += int(sc.rows[r])
	}
	if len(sc.cols) > 0 {
		cols = sc.cols[from+g.phase-r*g.row:][:to-from]
	}
	return shift, cols
}

// shifts returns what is added to twice the depths of n elements, for each, or if
// all have the same, of that maxLanes times; in dst.
func (sc *scaling) shifts(dst []int8, n int, g grid) []int8 {
	if len(sc.rows) == 0 && len(sc.cols) == 0 {
		dst = grow(dst, maxLanes)
		rowShifts(dst, nil, anchor)
		return dst
	}
	dst = grow(dst, max(n, maxLanes+1))
	for r := range g.rows(n) {
		from, to := g.span(r, n)
		shift, cols := sc.ofRow(r, from, to, g)
		rowShifts(dst[from:to], cols, shift)
	}
	return dst
}

// rowShifts fills dst with shift + cols. Cols may be nil.
func rowShifts(dst, cols []int8, shift int) {
	for i := rowShiftsFast(dst, cols, shift); i < len(dst); i++ {
		dst[i] = int8(shift)
		if cols != nil {
			dst[i] += cols[i]
		}
	}
}

// rowContexts fills ctx with the contexts of elements of one row. Cols may be
// nil.
func rowContexts(ctx, depth []uint8, cols []int8, shift int) {
	k := contextFast(ctx, depth, cols, shift)
	if k == len(ctx) {
		return
	}
	if cols == nil {
		k += plainContexts(ctx[k:], depth[k:], shift)
	} else {
		k += columnContexts(ctx[k:], depth[k:], cols[k:], shift)
	}
	for i := k; i < len(ctx); i++ {
		c := shift + 2*int(depth[i])
		if cols != nil {
			c += int(cols[i])
		}
		ctx[i] = uint8(min(max(c, 0), contexts-1))
	}
}

// plainContexts fills ctx with contexts of elements without shifts of columns,
// eight at a time, and returns how many.
func plainContexts(ctx, depth []uint8, shift int) int {
	n, more := len(ctx), eightContexts(shift)
	for len(ctx) > 8 && len(depth) > 8 { // as in walkFloat16
		le.PutUint64(ctx, clampContexts(2*le.Uint64(depth)+more))
		ctx, depth = ctx[8:len(ctx):len(ctx)], depth[8:len(depth):len(depth)]
	}
	return n - len(ctx)
}

// columnContexts is plainContexts with shifts of columns.
func columnContexts(ctx, depth []uint8, cols []int8, shift int) int {
	n, more := len(ctx), eightContexts(shift)-eights<<7
	for len(ctx) > 8 && len(depth) > 8 && len(cols) > 8 {
		c := uint64(uint8(cols[0])) | uint64(uint8(cols[1]))<<8 | uint64(uint8(cols[2]))<<16 | uint64(uint8(cols[3]))<<24 |
			uint64(uint8(cols[4]))<<32 | uint64(uint8(cols[5]))<<40 | uint64(uint8(cols[6]))<<48 | uint64(uint8(cols[7]))<<56
		le.PutUint64(ctx, clampContexts(2*le.Uint64(depth)+more+(c^eights<<7))) // signed bytes
		ctx, depth, cols = ctx[8:len(ctx):len(ctx)], depth[8:len(depth):len(depth)], cols[8:len(cols):len(cols)]
	}
	return n - len(ctx)
}

const eights = 0x0101010101010101

// eightContexts returns, for each of eight, what is added to twice a depth: shift
// and 128, so that nothing is below zero. The most is 2·31 + 63 then, or with
// columns, whose rows shift by less, 2·31 + 36 + 24.
func eightContexts(shift int) uint64 {
	return uint64(128+min(max(shift, 1-contexts), contexts-1)) * eights
}

// clampContexts returns eight contexts, to which 128 were added.
func clampContexts(c uint64) uint64 {
	above := c >> 7 & eights // zero
	c &= above<<7 - above
	above = c >> 6 & eights // the highest
	c |= above<<6 - above
	return c & ((contexts - 1) * eights)
}

// A scaler estimates a scaling from the mean symbol of each context: the curve
// that says how large symbols are when steps are.
type scaler struct {
	curve  curve // by context
	plain  curve // by depth, of elements whose row and column have no shift
	depths [maxDepth + 1]uint32
	seen   [8][contexts]uint64 // how many elements, times 2^32, and the sum of their symbols
	sum    [contexts]uint64
	n      [contexts]uint64
	ratio  [2*maxShift + 1]uint64 // mean symbol after a shift, over all depths
	search shiftSearch
	words  []uint16
	window [64]uint8  // contexts
	sums   []stepSums // of rows or columns, in turn
}

// A curve is mean symbols, in 2^-curveBits, below 2^16, and their low and high
// bytes.
type curve struct {
	mean  [contexts]uint32
	bytes [2][contexts]uint8
}

func (c *curve) set(i int, mean uint32) {
	c.mean[i], c.bytes[0][i], c.bytes[1][i] = mean, uint8(mean), uint8(mean>>8)
}

const (
	curveBits = 8
	sampled   = 4 << 10 // elements that a curve is made of
)

// fit sets the curves from elements' symbols, and contexts as sc makes them of
// their depths; contexts with few elements continue their neighbours. Sc has no
// shifts, or those of rows that were found by the curves of the same elements
// without.
func (s *scaler) fit(symbols, depth []uint8, sc *scaling, g grid) {
	s.sum, s.n = [contexts]uint64{}, [contexts]uint64{}
	if len(sc.rows) == 0 {
		s.sample(symbols, depth, nil, g)
		for d := range s.depths {
			x := s.seenOf(d)
			s.depths[d] = uint32(x >> 32)
			c := min(anchor+2*d, contexts-1)
			s.sum[c], s.n[c] = s.sum[c]+x&(1<<32-1), s.n[c]+x>>32
		}
	} else {
		s.sample(symbols, depth, sc, g)
		for c := range contexts {
			x := s.seenOf(c)
			s.sum[c], s.n[c] = x&(1<<32-1), x>>32
		}
	}
	if !s.extend() {
		// Nothing of the last fit may stay: what a leaf is encoded to depends on
		// no other leaf, and on no kernel.
		s.curve, s.plain, s.ratio = curve{}, curve{}, [2*maxShift + 1]uint64{}
		return
	}
	for d := range maxDepth + 1 {
		s.plain.set(d, s.curve.mean[min(anchor+2*d, contexts-1)])
	}
	s.ratio = [2*maxShift + 1]uint64{}
	for d, n := range s.depths {
		if n == 0 { // as half of them
			continue
		}
		for k := range s.ratio {
			s.ratio[k] += uint64(n) * uint64(s.curve.mean[min(max(anchor+2*d+k-maxShift, 0), contexts-1)])
		}
	}
	s.search.set(&s.ratio)
}

// sample sets seen from windows of elements: by the contexts that sc makes of their
// depths, or by these if sc is nil.
func (s *scaler) sample(symbols, depth []uint8, sc *scaling, g grid) {
	s.seen = [8][contexts]uint64{}
	const window = 64
	every := max(window, len(depth)/sampled*window)
	for i := 0; i < len(depth); i += every {
		by := depth[i:min(i+window, len(depth))]
		sym := symbols[i:][:len(by)]
		if sc != nil {
			w := s.window[:len(by)]
			sc.from(g, i).contexts(w, by, g.from(i))
			by = w
		}
		for len(by) > 8 && len(sym) > 8 { // in eight tables, as in stepCounts.count
			c, x := (*[8]uint8)(by), (*[8]uint8)(sym)
			s.seen[0][c[0]&(contexts-1)] += 1<<32 | uint64(x[0])
			s.seen[1][c[1]&(contexts-1)] += 1<<32 | uint64(x[1])
			s.seen[2][c[2]&(contexts-1)] += 1<<32 | uint64(x[2])
			s.seen[3][c[3]&(contexts-1)] += 1<<32 | uint64(x[3])
			s.seen[4][c[4]&(contexts-1)] += 1<<32 | uint64(x[4])
			s.seen[5][c[5]&(contexts-1)] += 1<<32 | uint64(x[5])
			s.seen[6][c[6]&(contexts-1)] += 1<<32 | uint64(x[6])
			s.seen[7][c[7]&(contexts-1)] += 1<<32 | uint64(x[7])
			by, sym = by[8:len(by):len(by)], sym[8:len(sym):len(sym)]
		}
		for j, c := range by {
			s.seen[0][c&(contexts-1)] += 1<<32 | uint64(sym[j])
		}
	}
}

// seenOf returns what all of seen have of a context, or depth.
func (s *scaler) seenOf(c int) (x uint64) {
	for k := range s.seen {
		x += s.seen[k][c]
	}
	return x
}

// extend sets curve from the sums of contexts, and returns false if none has
// enough elements.
func (s *scaler) extend() bool {
	const few = 32
	best := -1
	mean := &s.curve.mean
	for c := range mean {
		if s.n[c] >= few {
			mean[c] = uint32((s.sum[c]<<curveBits + s.n[c]/2) / s.n[c])
			if best < 0 || s.n[c] > s.n[best] {
				best = c
			}
		}
	}
	if best < 0 {
		return false
	}
	// Upwards a step doubles in two contexts: below 8 so does its symbol, above
	// it grows by 4 a context. Downwards likewise. What was counted wins, as long
	// as it rises.
	for c := best + 1; c < contexts; c++ {
		p := mean[c-1]
		if s.n[c] < few {
			mean[c] = min(p+p*3/8+1, p+4<<curveBits, 1<<16-1)
		}
		mean[c] = max(mean[c], p)
	}
	for c := best - 1; c >= 0; c-- {
		p := mean[c+1]
		if s.n[c] < few {
			mean[c] = max(p*5/8, p-min(p, 4<<curveBits))
		}
		mean[c] = min(mean[c], p)
	}
	for c, x := range mean {
		s.curve.set(c, x)
	}
	return true
}

// rows estimates the shifts of rows.
func (s *scaler) rows(dst []int8, symbols, depth []uint8, g grid) []int8 {
	n := len(depth)
	rows := g.rows(n)
	sums := s.room(rows)
	first, whole := g.wholeRows(n)
	at, _ := g.span(first, n)
	if !rowsSumsFast(sums[first:first+whole], symbols[at:], depth[at:], &s.plain.bytes, g.row) {
		whole = 0
	}
	for r := range sums {
		if r >= first && r < first+whole {
			continue
		}
		from, to := g.span(r, n)
		k, some := rowSumsFast(symbols[from:to], depth[from:to], &s.plain.bytes)
		rest := s.plain.rowSums(symbols[from+k:to], depth[from+k:to])
		sums[r] = stepSums{some.symbols + rest.symbols, some.expected + rest.expected}
	}
	return s.shifts(dst, sums)
}

// columns estimates the shifts of columns from one whole row in every.
func (s *scaler) columns(dst []int8, symbols, ctx []uint8, g grid, every int) []int8 {
	first, _ := g.span(g.firstWhole(), len(ctx))
	symbols, ctx = symbols[first:], ctx[first:]
	rows := len(ctx) / g.row
	used := (rows + every - 1) / every
	s.words = grow(s.words, 3*(g.row+63))
	k, stride := columnSumsFast(s.words, symbols, ctx, &s.curve.bytes, g.row, every, used)
	sums := s.room(g.row)
	all, low, high := s.words[:k], s.words[stride:][:k], s.words[2*stride:][:k]
	for c, x := range all {
		sums[c] = stepSums{uint32(x), uint32(low[c]) + uint32(high[c])<<8}
	}
	left := sums[k:]
	clear(left)
	for r := 0; r < rows; r += every {
		from, to := r*g.row+k, (r+1)*g.row
		s.curve.columnSums(left, symbols[from:to], ctx[from:to])
	}
	return s.shifts(dst, sums)
}

// maxRows is from how many rows the shifts of columns are estimated; 256 bytes
// add up to no more than a word holds.
const maxRows = 256

// rowsApart returns of how many whole rows of count elements one is looked at.
func rowsApart(count int, g grid) int {
	first, _ := g.span(g.firstWhole(), count)
	return ((count-first)/g.row + maxRows - 1) / maxRows
}
