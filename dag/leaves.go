package dag

import (
	"context"
	"fmt"
	"iter"

	"github.com/ipfs/go-cid"
)

// LeavesOf yields the leaf CIDs of tensor c of size bytes, in order; its nodes
// come from g, and are checked to be those of a tensor: every leaf but the last
// of MaxLeaf bytes.
func LeavesOf(ctx context.Context, g Getter, c cid.Cid, size int64) iter.Seq2[cid.Cid, error] {
	return func(yield func(cid.Cid, error) bool) {
		i := int64(0)
		for leaf, err := range fileLeaves(ctx, g, Child{CID: c, Size: size}, 0) {
			if err == nil && (i >= Leaves(size) || leaf.Size != int64(LeafSize(size, i))) {
				err = &CorruptError{CID: c, Reason: fmt.Sprintf("not a tensor: leaf %d has %d bytes", i, leaf.Size)}
			}
			i++
			if !yield(leaf.CID, err) || err != nil {
				return
			}
		}
	}
}

// fileLeaves yields the leaves under c, depth first.
func fileLeaves(ctx context.Context, g Getter, c Child, depth int) iter.Seq2[Child, error] {
	return func(yield func(Child, error) bool) {
		walkLeaves(ctx, g, c, depth, yield)
	}
}

func walkLeaves(ctx context.Context, g Getter, c Child, depth int, yield func(Child, error) bool) bool {
	if c.CID.Type() == cid.Raw {
		if c.Size > MaxLeaf {
			return yield(c, &CorruptError{CID: c.CID, Reason: fmt.Sprintf("a leaf of %d bytes", c.Size)}) && false
		}
		return yield(c, nil)
	}
	if depth == maxDepth {
		return yield(c, &CorruptError{CID: c.CID, Reason: fmt.Sprintf("a file more than %d nodes deep", maxDepth)}) && false
	}
	b, err := g.Get(ctx, c.CID)
	if err != nil {
		return yield(c, err) && false
	}
	n, err := DecodeFile(b, c.Size)
	if err != nil {
		return yield(c, err) && false
	}
	for _, child := range n.Children {
		if !walkLeaves(ctx, g, child, depth+1, yield) {
			return false
		}
	}
	return true
}
