package study

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/layout"
	"github.com/zipnode/zipnode/testmodels"
)

// Bytes that are a plain file first, and then a tensor of a family, are counted as
// the tensor's there; nothing is noted where all plain files have it.
func TestTensorThatWasPlain(t *testing.T) {
	dir := t.TempDir()
	if err := testmodels.Write(filepath.Join(dir, "models")); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(filepath.Join(dir, "models", "base", "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	lay, err := layout.Of(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	for e := range lay.Extents.All() {
		if e.Name != "embeddings.word_embeddings.weight" { // the fine-tune has it too
			continue
		}
		data := make([]byte, e.Size)
		if _, err := f.ReadAt(data, e.Offset); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "a", "plain"), data)
	}
	c := newCollection(&Options{}, nil)
	if c.spill, err = newSpill(); err != nil {
		t.Fatal(err)
	}
	defer c.spill.close()
	if err := c.read(t.Context(), []string{dir}); err != nil {
		t.Fatal(err)
	}
	c.near(t.Context())
	c.roots(c.kin(t.Context()))
	if p := c.parts[0]; c.paths.of(p.file) != filepath.Join(dir, "a", "plain") || p.same == 0 {
		t.Errorf("the first part is of %s, and %d times its root's own; want the plain file's, and some", c.paths.of(p.file), p.same)
	}
	if *opaque != (features{dtype: tensor.Opaque, near: -1, root: -1}) {
		t.Errorf("what all plain files have is %+v", *opaque)
	}
}
