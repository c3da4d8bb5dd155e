package node

import (
	"context"
	"errors"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/tensor"
)

const (
	// tellingKept is how many rows of a tensor are kept to find it by, and
	// tellingAsked how many of a new one are looked up: a tensor stacked of
	// several asks for some of each.
	tellingKept  = 16
	tellingAsked = 64
	// maxSharing bounds the tensors looked up by one row, maxSharers those by
	// all, and maxMapped the bases that one tensor's rows are taken from.
	maxSharing = 16
	maxSharers = 128
	maxMapped  = 3
	// maxTrialLeaves is how many leaves of a tensor are encoded to see what a
	// base is worth.
	maxTrialLeaves = 4
)

// byRows returns stored tensors that may be used and have rows of e, wherever these stand in
// them and whatever the tensors are called, with a map of the rows; none if none
// has. q, k and v are found in what they were fused to, and the other way round.
func (f *baseFinder) byRows(ctx context.Context, r io.ReaderAt, e tensor.Extent, target *family.Sample, may func(cid.Cid) bool) ([]dag.Base, error) {
	rows, ok := family.RowsOf(e)
	if !ok {
		return nil, nil
	}
	list, err := rows.Read(r, e.Offset)
	if err != nil {
		return nil, err
	}
	sharing, err := f.sharing(list, e, target, may)
	if err != nil {
		return nil, err
	}
	var bases []dag.Base
	var theirs [][]family.Row
	for _, b := range sharing {
		t, ok, err := f.n.store.Tensor(b.Of)
		if !ok || err != nil {
			return nil, err
		}
		have, err := f.rowsOf(ctx, b, t.Size, rows.Length)
		if err != nil {
			return nil, err
		}
		if have != nil {
			bases, theirs = append(bases, b), append(theirs, have)
		}
	}
	return mapped(bases, family.MapRows(list, theirs), rows, theirs), nil
}

// sharing returns the stored tensors that share most telling rows with list,
// those first that share the most. One whose rows all are another's too is left
// out.
func (f *baseFinder) sharing(list []family.Row, e tensor.Extent, target *family.Sample, may func(cid.Cid) bool) ([]dag.Base, error) {
	found, err := f.n.store.SharingRows(family.Telling(list, tellingAsked), maxSharing, maxSharers)
	if err != nil {
		return nil, err
	}
	have := map[cid.Cid][]int{}
	for _, s := range found {
		if may(s.Tensor) {
			have[s.Tensor] = s.Rows
		}
	}
	var out []dag.Base
	taken := map[int]bool{}
	for len(out) < maxMapped {
		best, err := f.alikest(mostNew(have, taken), target)
		if err != nil || !best.Defined() {
			return out, err
		}
		for _, i := range have[best] {
			taken[i] = true
		}
		delete(have, best)
		usable, err := f.usable(e, []cid.Cid{best})
		if err != nil {
			return nil, err
		}
		out = append(out, usable...)
	}
	return out, nil
}

// mostNew returns those of have with the most rows that are not taken, in order;
// none if none has one.
func mostNew(have map[cid.Cid][]int, taken map[int]bool) []cid.Cid {
	var best []cid.Cid
	most := 1
	for c, rows := range have {
		n := 0
		for _, i := range rows {
			if !taken[i] {
				n++
			}
		}
		if n > most {
			best, most = nil, n
		}
		if n == most {
			best = append(best, c)
		}
	}
	slices.SortFunc(best, func(a, b cid.Cid) int { return strings.Compare(a.KeyString(), b.KeyString()) })
	return best
}

// alikest returns the one of cs that is nearest to target, or Undef of none. All
// of a family share rows: where these did not move, samples tell which is next.
func (f *baseFinder) alikest(cs []cid.Cid, target *family.Sample) (cid.Cid, error) {
	best, least := cid.Undef, math.Inf(1)
	for _, c := range cs {
		data, err := f.n.store.Sample(c)
		if err != nil {
			return best, err
		}
		distance := math.Inf(1)
		if s, err := family.Decode(data); err == nil {
			distance = family.Glance(target, &s)
		}
		if !best.Defined() || distance < least {
			best, least = c, distance
		}
	}
	return best, nil
}

// rowsOf reads the rows, of length elements, of a stored tensor of size bytes;
// nil if it has none.
func (f *baseFinder) rowsOf(ctx context.Context, b dag.Base, size, length int64) ([]family.Row, error) {
	one, ok := b.DType.Bytes(tensor.Shape{uint64(length)})
	if !ok || one == 0 {
		return nil, nil
	}
	rows, ok := family.RowsOf(tensor.Extent{
		DType: b.DType, Shape: tensor.Shape{uint64(size) / one, uint64(length)}, Size: size,
	})
	if !ok {
		return nil, nil
	}
	return rows.Read(dag.NewReader(ctx, f.n.store, b.Of, size), 0)
}

// mapped returns those of bases that spans are taken from, with these as their
// maps.
func mapped(bases []dag.Base, spans []family.Span, rows family.Rows, theirs [][]family.Row) []dag.Base {
	var out []dag.Base
	for i, b := range bases {
		for _, s := range spans {
			if s.Base == i {
				b.Map = append(b.Map, dag.Span{Dst: s.Dst * rows.Length, Src: s.Src * rows.Length, Count: s.Count * rows.Length})
			}
		}
		if len(b.Map) == 0 {
			continue
		}
		if whole := (dag.Span{Count: min(rows.Count, int64(len(theirs[i]))) * rows.Length}); len(b.Map) == 1 && b.Map[0] == whole {
			b.Map = nil // every row is at its old place
		}
		out = append(out, b)
	}
	return out
}

// worth returns how many bytes some leaves of extent e take, stand-alone and
// against bases.
func (f *baseFinder) worth(ctx context.Context, r *os.File, e tensor.Extent, bases []dag.Base) (alone, delta int, err error) {
	leaves := dag.Leaves(e.Size)
	buf := make([]byte, dag.MaxLeaf)
	for k := range min(leaves, maxTrialLeaves) {
		i := k * leaves / min(leaves, maxTrialLeaves)
		data := buf[:dag.LeafSize(e.Size, i)]
		if err := readFull(r, data, e.Offset+i*dag.MaxLeaf); err != nil {
			return 0, 0, err
		}
		for _, t := range []struct {
			sum   *int
			bases []dag.Base
		}{{&alone, nil}, {&delta, bases}} {
			n, err := f.encoded(ctx, e, t.bases, i, data)
			if err != nil {
				return 0, 0, err
			}
			*t.sum += n
		}
	}
	return alone, delta, nil
}

// encoded returns how many bytes leaf i of e, whose bytes are data, takes
// against bases.
func (f *baseFinder) encoded(ctx context.Context, e tensor.Extent, bases []dag.Base, i int64, data []byte) (int, error) {
	c, err := f.n.codecContext(ctx, formOf(e), bases, i, len(data))
	if err != nil {
		return 0, err
	}
	buf := scratch.Get().(*scratchBuffers)
	defer scratch.Put(buf)
	buf.chunk, err = codec.Encode(buf.chunk[:0], data, c)
	if errors.Is(err, codec.ErrIncompressible) {
		return len(data), nil
	}
	return len(buf.chunk), err
}
