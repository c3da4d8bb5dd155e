package study

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"math"
	"slices"
	"sync"
)

// A stratum is parts of which about the same is expected: one dtype, and as far
// from their bases.
type stratum struct {
	dtype      string
	near, root int8 // thirds of octaves of bits an element, and octaves; none for no base
}

const none = -128

// octave is about how far a base is: below a 64th of a bit all are near.
func octave(d float64) int8 { return int8(max(-18, math.Floor(3*math.Log2(d)))) }

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
