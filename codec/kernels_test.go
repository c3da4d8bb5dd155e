//go:build amd64 && !purego

package codec

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

// eachTier calls fn with every tier that the machine has, the portable first,
// and fails if it returns anything else than for the portable.
func eachTier(t *testing.T, name string, fn func() any) {
	t.Helper()
	best := use
	defer func() { use = best }()
	use = portable
	want := fn()
	for use = portable + 1; use <= best; use++ {
		if got := fn(); !reflect.DeepEqual(got, want) {
			t.Fatalf("%s: tier %d differs from the portable", name, use)
		}
	}
}

func randomBytes(r *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

var numberDTypes = []tensor.DType{
	tensor.BF16, tensor.F16, tensor.F32, tensor.F8E4M3, tensor.F8E5M2,
	tensor.I8, tensor.U8, tensor.I16, tensor.U16, tensor.I32, tensor.U32,
}

// TestNumberKernels compares steps, depths and walks of random elements.
func TestNumberKernels(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 3))
		for _, dtype := range numberDTypes {
			n, _ := numberOf(dtype)
			count := r.IntN(300)
			leaf, base := randomBytes(r, count*n.width), randomBytes(r, count*n.width)
			top := uint32(r.IntN(256))
			eachTier(t, fmt.Sprintf("%s, %d elements", dtype, count), func() any {
				var d deltaCoder
				d.steps(leaf, base, n, top)
				out := make([]byte, len(leaf))
				if n.width == 4 {
					n.walk32(out, base, d.z32)
				} else {
					n.walk16(out, base, d.z16)
				}
				if !bytes.Equal(out, leaf) {
					t.Errorf("%s: walking %d steps by tier %d does not lead to the leaf", dtype, count, use)
				}
				return []any{append([]uint16{}, d.z16...), append([]uint32{}, d.z32...), d.symbols, d.depth}
			})
		}
	}
}

// TestScaleKernels compares contexts, their sums, and keys, over rows that end
// in the middle of vectors.
func TestScaleKernels(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 4))
		g := grid{row: r.IntN(200) + minRow}
		g.phase = r.IntN(g.row)
		count := 2*g.row + r.IntN(4000)
		depth, symbols := randomBytes(r, count), randomBytes(r, count)
		for i := range depth {
			depth[i] &= maxDepth
		}
		sc := scaling{rows: make([]int8, g.rows(count)), cols: make([]int8, g.row)}
		for _, s := range [][]int8{sc.rows, sc.cols} {
			for i := range s {
				s[i] = int8(r.IntN(2*maxShift+1) - maxShift)
			}
		}
		if seed%3 == 0 {
			sc.cols = nil
		}
		eachTier(t, fmt.Sprintf("%d elements in rows of %d", count, g.row), func() any {
			ctx := make([]uint8, count)
			sc.contexts(ctx, depth, g)
			var s scaler
			s.fit(symbols, depth, &scaling{}, g)
			s.fit(symbols, depth, &sc, g)
			d := deltaCoder{ctx: ctx, symbols: symbols}
			d.countKeys(count, int(seed%3))
			return []any{ctx, s.rows(nil, symbols, depth, g), s.columns(nil, symbols, ctx, g, rowsApart(count, g)), d.counts}
		})
	}
}

// TestCountKernels compares what is counted of symbols that are rare, and all that
// are above the others.
func TestCountKernels(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 14))
		d := deltaCoder{ctx: make([]uint8, 4*countWindow+r.IntN(3*countWindow)), cs: make([]cluster, contexts)}
		count := len(d.ctx)
		d.symbols = make([]uint8, count)
		for i := range d.ctx {
			d.ctx[i] = uint8(r.IntN(contexts))
			d.symbols[i] = uint8(r.IntN(maxSymbols) >> r.IntN(8))
		}
		eachTier(t, fmt.Sprintf("%d symbols", count), func() any {
			totals := d.countKeys(count, 2)
			cs, last := d.tables.cluster(d.cs, &d.counts, &totals, 2)
			d.countAbove(cs, count)
			got := []any{last, d.tables.of}
			for _, c := range cs {
				got = append(got, c.h)
			}
			d.countMoved(count, 2)
			for i, s := range d.symbols {
				if s != 0 {
					d.counts[d.ctx[i]][s]--
				}
			}
			for c := range d.counts {
				if slices.Max(d.counts[c][1:]) != 0 { // or below 0
					t.Fatalf("context %d: what moved is not counted once", c)
				}
			}
			return append(got, d.counts)
		})
	}
}

// TestSplitKernels compares planes and what is joined of them.
func TestSplitKernels(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 5))
		for l := range layout(layouts) {
			src := randomBytes(r, r.IntN(300)*l.width())
			var base []byte
			if seed&1 == 1 {
				base = randomBytes(r, len(src))
			}
			eachTier(t, fmt.Sprintf("layout %d, %d bytes", l, len(src)), func() any {
				planes, out := make([]byte, len(src)), make([]byte, len(src))
				l.split(planes, src, base)
				l.join(out, planesIn(planes, l), base)
				if !bytes.Equal(out, src) {
					t.Errorf("layout %d, tier %d: joining %d bytes does not undo splitting", l, use, len(src))
				}
				return planes
			})
		}
	}
}

// drifted returns n bytes of elements of width bytes, normal floats where they
// are floats, and ones a few steps from them.
func drifted(r *rand.Rand, n, width int) (leaf, base []byte) {
	base = randomBytes(r, n)
	leaf = bytes.Clone(base)
	wide := r.IntN(8*width) + 1
	for i := 0; i+width <= n; i += width {
		if width > 1 { // not all exponents alike
			base[i+width-1] = base[i+width-1]&0x81 | 0x3c
		}
		x := uint32(0)
		for k := range width {
			x |= uint32(base[i+k]) << (8 * k)
		}
		x += r.Uint32() & (1<<wide - 1) >> r.IntN(wide)
		for k := range width {
			leaf[i+k] = byte(x >> (8 * k))
		}
	}
	return leaf, base
}

// TestLeafTiers encodes whole leaves of all dtypes, with a base and without, by
// every tier, and decodes them, sound and corrupt: all must agree on the bytes,
// and on whether there is an error.
func TestLeafTiers(t *testing.T) {
	coded := 0
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 6))
		for _, dtype := range numberDTypes {
			n, _ := numberOf(dtype)
			size := r.IntN(1<<[]int{12, 16, 18}[seed%3]) + 64
			leaf, base := drifted(r, size, n.width)
			for _, c := range []Context{against(dtype, int64(r.IntN(8)), base), {DType: dtype}} {
				name := fmt.Sprintf("%s, %d bytes, %d bases, seed %d", dtype, size, len(c.Bases), seed)
				var chunk []byte
				eachTier(t, name+": encoding", func() any {
					chunk, _ = Encode(nil, leaf, c)
					return chunk
				})
				if len(chunk) == 0 {
					continue // of no use to compress
				}
				coded++
				eachTier(t, name+": decoding", func() any {
					out, err := Decode(nil, chunk, size, c)
					if err != nil || !bytes.Equal(out, leaf) {
						t.Errorf("%s: tier %d does not decode: %v", name, use, err)
					}
					return nil
				})
				testCorrupt(t, r, name, chunk, size, c)
			}
		}
	}
	if coded < 100 {
		t.Errorf("only %d leaves were compressed", coded)
	}
}

// testCorrupt decodes damaged copies of chunk by every tier.
func testCorrupt(t *testing.T, r *rand.Rand, name string, chunk []byte, size int, c Context) {
	for range 6 {
		bad := bytes.Clone(chunk)
		switch r.IntN(3) {
		case 0:
			bad = bad[:r.IntN(len(bad))]
		case 1:
			bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
		case 2:
			at := r.IntN(len(bad))
			copy(bad[at:], randomBytes(r, min(16, len(bad)-at)))
		}
		eachTier(t, name+": corrupt", func() any {
			out, err := Decode(nil, bad, size, c)
			if err != nil {
				return nil
			}
			return out
		})
	}
}

// TestSpareWords decodes streams that are cut short in a longer array whose
// further bytes differ from call to call: no tier may let them matter.
func TestSpareWords(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 7))
	for range 40 {
		n := r.IntN(9000) + 1000
		p := make([]byte, n)
		for i := range p {
			p[i] = byte(r.IntN(16) * r.IntN(16))
		}
		var h histogram
		h.count(p)
		var f freqs
		f.fit(&h, n)
		f.widen()
		var s scratch
		enc := appendWords(s.lanePlane(nil, p, &f, 0xff, nil))
		cut := len(enc) - r.IntN(min(len(enc), 2*spare))
		eachTier(t, fmt.Sprintf("%d bytes cut to %d", len(enc), cut), func() any {
			var errs []bool
			for _, fill := range []byte{0, 0xff} {
				long := bytes.Repeat([]byte{fill}, cut+2*spare)
				copy(long, enc[:cut])
				errs = append(errs, s.readLanePlane(make([]byte, n), long[:cut], noRaw) != nil)
			}
			if errs[0] != errs[1] || errs[0] != (cut < len(enc)) {
				t.Errorf("tier %d: %d bytes cut to %d: errors %v", use, len(enc), cut, errs)
			}
			return errs
		})
	}
}

// TestBytePlaneKernels compares planes of few and of many values, some of them
// rare and most of them perhaps zero: what is counted, and how they are coded.
func TestBytePlaneKernels(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 15))
		values := randomBytes(r, 1+r.IntN(100))
		values[0] = 255 * byte(r.IntN(2))
		p := make([]byte, lanesLeast+r.IntN(4*countBlock))
		for i := range p {
			p[i] = values[r.IntN(len(values))>>r.IntN(8)]
			if i/countBlock&1 == 1 && r.IntN(20) > 0 {
				p[i] = 0
			}
		}
		eachTier(t, fmt.Sprintf("%d values", len(values)), func() any {
			var h histogram
			h.count(p)
			var f freqs
			f.fit(&h, len(p))
			f.widen()
			var s scratch
			return []any{h, appendWords(s.lanePlane(nil, p, &f, 0xff, nil))}
		})
	}
}

// TestLowRankKernels compares predictions, their places and contexts, and steps that
// are turned, of any bits, over rows that end in the middle of vectors.
func TestLowRankKernels(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 26))
		l := lowRank{rank: 1 + r.IntN(maxRank), columns: 1 + r.IntN(300), scale: r.IntN(maxScale-minScale+1) + minScale}
		if seed%2 == 0 {
			l.scale = r.IntN(50) // sums that are about as large as the base
		}
		l.factors = make([]int16, l.rank*l.columns)
		large := 1<<31/l.rank>>14 - 1 // so that no sum is too large
		for i := range l.factors {
			l.factors[i] = int16(r.IntN(2*maxFactor+1) - maxFactor)
		}
		l.pair()
		k := lowRankCoder{side: l}
		g := grid{l.columns, r.IntN(l.columns)}
		count := 1 + r.IntN(2000)
		for range g.rows(count) * l.rank {
			most := min(large, maxFactor) >> r.IntN(15)
			k.rows = append(k.rows, int16(r.IntN(2*most+1)-most))
		}
		base := randomBytes(r, 2*count)
		for i := range count { // infinite, or the largest, or zero, or so
			if r.IntN(8) == 0 {
				le.PutUint16(base[2*i:], []uint16{0x7f80, 0xff80, 0x7f7f, 0xff7f, 0, 0x8000, 1, 0x8001, 0x7f81, 0xffff}[r.IntN(10)])
			}
		}
		z := make([]uint16, count)
		for i := range z {
			z[i] = uint16(r.Uint32() >> r.IntN(32))
			if r.IntN(8) == 0 {
				z[i] = 1<<16 - 1 - z[i]&3
			}
		}
		places := make([]uint16, count) // those that no prediction has, too
		for i := range places {
			places[i] = uint16(r.Uint32())
		}
		level := r.IntN(1 << levelBits)
		eachTier(t, fmt.Sprintf("%d elements in rows of %d, rank %d", count, l.columns, l.rank), func() any {
			k.predict(base, g)
			var of placeContexts
			of.set(level)
			ctx, others := make([]uint8, count), make([]uint8, count)
			of.fill(ctx, k.places)
			of.fill(others, places)
			turned := slices.Clone(z)
			turn(turned, places)
			return []any{slices.Clone(k.pred), slices.Clone(k.places), ctx, others, turned}
		})
	}
}
