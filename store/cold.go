package store

import (
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/tensor"
)

// A Cold says what rebuilding a tensor takes when nothing of it is in memory.
type Cold struct {
	Read   int64 // stored bytes, its own and those of the bases behind it
	Decode int64 // bytes decoded, likewise
}

// maxChain bounds how deep Cold looks: no leaf has more bases behind it.
const maxChain = maxBehind + 1

// Cold returns what rebuilding tensor c takes, by the recipes in use. Of a base
// that has more elements than what needs it only that part counts: a tensor cut
// out of another reads no more of it.
func (s *Store) Cold(c cid.Cid) (Cold, error) { return s.cold(c, maxChain) }

func (s *Store) cold(c cid.Cid, depth int) (Cold, error) {
	t, ok, err := s.Tensor(c)
	if !ok || err != nil || depth == 0 {
		return Cold{}, err
	}
	sum := Cold{Read: t.Stored, Decode: t.Size}
	for _, b := range t.Bases {
		base, ok, err := s.Tensor(b)
		if !ok || err != nil {
			return sum, err
		}
		below, err := s.cold(b, depth-1)
		if err != nil {
			return sum, err
		}
		part := Part(t.Size, t.DType, base.Size, base.DType)
		sum.Read += int64(part * float64(below.Read))
		sum.Decode += int64(part * float64(below.Decode))
	}
	return sum, nil
}

// Part returns how much of a base a tensor needs, at most: 1, or less where it
// has fewer elements.
func Part(size int64, dtype tensor.DType, baseSize int64, baseDType tensor.DType) float64 {
	w, bw := int64(max(1, width(dtype))), int64(max(1, width(baseDType)))
	elements, all := size/w, baseSize/bw
	if elements >= all {
		return 1
	}
	return float64(elements) / float64(all)
}

// Usable tells whether a tensor of size bytes may be stored against bases: they
// can be rebuilt here, and no leaf would have too many base leaves behind it.
func (s *Store) Usable(size int64, dtype tensor.DType, bases []dag.Base) (bool, error) {
	behind := 0
	for _, b := range bases {
		base, ok, err := s.Tensor(b.Of)
		if !ok || err != nil {
			return false, err
		}
		behind += leavesTouched(size, dtype, b, base.Size) * (1 + base.behind)
	}
	return behind <= maxBehind, nil
}
