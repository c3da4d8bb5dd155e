package generate

import (
	"math"
	"testing"
)

// zeros are rows of nothing, so that what is added to them shows.
type zeros struct{}

func (zeros) next(row []float32) error { clear(row); return nil }

// matrixOf reads a whole tensor.
func matrixOf(t *testing.T, from rows, n, cols int) [][]float64 {
	t.Helper()
	var m [][]float64
	row := make([]float32, cols)
	for range n {
		if err := from.next(row); err != nil {
			t.Fatal(err)
		}
		wide := make([]float64, cols)
		for i, x := range row {
			wide[i] = float64(x)
		}
		m = append(m, wide)
	}
	return m
}

// rank is that of m but for what is a millionth of its largest number.
func rank(m [][]float64) int {
	least, n := 0.0, 0
	for _, row := range m {
		for _, x := range row {
			least = max(least, math.Abs(x)*1e-5)
		}
	}
	for col := 0; col < len(m[0]) && n < len(m); col++ {
		best := n
		for i := n; i < len(m); i++ {
			if math.Abs(m[i][col]) > math.Abs(m[best][col]) {
				best = i
			}
		}
		if math.Abs(m[best][col]) < least {
			continue
		}
		m[n], m[best] = m[best], m[n]
		for i := n + 1; i < len(m); i++ {
			part := m[i][col] / m[n][col]
			for k := col; k < len(m[i]); k++ {
				m[i][k] -= part * m[n][k]
			}
		}
		n++
	}
	return n
}

func TestAdapterHasLowRank(t *testing.T) {
	s := spec{"q", 48, 256, adapted, 0}
	if got := rank(matrixOf(t, newAdapter(zeros{}, 1, s, tunings[Adapter]), 48, 256)); got != 16 {
		t.Errorf("a merged adapter changes weights by a matrix of rank %d, want 16", got)
	}
	if got := rank(matrixOf(t, newMoved(zeros{}, 1, s, tunings[Tuned]), 48, 256)); got != 48 {
		t.Errorf("a full fine-tune changes weights by a matrix of rank %d, want 48", got)
	}
}

// moments returns the standard deviation and the kurtosis of a matrix.
func moments(m [][]float64) (deviation, kurtosis float64) {
	var two, four, n float64
	for _, row := range m {
		for _, x := range row {
			two, four, n = two+x*x, four+x*x*x*x, n+1
		}
	}
	return math.Sqrt(two / n), four / n / (two / n * two / n)
}

// Steps are as large as those of the genuine run of 50 steps at 2e-5 (1.2e-4 to
// 1.4e-4 in the matrices of its first layer), and distributed like them.
func TestSteps(t *testing.T) {
	s := spec{"o", 384, 384, matrix, 0}
	deviation, kurtosis := moments(matrixOf(t, newMoved(zeros{}, 1, s, tuning{2e-5, 50, 0}), 384, 384))
	if deviation < 0.7e-4 || deviation > 1.5e-4 || kurtosis < 2.8 || kurtosis > 4 {
		t.Errorf("50 steps at 2e-5 have deviation %.2g and kurtosis %.2f", deviation, kurtosis)
	}
}

// A checkpoint goes on where the one before it was, and keeps a fifth of its
// direction.
func TestCheckpoints(t *testing.T) {
	s := spec{"o", 384, 384, matrix, 0}
	var m [4][][]float64
	m[0] = matrixOf(t, zeros{}, 384, 384)
	for i := 1; i < 4; i++ {
		m[i] = matrixOf(t, newRun(zeros{}, 1, s, tunings[Checkpoint], i), 384, 384)
	}
	for i := 1; i < 3; i++ {
		var xy, xx, yy float64
		for r := range m[0] {
			for c := range m[0][r] {
				x, y := m[i][r][c]-m[i-1][r][c], m[i+1][r][c]-m[i][r][c]
				xy, xx, yy = xy+x*y, xx+x*x, yy+y*y
			}
		}
		if got := xy / math.Sqrt(xx*yy); got < 0.15 || got > 0.25 {
			t.Errorf("from checkpoint %d to %d and on, steps correlate by %.2f, want 0.2", i-1, i, got)
		}
	}
}

// Of an embedding, rows of words that were not seen stand still; those of
// other languages all.
func TestEmbeddings(t *testing.T) {
	s := spec{"e", 4096, 16, embedding, -1}
	var moved, last int
	for seed := range uint64(10) {
		for r, row := range matrixOf(t, newMoved(zeros{}, seed, s, tunings[Tuned]), s.rows, s.cols) {
			if row[0] != 0 {
				moved++
				if r >= s.rows-s.rows/5 {
					last++
				}
			}
		}
	}
	if part := float64(moved) / 10 / 4096; part < 0.6 || part > 0.95 {
		t.Errorf("%.2f of the words are seen", part)
	}
	if part := float64(last) / 10 / (4096 / 5); part > 0.5 {
		t.Errorf("%.2f of the words of other languages are seen", part)
	}
}
