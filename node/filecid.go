package node

import (
	"context"
	"os"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/tensor/layout"
)

// fileCID returns the CID of file f, as add would name it, and stores
// nothing.
func fileCID(ctx context.Context, f *os.File) (cid.Cid, error) {
	info, err := f.Stat()
	if err != nil {
		return cid.Undef, err
	}
	lay, err := layout.Of(f, info.Size())
	if err != nil {
		return cid.Undef, err
	}
	nothing := func(blocks.Block) error { return nil }
	file := dag.NewFileBuilder(nothing)
	buf := make([]byte, dag.MaxLeaf)
	for e := range lay.Extents.All() {
		part := dag.NewFileBuilder(nothing)
		for i := range dag.Leaves(e.Size) {
			if err := ctx.Err(); err != nil {
				return cid.Undef, err
			}
			data := buf[:dag.LeafSize(e.Size, i)]
			if err := readFull(f, data, e.Offset+i*dag.MaxLeaf); err != nil {
				return cid.Undef, err
			}
			if err := part.Add(dag.Leaf(data)); err != nil {
				return cid.Undef, err
			}
		}
		c, err := part.Finish()
		if err == nil {
			err = file.Add(c)
		}
		if err != nil {
			return cid.Undef, err
		}
	}
	c, err := file.Finish()
	return c.CID, err
}
