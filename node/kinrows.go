package node

import (
	"context"
	"slices"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/tensor"
)

const (
	// maxKinSpans bounds the spans of all row maps that are in memory for a kin;
	// what is found beyond is left as it is.
	maxKinSpans = 1 << 20
	// spanCost is about what one span adds to a recipe, in bytes.
	spanCost = 8
)

// mapRows looks for tensors that have rows of member i, under whatever name,
// where those of its own, near, are not near: what it was fused, moved, grown or
// split from, or to, may have come after it. target is its sample.
func (g *gathering) mapRows(ctx context.Context, i int32, target *family.Sample, near []near) error {
	r := g.k.list[i]
	if len(near) > 0 && near[0].bits < poor*family.Estimate(*target, nil) || r.row == 0 {
		return nil
	}
	one, ok := r.t.DType.Bytes(tensor.Shape{uint64(r.row)})
	if !ok || one == 0 {
		return nil
	}
	e := tensor.Extent{DType: r.t.DType, Shape: tensor.Shape{uint64(r.t.Size) / one, uint64(r.row)}, Size: r.t.Size}
	f := baseFinder{n: g.n}
	bases, err := f.byRows(ctx, dag.NewReader(ctx, g.n.store, r.c, r.t.Size), e, target, func(c cid.Cid) bool {
		_, here := g.k.at[c]
		return c != r.c && (here || g.owned.has(c))
	})
	if err != nil || len(bases) == 0 {
		return ignoreDamage(err)
	}
	spans := 0
	for _, b := range bases {
		spans += len(b.Map)
		if j, err := g.add(b.Of, false); j < 0 || err != nil {
			return err
		}
	}
	if g.spans+spans <= maxKinSpans {
		g.spans += spans
		g.k.list[i].mapped = bases
	}
	return nil
}

// mapped adds that member i may be stored by its row map, if it has one, at what
// some of its leaves really take so.
func (w *weighing) mapped(ctx context.Context, i int32) error {
	r := &w.k.list[i]
	var of []cid.Cid
	cost := int64(0)
	for _, b := range r.mapped {
		of = append(of, b.Of)
		cost += int64(baseCost + spanCost*len(b.Map))
	}
	if len(of) == 0 || slices.Equal(of, r.t.Bases) { // none, or in use
		return nil
	}
	n, err := w.n.probe(ctx, r.c, r.t, r.form(), r.mapped)
	if err != nil {
		return ignoreDamage(err)
	}
	if cost += n; cost < r.t.Size {
		w.k.addEdge(w.k.edge(i, of, cost), r.mapped)
	}
	return nil
}
