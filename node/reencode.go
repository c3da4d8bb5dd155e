package node

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
)

// thorough is the level of what is encoded anew: a repack has more time for a
// leaf than an add has.
const thorough = codec.Best

// reencode encodes tensor c, which is here, in form f against bases, and stores the
// recipe as one more way to rebuild it. It returns the recipe with the bytes of its
// chunks and side block. Every leaf is checked when it is read, and every chunk
// before it is written. Leaves are read and encoded side by side, a few to each core.
func (n *Node) reencode(ctx context.Context, l *store.Lease, c cid.Cid, t store.Tensor, f form, bases []dag.Base) (cid.Cid, int64, error) {
	recipe := &dag.Recipe{Of: c, Size: t.Size, DType: t.DType, Bases: bases}
	if f.side != nil {
		side, err := blocks.NewBlockWithCid(f.side, dag.Raw(f.side))
		if err == nil {
			_, err = l.Put(ctx, side)
		}
		if err != nil {
			return cid.Undef, 0, err
		}
		recipe.Side = side.Cid()
	}
	leaves := make([]leafResult, dag.Leaves(t.Size))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	i := int64(0)
	for leaf, err := range dag.LeavesOf(gctx, n.store, c, t.Size) {
		if err != nil {
			return cid.Undef, 0, firstError(g.Wait(), err)
		}
		at := i
		i++
		g.Go(func() error {
			size := dag.LeafSize(t.Size, at)
			data, err := n.checkedLeaf(gctx, c, leaf, at, size)
			if err != nil {
				return err
			}
			r := leafResult{leaf: dag.Child{CID: leaf, Size: int64(size), DagSize: uint64(size)}}
			r.entry, err = n.encode(gctx, l, thorough, f, bases, at, data, leaf)
			leaves[at] = r
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return cid.Undef, 0, err
	}
	stored := int64(len(f.side))
	for _, r := range leaves {
		stored += int64(r.entry.Length)
	}
	b, err := recipeBlock(ctx, l, recipe, leaves)
	if err != nil {
		return cid.Undef, 0, err
	}
	return b.Cid(), stored, l.AddWay(ctx, b, leafCIDs(leaves))
}

// maxProbed bounds the leaves of a tensor that a probe encodes.
const maxProbed = 3

// probe returns what tensor c would take in form f against bases, by encoding a few of its
// leaves, or all if they are few. It writes nothing.
func (n *Node) probe(ctx context.Context, c cid.Cid, t store.Tensor, f form, bases []dag.Base) (int64, error) {
	leaves := dag.Leaves(t.Size)
	probed := min(leaves, maxProbed)
	read, took := make([]int, probed), make([]int, probed)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for at := range probed {
		g.Go(func() error {
			i := at * leaves / probed
			read[at] = dag.LeafSize(t.Size, i)
			data, err := n.store.ReadTensor(ctx, c, i*dag.MaxLeaf, read[at])
			if err != nil {
				return err
			}
			in, err := n.codecContext(ctx, f, bases, i, len(data))
			if err != nil {
				return err
			}
			buf := scratch.Get().(*scratchBuffers)
			defer scratch.Put(buf)
			in.Level = thorough
			buf.chunk, err = codec.Encode(buf.chunk[:0], data, in)
			if took[at] = len(buf.chunk); errors.Is(err, codec.ErrIncompressible) {
				took[at], err = len(data), nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	sum, of := 0, 0
	for at := range probed {
		sum, of = sum+took[at], of+read[at]
	}
	return int64(len(f.side)) + int64(float64(sum)*(float64(t.Size)/float64(of))), nil
}

// firstError returns the error of the goroutines if they have one: that of the
// loop which started them may only be that they were stopped.
func firstError(goroutines, loop error) error {
	if goroutines != nil {
		return goroutines
	}
	return loop
}

// checkedLeaf returns leaf i of tensor c, compared with its CID.
func (n *Node) checkedLeaf(ctx context.Context, c, leaf cid.Cid, i int64, size int) ([]byte, error) {
	data, err := n.store.ReadTensor(ctx, c, i*dag.MaxLeaf, size)
	if err == nil {
		err = dag.Check(leaf, data)
	}
	if err != nil {
		return nil, fmt.Errorf("leaf %d of tensor %s: %w", i, c, err)
	}
	return data, nil
}
