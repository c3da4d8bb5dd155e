package generate

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sync/errgroup"
)

// A writer writes a hub.
type writer struct {
	dir   string
	looks *looks
}

// Write writes the hub c, a directory for each model, under dir, which it makes
// if it must. It holds a few rows at a time, however large models are. A model
// that is there already is an error.
func Write(ctx context.Context, dir string, c Config) error {
	all, err := plan(c)
	if err != nil {
		return err
	}
	l, err := genuine()
	if err != nil {
		return err
	}
	w := writer{dir, l}
	for len(all) > 0 { // those of which nothing is made in the same round
		n := ready(all)
		if err := w.round(ctx, all[:n]); err != nil {
			return err
		}
		all = all[n:]
	}
	return nil
}

// ready returns how many of the first of all are made from none of these.
func ready(all []*model) int {
	now := map[*model]bool{}
	for i, m := range all {
		if now[m.made] {
			return i
		}
		now[m] = true
	}
	return len(all)
}

func (w writer) round(ctx context.Context, models []*model) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, m := range models {
		g.Go(func() error {
			if err := w.model(ctx, m); err != nil {
				return fmt.Errorf("write %s: %w", m.Name, err)
			}
			return nil
		})
	}
	return g.Wait()
}

func (w writer) model(ctx context.Context, m *model) error {
	dir := filepath.Join(w.dir, m.Name)
	if err := os.MkdirAll(w.dir, 0o755); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	texts, err := m.texts()
	if err != nil {
		return err
	}
	for name, p := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), p, 0o644); err != nil {
			return err
		}
	}
	for _, f := range m.files() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := w.file(m, f, filepath.Join(dir, f.name)); err != nil {
			return err
		}
	}
	return nil
}

func (w writer) file(m *model, f file, path string) (err error) {
	out, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if m.Kind == Copy {
		return w.copy(out, m.made, f)
	}
	buf := bufio.NewWriterSize(out, 1<<18)
	if _, err := buf.Write(f.head); err != nil {
		return err
	}
	for _, t := range f.tensors {
		if err := w.tensor(buf, m, t); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return buf.Flush()
}

func (w writer) copy(out io.Writer, from *model, f file) error {
	in, err := os.Open(filepath.Join(w.dir, from.Name, f.name))
	if err != nil {
		return err
	}
	defer in.Close()
	_, err = io.Copy(out, in)
	return err
}

func (w writer) tensor(out io.Writer, m *model, t spec) error {
	from, done, err := w.start(m, t)
	if err != nil {
		return err
	}
	defer done()
	from = m.train(from, t)
	row, enc := make([]float32, t.cols), []byte(nil)
	for range t.rows {
		if err := from.next(row); err != nil {
			return err
		}
		enc = encode(enc[:0], row, m.DType)
		if _, err := out.Write(enc); err != nil {
			return err
		}
	}
	return nil
}

// start returns the rows that m begins with: its parent's, or new ones. done
// must be called when they were read.
func (w writer) start(m *model, t spec) (from rows, done func(), err error) {
	if m.made == nil {
		return &fresh{newSource(m.seed, t.name, 0), t.class, w.looks.of(t.class)}, func() {}, nil
	}
	f, err := w.open(m.made, t.name)
	if err != nil {
		return nil, nil, err
	}
	from = &stored{r: bufio.NewReaderSize(f, 1<<16)}
	if t.class == embedding || t.class == head {
		if old := m.arch.vocab + m.made.grown; old < t.rows {
			from = &grown{rows: from, source: newSource(m.seed, t.name, 0), left: old}
		}
	}
	return from, func() { f.Close() }, nil
}

// A section is a tensor in an open file.
type section struct {
	*io.SectionReader
	io.Closer
}

func (w writer) open(m *model, name string) (*section, error) {
	for _, f := range m.files() {
		at := f.at(m.DType)
		for i, t := range f.tensors {
			if t.name != name {
				continue
			}
			file, err := os.Open(filepath.Join(w.dir, m.Name, f.name))
			if err != nil {
				return nil, err
			}
			return &section{io.NewSectionReader(file, at[i], at[i+1]-at[i]), file}, nil
		}
	}
	return nil, fmt.Errorf("%s has no tensor %s", m.Name, name)
}
