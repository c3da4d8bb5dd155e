package generate

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// A job is a model being written: its parent's files are open.
type job struct {
	*model
	looks *looks
	files []*os.File                   // of the parent
	from  map[string]*io.SectionReader // its tensors by name
	in    *bufio.Reader
	out   *bufio.Writer
	enc   []byte
}

func (w writer) begin(m *model) (*job, error) {
	j := &job{model: m, looks: w.looks, from: map[string]*io.SectionReader{}, in: bufio.NewReaderSize(nil, 1<<16), out: bufio.NewWriterSize(nil, 1<<16)}
	if m.made == nil {
		return j, nil
	}
	for _, f := range m.made.files() {
		file, err := os.Open(filepath.Join(w.dir, m.made.Name, f.name))
		if err != nil {
			return nil, errors.Join(err, j.close())
		}
		j.files = append(j.files, file)
		at := f.at(m.made.DType)
		for i, t := range f.tensors {
			j.from[t.name] = io.NewSectionReader(file, at[i], at[i+1]-at[i])
		}
	}
	return j, nil
}

func (j *job) close() error {
	var err error
	for _, f := range j.files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// file writes one of the model's files.
func (j *job) file(f file, path string) (err error) {
	out, err := create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	j.out.Reset(out)
	if _, err := j.out.Write(f.head); err != nil {
		return err
	}
	for _, t := range f.tensors {
		if err := j.tensor(t); err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
	}
	return j.out.Flush()
}

func (j *job) tensor(t spec) error {
	from, err := j.start(t)
	if err != nil {
		return err
	}
	from = j.train(from, t)
	row := make([]float32, t.cols)
	for range t.rows {
		if err := from.next(row); err != nil {
			return err
		}
		j.enc = encode(j.enc[:0], row, j.DType)
		if _, err := j.out.Write(j.enc); err != nil {
			return err
		}
	}
	return nil
}

// start returns the rows that the tensor t begins with: the parent's, or new
// ones.
func (j *job) start(t spec) (rows, error) {
	if j.made == nil {
		return &fresh{newSource(j.seed, t.name, 0), t.class, j.looks.of(t.class)}, nil
	}
	r := j.from[t.name]
	if r == nil {
		return nil, fmt.Errorf("%s has no such tensor", j.made.Name)
	}
	j.in.Reset(r)
	from := &stored{r: j.in}
	if old := j.arch.vocab + j.made.grown; (t.class == embedding || t.class == head) && old < t.rows {
		return &grown{rows: from, source: newSource(j.seed, t.name, 0), left: old}, nil
	}
	return from, nil
}
