package generate

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/zipnode/zipnode/tensor/layout"
)

// small is a hub of 10 MB. Its smallest matrices are larger than they should be,
// and so is what adapters leave as it was: of a whole hub 8.3 % of the bytes are
// duplicate tensors, of this one some more.
var small = Config{Shrink: 16}

// A count is what deduplication finds in a hub.
type count struct {
	files, fileCopies     int64 // bytes of safetensors files, and of those that are there already
	tensors, tensorCopies int64 // the same of tensors
	made                  int64 // bytes of tensors of models made from others
}

// measure reads the safetensors files of the models in dir.
func measure(t *testing.T, dir string, models []Model) count {
	t.Helper()
	var c count
	files, tensors := map[[32]byte]bool{}, map[[32]byte]bool{}
	for _, m := range models {
		paths, err := filepath.Glob(filepath.Join(dir, m.Name, "*.safetensors"))
		if err != nil || len(paths) == 0 {
			t.Fatalf("%s has no weights: %v", m.Name, err)
		}
		size := int64(0)
		for _, path := range paths {
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			c.files += int64(len(raw))
			if h := sha256.Sum256(raw); files[h] {
				c.fileCopies += int64(len(raw))
			} else {
				files[h] = true
			}
			lay, err := layout.Of(bytes.NewReader(raw), int64(len(raw)))
			if err != nil || lay.Format != "safetensors" {
				t.Fatalf("%s is %s: %v", path, lay.Format, err)
			}
			for e := range lay.Extents.All() {
				if e.Name == "" {
					continue
				}
				if e.DType != m.DType {
					t.Fatalf("%s: %s is of %s, not of %s", path, e.Name, e.DType, m.DType)
				}
				size += e.Size
				if h := sha256.Sum256(raw[e.Offset : e.Offset+e.Size]); tensors[h] {
					c.tensorCopies += e.Size
				} else {
					tensors[h] = true
				}
			}
		}
		if size != m.Bytes {
			t.Errorf("%s has %d bytes of tensors, planned %d", m.Name, size, m.Bytes)
		}
		c.tensors += size
		if m.Made != "" {
			c.made += size
		}
	}
	return c
}

// digest returns a hash of every name and byte under dir.
func digest(t *testing.T, dir string) string {
	t.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		p, err := os.ReadFile(path)
		fmt.Fprintf(h, "%s %d\n%s", path[len(dir):], len(p), p)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(h.Sum(nil))
}

// What is written has the proportions that were planned, every file parses, and
// a second run writes the same (not -short).
func TestProportions(t *testing.T) {
	dir := t.TempDir()
	models, err := Plan(small)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(t.Context(), dir, small); err != nil {
		t.Fatal(err)
	}
	c := measure(t, dir, models)
	part := func(a, b int64) float64 { return 100 * float64(a) / float64(b) }
	t.Logf("%d models, %d bytes", len(models), c.files)
	for _, tc := range []struct {
		what      string
		got       float64
		want, off float64 // per cent
	}{
		{"fine-tunes", part(c.made, c.tensors), 99.5, 0.5},
		{"duplicate files", part(c.fileCopies, c.files), 3.2, 0.2},
		{"duplicate tensors", part(c.tensorCopies, c.tensors), 8.3, 1},
	} {
		t.Logf("%s: %.2f %% of the bytes", tc.what, tc.got)
		if tc.got < tc.want-tc.off || tc.got > tc.want+tc.off {
			t.Errorf("%s: %.2f %% of the bytes, want %.1f ± %.1f", tc.what, tc.got, tc.want, tc.off)
		}
	}
	if testing.Short() {
		return
	}
	again := t.TempDir()
	if err := Write(t.Context(), again, small); err != nil {
		t.Fatal(err)
	}
	if a, b := digest(t, dir), digest(t, again); a != b {
		t.Error("written twice, the hub is not the same")
	}
}
