package node

import (
	"context"
	"io"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/dag/twin"
	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/layout"
)

// window is how many leaves are in memory at once, for each core.
const window = 3

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
