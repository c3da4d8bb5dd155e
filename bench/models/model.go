// Package models finds models in a directory, one in each of its folders, and
// says which of them are a fine-tune and its base.
//
// Package models reads safetensors files only, any number to a model. It keeps
// no tensor in memory.
package models

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/safetensors"
)

// A Model is one folder.
type Model struct {
	Name    string
	Bases   []string // what its README.md declares, as written there
	Files   []File
	Tensors []Tensor // in the order of files and of offsets
}

// A File is one of a model's files.
type File struct {
	Path   string
	SHA256 string
}

// A Tensor is a run of a file.
type Tensor struct {
	tensor.Extent
	Path string
}

// Read returns the tensor's bytes, in p if they fit.
func (t Tensor) Read(p []byte) ([]byte, error) {
	f, err := os.Open(t.Path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	p = slices.Grow(p[:0], int(t.Size))[:t.Size]
	if _, err := f.ReadAt(p, t.Offset); err != nil {
		return nil, fmt.Errorf("read tensor %q of %s: %w", t.Name, t.Path, err)
	}
	return p, nil
}

// Read returns the models in the folders of dir, by name. A folder without
// safetensors files is none.
func Read(dir string) ([]*Model, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all []*Model
	for _, e := range entries {
		m, err := readModel(dir, e.Name())
		if err != nil {
			return nil, err
		}
		if len(m.Tensors) > 0 {
			all = append(all, m)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no folder of %s has safetensors files", dir)
	}
	return all, nil
}

func readModel(dir, name string) (*Model, error) {
	m := &Model{Name: name}
	paths, err := filepath.Glob(filepath.Join(dir, name, "*.safetensors"))
	if err != nil {
		return nil, err
	}
	for _, path := range paths {
		if err := m.readFile(path); err != nil {
			return nil, err
		}
	}
	card, err := os.ReadFile(filepath.Join(dir, name, "README.md"))
	if err != nil && len(m.Tensors) > 0 && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	m.Bases = declared(card)
	return m, nil
}

// readFile adds a file and its tensors.
func (m *Model) readFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	size, err := io.Copy(h, f)
	if err != nil {
		return err
	}
	layout, err := safetensors.Read(f, size)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	m.Files = append(m.Files, File{path, hex.EncodeToString(h.Sum(nil))})
	for e := range layout.Extents.All() {
		if e.Name != "" && e.Size > 0 {
			m.Tensors = append(m.Tensors, Tensor{e, path})
		}
	}
	return nil
}

// DType returns the dtype of most of the model's bytes.
func (m *Model) DType() tensor.DType {
	size := map[tensor.DType]int64{}
	var most tensor.DType
	for _, t := range m.Tensors {
		size[t.DType] += t.Size
		if size[t.DType] > size[most] || size[t.DType] == size[most] && strings.Compare(string(t.DType), string(most)) < 0 {
			most = t.DType
		}
	}
	return most
}

// byName returns the model's tensors by their names.
func (m *Model) byName() map[string]Tensor {
	all := map[string]Tensor{}
	for _, t := range m.Tensors {
		all[t.Name] = t
	}
	return all
}
