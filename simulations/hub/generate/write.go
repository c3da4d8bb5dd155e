package generate

import (
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
	if m.Kind == Copy {
		return w.copy(ctx, m)
	}
	j, err := w.begin(m)
	if err != nil {
		return err
	}
	for _, f := range m.files() {
		if err = ctx.Err(); err == nil {
			err = j.file(f, filepath.Join(dir, f.name))
		}
		if err != nil {
			break
		}
	}
	return errors.Join(err, j.close())
}

// copy writes the files of the model that m is a copy of.
func (w writer) copy(ctx context.Context, m *model) error {
	for _, f := range m.files() {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := copyFile(filepath.Join(w.dir, m.Name, f.name), filepath.Join(w.dir, m.made.Name, f.name)); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

func create(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
}
