package node

import (
	"bufio"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
)

// packingOf returns the packing of model, all of which is here, and makes one
// where there is none.
func (n *Node) packingOf(ctx context.Context, model cid.Cid) (cid.Cid, error) {
	m, ok, err := n.store.Model(model)
	if err != nil {
		return cid.Undef, err
	}
	if !ok || m.Partial {
		return cid.Undef, fmt.Errorf("model %s is not whole here: %w", model, dag.ErrNotFound)
	}
	if m.Packing != "" {
		c, err := cid.Decode(m.Packing)
		if err == nil {
			var here bool
			if here, err = n.store.Has(ctx, c); here {
				return c, nil
			}
		}
		if err != nil {
			return cid.Undef, err
		}
	}
	l, err := n.store.NewLease()
	if err != nil {
		return cid.Undef, err
	}
	defer l.Release()
	if _, err := l.Keep(model); err != nil {
		return cid.Undef, err
	}
	sums, err := n.sums(ctx, model)
	if err != nil {
		return cid.Undef, err
	}
	p, err := n.pack(ctx, l, model, sums)
	if err != nil {
		return cid.Undef, err
	}
	m.Packing = p.String()
	return p, l.Commit(store.Change{Models: []store.Model{m}})
}

// sums computes the sha256 of every file of model from the store.
func (n *Node) sums(ctx context.Context, model cid.Cid) (map[string][32]byte, error) {
	out := map[string][32]byte{}
	for f, err := range dag.Files(ctx, n.store, model, nil) {
		if err != nil {
			return nil, err
		}
		size, err := dag.FileSize(ctx, n.store, f.CID)
		if err != nil {
			return nil, err
		}
		h := sha256.New()
		r := io.NewSectionReader(dag.NewReader(ctx, n.store, f.CID, size), 0, size)
		if _, err := io.CopyBuffer(h, r, make([]byte, dag.MaxLeaf)); err != nil {
			return nil, fmt.Errorf("%q: %w", f.Path, err)
		}
		out[f.Path] = [32]byte(h.Sum(nil))
	}
	return out, nil
}

// Export writes the packing of req.Ref, and every block that it needs, to
// req.Path as CARv1 with the packing as its root.
func (n *Node) Export(ctx context.Context, req ExportRequest, progress func(Progress)) (ExportResult, error) {
	model, err := n.resolve(ctx, req.Ref)
	if err != nil {
		return ExportResult{}, err
	}
	f, err := createCar(req.Path, req.Force)
	if err != nil {
		return ExportResult{}, Coded(err)
	}
	w := &carWriter{w: bufio.NewWriterSize(f, 1<<20), seen: cidSet{}, report: progress}
	packing, err := n.packingOf(ctx, model)
	if err != nil {
		return ExportResult{}, Coded(f.finish(err))
	}
	if err = w.header(packing); err == nil {
		err = n.closure(ctx, packing, w.block)
	}
	if isAbsent(err) {
		err = WithCode(CodeIntegrity, n.unprovided(model, err))
	}
	if err = f.finish(errors.Join(err, w.w.Flush())); err != nil {
		return ExportResult{}, Coded(err)
	}
	return ExportResult{CID: model.String(), Packing: packing.String(), Path: req.Path, Blocks: len(w.seen), Bytes: w.bytes}, nil
}

// A carWriter writes CARv1, each block once.
type carWriter struct {
	w      *bufio.Writer
	seen   cidSet
	bytes  int64
	report func(Progress)
}

func (w *carWriter) write(b []byte) error {
	n, err := w.w.Write(b)
	w.bytes += int64(n)
	return err
}

func (w *carWriter) header(root cid.Cid) error { return w.write(dag.CARHeader(root)) }

func (w *carWriter) block(b blocks.Block) error {
	if !w.seen.add(b.Cid()) {
		return nil
	}
	if err := w.write(dag.CARSection(b.Cid(), len(b.RawData()))); err != nil {
		return err
	}
	if err := w.write(b.RawData()); err != nil {
		return err
	}
	w.report(Progress{Stage: "export", Done: w.bytes})
	return nil
}

// closure calls fn with every block that a packing reaches, the packing first.
// They are what the links of the dag-cbor blocks name, and nothing else.
func (n *Node) closure(ctx context.Context, packing cid.Cid, fn func(blocks.Block) error) error {
	get := func(c cid.Cid) (blocks.Block, error) {
		b, err := n.store.Get(ctx, c)
		if err == nil {
			err = fn(b)
		}
		return b, err
	}
	b, err := get(packing)
	if err != nil {
		return err
	}
	p, err := dag.DecodePacking(b)
	if err != nil {
		return err
	}
	for _, pages := range [][]cid.Cid{p.Nodes.Pages(), p.Files.Pages(), p.Recipes.Pages()} {
		for _, c := range pages {
			if _, err := get(c); err != nil {
				return err
			}
		}
	}
	for c, err := range p.Nodes.All(ctx, n.store) {
		if err == nil {
			_, err = get(c)
		}
		if err != nil {
			return err
		}
	}
	for c, err := range p.Recipes.All(ctx, n.store) {
		if err != nil {
			return err
		}
		b, err := get(c)
		if err != nil {
			return err
		}
		r, err := dag.DecodeRecipe(b)
		if err != nil {
			return err
		}
		if r.Side.Defined() {
			if _, err := get(r.Side); err != nil {
				return err
			}
		}
		for _, page := range r.Chunks.Pages() {
			if _, err := get(page); err != nil {
				return err
			}
		}
		for e, err := range r.Chunks.All(ctx, n.store) {
			if err == nil {
				_, err = get(e.Chunk)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// Import takes the packings that are the roots of the CAR file at req.Path:
// every block is checked, every leaf decoded and checked.
func (n *Node) Import(ctx context.Context, req ImportRequest, progress func(Progress)) (ImportResult, error) {
	if req.Name == "" {
		base := filepath.Base(req.Path)
		req.Name = base[:len(base)-len(filepath.Ext(base))]
	}
	if err := CheckName(req.Name); err != nil {
		return ImportResult{}, err
	}
	f, err := openPatiently(ctx, req.Path)
	if err != nil {
		return ImportResult{}, Coded(err)
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return ImportResult{}, usagef("%s is a directory, no CAR file: 'zipnode add' takes directories", req.Path)
	}
	l, err := n.store.NewLease()
	if err != nil {
		return ImportResult{}, err
	}
	defer l.Release()
	l.For("import " + req.Path)
	if err := n.store.Flush(); err != nil { // so that a start after a kill knows it
		return ImportResult{}, err
	}
	res := ImportResult{}
	rd := dag.NewCARReader(f)
	roots, err := rd.Header()
	if err != nil {
		return res, fmt.Errorf("%s does not read as a CAR file: %w", req.Path, err)
	}
	if len(roots) != 1 {
		return res, usagef("%s has %d roots: a zipnode export has one, a packing", req.Path, len(roots))
	}
	for {
		if err := ctx.Err(); err != nil {
			return res, err
		}
		b, err := rd.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			var added bool
			if added, err = l.Put(ctx, b); added {
				res.Blocks++
				res.Bytes += int64(len(b.RawData()))
			}
		}
		if err != nil {
			return res, fmt.Errorf("%s: %w", req.Path, err)
		}
		progress(Progress{Stage: "import", Done: rd.Offset()})
	}
	return res, n.adoptPacking(ctx, l, roots[0], req, &res)
}

// adoptPacking checks every tensor of a packing whose blocks are here, and makes
// its model one of this store.
func (n *Node) adoptPacking(ctx context.Context, l *store.Lease, root cid.Cid, req ImportRequest, res *ImportResult) error {
	b, err := n.store.Get(ctx, root)
	if err != nil {
		return fmt.Errorf("%s: its root: %w", req.Path, err)
	}
	p, err := dag.DecodePacking(b)
	if err != nil {
		return usagef("%s: its root %s is no packing: only what 'zipnode export' wrote can be imported", req.Path, root)
	}
	if err := dag.Supported(p.Of); err != nil {
		return err
	}
	for c, err := range p.Recipes.All(ctx, n.store) {
		if err != nil {
			return err
		}
		if err := n.adoptRecipe(ctx, l, c); err != nil {
			return fmt.Errorf("%s: %w", req.Path, err)
		}
	}
	whole, err := n.holds(ctx, p.Of)
	if err != nil {
		return err
	}
	if !whole {
		return &dag.CorruptError{CID: root, Reason: "the packing does not hold all of its model"}
	}
	m := store.Model{CID: p.Of.String(), Packing: root.String(), Added: time.Now().UTC()}
	var files []*outFile
	for f, err := range dag.Files(ctx, n.store, p.Of, nil) {
		if err != nil {
			return err
		}
		size, err := dag.FileSize(ctx, n.store, f.CID)
		if err != nil {
			return err
		}
		m.Bytes += size
		m.Files++
		files = append(files, &outFile{path: f.Path, cid: f.CID})
	}
	if m.Tensors, err = n.countTensors(ctx, files); err != nil {
		return err
	}
	res.CID, res.Packing = p.Of.String(), root.String()
	res.Name = req.Name
	if res.Replaced, err = n.replaced(req.Name, p.Of); err != nil {
		return err
	}
	ch := store.Change{
		Models: []store.Model{m},
		Names:  map[string]cid.Cid{res.Name: p.Of},
		Pin:    map[cid.Cid]string{p.Of: store.PinModel},
	}
	if err := n.sampleFetched(ctx, p.Of, files); err != nil {
		return err
	}
	if err := l.Commit(ch); err != nil {
		return err
	}
	return n.announce(ctx, p.Of)
}

// adoptRecipe decodes and checks every leaf by recipe c, and adds it.
func (n *Node) adoptRecipe(ctx context.Context, l *store.Lease, c cid.Cid) error {
	b, err := n.store.Get(ctx, c)
	if err != nil {
		return err
	}
	r, err := dag.DecodeRecipe(b)
	if err != nil {
		return err
	}
	if _, known, err := n.store.Tensor(r.Of); err != nil || known {
		return err
	}
	leaves := dag.LeavesOf(ctx, n.store, r.Of, r.Size)
	i := int64(0)
	for leaf, err := range leaves {
		if err != nil {
			return err
		}
		data, err := n.store.Decode(ctx, c, i)
		if err == nil {
			err = dag.Check(leaf, data)
		}
		if err != nil {
			return fmt.Errorf("leaf %d of tensor %s: %w", i, r.Of, err)
		}
		i++
	}
	return l.AddRecipe(ctx, b, leaves)
}
