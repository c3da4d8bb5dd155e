package study

import (
	"math"
)

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
