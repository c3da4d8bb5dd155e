package node

import (
	"context"
	"errors"
	"io"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/tensor/layout"
)

// sampleFetched keeps samples of the tensors that came, so that what is added
// later finds them as bases.
func (n *Node) sampleFetched(ctx context.Context, model cid.Cid, files []*outFile) error {
	name, err := n.nameOf(model)
	if err != nil {
		return err
	}
	if name == "" {
		name = model.String()
	}
	for _, f := range files {
		mf, err := n.modelFile(ctx, dag.File{Path: f.path, CID: f.cid})
		if err != nil {
			return err
		}
		if mf.format == plain {
			continue
		}
		if err := n.sampleFile(ctx, mf, f, name); err != nil {
			return err
		}
	}
	return nil
}

// sampleFile samples the tensors of a file: from where it was written, if it was,
// for a sample takes some bytes of each leaf, and the store would read, decode and
// hash all of it.
func (n *Node) sampleFile(ctx context.Context, mf modelFile, f *outFile, model string) error {
	written, err := f.reopen()
	if err != nil {
		return err
	}
	if written != nil {
		defer written.Close()
	}
	for p, err := range mf.parts(ctx) {
		if err != nil {
			return err
		}
		if !layout.IsTensor(mf.format, p.extent) || p.extent.Size == 0 {
			continue
		}
		var r io.ReaderAt = dag.NewReader(ctx, n.store, p.child.CID, p.child.Size)
		if written != nil {
			r = io.NewSectionReader(written, p.extent.Offset, p.extent.Size)
		}
		if err := n.sampleOne(p, r, model); err != nil {
			return err
		}
	}
	return nil
}

// sampleAll samples every model again, after the index that held the samples was
// lost.
func (n *Node) sampleAll(ctx context.Context) error {
	models, err := n.store.Models()
	if err != nil {
		return err
	}
	var errs []error
	for _, m := range models {
		c, err := cid.Decode(m.CID)
		if err != nil {
			return err
		}
		var files []*outFile
		for f, err := range dag.Files(ctx, n.store, c, nil) {
			if err != nil {
				errs = append(errs, err)
				break
			}
			files = append(files, &outFile{path: f.Path, cid: f.CID})
		}
		errs = append(errs, n.sampleFetched(ctx, c, files))
	}
	return errors.Join(errs...)
}

// sampleOne samples one tensor, which r reads.
func (n *Node) sampleOne(p part, r io.ReaderAt, model string) error {
	label, err := n.store.Label(p.child.CID)
	if err != nil || label != "" { // it was sampled when it came first
		return err
	}
	of := store.Sampled{Group: family.GroupOf(p.extent), Label: model + "/" + p.extent.Name}
	if p.extent.Size >= family.MinSize {
		if err := n.sampleInto(&of, p, r); err != nil {
			return err
		}
	}
	return n.store.PutSample(p.child.CID, of)
}

// sampleInto adds to of what is kept of a larger tensor, which r reads.
func (n *Node) sampleInto(of *store.Sampled, p part, r io.ReaderAt) error {
	e := p.extent
	e.Offset = 0
	s, err := family.Take(r, e)
	if err != nil {
		return err
	}
	sampleTo(of, &s)
	if rows, ok := family.RowsOf(e); ok {
		list, err := rows.Read(r, 0)
		if err != nil {
			return err
		}
		of.Rows = family.Telling(list, tellingKept)
	}
	like, err := n.nearest(&s, of.Group)
	of.Under = like.under(family.Estimate(s, nil))
	return err
}
