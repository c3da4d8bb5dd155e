package node

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/layout"
)

// A modelFile is one file of a stored model, cut as its own bytes say.
type modelFile struct {
	n       *Node
	path    string
	child   dag.Child // the file
	format  string
	extents tensor.Extents // none of a file that others cut by another rule
}

// A part is one extent, and the node that stands for it. An empty one has none.
type part struct {
	extent tensor.Extent
	child  dag.Child
}

// plain is the format of a file that is not cut.
const plain = "plain"

// tensors counts the file's tensors.
func (f modelFile) tensors() int {
	n := 0
	for e := range f.extents.All() {
		if layout.IsTensor(f.format, e) {
			n++
		}
	}
	return n
}

// modelFiles yields the files of model c. It reads their headers from the
// store. A file that is not here is an error.
func (n *Node) modelFiles(ctx context.Context, c cid.Cid) iter.Seq2[modelFile, error] {
	return func(yield func(modelFile, error) bool) {
		for f, err := range dag.Files(ctx, n.store, c, nil) {
			if err != nil {
				yield(modelFile{}, err)
				return
			}
			mf, err := n.modelFile(ctx, f)
			if !yield(mf, err) {
				return
			}
		}
	}
}

func (n *Node) modelFile(ctx context.Context, f dag.File) (modelFile, error) {
	mf := modelFile{n: n, path: f.Path}
	size, err := dag.FileSize(ctx, n.store, f.CID)
	if err != nil {
		return mf, fmt.Errorf("%q: %w", f.Path, err)
	}
	mf.child = dag.Child{CID: f.CID, Size: size}
	lay, err := layout.Of(dag.NewReader(ctx, n.store, f.CID, size), size)
	if err != nil {
		return mf, fmt.Errorf("%q: %w", f.Path, err)
	}
	mf.format, mf.extents = lay.Format, lay.Extents
	for _, err := range mf.parts(ctx) {
		if errors.Is(err, errForeignCut) {
			mf.format, mf.extents = plain, tensor.Extents{}
			return mf, nil
		}
		if err != nil {
			return mf, err
		}
	}
	return mf, nil
}

// errForeignCut says that a file was cut by another rule than ours.
var errForeignCut = errors.New("cut by another rule")

// parts yields the file's parts, in order. It holds none of them: a file may have
// a million.
func (f modelFile) parts(ctx context.Context) iter.Seq2[part, error] {
	return func(yield func(part, error) bool) {
		in := dag.NewReader(ctx, f.n.store, f.child.CID, f.child.Size)
		for e := range f.extents.All() {
			p := part{extent: e}
			if err := ctx.Err(); err != nil {
				yield(part{}, err)
				return
			}
			if e.Size > 0 {
				child, ok, err := in.Part(e.Offset, e.Size)
				if err == nil && !ok {
					err = errForeignCut
				}
				if err != nil {
					yield(part{}, fmt.Errorf("%q: %w", f.path, err))
					return
				}
				p.child = child
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// resolve returns the model that ref means: a name, a model CID or a packing
// CID. A packing that is not here is fetched by whoever has a session; see
// resolveIn.
func (n *Node) resolve(ctx context.Context, ref string) (cid.Cid, error) {
	return n.resolveIn(ctx, ref, n.store)
}

func (n *Node) resolveIn(ctx context.Context, ref string, g dag.Getter) (cid.Cid, error) {
	if c, ok, err := n.store.Name(ref); ok || err != nil {
		return c, err
	}
	c, err := cid.Decode(ref)
	if err != nil {
		return cid.Undef, WithCode(CodeNotFound, fmt.Errorf("%q: no model of that name here, and no CID", ref))
	}
	if err := dag.Supported(c); err != nil {
		return cid.Undef, usagef("%s: a model's CID is a CIDv1 with sha2-256", ref)
	}
	switch c.Type() {
	case cid.DagProtobuf:
		return c, nil
	case cid.DagCBOR:
		b, err := g.Get(ctx, c)
		if err != nil {
			return cid.Undef, err
		}
		p, err := dag.DecodePacking(b)
		if err != nil {
			return cid.Undef, usagef("%s is no packing: give a model's or a packing's CID", ref)
		}
		return p.Of, nil
	}
	return cid.Undef, usagef("%s is the CID of a single block: give a model's or a packing's CID", ref)
}

// nameOf returns a name of model c, the first in order, or "".
func (n *Node) nameOf(c cid.Cid) (string, error) {
	names, err := n.store.Names()
	best := ""
	for name, of := range names {
		if of.Equals(c) && (best == "" || name < best) {
			best = name
		}
	}
	return best, err
}

// isAbsent tells whether err says that something is not here.
func isAbsent(err error) bool { return errors.Is(err, dag.ErrNotFound) }

// holds tells whether everything under c, a file or a directory, can be rebuilt
// here.
func (n *Node) holds(ctx context.Context, c cid.Cid) (bool, error) {
	return n.holdsAll(ctx, c, cidSet{})
}

// holdsAll is holds; nodes that are in seen were found held.
func (n *Node) holdsAll(ctx context.Context, c cid.Cid, seen cidSet) (bool, error) {
	if c.Equals(dag.EmptyFile) || c.Type() != cid.Raw && !seen.add(c) {
		return true, nil
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	if _, ok, err := n.store.Tensor(c); ok || err != nil || c.Type() == cid.Raw {
		return ok, err
	}
	b, err := n.store.Get(ctx, c)
	if err != nil {
		if isAbsent(err) {
			return false, nil
		}
		return false, err
	}
	links, err := dag.Links(b)
	if err != nil {
		return false, err
	}
	for _, l := range links {
		if ok, err := n.holdsAll(ctx, l, seen); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}
