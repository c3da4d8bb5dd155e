package codec

import "math"

// What is known of the update of an element is an interval: where base + update is
// rounded to the element. Small elements have narrow ones, and tell nearly all: so of
// each row, and of each column, the narrowest intervals are looked at, some for each
// factor that is wanted. Factors are found by least squares, each interval with a
// weight of the inverse of its variance, that of the noise added; then again and
// again, each time not for the middles of intervals but for the numbers in them that
// are next to what the last factors gave.

// An updates is an interval for each of some updates, of one row or column.
type updates struct {
	lo, hi []float32
	other  []uint32 // of a row, the columns; of a column, the rows
}

func (u *updates) reset() { u.lo, u.hi, u.other = u.lo[:0], u.hi[:0], u.other[:0] }

func (u *updates) add(lo, hi float32, other uint32) {
	u.lo, u.hi, u.other = append(u.lo, lo), append(u.hi, hi), append(u.other, other)
}

// updateOf returns the interval of the update that made y of b, both bfloat16; it is
// empty, from 1 to 0, if one of them is infinite or no number.
func updateOf(y, b uint16) (lo, hi float32) {
	const exponent = 0x7f80
	if y&exponent == exponent || b&exponent == exponent {
		return 1, 0
	}
	base := math.Float32frombits(uint32(b) << 16)
	x := uint32(y) << 16
	high := math.Float32frombits(x + 1<<15) // away from zero; infinity if y is the largest
	low := -high
	if y&0x7fff != 0 {
		low = math.Float32frombits(x - 1<<15)
	}
	if y>>15 != 0 {
		low, high = high, low
	}
	return low - base, high - base
}

const (
	// perFactor is how many intervals of a row or column are looked at for each factor.
	perFactor = 8
	// inside is the weight of intervals that the last factors hit: those that they
	// missed say where to go.
	inside = 0.1
	// beyond is how far to go, where the equations say 1: with intervals in the place of
	// numbers they say too little.
	beyond = 1.5
	// huge is what no update is that factors could make.
	huge = 1e18
	// leastNoise keeps weights finite.
	leastNoise = 1e-30
	// rowRounds is how often factors of a row are found.
	rowRounds = 4
)

// A rowSolver finds the factors of rows, given those of columns.
type rowSolver struct {
	of      []byte    // side block whose column factors columns has
	columns []float32 // rank for each
	noise   float32   // of a product, squared
	chosen  updates
	narrow  narrowest
	eq      equations
}

// solve fills rows with factors of the rows that leaf and base have, rank for each.
func (r *rowSolver) solve(rows []int16, leaf, base []byte, l *lowRank, g grid) []int16 {
	r.use(l)
	count := len(leaf) / 2
	rows = grow(rows, g.rows(count)*l.rank)
	scale := float32(math.Ldexp(1, l.scale))
	for i := range g.rows(count) {
		from, to := g.span(i, count)
		r.choose(leaf[2*from:2*to], base[2*from:2*to], from+g.phase-i*g.row, perFactor*l.rank, scale)
		row := rows[i*l.rank : (i+1)*l.rank]
		x := r.eq.solve(&r.chosen, r.columns, l.rank, r.noise, nil, rowRounds)
		for k := range row {
			row[k] = int16(min(max(math.RoundToEven(x[k]), -maxFactor), maxFactor))
			if x[k] != x[k] {
				row[k] = 0
			}
		}
		if !l.sumFits(row) {
			clear(row)
		}
	}
	return rows
}

// use takes the factors of columns from l.
func (r *rowSolver) use(l *lowRank) {
	if string(r.of) == string(l.block) {
		return
	}
	r.of = append(r.of[:0], l.block...)
	r.columns = grow(r.columns, l.columns*l.rank)
	noise := 0.0
	for k := range l.rank {
		for j, f := range l.factors[k*l.columns : (k+1)*l.columns] {
			r.columns[j*l.rank+k] = float32(f)
			noise += float64(f) * float64(f) // exact
		}
	}
	// What rounding rows does, and columns, whose factors are about as large.
	r.noise = float32(noise / float64(6*l.columns))
}

// choose sets chosen to the narrowest intervals of a row of elements from a column
// on, times scale.
func (r *rowSolver) choose(leaf, base []byte, column, most int, scale float32) {
	r.chosen.reset()
	r.narrow.reset()
	for i := 0; i+1 < len(leaf); i += 2 {
		r.narrow.count(le.Uint16(leaf[i:]))
	}
	r.narrow.limit(most)
	for i := 0; i+1 < len(leaf); i += 2 {
		y := le.Uint16(leaf[i:])
		if !r.narrow.take(y) {
			continue
		}
		lo, hi := updateOf(y, le.Uint16(base[i:]))
		if lo, hi = float32(lo*scale), float32(hi*scale); lo <= hi && lo > -huge && hi < huge {
			r.chosen.add(lo, hi, uint32(column+i/2))
		}
	}
}

// A narrowest finds those elements whose intervals are narrowest, by exponents.
type narrowest struct {
	counts [256]uint32
	below  uint16 // exponents that are all taken
	left   int    // to be taken of the next
}

func (n *narrowest) reset() { clear(n.counts[:]) }

func (n *narrowest) count(y uint16) { n.counts[y>>7&0xff]++ }

// limit prepares to take most of what was counted.
func (n *narrowest) limit(most int) {
	n.below, n.left = 0, most
	for n.below < 255 && int(n.counts[n.below]) <= n.left {
		n.left -= int(n.counts[n.below])
		n.below++
	}
}

// take tells whether y is one.
func (n *narrowest) take(y uint16) bool {
	e := y >> 7 & 0xff
	if e < n.below {
		return true
	}
	if e > n.below || n.left == 0 {
		return false
	}
	n.left--
	return true
}

// An equations is the memory of one least squares problem.
type equations struct {
	sums    [maxRank * maxRank]float32
	weights []float32
	square  square
	x, b    []float64
	x32     []float32
}

// solve returns the rank factors whose products with other, rank for each of its
// rows, are in the intervals of in, as far as noise, squared, lets them be. It begins
// at x if that is not nil, else at the middles, and does so many rounds.
func (q *equations) solve(in *updates, other []float32, rank int, noise float32, x []float32, rounds int) []float64 {
	q.normal(in, other, rank, noise, x)
	q.x, q.b, q.x32 = grow(q.x, rank), grow(q.b, rank), grow(q.x32, rank)
	clear(q.x)
	for k, v := range x {
		q.x[k] = float64(v)
	}
	step := beyond
	if x == nil {
		q.sum(in, other, true)
		step = 1
	} else {
		q.sum(in, other, false)
	}
	for round := range rounds {
		if round > 0 {
			q.sum(in, other, false)
			step = beyond
		}
		q.square.solve(q.b)
		for k, b := range q.b {
			q.x[k] += float64(step * (b - q.x[k]))
		}
	}
	return q.x
}

// sum sets b to the right side of the normal equations, of the middles or of those
// numbers of the intervals that are next to what x gives.
func (q *equations) sum(in *updates, other []float32, middles bool) {
	var sums [maxRank]float32
	rank := len(q.x)
	for k, x := range q.x {
		q.x32[k] = float32(x)
	}
	for i, w := range q.weights {
		o := other[int(in.other[i])*rank:][:rank]
		at := (in.lo[i] + in.hi[i]) / 2
		if !middles {
			at = min(max(dot32(o, q.x32), in.lo[i]), in.hi[i])
		}
		axpy32(sums[:rank], o, float32(w*at))
	}
	for k := range q.b {
		q.b[k] = float64(sums[k])
	}
}

// normal sets square to the Cholesky factor of the normal equations' matrix, given the
// last factors, or nil.
func (q *equations) normal(in *updates, other []float32, rank int, noise float32, x []float32) {
	sums := q.sums[:rank*rank]
	clear(sums)
	q.weights = grow(q.weights, len(in.lo))
	for i := range in.lo {
		h := (in.hi[i] - in.lo[i]) / 2
		w := 1 / (float32(h*h)/3 + noise + leastNoise)
		o := other[int(in.other[i])*rank:][:rank]
		if x != nil {
			if p := dot32(o, x); p >= in.lo[i] && p <= in.hi[i] {
				w = float32(w * inside)
			}
		}
		q.weights[i] = w
		for k, v := range o {
			axpy32(sums[k*rank:k*rank+k+1], o[:k+1], float32(w*v))
		}
	}
	q.square.reset(rank)
	for i, s := range sums {
		q.square.a[i] = float64(s)
	}
	q.square.cholesky(1e-6)
}

// dot32 returns the product of two vectors of one length.
func dot32(a, b []float32) float32 {
	b = b[:len(a)]
	var s, t float32
	for len(a) >= 4 && len(b) >= 4 {
		s += float32(a[0] * b[0])
		t += float32(a[1] * b[1])
		s += float32(a[2] * b[2])
		t += float32(a[3] * b[3])
		a, b = a[4:], b[4:]
	}
	for i, x := range a {
		s += float32(x * b[i])
	}
	return s + t
}

// axpy32 adds a times x to y.
func axpy32(y, x []float32, a float32) {
	x = x[:len(y)]
	for len(y) >= 4 && len(x) >= 4 {
		y[0] += float32(a * x[0])
		y[1] += float32(a * x[1])
		y[2] += float32(a * x[2])
		y[3] += float32(a * x[3])
		y, x = y[4:], x[4:]
	}
	for i, v := range x {
		y[i] += float32(a * v)
	}
}
