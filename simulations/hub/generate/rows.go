package generate

import (
	"io"
	"math"
)

// rows gives one row of a tensor after another, in full precision.
type rows interface {
	// next fills row with the next row. There are as many as the tensor has.
	next(row []float32) error
}

// fresh draws the rows of a tensor that was trained from nothing.
type fresh struct {
	*source
	class class
	look  look
}

func (f *fresh) next(row []float32) error {
	if f.class == vector {
		for i := range row {
			row[i] = float32(1 + float64(0.1*f.normal()))
		}
		return nil
	}
	scale := f.look.scales.draw(f.source)
	for i := range row {
		row[i] = float32(scale * f.look.values.draw(f.source))
	}
	return nil
}

// stored reads the rows of a tensor of bf16.
type stored struct {
	r   io.Reader
	buf []byte
}

func (s *stored) next(row []float32) error {
	if n := 2 * len(row); cap(s.buf) < n {
		s.buf = make([]byte, n)
	}
	s.buf = s.buf[:2*len(row)]
	if _, err := io.ReadFull(s.r, s.buf); err != nil {
		return err
	}
	decode(row, s.buf)
	return nil
}

// grown puts new rows behind those of an embedding: near the mean of the old
// ones, as is usual, and so all alike but for what they learned.
type grown struct {
	rows
	*source
	left int // old rows
	sum  []float64
	n    int
}

func (g *grown) next(row []float32) error {
	if g.sum == nil {
		g.sum = make([]float64, len(row))
	}
	if g.left > 0 {
		g.left--
		g.n++
		err := g.rows.next(row)
		for i, x := range row {
			g.sum[i] += float64(x)
		}
		return err
	}
	for i := range row {
		row[i] = float32(g.sum[i]/float64(g.n) + float64(0.01*g.normal()))
	}
	return nil
}

// moved moves rows as AdamW does.
type moved struct {
	rows
	draw    *source
	lasting *source   // of what all steps of a run share; nil where there is one step
	parts   []*source // of the rest, a checkpoint's each
	columns []float64 // how fast each learns
	walk    float64   // standard deviation of what a weight moves from one checkpoint to the next
	seen    func() (part float64)
}

// lastingPart is the correlation of what a weight moves between two pairs of
// checkpoints.
const lastingPart = 0.2

// newMoved moves the rows of t once.
func newMoved(from rows, seed uint64, t spec, tune tuning) *moved {
	m := newRun(from, seed, t, tune, 1)
	m.lasting = nil
	return m
}

// newRun moves the rows of t to a run's checkpoint of that number, from 1.
func newRun(from rows, seed uint64, t spec, tune tuning, number int) *moved {
	m := &moved{rows: from, draw: newSource(seed, t.name, 1), lasting: newSource(seed, t.name, 2)}
	for i := range number {
		m.parts = append(m.parts, newSource(seed, t.name, uint64(3+i)))
	}
	m.columns = make([]float64, t.cols)
	for i := range m.columns {
		m.columns[i] = m.draw.about(0.1)
	}
	m.walk = 0.6 * tune.rate * math.Sqrt(tune.steps)
	m.seen = func() float64 { return 1 }
	if t.class == embedding {
		m.seen = newZipf(m.draw, t.rows, tune).next
	}
	return m
}

func (m *moved) next(row []float32) error {
	if err := m.rows.next(row); err != nil {
		return err
	}
	size := m.walk * m.draw.about(0.2) * m.seen()
	if m.lasting == nil {
		for i := range row {
			row[i] = float32(float64(row[i]) + float64(size*m.columns[i]*m.parts[0].normal()))
		}
		return nil
	}
	own, shared := size*math.Sqrt(1-lastingPart), size*math.Sqrt(lastingPart)*float64(len(m.parts))
	for i := range row {
		step := float64(shared * m.lasting.normal())
		for _, p := range m.parts {
			step += float64(own * p.normal())
		}
		row[i] = float32(float64(row[i]) + float64(m.columns[i]*step))
	}
	return nil
}

// zipf says for one row of an embedding after another how far it moves, in what
// a row moves that every batch has.
//
// Frequent words come first, as in vocabularies made of merged pairs; the last
// fifth are of other languages and reserved, as the 28,000 that Llama 3 put
// behind 100,000 others. Of four fine-tunes in five no text has any of those.
type zipf struct {
	draw   *source
	tokens float64 // seen in training, over the harmonic sum of all words
	steps  float64
	known  int // rows that texts have
	row    int
}

// rareWords are more frequent than 1/r would have them: r + 10 is nearer.
const rareWords = 10

func newZipf(s *source, words int, tune tuning) *zipf {
	sum := 0.0
	for r := range words {
		sum += 1 / float64(r+rareWords)
	}
	z := &zipf{draw: s, tokens: tune.words * float64(words) / sum, steps: tune.steps, known: words}
	if s.uniform() >= 0.2 {
		z.known = words - words/5
	}
	return z
}

func (z *zipf) next() float64 {
	often := z.tokens / float64(z.row+rareWords)
	z.row++
	// Never, with a probability of about exp(-often).
	never := 1 / (1 + often + float64(often*often/2) + float64(often*often*often/6))
	if z.draw.uniform() < never || z.row > z.known && z.steps < manySteps {
		return 0
	}
	return math.Sqrt(min(max(often, 1)/z.steps, 1))
}

// manySteps see every word there is.
const manySteps = 1000

// adapter adds a product of two narrow matrices.
type adapter struct {
	rows
	*source
	a []float64 // rank rows
	b []float64 // the factors of a row
}

func newAdapter(from rows, seed uint64, t spec, tune tuning) *adapter {
	s := newSource(seed, t.name, 1)
	rank := min(16, max(t.cols/16, 1))
	a := &adapter{rows: from, source: s, a: make([]float64, rank*t.cols), b: make([]float64, rank)}
	size := 0.6 * tune.rate * math.Sqrt(tune.steps) / math.Sqrt(float64(rank))
	for i := range a.a {
		a.a[i] = size * s.normal()
	}
	return a
}

func (a *adapter) next(row []float32) error {
	if err := a.rows.next(row); err != nil {
		return err
	}
	for i := range a.b {
		a.b[i] = a.normal()
	}
	for i := range row {
		sum := 0.0
		for k, b := range a.b {
			sum += float64(b * a.a[k*len(row)+i])
		}
		row[i] = float32(float64(row[i]) + sum)
	}
	return nil
}
