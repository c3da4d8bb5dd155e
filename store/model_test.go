package store_test

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/tensor"
)

// What follows adds as node does, and returns errors where a disk fails.

func leavesOf(data []byte) []dag.Child {
	var out []dag.Child
	for chunk := range slices.Chunk(data, dag.MaxLeaf) {
		out = append(out, dag.Leaf(chunk))
	}
	return out
}

// cids yields the CIDs of children, as AddRecipe wants them.
func cids(cs []dag.Child) iter.Seq2[cid.Cid, error] {
	return func(yield func(cid.Cid, error) bool) {
		for _, c := range cs {
			if !yield(c.CID, nil) {
				return
			}
		}
	}
}

// tryNodes puts the nodes of a tensor and returns it.
func tryNodes(ctx context.Context, l *store.Lease, data []byte) (dag.Child, error) {
	b := dag.NewFileBuilder(l.Emit(ctx))
	for _, c := range leavesOf(data) {
		if err := b.Add(c); err != nil {
			return dag.Child{}, err
		}
	}
	return b.Finish()
}

// tryTensor encodes data against base (nil for none) and adds its recipe.
func tryTensor(ctx context.Context, l *store.Lease, data, base []byte) (dag.Child, error) {
	c, blk, err := tryRecipe(ctx, l, data, base)
	if err != nil {
		return c, err
	}
	return c, l.AddRecipe(ctx, blk, cids(leavesOf(data)))
}

func tryRecipe(ctx context.Context, l *store.Lease, data, base []byte) (dag.Child, blocks.Block, error) {
	c, err := tryNodes(ctx, l, data)
	if err != nil {
		return c, nil, err
	}
	r := &dag.Recipe{Of: c.CID, Size: int64(len(data)), DType: tensor.BF16}
	if base != nil {
		of, err := tryNodes(ctx, l, base)
		if err != nil {
			return c, nil, err
		}
		r.Bases = []dag.Base{{Of: of.CID, DType: tensor.BF16}}
	}
	var entries []dag.Entry
	for i, leaf := range slices.Collect(slices.Chunk(data, dag.MaxLeaf)) {
		in := codec.Context{DType: tensor.BF16, Offset: int64(i) * dag.MaxLeaf}
		if base != nil {
			from := min(i*dag.MaxLeaf, len(base))
			part := base[from:min(from+len(leaf), len(base))]
			in.Bases = []codec.Base{{DType: tensor.BF16, Spans: []codec.Span{{Data: part}}}}
		}
		chunk, err := codec.Encode(nil, leaf, in)
		if errors.Is(err, codec.ErrIncompressible) {
			chunk = leaf
		} else if err != nil {
			return c, nil, err
		}
		id, err := tryPut(ctx, l, chunk)
		if err != nil {
			return c, nil, err
		}
		entries = append(entries, dag.Entry{Chunk: id, Length: len(chunk)})
	}
	blk, err := dag.EncodeRecipe(r, slices.Values(entries), l.Emit(ctx))
	if err != nil {
		return c, nil, err
	}
	return c, blk, nil
}

func tryPut(ctx context.Context, l *store.Lease, data []byte) (cid.Cid, error) {
	b, err := blocks.NewBlockWithCid(data, dag.Raw(data))
	if err == nil {
		put := l.Put
		if h := b.Cid().Hash(); h[len(h)-1]%2 == 0 {
			put = l.PutSpent
		}
		_, err = put(ctx, b)
	}
	return dag.Raw(data), err
}

// tryModel adds a model of one file that is one tensor, named and pinned.
func tryModel(ctx context.Context, s *store.Store, name string, data, base []byte) (model, of cid.Cid, err error) {
	l, err := s.NewLease()
	if err != nil {
		return cid.Undef, cid.Undef, err
	}
	defer l.Release()
	c, err := tryTensor(ctx, l, data, base)
	if err != nil {
		return cid.Undef, cid.Undef, err
	}
	dir, err := dag.BuildDir(ctx, map[string]dag.Child{"model": c}, l.Emit(ctx))
	if err != nil {
		return cid.Undef, cid.Undef, err
	}
	return dir.CID, c.CID, l.Commit(store.Change{
		Models: []store.Model{{CID: dir.CID.String(), Bytes: int64(len(data)), Files: 1, Added: time.Unix(1, 0)}},
		Names:  map[string]cid.Cid{name: dir.CID},
		Pin:    map[cid.Cid]string{dir.CID: store.PinModel},
	})
}
