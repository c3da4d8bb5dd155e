package dag

import (
	"context"
	"fmt"
	"io"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// FileSize returns the size of file c in bytes. A file that is one leaf is
// fetched, unless g can tell a block's size without.
func FileSize(ctx context.Context, g Getter, c cid.Cid) (int64, error) {
	if c.Type() == cid.Raw {
		if s, ok := g.(Sizer); ok {
			n, err := s.GetSize(ctx, c)
			return int64(n), err
		}
	}
	b, err := g.Get(ctx, c)
	if err != nil {
		return 0, err
	}
	if c.Type() == cid.Raw {
		return int64(len(b.RawData())), nil
	}
	n, err := DecodeFile(b, -1)
	if err != nil {
		return 0, err
	}
	return n.Size, nil
}

// A Sizer is a Getter that can tell a block's size more cheaply than by Get.
type Sizer interface {
	GetSize(ctx context.Context, c cid.Cid) (int, error)
}

// A Reader reads a file at random. It keeps the last node of each level and the
// last leaf. It is not safe for concurrent use.
type Reader struct {
	ctx  context.Context // of one operation, which the reader does not outlive
	g    Getter
	root Child
	last map[int]blocks.Block // by depth
}

// NewReader returns a reader of file c of size bytes, for as long as ctx lasts.
func NewReader(ctx context.Context, g Getter, c cid.Cid, size int64) *Reader {
	return &Reader{ctx: ctx, g: g, root: Child{CID: c, Size: size}, last: map[int]blocks.Block{}}
}

// ReadAt reads len(b) bytes from off on, or fewer and io.EOF.
func (r *Reader) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("a negative offset")
	}
	n := 0
	for n < len(b) && off < r.root.Size {
		k, err := r.read(r.root, b[n:], off, 0)
		if err != nil {
			return n, err
		}
		n += k
		off += int64(k)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// read copies from the leaf of c that holds byte off of it.
func (r *Reader) read(c Child, b []byte, off int64, depth int) (int, error) {
	blk, err := r.block(c.CID, depth)
	if err != nil {
		return 0, err
	}
	if c.CID.Type() == cid.Raw {
		if int64(len(blk.RawData())) != c.Size {
			return 0, &CorruptError{CID: c.CID, Reason: fmt.Sprintf("a leaf of %d bytes where %d belong", len(blk.RawData()), c.Size)}
		}
		return copy(b, blk.RawData()[off:]), nil
	}
	n, err := DecodeFile(blk, c.Size)
	if err != nil {
		return 0, err
	}
	child, start := n.At(off)
	return r.read(child, b, off-start, depth+1)
}

func (r *Reader) block(c cid.Cid, depth int) (blocks.Block, error) {
	if depth > maxDepth {
		return nil, &CorruptError{CID: c, Reason: fmt.Sprintf("a file more than %d nodes deep", maxDepth)}
	}
	if b, ok := r.last[depth]; ok && b.Cid().Equals(c) {
		return b, nil
	}
	b, err := r.g.Get(r.ctx, c)
	if err == nil {
		r.last[depth] = b
	}
	return b, err
}

// At returns the child that holds byte off of n, and where it starts.
func (n *Node) At(off int64) (c Child, start int64) {
	for _, c = range n.Children {
		if off < start+c.Size {
			return c, start
		}
		start += c.Size
	}
	return c, start - c.Size
}

// Part returns the topmost node of file root that stands for exactly bytes
// [off, off+size), and false when there is none.
func Part(ctx context.Context, g Getter, root Child, off, size int64) (Child, bool, error) {
	for depth := 0; depth <= maxDepth; depth++ {
		if off == 0 && root.Size == size {
			return root, true, nil
		}
		if root.CID.Type() == cid.Raw {
			return Child{}, false, nil
		}
		b, err := g.Get(ctx, root.CID)
		if err != nil {
			return Child{}, false, err
		}
		n, err := DecodeFile(b, root.Size)
		if err != nil {
			return Child{}, false, err
		}
		c, start := n.At(off)
		root, off = c, off-start
	}
	return Child{}, false, nil
}
