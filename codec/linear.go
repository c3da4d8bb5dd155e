package codec

import "math"

// Linear algebra for small matrices, in float64. Products are rounded before they
// are added up, by a conversion that forbids to fuse both: so results are the same
// on every machine.

// A square is a symmetric matrix of n rows, of which the lower half is used.
type square struct {
	n int
	a []float64
}

func (m *square) reset(n int) {
	m.n, m.a = n, grow(m.a, n*n)
	clear(m.a)
}

func (m *square) row(i int) []float64 { return m.a[i*m.n : (i+1)*m.n] }

// cholesky makes m its lower Cholesky factor, after part of the mean of its diagonal
// was added to the diagonal: so it is positive, unless it is all zeros.
func (m *square) cholesky(part float64) {
	trace := 0.0
	for i := range m.n {
		trace += m.a[i*m.n+i]
	}
	ridge := float64(part*trace)/float64(m.n) + 1e-300
	for i := range m.n {
		ri := m.row(i)
		ri[i] += ridge
		for j := range i + 1 {
			rj := m.row(j)
			sum := ri[j] - dot64(ri[:j], rj[:j])
			if i == j {
				ri[i] = math.Sqrt(max(sum, float64(ridge*1e-3)))
			} else {
				ri[j] = sum / rj[j]
			}
		}
	}
}

// solve replaces b with the solution of m·x = b, given m's Cholesky factor.
func (m *square) solve(b []float64) {
	m.forward(b)
	for i := m.n - 1; i >= 0; i-- {
		b[i] /= m.a[i*m.n+i]
		for j := range i {
			b[j] -= float64(m.a[i*m.n+j] * b[i])
		}
	}
}

// forward is solve by the factor alone.
func (m *square) forward(b []float64) {
	for i := range m.n {
		ri := m.row(i)
		b[i] = (b[i] - dot64(ri[:i], b[:i])) / ri[i]
	}
}

func dot64(a, b []float64) float64 {
	sum := 0.0
	b = b[:len(a)]
	for i, x := range a {
		sum += float64(x * b[i])
	}
	return sum
}

// eigen diagonalises the symmetric matrix a of n rows, all of it given, by Jacobi's
// rotations. It leaves the eigenvalues on the diagonal, and returns the vectors, each
// a row, in descending order of the values.
func eigen(a []float64, n int) (values []float64, vectors [][]float64) {
	v := make([][]float64, n)
	for i := range v {
		v[i] = make([]float64, n)
		v[i][i] = 1
	}
	for range 12 {
		off, all := 0.0, 0.0
		for i := range n {
			for j := range n {
				sq := float64(a[i*n+j] * a[i*n+j])
				all += sq
				if i != j {
					off += sq
				}
			}
		}
		if off <= float64(1e-20*all) {
			break
		}
		for p := range n - 1 {
			for q := p + 1; q < n; q++ {
				rotate(a, v, n, p, q)
			}
		}
	}
	values = make([]float64, n)
	for i := range values {
		values[i] = a[i*n+i]
	}
	for i := range n { // selection: n is small
		most := i
		for j := i + 1; j < n; j++ {
			if values[j] > values[most] {
				most = j
			}
		}
		values[i], values[most] = values[most], values[i]
		v[i], v[most] = v[most], v[i]
	}
	return values, v
}

// rotate makes element p, q of a zero.
func rotate(a []float64, v [][]float64, n, p, q int) {
	if a[p*n+q] == 0 {
		return
	}
	theta := (a[q*n+q] - a[p*n+p]) / (2 * a[p*n+q])
	t := 1 / (math.Abs(theta) + math.Sqrt(float64(theta*theta)+1))
	if theta < 0 {
		t = -t
	}
	c := 1 / math.Sqrt(float64(t*t)+1)
	s := float64(t * c)
	for k := range n {
		x, y := a[k*n+p], a[k*n+q]
		a[k*n+p], a[k*n+q] = float64(c*x)-float64(s*y), float64(s*x)+float64(c*y)
	}
	rotateRows(a[p*n:(p+1)*n], a[q*n:(q+1)*n], c, s)
	rotateRows(v[p], v[q], c, s)
}

func rotateRows(x, y []float64, c, s float64) {
	y = y[:len(x)]
	for k, a := range x {
		b := y[k]
		x[k], y[k] = float64(c*a)-float64(s*b), float64(s*a)+float64(c*b)
	}
}

// orthonormal makes vectors so, in their order, and returns those that are left.
func orthonormal(vs [][]float64) [][]float64 {
	out := vs[:0]
	for _, v := range vs {
		was := dot64(v, v)
		for range 2 { // once more for what rounding left
			for _, o := range out {
				d := dot64(v, o)
				for i := range v {
					v[i] -= float64(d * o[i])
				}
			}
		}
		n := dot64(v, v)
		if n <= float64(1e-12*was) || n == 0 {
			continue
		}
		n = 1 / math.Sqrt(n)
		for i := range v {
			v[i] = float64(v[i] * n)
		}
		out = append(out, v)
	}
	return out
}
