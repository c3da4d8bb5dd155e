package study

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"maps"
	"math"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/tensor"
)

// leaf is how many bytes are encoded at once.
const leaf = codec.MaxLeaf

// The parts of a store that are no chunk: for each block its place in a pack, for
// each tensor a recipe.
const (
	blockOverhead  = 38
	recipeOverhead = 190
)

// costs are what a piece comes to.
type costs struct {
	piece
	raw, zstd, zipnn, bitx, zipnode int64
}

// A stratum is parts of which about the same is expected: one dtype, and as far
// from their bases.
type stratum struct {
	dtype      string
	near, root int8 // thirds of octaves of bits an element, and octaves; none for no base
}

const none = -128

// octave is about how far a base is: below a 64th of a bit all are near.
func octave(d float64) int8 { return int8(max(-18, math.Floor(3*math.Log2(d)))) }

// A piece is a leaf of a part.
type piece struct {
	part int32
	at   int64
}

// cost finds what each way comes to.
func (c *collection) cost(ctx context.Context, r *Report) error {
	encodes := slices.ContainsFunc([]string{Zstd, ZipNN, BitX, ZipLLM, Zipnode}, c.o.wants)
	t := newTotals(c)
	if encodes {
		if err := c.encode(ctx, t); err != nil {
			return err
		}
	}
	r.Sampled = t.sampled
	if c.o.Exact {
		r.Sampled = 0
	}
	for _, way := range Ways() {
		if !c.o.wants(way) {
			continue
		}
		w := Way{Name: way}
		switch way {
		case FileDedup:
			w.Stored = c.bytes - c.again
		case ChunkDedup:
			// What chance made of chunks that were not counted is made good.
			seen := c.chunks.again + c.chunks.first
			if seen > 0 {
				w.Stored = int64(float64(c.bytes) * float64(c.chunks.first) / float64(seen))
			}
		case TensorDedup:
			w.Stored = c.bytes - c.again - c.dup
		case Zipnode:
			if !c.o.Exact {
				w.Stored, w.Error = t.estimate(way)
				break
			}
			if c.o.Keep == nil {
				continue
			}
			var err error
			if w.Stored, err = c.keepAll(ctx); err != nil {
				return err
			}
		default:
			w.Stored, w.Error = t.estimate(way)
		}
		r.Ways = append(r.Ways, w)
	}
	r.Fields = t.fieldList()
	return nil
}

// keepAll really stores the models. Files of none, and of those that could not be
// stored, count as they are.
func (c *collection) keepAll(ctx context.Context) (int64, error) {
	var dirs []string
	for _, m := range c.models {
		dirs = append(dirs, m.dir)
	}
	failed := map[string]bool{}
	stored, err := c.o.Keep(ctx, dirs, func(dir string, err error) {
		failed[dir] = true
		c.problem(dir, err)
	})
	for i := range c.parts {
		dir := c.modelDir(c.paths[c.parts[i].file])
		if dir == "" || failed[dir] {
			stored += c.parts[i].size
		}
	}
	return stored, err
}

// modelDir returns the directory of the model that the file at path is in, or "".
func (c *collection) modelDir(path string) string {
	for dir := filepath.Dir(path); ; dir = filepath.Dir(dir) {
		if _, ok := c.at[dir]; ok {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return ""
		}
	}
}

// totals sum up what was encoded.
type totals struct {
	c       *collection
	mu      sync.Mutex
	strata  map[stratum]*sum
	fields  map[string]*bitSum
	sampled int64
}

// A sum is of one stratum.
type sum struct {
	parts  []int32
	pieces []costs // that were encoded
	// bytes of the stratum: in all files; of each part once; and of those in all
	// files, what is the root's own, and what is a delta of it
	all, once, same, deltas int64
	tensors                 int64 // of parts
}

func newTotals(c *collection) *totals {
	t := &totals{c: c, strata: map[stratum]*sum{}, fields: map[string]*bitSum{}}
	for i := range c.parts {
		p := &c.parts[i]
		s := stratum{string(p.dtype), none, none}
		if p.near >= 0 {
			s.near = octave(p.apart)
		}
		if p.root >= 0 {
			s.root = octave(c.apart(int32(i), p.root)) / 3
		}
		if !p.tensor {
			s.dtype = "" // headers and files without tensors
		}
		x := t.strata[s]
		if x == nil {
			x = &sum{}
			t.strata[s] = x
		}
		x.parts = append(x.parts, int32(i))
		x.all += p.size * int64(p.times)
		x.once += p.size
		x.same += p.size * int64(p.same)
		x.deltas += p.size * int64(p.deltas)
		if p.tensor {
			x.tensors++
		}
	}
	return t
}

// apart is the bit distance of two parts.
func (c *collection) apart(i, j int32) float64 {
	if c.parts[i].near == j {
		return c.parts[i].apart
	}
	d, ok := c.distance(i, j)
	if !ok {
		return 8
	}
	return d
}

const (
	// sampleOne of so many bytes are encoded for an estimate, but at least
	// leastSample.
	sampleOne   = 48
	leastSample = 2 << 20
	leastPieces = 2    // of a stratum, but one of those with less than
	leastPart   = 0.01 // of the bytes
)

// pieces chooses what is encoded: all, or of each stratum its share.
func (t *totals) pieces() map[stratum][]piece {
	out := map[stratum][]piece{}
	total := int64(0)
	for _, s := range t.strata {
		total += s.once
	}
	share := max(1/float64(sampleOne), min(1, leastSample/float64(max(total, 1))))
	for key, s := range t.strata {
		if t.c.o.Exact {
			for _, k := range s.parts {
				for at := int64(0); at < t.c.parts[k].size; at += leaf {
					out[key] = append(out[key], piece{k, at})
				}
			}
			continue
		}
		least := int64(leastPieces)
		if float64(s.once) < leastPart*float64(total) {
			least = 1
		}
		out[key] = t.draw(s, max(least, int64(math.Ceil(share*float64(s.once)/leaf))))
	}
	return out
}

// draw takes want leaves of s, spread evenly over its bytes.
func (t *totals) draw(s *sum, want int64) []piece {
	step := float64(s.once) / float64(want)
	var out []piece
	next, done := step/2, 0.0
	for _, k := range shuffled(s.parts) {
		size := float64(t.c.parts[k].size)
		for ; next < done+size; next += step {
			at := int64(next-done) / leaf * leaf
			if n := len(out); n == 0 || out[n-1] != (piece{k, at}) {
				out = append(out, piece{k, at})
			}
		}
		done += size
	}
	return out
}

// shuffled returns parts in an order that chance alone gives, the same each time.
func shuffled(parts []int32) []int32 {
	out := slices.Clone(parts)
	key := func(k int32) uint64 {
		h := fnv.New64a()
		fmt.Fprint(h, k)
		return h.Sum64()
	}
	slices.SortFunc(out, func(a, b int32) int {
		return cmp.Or(cmp.Compare(key(a), key(b)), cmp.Compare(a, b))
	})
	return out
}

// encode encodes what pieces chooses, on all cores.
func (c *collection) encode(ctx context.Context, t *totals) error {
	chosen := t.pieces()
	total, done := int64(0), int64(0)
	for _, list := range chosen {
		for _, p := range list {
			total += min(leaf, c.parts[p.part].size-p.at)
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	encoders := sync.Pool{New: func() any {
		e, err := newEncoder()
		if err != nil {
			panic(err) // its options are constants
		}
		return e
	}}
	for _, key := range sortedKeys(chosen) {
		for _, p := range chosen[key] {
			g.Go(func() error {
				if err := ctx.Err(); err != nil {
					return err
				}
				e := encoders.Get().(*encoder)
				defer encoders.Put(e)
				x, f, err := c.piece(e, p)
				if err != nil {
					c.problem(c.paths[c.parts[p.part].file], err)
					return nil
				}
				t.mu.Lock()
				defer t.mu.Unlock()
				t.strata[key].pieces = append(t.strata[key].pieces, x)
				t.addBits(string(c.parts[p.part].dtype), f)
				t.sampled += x.raw
				done += x.raw
				c.o.progress("encode", done, total)
				return nil
			})
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, s := range t.strata { // sums of floats are to be the same in every run
		slices.SortFunc(s.pieces, func(a, b costs) int {
			return cmp.Or(cmp.Compare(a.part, b.part), cmp.Compare(a.at, b.at))
		})
	}
	return nil
}

func sortedKeys[V any](m map[stratum]V) []stratum {
	return slices.SortedFunc(maps.Keys(m), func(a, b stratum) int {
		return cmp.Or(cmp.Compare(a.dtype, b.dtype), cmp.Compare(a.near, b.near), cmp.Compare(a.root, b.root))
	})
}

// piece encodes a leaf in every way.
func (c *collection) piece(e *encoder, at piece) (costs, bitSum, error) {
	p := &c.parts[at.part]
	data, err := c.bytesOf(at.part, at.at, leaf)
	if err != nil {
		return costs{}, bitSum{}, err
	}
	x := costs{piece: at, raw: int64(len(data))}
	if c.o.wants(Zstd) || c.o.wants(BitX) || c.o.wants(ZipLLM) {
		x.zstd = e.plainZstd(data)
	}
	if c.o.wants(ZipNN) {
		x.zipnn = min(e.zipnn(data, p.dtype), x.raw)
	}
	x.bitx = x.zstd
	if p.root >= 0 && (c.o.wants(BitX) || c.o.wants(ZipLLM)) {
		base, err := c.bytesOf(p.root, at.at, leaf)
		if err != nil {
			return costs{}, bitSum{}, err
		}
		x.bitx = min(x.bitx, e.bitx(data, base, p.dtype))
	}
	var f bitSum
	ctx := codec.Context{DType: p.dtype, Offset: at.at, Row: p.row}
	if p.near >= 0 {
		b := &c.parts[p.near]
		w, bw := int64(max(p.dtype.Bits()/8, 1)), int64(max(b.dtype.Bits()/8, 1))
		base, err := c.bytesOf(p.near, at.at/w*bw, leaf/w*bw)
		if err != nil {
			return costs{}, bitSum{}, err
		}
		if len(base) > 0 {
			ctx.Bases = []codec.Base{{DType: b.dtype, Spans: []codec.Span{{Data: base}}}}
		}
		if b.dtype == p.dtype {
			f = countBits(data, base, p.dtype)
		}
	}
	if c.o.wants(Zipnode) && !c.o.Exact {
		if x.zipnode, err = e.zipnode(data, ctx); err != nil {
			return costs{}, bitSum{}, err
		}
		x.zipnode += blockOverhead
	}
	return x, f, nil
}

// bytesOf reads at most n bytes of part k from at on.
func (c *collection) bytesOf(k int32, at, n int64) ([]byte, error) {
	p := &c.parts[k]
	if n = min(n, p.size-at); n <= 0 {
		return nil, nil
	}
	f, err := os.Open(c.paths[p.file])
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data := make([]byte, n)
	if _, err := f.ReadAt(data, p.offset+at); err != nil {
		if err == io.EOF {
			err = errChanged
		}
		return nil, err
	}
	return data, nil
}

// estimate returns what way comes to, and twice the standard error as a part of
// it: 0 where everything was encoded.
func (t *totals) estimate(way string) (int64, float64) {
	total, variance := 0.0, 0.0
	for _, key := range sortedKeys(t.strata) {
		s := t.strata[key]
		for _, w := range weights(way, s) {
			if w.bytes == 0 {
				continue
			}
			if t.c.o.Exact {
				for _, x := range s.pieces {
					total += float64(w.of(x)) * w.times(&t.c.parts[x.part])
				}
				continue
			}
			ratio, err := ratioOf(s.pieces, w.of)
			total += ratio * float64(w.bytes)
			variance += err * err * float64(w.bytes) * float64(w.bytes)
		}
		if way == Zipnode {
			total += float64(s.tensors * recipeOverhead)
		}
	}
	if total == 0 {
		return 0, 0
	}
	return int64(total), 2 * math.Sqrt(variance) / total
}

// A weight says how a cost of pieces counts: for how many bytes of their stratum,
// and how many times that is for a part.
type weight struct {
	of    func(costs) int64
	bytes int64
	times func(*part) float64
}

// weights says what counts in a way of storing the parts of s.
func weights(way string, s *sum) []weight {
	zstd := func(x costs) int64 { return x.zstd }
	bitx := func(x costs) int64 { return x.bitx }
	all := func(p *part) float64 { return float64(p.times) }
	once := func(*part) float64 { return 1 }
	switch way {
	case Zstd:
		return []weight{{zstd, s.all, all}}
	case ZipNN:
		return []weight{{func(x costs) int64 { return x.zipnn }, s.all, all}}
	case BitX: // what is the root's own is a delta of nothing
		return []weight{
			{bitx, s.deltas, func(p *part) float64 { return float64(p.deltas) }},
			{zstd, s.all - s.deltas - s.same, func(p *part) float64 { return float64(p.times - p.deltas - p.same) }},
		}
	case ZipLLM:
		return []weight{{bitx, s.once, once}}
	}
	return []weight{{func(x costs) int64 { return x.zipnode }, s.once, once}}
}

// ratioOf returns what a byte comes to, and the standard error of that.
func ratioOf(pieces []costs, of func(costs) int64) (ratio, err float64) {
	raw, cost := 0.0, 0.0
	for _, x := range pieces {
		raw += float64(x.raw)
		cost += float64(of(x))
	}
	if raw == 0 {
		return 1, 0
	}
	ratio = cost / raw
	n := float64(len(pieces))
	if n < 2 {
		return ratio, 0.05 * ratio // of one nothing is known: a guess
	}
	squares := 0.0
	for _, x := range pieces {
		d := float64(of(x)) - ratio*float64(x.raw)
		squares += d * d
	}
	return ratio, math.Sqrt(squares/(n-1)*n) / raw
}

// A bitSum counts which bits differ from the base's.
type bitSum struct {
	pieces, units, changed, sign, exponent, mantissa int64
}

func (t *totals) addBits(dtype string, f bitSum) {
	if f.units == 0 {
		return
	}
	s := t.fields[dtype]
	if s == nil {
		s = &bitSum{}
		t.fields[dtype] = s
	}
	s.pieces++
	s.units += f.units
	s.changed += f.changed
	s.sign += f.sign
	s.exponent += f.exponent
	s.mantissa += f.mantissa
}

func (t *totals) fieldList() []Field {
	var out []Field
	for _, dtype := range slices.Sorted(maps.Keys(t.fields)) {
		s := t.fields[dtype]
		n := float64(s.units)
		out = append(out, Field{dtype, s.pieces, float64(s.changed) / n, float64(s.sign) / n, float64(s.exponent) / n, float64(s.mantissa) / n})
	}
	return out
}

// countBits compares the elements of floats that data and base have in common.
func countBits(data, base []byte, dtype tensor.DType) bitSum {
	exponent, mantissa, ok := floatOf(dtype)
	var s bitSum
	if !ok {
		return s
	}
	w := (1 + exponent + mantissa) / 8
	for n := min(len(data), len(base)) / w; n > 0; n-- {
		x := uint64(0)
		for k := w - 1; k >= 0; k-- {
			x = x<<8 | uint64(data[k]^base[k])
		}
		data, base = data[w:], base[w:]
		s.units++
		if x == 0 {
			continue
		}
		s.changed++
		s.mantissa += int64(bits.OnesCount64(x & (1<<mantissa - 1)))
		s.exponent += int64(bits.OnesCount64(x >> mantissa & (1<<exponent - 1)))
		s.sign += int64(x >> (mantissa + exponent))
	}
	return s
}
