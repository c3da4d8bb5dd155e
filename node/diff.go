package node

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/ipfs/go-cid"
	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/layout"
)

// Kinds of difference between two models' tensors of one name.
const (
	DiffSame  = "same"
	DiffDelta = "delta"  // one shape and dtype, other bytes
	DiffShape = "shape"  // another shape or dtype
	DiffOnlyA = "only_a" // in the first model only
	DiffOnlyB = "only_b"
)

// Diff compares two models that are here, tensor by tensor of one name. It reads
// both a leaf at a time, and those parts only in which they differ.
func (n *Node) Diff(ctx context.Context, req DiffRequest, progress func(Progress)) (DiffResult, error) {
	a, err := n.diffModel(ctx, req.A)
	if err != nil {
		return DiffResult{}, err
	}
	b, err := n.diffModel(ctx, req.B)
	if err != nil {
		return DiffResult{}, err
	}
	d := &differ{n: n, report: progress, total: b.bytes}
	d.res = DiffResult{A: a.line, B: b.line, Tensors: []DiffTensor{}, Files: []DiffFile{}}
	if err := d.tensors(ctx, a, b); err != nil {
		return DiffResult{}, err
	}
	d.files(a, b)
	return d.res, nil
}

// A diffSide is one of two models that are compared.
type diffSide struct {
	line    DiffModel
	tensors map[string][]part // by name; a name may come in several files
	names   []string          // in the order of files and offsets
	plain   map[string]cid.Cid
	bytes   int64 // of the tensors
}

// diffModel reads what ref is made of.
func (n *Node) diffModel(ctx context.Context, ref string) (*diffSide, error) {
	c, err := n.resolve(ctx, ref)
	if err != nil {
		return nil, err
	}
	m, ok, err := n.store.Model(c)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, WithCode(CodeNotFound, fmt.Errorf("%s is not here: 'zipnode get %s' fetches it", ref, ref))
	}
	if m.Partial {
		return nil, WithCode(CodeNotFound, fmt.Errorf("%s is here in part only: 'zipnode get %s' fetches the rest", ref, ref))
	}
	s := &diffSide{tensors: map[string][]part{}, plain: map[string]cid.Cid{}}
	s.line.CID = c.String()
	if s.line.Name, err = n.nameOf(c); err != nil {
		return nil, err
	}
	if ref != s.line.CID && ref != m.Packing {
		s.line.Name = ref
	}
	for f, err := range n.modelFiles(ctx, c) {
		if err != nil {
			return nil, err
		}
		if f.tensors() == 0 {
			s.plain[f.path] = f.child.CID
		}
		for p, err := range f.parts(ctx) {
			if err != nil {
				return nil, err
			}
			if layout.IsTensor(f.format, p.extent) {
				if len(s.tensors[p.extent.Name]) == 0 {
					s.names = append(s.names, p.extent.Name)
				}
				s.tensors[p.extent.Name] = append(s.tensors[p.extent.Name], p)
				s.bytes += p.extent.Size
			}
		}
	}
	return s, nil
}

// differ is one diff under way.
type differ struct {
	n           *Node
	report      func(Progress)
	done, total int64
	res         DiffResult
}

func (d *differ) tensors(ctx context.Context, a, b *diffSide) error {
	for _, name := range b.names {
		for i, pb := range b.tensors[name] {
			var line DiffTensor
			if of := a.tensors[name]; i < len(of) {
				var err error
				if line, err = d.pair(ctx, of[i], pb); err != nil {
					return fmt.Errorf("tensor %q: %w", name, err)
				}
			} else {
				line = oneSided(DiffOnlyB, pb)
			}
			d.add(line)
			d.done += pb.extent.Size
			d.report(Progress{Stage: "compare", Name: name, Done: d.done, Total: d.total})
		}
	}
	for _, name := range a.names {
		for _, pa := range a.tensors[name][min(len(b.tensors[name]), len(a.tensors[name])):] {
			d.add(oneSided(DiffOnlyA, pa))
		}
	}
	return nil
}

func oneSided(kind string, p part) DiffTensor {
	return DiffTensor{Name: p.extent.Name, Kind: kind, DType: string(p.extent.DType), Shape: shapeOf(p.extent), Bytes: p.extent.Size}
}

// shapeOf returns a shape that JSON shows as a list, also where there is none.
func shapeOf(e tensor.Extent) []uint64 {
	if e.Shape == nil {
		return []uint64{}
	}
	return e.Shape
}

func (d *differ) add(l DiffTensor) {
	r := &d.res
	r.Tensors = append(r.Tensors, l)
	switch l.Kind {
	case DiffSame:
		r.Same++
		r.SameBytes += l.Bytes
	case DiffDelta:
		r.Delta++
		r.DeltaBytes += l.Bytes
		r.Encoded += l.Encoded
		r.Elements += l.Elements
		r.Changed += l.Changed
	case DiffShape:
		r.Shape++
	case DiffOnlyA:
		r.OnlyA++
	case DiffOnlyB:
		r.OnlyB++
	}
}

// pair compares two tensors of one name.
func (d *differ) pair(ctx context.Context, a, b part) (DiffTensor, error) {
	line := oneSided(DiffSame, b)
	if a.extent.DType != b.extent.DType || !slices.Equal(a.extent.Shape, b.extent.Shape) || a.extent.Size != b.extent.Size {
		line.Kind, line.WasDType, line.WasShape = DiffShape, string(a.extent.DType), shapeOf(a.extent)
		return line, nil
	}
	if a.child.CID.Equals(b.child.CID) {
		return line, nil
	}
	line.Kind = DiffDelta
	err := d.leaves(ctx, a, b, &line)
	if line.Elements > 0 {
		line.Share = float64(line.Changed) / float64(line.Elements)
		line.Bits = 8 * float64(line.Encoded) / float64(line.Elements)
	}
	return line, err
}

// leaves compares the leaves of two tensors of one size, a few at a time.
func (d *differ) leaves(ctx context.Context, a, b part, line *DiffTensor) error {
	width := int64(counted(b.extent.DType))
	line.Elements = b.extent.Size / width
	var changed, encoded atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	next, stop := iter.Pull2(dag.LeavesOf(ctx, d.n.store, a.child.CID, a.child.Size))
	defer stop()
	i := int64(0)
	for lb, err := range dag.LeavesOf(ctx, d.n.store, b.child.CID, b.child.Size) {
		la, errA, _ := next()
		if err = errors.Join(err, errA); err != nil {
			return firstError(g.Wait(), err)
		}
		at := i
		i++
		if la.Equals(lb) {
			encoded.Add(sameFrame)
			continue
		}
		g.Go(func() error {
			n, size, err := d.leaf(gctx, la, lb, b.extent.DType, at)
			changed.Add(int64(n))
			encoded.Add(int64(size))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	line.Changed, line.Encoded = min(changed.Load(), line.Elements), encoded.Load()
	return nil
}

// sameFrame is what a leaf takes that is its base's: version, method and base.
const sameFrame = 3

// counted returns the bytes that are counted as one element: of a block type a
// block, of what is narrower than a byte a byte.
func counted(d tensor.DType) int {
	if _, size := d.Block(); size > 0 {
		return size
	}
	return max(1, d.Bits()/8)
}

// leaf returns how many elements of leaf b are not those of leaf a, and the
// bytes that b takes as a delta of a.
func (d *differ) leaf(ctx context.Context, a, b cid.Cid, dtype tensor.DType, i int64) (changed, size int, err error) {
	was, err := d.n.store.Get(ctx, a)
	if err != nil {
		return 0, 0, err
	}
	is, err := d.n.store.Get(ctx, b)
	if err != nil {
		return 0, 0, err
	}
	x, y := was.RawData(), is.RawData()
	if len(x) != len(y) {
		return 0, 0, &dag.CorruptError{CID: b, Reason: fmt.Sprintf("a leaf of %d bytes where %d belong", len(y), len(x))}
	}
	buf := scratch.Get().(*scratchBuffers)
	defer scratch.Put(buf)
	buf.chunk, err = codec.Encode(buf.chunk[:0], y, codec.Context{
		DType: dtype, Offset: i * dag.MaxLeaf, Bases: []codec.Base{{DType: dtype, Spans: []codec.Span{{Data: x}}}},
	})
	size = len(buf.chunk)
	if errors.Is(err, codec.ErrIncompressible) {
		size, err = len(y), nil
	}
	return differing(x, y, counted(dtype), i*dag.MaxLeaf), size, err
}

// differing counts the elements of width bytes that differ in x and y, which lie
// at off in their tensors. One that a leaf's end cuts, as of some block types,
// may count in both leaves.
func differing(x, y []byte, width int, off int64) int {
	n := 0
	at := (width - int(off%int64(width))) % width // the first element that begins here
	if !bytes.Equal(x[:min(at, len(x))], y[:min(at, len(y))]) {
		n++
	}
	for ; at < len(x); at += width {
		end := min(at+width, len(x))
		if !bytes.Equal(x[at:end], y[at:end]) {
			n++
		}
	}
	return n
}

// files compares the files that have no tensors.
func (d *differ) files(a, b *diffSide) {
	for path, c := range b.plain {
		was, ok := a.plain[path]
		switch {
		case !ok:
			d.res.Files = append(d.res.Files, DiffFile{path, DiffOnlyB})
		case !was.Equals(c):
			d.res.Files = append(d.res.Files, DiffFile{path, "differs"})
		}
	}
	for path := range a.plain {
		if _, ok := b.plain[path]; !ok {
			d.res.Files = append(d.res.Files, DiffFile{path, DiffOnlyA})
		}
	}
	slices.SortFunc(d.res.Files, func(a, b DiffFile) int { return strings.Compare(a.Path, b.Path) })
}
