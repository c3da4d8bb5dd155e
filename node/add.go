package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/dag/twin"
	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/tensor"
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

// window is how many leaves are in memory at once, for each core.
const window = 3

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

// A pass reads one file from first byte to last, hashes it and its leaves, and
// hands these to workers that encode and store them.
type pass struct {
	a    *adding
	f    *os.File
	path string
	sum  *twin.Hash // of the file

	children ordered // of the extents that are not empty
}

// An ordered hands children to a builder in the order of their numbers, in
// whatever order they come. Those that come before their turn wait in memory:
// as many as are done while one takes long.
type ordered struct {
	mu   sync.Mutex
	b    *dag.FileBuilder
	next int
	wait map[int]dag.Child
}

func (o *ordered) add(number int, c dag.Child) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if number != o.next {
		if o.wait == nil {
			o.wait = map[int]dag.Child{}
		}
		o.wait[number] = c
		return nil
	}
	for {
		if err := o.b.Add(c); err != nil {
			return err
		}
		o.next++
		var ok bool
		if c, ok = o.wait[o.next]; !ok {
			return nil
		}
		delete(o.wait, o.next)
	}
}

// run brings the file's extents, but for the empty ones, into the store and
// p.children.
func (p *pass) run(ctx context.Context, lay tensor.Layout) error {
	workers := runtime.GOMAXPROCS(0)
	free := make(chan []byte, window*workers)
	for range cap(free) {
		free <- nil
	}
	g, ctx := errgroup.WithContext(ctx)
	work := make(chan leafJob, workers)
	for range workers {
		g.Go(func() error {
			for l := range work {
				if err := l.job.leaf(ctx, l.i, l.data, l.leaf); err != nil {
					return err
				}
				free <- l.data[:0]
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(work)
		return p.read(ctx, lay, free, work)
	})
	return g.Wait()
}

type leafJob struct {
	job  *job
	i    int64
	data []byte
	leaf dag.Child
}

func (p *pass) read(ctx context.Context, lay tensor.Layout, free chan []byte, work chan<- leafJob) error {
	next := 0
	for e := range lay.Extents.All() {
		named := layout.IsTensor(lay.Format, e)
		if named {
			p.a.mu.Lock()
			p.a.tensors++
			p.a.mu.Unlock()
		}
		if e.Size == 0 {
			continue
		}
		j := &job{p: p, extent: e, named: named, leaves: make([]leafResult, dag.Leaves(e.Size)), number: next}
		next++
		j.left.Store(int64(len(j.leaves)))
		if rows, ok := family.RowsOf(e); ok && named && e.Size >= family.MinSize {
			j.rows, j.have = rows, make([]family.Row, rows.Count)
		}
		for i := range dag.Leaves(e.Size) {
			var buf []byte
			select {
			case buf = <-free:
			case <-ctx.Done():
				return ctx.Err()
			}
			if buf == nil {
				buf = make([]byte, 0, dag.MaxLeaf)
			}
			buf = buf[:dag.LeafSize(e.Size, i)]
			if err := readFull(p.f, buf, e.Offset+i*dag.MaxLeaf); err != nil {
				return err
			}
			leaf := dag.LeafOf(p.sum.WriteSum(buf), len(buf)) // both at once: little more than one
			p.progress(int64(len(buf)))
			select {
			case work <- leafJob{j, i, buf, leaf}:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

func readFull(f io.ReaderAt, buf []byte, off int64) error {
	n, err := f.ReadAt(buf, off)
	if n == len(buf) {
		return nil
	}
	if err == io.EOF {
		return errChanged
	}
	return err
}

func (p *pass) progress(n int64) {
	a := p.a
	a.mu.Lock()
	a.done += n
	done := a.done
	a.mu.Unlock()
	a.report(Progress{Stage: "add", Name: p.path, Done: done, Total: a.total})
}

// A job is one extent being added. Its leaves come in any order, to several
// workers; the last one to be done finishes it.
type job struct {
	p      *pass
	extent tensor.Extent
	named  bool
	left   atomic.Int64
	encode atomic.Bool // a leaf was new: the tensor is, so encode
	choose sync.Once
	base   chosenBase
	err    error // of choose

	leaves []leafResult
	number int // of those that are not empty

	rows family.Rows
	have []family.Row // of the leaves so far; nil where rows say nothing
}

type leafResult struct {
	leaf  dag.Child
	entry dag.Entry // Undef until encoded
}

// leaf encodes leaf i unless every leaf so far is known: then the tensor may be
// known too, and costs its hashing only.
func (j *job) leaf(ctx context.Context, i int64, data []byte, leaf dag.Child) error {
	r := &j.leaves[i]
	r.leaf = leaf
	if j.have != nil {
		j.rows.Scan(j.have, i*dag.MaxLeaf, data)
	}
	if !j.encode.Load() {
		known, err := j.p.a.n.store.Has(ctx, r.leaf.CID)
		if err != nil {
			return err
		}
		if !known {
			j.encode.Store(true)
		}
	}
	if j.encode.Load() {
		if err := j.encodeLeaf(ctx, i, data); err != nil {
			return err
		}
	}
	if j.left.Add(-1) > 0 {
		return nil
	}
	return j.finish(ctx)
}

func (j *job) encodeLeaf(ctx context.Context, i int64, data []byte) error {
	a := j.p.a
	j.choose.Do(func() { j.base, j.err = a.bases.choose(ctx, j.p.f, j.extent) })
	if j.err != nil {
		return j.err
	}
	entry, err := a.n.encode(ctx, a.lease, codec.Fast, formOf(j.extent), j.base.bases, i, data, j.leaves[i].leaf.CID)
	j.leaves[i].entry = entry
	return err
}

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

// A form is what an encoder wants to know of a tensor: its dtype, and the
// elements of a row, or 0 where they are not known.
type form struct {
	dtype tensor.DType
	row   int
}

func formOf(e tensor.Extent) form { return form{e.DType, e.Shape.Row()} }

// codecContext gathers what of bases lines up with leaf i of a tensor.
func (n *Node) codecContext(ctx context.Context, f form, bases []dag.Base, i int64, size int) (codec.Context, error) {
	c := codec.Context{DType: f.dtype, Row: f.row, Offset: i * dag.MaxLeaf}
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

// finish builds the tensor from its leaves, and adds its recipe unless it is
// known.
func (j *job) finish(ctx context.Context) error {
	a := j.p.a
	b := dag.NewFileBuilder(a.lease.Emit(ctx))
	for _, r := range j.leaves {
		if err := b.Add(r.leaf); err != nil {
			return err
		}
	}
	c, err := b.Finish()
	if err != nil {
		return err
	}
	if err := j.p.children.add(j.number, c); err != nil {
		return err
	}
	_, known, err := a.n.store.Tensor(c.CID)
	if err == nil && known {
		_, err = a.lease.Keep(c.CID)
		j.leaves = nil
		if err == nil && j.named {
			err = a.bases.seen(c.CID, j.p.f, j.p.path, j.extent, a.req.Name, j.have, j.base.under)
		}
		return err
	}
	if err != nil {
		return err
	}
	if err := j.encodeRest(ctx); err != nil {
		return err
	}
	if err := a.n.addRecipe(ctx, a.lease, c, j.extent.DType, j.base.bases, j.leaves); err != nil {
		return err
	}
	if j.named {
		a.mu.Lock()
		a.fresh++
		if len(j.base.bases) > 0 {
			a.deltas++
		}
		a.mu.Unlock()
		err = a.bases.seen(c.CID, j.p.f, j.p.path, j.extent, a.req.Name, j.have, j.base.under)
	}
	j.leaves, j.have = nil, nil
	return err
}

// encodeRest reads again, and encodes, the leaves that were passed over because
// the store has them as parts of other tensors.
func (j *job) encodeRest(ctx context.Context) error {
	var buf []byte
	for i := range j.leaves {
		r := &j.leaves[i]
		if r.entry.Chunk.Defined() {
			continue
		}
		if buf == nil {
			buf = make([]byte, dag.MaxLeaf)
		}
		data := buf[:r.leaf.Size]
		if err := readFull(j.p.f, data, j.extent.Offset+int64(i)*dag.MaxLeaf); err != nil {
			return err
		}
		if !dag.Raw(data).Equals(r.leaf.CID) {
			return errChanged
		}
		if err := j.encodeLeaf(ctx, int64(i), data); err != nil {
			return err
		}
	}
	return nil
}

// addRecipe adds the recipe of tensor c, whose leaves were all encoded and
// checked.
func (n *Node) addRecipe(ctx context.Context, l *store.Lease, c dag.Child, dtype tensor.DType, bases []dag.Base, leaves []leafResult) error {
	b, err := recipeBlock(ctx, l, c, dtype, bases, leaves)
	if err != nil {
		return err
	}
	return l.AddRecipe(ctx, b, leafCIDs(leaves))
}

// recipeBlock puts the pages of a recipe, and returns it.
func recipeBlock(ctx context.Context, l *store.Lease, c dag.Child, dtype tensor.DType, bases []dag.Base, leaves []leafResult) (blocks.Block, error) {
	r := &dag.Recipe{Of: c.CID, Size: c.Size, DType: dtype, Bases: bases}
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

// fileCID returns the CID of the file at path, as add would name it, and stores
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
