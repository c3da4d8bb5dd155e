package codec

import (
	"math"
	"slices"

	"github.com/zipnode/zipnode/tensor"
)

const (
	// LowRankSample is the most bytes of a tensor that [LowRank] looks at.
	LowRankSample = 16 << 20

	// leastSide is how many rows, and elements of one, a matrix has that is looked at.
	leastSide = 64
	// trainRows and testRows are those by which a matrix is given up, or not: the
	// first span what the others lie in, if the rank is low.
	trainRows, testRows = 64, 16
	// leastSpan is how much more of the test rows, squared, must be in that span than
	// if all rows were random.
	leastSpan = 0.15
	// fitRounds is how often factors of all rows, and of all columns, are found.
	fitRounds = 5
)

// startRows are the rows of which factors are first found: a few to give up by, and
// then more.
var startRows = [...]int{64, 192}

// MaybeLowRank tells whether [LowRank] is worth trying, by a few of some rows.
func MaybeLowRank(target, base []byte, dtype tensor.DType, row int) bool {
	if dtype != tensor.BF16 || row < leastSide || row > maxRow || len(target) != len(base) {
		return false
	}
	rows := len(target) / (2 * row)
	return rows >= min(leastSide, trainRows+testRows) && spans(target, base, rows, row)
}

// LowRank returns a side block for a BF16 tensor of rows of row elements that is its
// base plus a matrix of low rank, rounded, and nil if it is not, or it does not pay.
// Target and base are the same whole rows of both, all or a part of them, at most
// [LowRankSample] bytes; size is all bytes of the tensor, of which its delta takes
// stored.
//
// With the block as [Context.Side], Encode may then use the method. Equal arguments
// give equal blocks, on any machine.
func LowRank(target, base []byte, dtype tensor.DType, row int, size, stored int64) []byte {
	if dtype != tensor.BF16 || row < leastSide || row > maxRow || len(target) != len(base) || len(target) > LowRankSample {
		return nil
	}
	rows := len(target) / (2 * row)
	if rows < leastSide {
		return nil
	}
	f := &fitter{target: target, base: base, row: row, rows: rows, size: size, stored: stored}
	if !f.start() {
		return nil
	}
	f.refine()
	return f.best()
}

// delta fills d with the differences of the elements of row r; those of what is
// infinite, or no number, count for nothing.
func delta(d []float32, target, base []byte, r, row int) {
	target, base = target[2*r*row:], base[2*r*row:]
	for j := range d {
		y, b := le.Uint16(target[2*j:]), le.Uint16(base[2*j:])
		d[j] = math.Float32frombits(uint32(y)<<16) - math.Float32frombits(uint32(b)<<16)
		if y&0x7f80 == 0x7f80 || b&0x7f80 == 0x7f80 {
			d[j] = 0
		}
	}
}

// changedRows returns n of rows rows, evenly spread, as what changed in them.
func changedRows(target, base []byte, n, rows, row int) [][]float32 {
	out := make([][]float32, n)
	for i := range out {
		out[i] = make([]float32, row)
		delta(out[i], target, base, i*rows/n, row)
	}
	return out
}

// spans tells whether a few rows of the update lie in the span of others.
func spans(target, base []byte, rows, row int) bool {
	all := changedRows(target, base, min(rows, trainRows+testRows), rows, row)
	var train, test [][]float32
	for i, d := range all {
		if i%5 == 4 {
			test = append(test, d)
		} else {
			train = append(train, d)
		}
	}
	var m square
	m.reset(len(train))
	for i := range train {
		for j := range i + 1 {
			m.a[i*m.n+j] = float64(dot32(train[i], train[j]))
		}
	}
	m.cholesky(1e-3)
	in, of := 0.0, 0.0
	b := make([]float64, len(train))
	for _, d := range test {
		for i := range train {
			b[i] = float64(dot32(train[i], d))
		}
		m.forward(b)
		in += dot64(b, b)
		of += float64(dot32(d, d))
	}
	chance := float64(len(train)) / float64(row)
	return of > 0 && in > float64((chance+leastSpan)*of)
}

// A fitter finds factors of rows and columns for the update of a sample of a tensor.
type fitter struct {
	target, base []byte
	row, rows    int
	size, stored int64 // bytes of all of the tensor, and of its delta

	rank   int
	least  int        // of the rank, as far as is known
	u, v   []float32  // of rows and of columns, rank for each
	change float64    // mean square of the update
	byRow  [][]uint32 // the columns of each row whose intervals are looked at
	byCol  [][]uint32 // the rows of each column
	chosen updates    // of the row or column at hand
	eq     equations
}

// start finds the rank and first factors of columns, by the rows of a part. It
// returns false if there is nothing to find.
func (f *fitter) start() bool {
	for _, rows := range startRows {
		if !f.startBy(min(f.rows, rows)) {
			return false
		}
		if f.rows <= rows {
			break
		}
	}
	return true
}

// startBy is start by so many rows.
func (f *fitter) startBy(n int) bool {
	part := changedRows(f.target, f.base, n, f.rows, f.row)
	gram := make([]float64, n*n)
	sum := 0.0
	for i := range part {
		for j := range i + 1 {
			g := float64(dot32(part[i], part[j]))
			gram[i*n+j], gram[j*n+i] = g, g
		}
		sum += gram[i*n+i]
	}
	if sum <= 0 {
		return false
	}
	f.change = sum / float64(n*f.row)
	most := min(maxRank, n/3)
	values, vectors := topEigen(gram, n, most)
	f.least = f.worthwhile(values, sum, n)
	f.rank = roundRank(f.least)
	if f.rank == 0 {
		return false
	}
	f.rank = min(f.rank, len(values))
	f.v = make([]float32, f.row*f.rank)
	for k := range f.rank {
		scale := 1 / math.Sqrt(max(values[k], float64(1e-12*sum)))
		for i, d := range part {
			a := float32(vectors[k][i] * scale)
			for j, x := range d {
				f.v[j*f.rank+k] += float32(a * x)
			}
		}
	}
	return true
}

const (
	// factorBits is about what a factor takes.
	factorBits = 6
	// leastGain is what part of what a tensor takes must be saved: what is of low rank
	// takes several times as long to decode. Eigenvalues must tell half of it, as they
	// know less than factors that are fitted.
	leastGain = 1.0 / 4
	// hopeless is how much more than its delta a tensor may take with rough factors for
	// finer ones to be tried.
	hopeless = 1.2
	// noiseEdge is how much larger than their mean the largest eigenvalues of noise are.
	noiseEdge = 2.5
)

// worthwhile returns the rank that the largest eigenvalues tell, of n that are sum
// together: 0 if factors of no rank would save what they take.
func (f *fitter) worthwhile(values []float64, sum float64, n int) int {
	// What the factors of a rank take, for each element.
	elements := float64(f.size) / 2
	price := factorBits * (float64(f.row)/elements + 1/float64(f.row))
	noise := sum
	for _, v := range values {
		noise -= v
	}
	noise = max(noise/float64(n-len(values)), float64(1e-9*sum))
	left, saved := sum, 0.0
	best, most := 0, leastGain/2*8*float64(f.stored)/elements // the rank that saves most, and how much
	for k, v := range values {
		over := v - float64(noiseEdge*noise)
		if over <= 0 || over >= left {
			break
		}
		saved += log2Less(1-over/left)/2 - price
		left -= over
		if saved > most {
			best, most = k+1, saved
		}
	}
	return best
}

// roundRank rounds up to a rank that is common, which the noise may hide a part of.
func roundRank(rank int) int {
	for _, r := range []int{0, 4, 8, 16, 32} {
		if r >= rank {
			return r
		}
	}
	return rank
}

// topEigen returns the most largest eigenvalues of the symmetric a, of n rows, about,
// and their vectors.
func topEigen(a []float64, n, most int) (values []float64, vectors [][]float64) {
	vs := make([][]float64, most)
	for i := range vs {
		vs[i] = slices.Clone(a[i*n/most*n:][:n])
	}
	times := func(v []float64) []float64 {
		out := make([]float64, n)
		for i := range out {
			out[i] = dot64(a[i*n:(i+1)*n], v)
		}
		return out
	}
	for range 5 {
		vs = orthonormal(vs)
		for i := range vs {
			vs[i] = times(vs[i])
		}
	}
	vs = orthonormal(vs)
	k := len(vs)
	small := make([]float64, k*k)
	for i, v := range vs {
		av := times(v)
		for j, w := range vs {
			small[i*k+j] = dot64(av, w)
		}
	}
	for i := range k {
		for j := range i {
			mean := (small[i*k+j] + small[j*k+i]) / 2
			small[i*k+j], small[j*k+i] = mean, mean
		}
	}
	values, in := eigen(small, k)
	for _, of := range in {
		v := make([]float64, n)
		for i, c := range of {
			for j, x := range vs[i] {
				v[j] += float64(c * x)
			}
		}
		vectors = append(vectors, v)
	}
	return values, vectors
}

// refine finds factors of rows and columns in turn, and, when noise is told from what
// is not, the rank.
func (f *fitter) refine() {
	f.u = make([]float32, f.rows*f.rank)
	f.choose()
	for round := range fitRounds {
		share := 0.03
		if round >= fitRounds/2 {
			share = 0.015
		}
		if round >= fitRounds-2 {
			f.cut()
		}
		noise := float32(float64(share*share) * f.change)
		f.half(f.u, f.v, f.byRow, noise, round == 0, func(r, j int) int { return r*f.row + j })
		f.half(f.v, f.u, f.byCol, noise, false, func(j, r int) int { return r*f.row + j })
	}
}

// rankGap is how much larger the last component of an update is, after some rounds,
// than what noise made of further ones.
const rankGap = 2.5

// cut leaves out components after the last gap.
func (f *fitter) cut() {
	c := f.components()
	for k := f.rank - 1; k > f.least/2; k-- {
		if c.size[k-1] > float64(rankGap*c.size[k]) {
			f.u, f.v = turned32(f.u, c.toU, f.rank, k), turned32(f.v, c.toV, f.rank, k)
			f.rank = k
			return
		}
	}
}

// turned32 returns, of each row of r of x, its products with the first k of by.
func turned32(x []float32, by [][]float32, r, k int) []float32 {
	out := make([]float32, 0, len(x)/r*k)
	for ; len(x) >= r; x = x[r:] {
		for _, b := range by[:k] {
			out = append(out, dot32(x[:r], b))
		}
	}
	return out
}

// half finds the factors of rows given those of columns, or the other way. An
// element's number is at of its row and column, or the other way.
func (f *fitter) half(of, other []float32, by [][]uint32, noise float32, first bool, at func(i, j int) int) {
	for i := range by {
		f.chosen.reset()
		for _, j := range by[i] {
			lo, hi := f.updateAt(at(i, int(j)))
			f.chosen.add(lo, hi, j)
		}
		x := of[i*f.rank : (i+1)*f.rank]
		start := x
		if first {
			start = nil
		}
		for k, y := range f.eq.solve(&f.chosen, other, f.rank, noise, start, 2) {
			x[k] = float32(y)
		}
	}
}

// updateAt returns the interval of the update of an element of the sample.
func (f *fitter) updateAt(i int) (lo, hi float32) {
	return updateOf(le.Uint16(f.target[2*i:]), le.Uint16(f.base[2*i:]))
}

// choose fills byRow and byCol with where the narrowest intervals of each row and
// column are, which take a third of what the intervals would: of a high rank they are
// nearly all elements.
func (f *fitter) choose() {
	most := perFactor * f.rank
	cols := make([]narrowest, f.row)
	for r := range f.rows {
		for j := range f.row {
			cols[j].count(le.Uint16(f.target[2*(r*f.row+j):]))
		}
	}
	for j := range cols {
		cols[j].limit(most)
	}
	f.byRow, f.byCol = make([][]uint32, f.rows), make([][]uint32, f.row)
	var narrow narrowest
	for r := range f.rows {
		y := f.target[2*r*f.row : 2*(r+1)*f.row]
		narrow.reset()
		for j := range f.row {
			narrow.count(le.Uint16(y[2*j:]))
		}
		narrow.limit(most)
		for j := range f.row {
			e := le.Uint16(y[2*j:])
			inRow, inCol := narrow.take(e), cols[j].take(e)
			if !inRow && !inCol {
				continue
			}
			if lo, hi := f.updateAt(r*f.row + j); lo > hi || lo < -huge || hi > huge {
				continue
			}
			f.byRow[r] = append(f.byRow[r], uint32(j))
			f.byCol[j] = append(f.byCol[j], uint32(r))
		}
	}
}

// The components of a product of u and v are pairs of a vector of rows and a vector of
// columns, of which each is orthogonal to the others.
type components struct {
	size     []float64   // in descending order
	toU, toV [][]float32 // by component, of how much of each column of u, or v, it is made: of v to length one
}

func (f *fitter) components() components {
	r := f.rank
	var a, b square
	gramOf(&a, f.u, r)
	gramOf(&b, f.v, r)
	a.cholesky(1e-12)
	b.cholesky(1e-12)
	// u = P·La', v = Q·Lb', where P and Q are orthonormal, so u·v' = P·m·Q'.
	m, mm := make([]float64, r*r), make([]float64, r*r) // La'·Lb, and m'·m
	for i := range r {
		for j := range r {
			for k := max(i, j); k < r; k++ {
				m[i*r+j] += float64(a.a[k*r+i] * b.a[k*r+j])
			}
		}
	}
	for i := range r {
		for j := range r {
			for k := range r {
				mm[i*r+j] += float64(m[k*r+i] * m[k*r+j])
			}
		}
	}
	values, vectors := eigen(mm, r)
	c := components{size: values}
	for k, w := range vectors {
		c.size[k] = math.Sqrt(max(values[k], 0))
		toU, toV := make([]float32, r), make([]float32, r)
		for i := range r { // Lb·w
			toU[i] = float32(dot64(b.row(i)[:i+1], w[:i+1]))
		}
		for i := r - 1; i >= 0; i-- { // Lb'⁻¹·w
			w[i] /= b.a[i*r+i]
			for j := range i {
				w[j] -= float64(b.a[i*r+j] * w[i])
			}
			toV[i] = float32(w[i])
		}
		c.toU, c.toV = append(c.toU, toU), append(c.toV, toV)
	}
	return c
}

// gramOf sets m to x'·x, of rows of r.
func gramOf(m *square, x []float32, r int) {
	m.reset(r)
	for ; len(x) >= r; x = x[r:] {
		for i := range r {
			for j := range i + 1 {
				m.a[i*r+j] += float64(float64(x[i]) * float64(x[j]))
			}
		}
	}
}

// quantise returns what of c is a side block: factors of the largest component are
// about so large, smaller ones in proportion, and those that would vanish are left out.
func (f *fitter) quantise(c components, largest float64) (*lowRank, []int16) {
	if !(c.size[0] > 0) { // also where it is no number
		return nil, nil
	}
	l := &lowRank{columns: f.row}
	mean := math.Sqrt(float64(f.rows) * float64(f.row))
	var scales [maxRank]int
	for k, s := range c.size {
		t := float64(largest*s) / c.size[0]
		if t < 0.7 {
			break
		}
		// The product of factors as large as t is this many powers of two too large.
		scales[k] = nearestPower(float64(t*t) * mean / s)
		l.rank++
	}
	most := slices.Max(scales[:l.rank])
	l.scale = most
	if l.scale < minScale || l.scale > maxScale {
		return nil, nil
	}
	var factors []int16
	for k := range l.rank {
		l.shift[k] = uint8(min(most-scales[k], 14))
		g := math.Ldexp(1, int(l.shift[k])-l.scale)
		t := math.Sqrt(c.size[k] / mean / g)
		scale := float64(t * math.Sqrt(float64(f.row)))
		sum := 0.0
		for j := range f.row {
			v := dot32(f.v[j*f.rank:(j+1)*f.rank], c.toV[k])
			x := math.RoundToEven(float64(float64(v) * scale))
			x = min(max(x, -float64(int(maxFactor)>>l.shift[k])), float64(int(maxFactor)>>l.shift[k]))
			sum += math.Abs(x)
			factors = append(factors, int16(x))
		}
		l.levels[k] = levelOf(sum / float64(f.row))
	}
	return l, factors
}

// nearestPower returns of which power of two x, above 0, is about.
func nearestPower(x float64) int {
	part, power := math.Frexp(x)
	if part < math.Sqrt2/2 {
		power--
	}
	return power
}

// log2Less returns how many powers of two x is less than 1: the same on every machine,
// unlike what package math does.
func log2Less(x float64) float64 {
	const one = 1 << 40
	return float64(log2of(one)-log2of(max(1, uint64(x*one)))) / (1 << logBits)
}

// best returns the side block with which the tensor takes least, as a leaf of the
// sample tells, or nil if none saves enough.
func (f *fitter) best() []byte {
	n := min(len(f.target), MaxLeaf) / (2 * f.row) * (2 * f.row)
	leaf, base := f.target[:n], f.base[:n]
	times := float64(f.size) / float64(n)
	within := float64(f.stored) * (1 - leastGain)
	c := f.components()
	s := scratches.Get().(*scratch)
	defer s.release()
	var best []byte
	least := float64(f.stored) * hopeless
	for largest := 64.0; largest <= 4096; largest *= 2 {
		l, factors := f.quantise(c, largest)
		if l == nil {
			break
		}
		side := l.appendSide(nil, s.deltas(), factors)
		frame, words, ok := s.appendLowRank(s.try[:0], leaf, base, 0, bf16, &Context{DType: tensor.BF16, Side: side})
		s.try = frame
		takes := float64(len(side)) + float64(times*float64(len(frame)+2*len(words)))
		if !ok || len(side) > MaxLeaf || takes >= least {
			break
		}
		best, least = side, takes
	}
	if least >= within {
		return nil
	}
	return best
}
