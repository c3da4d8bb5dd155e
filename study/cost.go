package study

import (
	"cmp"
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/codec"
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
		dir := c.modelDir(c.paths.of(c.parts[i].file))
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
					c.problem(c.paths.of(c.parts[p.part].file), err)
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
	f, err := os.Open(c.paths.of(p.file))
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
