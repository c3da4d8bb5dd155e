package node

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/tensor"
)

// A job is one extent being added. Its leaves come in any order, to several
// workers; the last one to be done finishes it.
type job struct {
	p      *pass
	extent tensor.Extent
	named  bool
	left   atomic.Int64
	encode atomic.Bool // a leaf was new: the tensor is, so encode
	choose sync.Once
	base   chosenBase
	err    error // of choose

	leaves []leafResult
	number int // of those that are not empty

	rows family.Rows
	have []family.Row // of the leaves so far; nil where rows say nothing
}

type leafResult struct {
	leaf  dag.Child
	entry dag.Entry // Undef until encoded
}

// leaf encodes leaf i unless every leaf so far is known: then the tensor may be
// known too, and costs its hashing only.
func (j *job) leaf(ctx context.Context, i int64, data []byte, leaf dag.Child) error {
	r := &j.leaves[i]
	r.leaf = leaf
	if j.have != nil {
		j.rows.Scan(j.have, i*dag.MaxLeaf, data)
	}
	if !j.encode.Load() {
		known, err := j.p.a.n.store.Has(ctx, r.leaf.CID)
		if err != nil {
			return err
		}
		if !known {
			j.encode.Store(true)
		}
	}
	if j.encode.Load() {
		if err := j.encodeLeaf(ctx, i, data); err != nil {
			return err
		}
	}
	if j.left.Add(-1) > 0 {
		return nil
	}
	return j.finish(ctx)
}

func (j *job) encodeLeaf(ctx context.Context, i int64, data []byte) error {
	a := j.p.a
	j.choose.Do(func() { j.base, j.err = a.bases.choose(ctx, j.p.f, j.extent) })
	if j.err != nil {
		return j.err
	}
	entry, err := a.n.encode(ctx, a.lease, codec.Fast, formOf(j.extent), j.base.bases, i, data, j.leaves[i].leaf.CID)
	j.leaves[i].entry = entry
	return err
}

// finish builds the tensor from its leaves, and adds its recipe unless it is
// known.
func (j *job) finish(ctx context.Context) error {
	a := j.p.a
	b := dag.NewFileBuilder(a.lease.Emit(ctx))
	for _, r := range j.leaves {
		if err := b.Add(r.leaf); err != nil {
			return err
		}
	}
	c, err := b.Finish()
	if err != nil {
		return err
	}
	if err := j.p.children.add(j.number, c); err != nil {
		return err
	}
	_, known, err := a.n.store.Tensor(c.CID)
	if err == nil && known {
		_, err = a.lease.Keep(c.CID)
		j.leaves = nil
		if err == nil && j.named {
			err = a.bases.seen(c.CID, j.p.f, j.p.path, j.extent, a.req.Name, j.have, j.base.under)
		}
		return err
	}
	if err != nil {
		return err
	}
	if err := j.encodeRest(ctx); err != nil {
		return err
	}
	if err := a.n.addRecipe(ctx, a.lease, c, j.extent.DType, j.base.bases, j.leaves); err != nil {
		return err
	}
	if j.named {
		a.mu.Lock()
		a.fresh++
		if len(j.base.bases) > 0 {
			a.deltas++
		}
		a.mu.Unlock()
		err = a.bases.seen(c.CID, j.p.f, j.p.path, j.extent, a.req.Name, j.have, j.base.under)
	}
	j.leaves, j.have = nil, nil
	return err
}

// encodeRest reads again, and encodes, the leaves that were passed over because
// the store has them as parts of other tensors.
func (j *job) encodeRest(ctx context.Context) error {
	var buf []byte
	for i := range j.leaves {
		r := &j.leaves[i]
		if r.entry.Chunk.Defined() {
			continue
		}
		if buf == nil {
			buf = make([]byte, dag.MaxLeaf)
		}
		data := buf[:r.leaf.Size]
		if err := readFull(j.p.f, data, j.extent.Offset+int64(i)*dag.MaxLeaf); err != nil {
			return err
		}
		if !dag.Raw(data).Equals(r.leaf.CID) {
			return errChanged
		}
		if err := j.encodeLeaf(ctx, int64(i), data); err != nil {
			return err
		}
	}
	return nil
}
