package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/zipnode/zipnode/node"
)

// demoModels returns the model directories in dir: one that others were made
// from first, and next one made from it, as far as the model cards say.
func demoModels(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, lookError(err)
	}
	var names []string
	base := map[string]string{}
	made := map[string]int{} // from this one
	for _, e := range entries {
		path := filepath.Join(dir, e.Name())
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		names = append(names, e.Name())
		base[e.Name()] = cardBase(path)
		made[base[e.Name()]]++
	}
	if len(names) == 0 {
		return nil, node.WithCode(node.CodeNotFound, fmt.Errorf("there is no model in %s: each directory in it is taken as one", dir))
	}
	first := slices.MaxFunc(names, func(a, b string) int { return made[a] - made[b] })
	rank := func(name string) int {
		switch {
		case name == first:
			return 0
		case base[name] == first:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	for i, name := range names {
		names[i] = filepath.Join(dir, name)
	}
	return names, nil
}

// mostDeltas returns at most n of models, by index: those of whose tensors the
// greatest part is stored as deltas.
func mostDeltas(models []node.AddResult, n int) []int {
	var tuned []int
	for i, m := range models {
		if m.TensorsDelta > 0 {
			tuned = append(tuned, i)
		}
	}
	part := func(i int) float64 { return float64(models[i].TensorsDelta) / float64(models[i].Tensors) }
	slices.SortStableFunc(tuned, func(i, j int) int { return cmp.Compare(part(j), part(i)) })
	return tuned[:min(n, len(tuned))]
}

// baseOf returns the name of the model against which most tensors of r are
// stored, or "".
func baseOf(r *node.ShowResult) string {
	of := map[string]int{}
	for _, f := range r.FileList {
		for _, t := range f.Tensors {
			if model, _, ok := strings.Cut(t.BaseOf, "/"); ok {
				of[model]++
			}
		}
	}
	most := ""
	for _, name := range slices.Sorted(maps.Keys(of)) {
		if of[name] > of[most] {
			most = name
		}
	}
	return most
}

var cardLine = regexp.MustCompile(`(?m)^base_model:[ \t]*["']?([^"'\r\n]+?)["']?[ \t]*\r?$`)

// cardBase returns the last part of the base that a model's card names, or "".
func cardBase(dir string) string {
	card, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		return ""
	}
	m := cardLine.FindSubmatch(card)
	if m == nil {
		return ""
	}
	return filepath.Base(string(m[1]))
}

// compareTrees reads each file under got and the one of the same path under
// want. It returns how many files and bytes it compared, and an error at the
// first difference.
func compareTrees(got, want string) (files int, n int64, err error) {
	err = filepath.WalkDir(got, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		rel, err := filepath.Rel(got, path)
		if err != nil {
			return err
		}
		m, err := compareFiles(path, filepath.Join(want, rel))
		files++
		n += m
		return err
	})
	return files, n, err
}

func compareFiles(got, want string) (int64, error) {
	a, err := os.Open(got)
	if err != nil {
		return 0, err
	}
	defer a.Close()
	b, err := os.Open(want)
	if err != nil {
		return 0, err
	}
	defer b.Close()
	bufA, bufB := make([]byte, 1<<20), make([]byte, 1<<20)
	for off := int64(0); ; {
		na, errA := io.ReadFull(a, bufA)
		nb, errB := io.ReadFull(b, bufB)
		if !bytes.Equal(bufA[:na], bufB[:nb]) {
			return off, fmt.Errorf("%s differs from %s in the MiB at offset %d", got, want, off)
		}
		off += int64(na)
		for _, err := range []error{errA, errB} {
			if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
				return off, err
			}
		}
		if errA != nil || errB != nil {
			return off, errors.Join(atEnd(a, got), atEnd(b, want))
		}
	}
}

// atEnd returns an error if the file goes on.
func atEnd(f *os.File, name string) error {
	if n, _ := f.Read(make([]byte, 1)); n > 0 {
		return fmt.Errorf("%s goes on where the other ends", name)
	}
	return nil
}
