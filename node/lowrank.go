package node

import (
	"context"
	"slices"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/tensor"
)

// lowRank encodes anew those members of k that are their base plus a matrix of low
// rank, as merged adapters are. A model then reads less, never more.
func (r *repacking) lowRank(ctx context.Context, k *kin) error {
	for i := range k.list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.tryLowRank(ctx, k, int32(i)); err != nil {
			if err := r.passOver(ctx, err, 1); err != nil {
				return err
			}
		}
		if err := r.pause(); err != nil {
			return err
		}
	}
	return nil
}

// tryLowRank encodes member i anew, if it may be of low rank beside its base.
func (r *repacking) tryLowRank(ctx context.Context, k *kin, i int32) error {
	rel, e := &k.list[i], k.now[i]
	if !rel.member || e < 0 || k.low[e] || len(k.by[e]) != 1 {
		return nil
	}
	base := k.by[e][0]
	if len(base.Map) > 0 || rel.t.DType != tensor.BF16 || base.DType != tensor.BF16 || rel.row == 0 {
		return nil
	}
	side, err := r.n.lowRankSide(ctx, rel, base, k.stored(k.now, i))
	if side == nil || err != nil {
		return err
	}
	edge := k.p.Edges[e]
	at := k.addEdge(edge, k.by[e])
	k.side[at], k.low[at] = side, true
	p := slices.Clone(replan(k.now))
	p[i] = at
	err = r.group(ctx, k, p, []int32{i})
	delete(k.side, at)
	return err
}

// lowRankSide returns the side block by which a tensor, whose delta takes stored
// bytes, takes less, as far as samples tell, or nil.
func (n *Node) lowRankSide(ctx context.Context, rel *relative, base dag.Base, stored int64) ([]byte, error) {
	target, from, err := n.someRows(ctx, rel, base, glanceLeaves)
	if err != nil || !codec.MaybeLowRank(target, from, rel.t.DType, rel.row) {
		return nil, err
	}
	if dag.Leaves(rel.t.Size) > glanceLeaves {
		if target, from, err = n.someRows(ctx, rel, base, codec.LowRankSample/dag.MaxLeaf); err != nil {
			return nil, err
		}
	}
	return codec.LowRank(target, from, rel.t.DType, rel.row, rel.t.Size, stored), nil
}

// glanceLeaves is of how many leaves rows are read to see whether more are worth it.
const glanceLeaves = 4

// someRows returns whole rows of a tensor and of its base, those of up to so many
// leaves, evenly spread.
func (n *Node) someRows(ctx context.Context, rel *relative, base dag.Base, most int64) (target, from []byte, err error) {
	row := int64(rel.row) * 2
	leaves := dag.Leaves(rel.t.Size)
	some := min(leaves, most)
	for at := range some {
		i := at * leaves / some
		first := (i*dag.MaxLeaf + row - 1) / row * row
		size := (min((i+1)*dag.MaxLeaf, rel.t.Size) - first) / row * row
		if size <= 0 {
			continue
		}
		a, err := n.store.ReadTensor(ctx, rel.c, first, int(size))
		if err != nil {
			return nil, nil, err
		}
		b, err := n.store.ReadTensor(ctx, base.Of, first, int(size))
		if err != nil {
			return nil, nil, err
		}
		if whole := min(len(a), len(b)) / int(row) * int(row); whole > 0 {
			target, from = append(target, a[:whole]...), append(from, b[:whole]...)
		}
	}
	return target, from, nil
}
