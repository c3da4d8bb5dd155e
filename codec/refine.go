package codec

// At the best level the shifts of rows and columns are those that cost least,
// found by trying: the sums that the fast level goes by say only how large steps
// are, and not what coding them in a context costs.

const (
	// reach is how far from its shift a row or column is tried, either way.
	reach = 3
	// refinements is how often rows, then columns, are tried.
	refinements = 3
	// priceBits are the fractional bits of a price.
	priceBits = 6
	// shiftPrice is about what a shift costs to write, for each by which it
	// differs from the one before.
	shiftPrice = 1 << priceBits
)

// A refiner is what symbols cost in the contexts that there are, and in those
// that a shift leads to beyond the first and the last.
type refiner struct {
	price [contexts + 2*reach][maxSymbols]uint16 // in 2^-priceBits bits
	costs []uint32                               // of each shift of each column
}

// learn sets the prices to what counts say, added up over the contexts that share
// a table, as of says.
func (f *refiner) learn(counts *stepCounts, of *[contexts]uint8) {
	for c := 1; c < contexts; c++ {
		if of[c] == of[c-1] {
			for s, n := range counts[c-1] {
				counts[c][s] += n
			}
		}
	}
	for c := contexts - 1; c > 0; c-- {
		if of[c] == of[c-1] {
			counts[c-1] = counts[c]
		}
	}
	var all [maxSymbols]uint64
	total := uint64(0)
	for c := range counts {
		for s, n := range counts[c] {
			all[s] += uint64(n)
			total += uint64(n)
		}
	}
	for c := range counts {
		// Where little was counted, neighbours tell, and a little of all.
		var h [maxSymbols]uint64
		sum := uint64(0)
		for s := range h {
			h[s] = 16 * uint64(counts[c][s])
			if c > 0 {
				h[s] += 4 * uint64(counts[c-1][s])
			}
			if c < contexts-1 {
				h[s] += 4 * uint64(counts[c+1][s])
			}
			h[s] += 1 + 512*all[s]/max(total, 1)
			sum += h[s]
		}
		whole := log2of(sum)
		for s, n := range h {
			f.price[c+reach][s] = uint16((whole - log2of(n)) >> (logBits - priceBits))
		}
	}
	for i := range reach {
		f.price[i] = f.price[reach]
		f.price[contexts+reach+i] = f.price[contexts+reach-1]
	}
}

// cheapest returns the shift from now-reach to now+reach that costs least, given
// the shift written before it.
func cheapest(costs []uint32, now, before int8) int8 {
	best, least := now, ^uint32(0)
	for k, cost := range costs {
		s := int(now) + k - reach
		if s < -maxShift || s > maxShift {
			continue
		}
		far := s - int(before)
		if cost += shiftPrice * uint32(max(far, -far)); cost < least || cost == least && s == int(now) {
			best, least = int8(s), cost
		}
	}
	return best
}

// refine moves the shifts of scale to cheaper ones, and leaves ctx as they make
// it. There are shifts of all rows, and of columns if columns says so.
func (d *deltaCoder) refine(count int, g grid, columns bool) {
	if d.refiner == nil {
		d.refiner = new(refiner)
	}
	f := d.refiner
	ctx, depth, symbols := d.ctx[:count], d.depth[:count], d.symbols[:count]
	rows := g.rows(count)
	for len(d.scale.rows) < rows {
		d.scale.rows = append(d.scale.rows, 0)
	}
	for columns && len(d.scale.cols) < g.row {
		d.scale.cols = append(d.scale.cols, 0)
	}
	for range refinements {
		d.count(count, Best)
		f.learn(&d.counts, &d.tables.of)
		f.rows(d.scale.rows, ctx, symbols, g)
		d.scale.contexts(ctx, depth, g)
		if columns {
			f.columns(d.scale.cols, ctx, symbols, g)
			d.scale.contexts(ctx, depth, g)
		}
	}
}

func (f *refiner) rows(shifts []int8, ctx, symbols []uint8, g grid) {
	before := int8(0)
	for r := range shifts {
		from, to := g.span(r, len(ctx))
		var costs [2*reach + 1]uint32
		for i := from; i < to; i++ {
			c, s := int(ctx[i]&(contexts-1)), symbols[i]
			for k := range costs {
				costs[k] += uint32(f.price[c+k][s])
			}
		}
		shifts[r] = cheapest(costs[:], shifts[r], before)
		before = shifts[r]
	}
}

func (f *refiner) columns(shifts []int8, ctx, symbols []uint8, g grid) {
	const wide = 2*reach + 1
	f.costs = grow(f.costs, wide*len(shifts))
	clear(f.costs)
	for i := range ctx {
		at := (g.phase + i) % g.row * wide
		c, s := int(ctx[i]&(contexts-1)), symbols[i]
		for k, costs := 0, f.costs[at:at+wide]; k < wide; k++ {
			costs[k] += uint32(f.price[c+k][s])
		}
	}
	before := int8(0)
	for c := range shifts {
		shifts[c] = cheapest(f.costs[c*wide:(c+1)*wide], shifts[c], before)
		before = shifts[c]
	}
}
