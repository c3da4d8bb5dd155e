package dag

import (
	"context"
	"fmt"
	"io"

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
	last map[int]opened // by depth
}

// opened is a node, parsed once however often it is read through, or a leaf.
type opened struct {
	child Child
	node  *Node // nil for a leaf
	leaf  []byte
}

// NewReader returns a reader of file c of size bytes, for as long as ctx lasts.
func NewReader(ctx context.Context, g Getter, c cid.Cid, size int64) *Reader {
	return &Reader{ctx: ctx, g: g, root: Child{CID: c, Size: size}, last: map[int]opened{}}
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
	o, err := r.open(c, depth)
	if err != nil {
		return 0, err
	}
	if o.node == nil {
		return copy(b, o.leaf[off:]), nil
	}
	child, start := o.node.At(off)
	return r.read(child, b, off-start, depth+1)
}

func (r *Reader) open(c Child, depth int) (opened, error) {
	if depth > maxDepth {
		return opened{}, &CorruptError{CID: c.CID, Reason: fmt.Sprintf("a file more than %d nodes deep", maxDepth)}
	}
	if o, ok := r.last[depth]; ok && o.child.CID.Equals(c.CID) && o.child.Size == c.Size {
		return o, nil
	}
	b, err := r.g.Get(r.ctx, c.CID)
	if err != nil {
		return opened{}, err
	}
	o := opened{child: c}
	if c.CID.Type() != cid.Raw {
		o.node, err = DecodeFile(b, c.Size)
	} else if o.leaf = b.RawData(); int64(len(o.leaf)) != c.Size {
		err = &CorruptError{CID: c.CID, Reason: fmt.Sprintf("a leaf of %d bytes where %d belong", len(o.leaf), c.Size)}
	}
	if err != nil {
		return opened{}, err
	}
	r.last[depth] = o
	return o, nil
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

// Part returns the node that stands for exactly bytes [off, off+size) of the
// file, and false when there is none. Of several, each the only child of the one
// above, which the last of a file's parts may be under, it is the lowest. The
// nodes on the way stay open: all parts, in order, take each node once.
func (r *Reader) Part(off, size int64) (Child, bool, error) {
	c := r.root
	last := off+size == c.Size
	for depth := 0; depth <= maxDepth; depth++ {
		found := off == 0 && c.Size == size
		if found && (!last || c.CID.Type() == cid.Raw) {
			return c, true, nil
		}
		if c.CID.Type() == cid.Raw {
			return Child{}, false, nil
		}
		o, err := r.open(c, depth)
		if err != nil {
			return Child{}, false, err
		}
		if found && len(o.node.Children) > 1 {
			return c, true, nil
		}
		child, start := o.node.At(off)
		c, off = child, off-start
	}
	return Child{}, false, nil
}
