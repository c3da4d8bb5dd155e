package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/tensor"
)

// scratch holds the buffers in which leaves are encoded and checked.
var scratch = sync.Pool{New: func() any { return new(scratchBuffers) }}

type scratchBuffers struct{ chunk, back []byte }

// encode encodes leaf i, whose bytes are data and whose CID is leaf, checks
// that it decodes to the same bytes, and puts the chunk.
func (n *Node) encode(ctx context.Context, l *store.Lease, level codec.Level, f form, bases []dag.Base, i int64, data []byte, leaf cid.Cid) (dag.Entry, error) {
	buf := scratch.Get().(*scratchBuffers)
	defer scratch.Put(buf)
	c, err := n.codecContext(ctx, f, bases, i, len(data))
	if err != nil {
		return dag.Entry{}, err
	}
	c.Level = level
	id, chunk := leaf, data
	buf.chunk, err = codec.Encode(buf.chunk[:0], data, c)
	switch {
	case errors.Is(err, codec.ErrIncompressible):
	case err != nil:
		return dag.Entry{}, err
	default:
		// What is stored may be the only copy: an encoder's mistake must not
		// outlive this call.
		buf.back, err = codec.Decode(buf.back[:0], buf.chunk, len(data), c)
		if err != nil || !bytes.Equal(buf.back, data) {
			return dag.Entry{}, fmt.Errorf("leaf %s does not decode to itself (%w): please report this", leaf, errors.Join(err, errSelfCheck))
		}
		chunk, id = buf.chunk, dag.Raw(buf.chunk)
	}
	b, err := blocks.NewBlockWithCid(chunk, id)
	if err != nil {
		return dag.Entry{}, err
	}
	_, err = l.Put(ctx, b)
	return dag.Entry{Chunk: id, Length: len(chunk)}, err
}

var errSelfCheck = errors.New("the encoder erred")

// A form is what an encoder wants to know of a tensor: its dtype, the elements of a
// row, or 0 where they are not known, and its side block.
type form struct {
	dtype tensor.DType
	row   int
	side  []byte // what all chunks share; nil for none
}

func formOf(e tensor.Extent) form { return form{dtype: e.DType, row: e.Shape.Row()} }

// codecContext gathers what of bases lines up with leaf i of a tensor.
func (n *Node) codecContext(ctx context.Context, f form, bases []dag.Base, i int64, size int) (codec.Context, error) {
	c := codec.Context{DType: f.dtype, Row: f.row, Side: f.side, Offset: i * dag.MaxLeaf}
	for _, b := range bases {
		base, err := store.BaseOf(f.dtype, b, i, size, func(off int64, k int) ([]byte, error) {
			return n.store.ReadTensor(ctx, b.Of, off, k)
		})
		if err != nil {
			return c, fmt.Errorf("base %s: %w", b.Of, err)
		}
		c.Bases = append(c.Bases, base)
	}
	return c, nil
}

// addRecipe adds the recipe of tensor c, whose leaves were all encoded and
// checked.
func (n *Node) addRecipe(ctx context.Context, l *store.Lease, c dag.Child, dtype tensor.DType, bases []dag.Base, leaves []leafResult) error {
	b, err := recipeBlock(ctx, l, &dag.Recipe{Of: c.CID, Size: c.Size, DType: dtype, Bases: bases}, leaves)
	if err != nil {
		return err
	}
	return l.AddRecipe(ctx, b, leafCIDs(leaves))
}

// recipeBlock puts the pages of recipe r, whose chunks are those of leaves, and
// returns it.
func recipeBlock(ctx context.Context, l *store.Lease, r *dag.Recipe, leaves []leafResult) (blocks.Block, error) {
	entries := func(yield func(dag.Entry) bool) {
		for _, l := range leaves {
			if !yield(l.entry) {
				return
			}
		}
	}
	return dag.EncodeRecipe(r, entries, l.Emit(ctx))
}

// leafCIDs yields the CIDs of leaves, as the store wants them.
func leafCIDs(leaves []leafResult) iter.Seq2[cid.Cid, error] {
	return func(yield func(cid.Cid, error) bool) {
		for _, l := range leaves {
			if !yield(l.leaf.CID, nil) {
				return
			}
		}
	}
}
