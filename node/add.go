package node

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/dag/twin"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/tensor/layout"
)

// Add stores the model at req.Path: every tensor that is new, against the best
// base that is here, and nothing of one that is known.
func (n *Node) Add(ctx context.Context, req AddRequest, progress func(Progress)) (AddResult, error) {
	start := time.Now()
	if req.Name == "" {
		req.Name = filepath.Base(req.Path)
	}
	if err := CheckName(req.Name); err != nil {
		return AddResult{}, err
	}
	files, err := walkModel(req.Path)
	if err != nil {
		return AddResult{}, err
	}
	a := &adding{n: n, report: progress, req: req}
	for _, f := range files {
		a.total += f.info.Size()
	}
	if a.lease, err = n.store.NewLease(); err != nil {
		return AddResult{}, err
	}
	defer a.lease.Release()
	a.lease.For("add " + req.Path)
	if err := n.store.Flush(); err != nil { // so that a start after a kill knows it
		return AddResult{}, err
	}
	if a.bases, err = n.newBaseFinder(ctx, req.Base, files); err != nil {
		return AddResult{}, err
	}
	children := map[string]dag.Child{}
	sums := map[string][32]byte{}
	for _, f := range files {
		c, sum, err := a.file(ctx, f)
		if err != nil {
			return AddResult{}, fmt.Errorf("add %q: %w", f.path, err)
		}
		children[f.path], sums[f.path] = c, sum
	}
	model, err := dag.BuildDir(ctx, children, a.lease.Emit(ctx))
	if err != nil {
		return AddResult{}, err
	}
	packing, err := n.pack(ctx, a.lease, model.CID, sums)
	if err != nil {
		return AddResult{}, err
	}
	ch := store.Change{
		Models: []store.Model{{
			CID: model.CID.String(), Packing: packing.String(), Bytes: a.total, Files: len(files),
			Tensors: a.tensors, Added: time.Now().UTC(),
		}},
		Names: map[string]cid.Cid{req.Name: model.CID},
	}
	if !req.NoPin {
		ch.Pin = map[cid.Cid]string{model.CID: store.PinModel}
	}
	replaced, err := n.replaced(req.Name, model.CID)
	if err != nil {
		return AddResult{}, err
	}
	if err := a.lease.Commit(ch); err != nil {
		return AddResult{}, err
	}
	if !req.NoPin {
		if err := n.announce(ctx, model.CID); err != nil {
			n.log.Warn("announcing a model failed", "model", model.CID, "err", err)
		}
	}
	return AddResult{
		CID: model.CID.String(), Packing: packing.String(), Name: req.Name, Files: len(files), Bytes: a.total,
		Tensors: a.tensors, TensorsNew: a.fresh, TensorsDelta: a.deltas,
		StoredNew: a.lease.Written(), Seconds: time.Since(start).Seconds(), Replaced: replaced, Odd: a.odd,
	}, nil
}

// replaced returns the model that name means and that model will take it from, or
// "". Its pin stays: a name moves, nothing is lost.
func (n *Node) replaced(name string, model cid.Cid) (string, error) {
	old, ok, err := n.store.Name(name)
	if err != nil || !ok || old.Equals(model) {
		return "", err
	}
	return old.String(), nil
}

// adding is one add under way.
type adding struct {
	n      *Node
	req    AddRequest
	lease  *store.Lease
	bases  *baseFinder
	report func(Progress)
	total  int64 // bytes of all files
	odd    []OddFile

	mu                     sync.Mutex
	done                   int64
	tensors, fresh, deltas int
}

// file adds one file, in one pass over its bytes, and returns it with its
// sha256.
func (a *adding) file(ctx context.Context, src sourceFile) (dag.Child, [32]byte, error) {
	f, err := os.Open(src.real)
	if err != nil {
		return dag.Child{}, [32]byte{}, Coded(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return dag.Child{}, [32]byte{}, err
	}
	if !sameFile(info, src.info) {
		return dag.Child{}, [32]byte{}, errChanged
	}
	size := info.Size()
	lay, err := layout.Of(f, size)
	if err != nil {
		return dag.Child{}, [32]byte{}, err
	}
	if what, err := odd(src.path, lay.Format, f, size); err != nil {
		return dag.Child{}, [32]byte{}, err
	} else if what != "" && len(a.odd) < maxOdd {
		a.odd = append(a.odd, OddFile{src.path, what})
	}
	p := &pass{a: a, f: f, path: src.path, sum: new(twin.Hash)}
	p.children.b = dag.NewFileBuilder(a.lease.Emit(ctx))
	if err := p.run(ctx, lay); err != nil {
		return dag.Child{}, [32]byte{}, err
	}
	if info, err = os.Stat(src.real); err != nil || !sameFile(info, src.info) {
		return dag.Child{}, [32]byte{}, errors.Join(errChanged, err)
	}
	if p.children.next == 0 {
		empty, err := blocks.NewBlockWithCid(nil, dag.EmptyFile)
		if err == nil {
			_, err = a.lease.Put(ctx, empty)
		}
		if err != nil {
			return dag.Child{}, [32]byte{}, err
		}
	}
	c, err := p.children.b.Finish()
	if err == nil {
		mf := modelFile{n: a.n, path: src.path, child: c, format: lay.Format, extents: lay.Extents}
		err = a.bases.endFile(ctx, mf, a.req.Name)
	}
	return c, p.sum.Sum(), err
}

var errChanged = errors.New("the file changed while it was read: add it again when nothing writes to it")

func sameFile(a, b os.FileInfo) bool {
	return a.Size() == b.Size() && a.ModTime().Equal(b.ModTime()) && os.SameFile(a, b)
}
