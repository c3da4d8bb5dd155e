package layout_test

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zipnode/zipnode/tensor/layout"
	"github.com/zipnode/zipnode/tensor/tensortest"
)

var update = flag.Bool("update", false, "rewrite testdata")

// TestCuts guards identity: where a file is cut is part of its CID.
func TestCuts(t *testing.T) {
	var got strings.Builder
	for _, f := range tensortest.Files() {
		l, err := layout.Of(bytes.NewReader(f.Data), int64(len(f.Data)))
		if err != nil {
			t.Fatalf("Of(%s): %v", f.Name, err)
		}
		if l.Format != f.Format {
			t.Errorf("Of(%s) is %s, want %s", f.Name, l.Format, f.Format)
		}
		if err := l.Check(int64(len(f.Data))); err != nil {
			t.Errorf("Of(%s): %v", f.Name, err)
		}
		got.WriteString(f.Name + "\n\t" + tensortest.Cuts(l) + "\n")
	}
	path := filepath.Join("testdata", "cuts.txt")
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != string(want) {
		t.Errorf("cuts changed: every CID of such files changes with them. Cuts are frozen; only new cases may be added (-update):\n%s",
			firstDifference(got.String(), string(want)))
	}
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "got  " + g[i] + "\nwant " + w[i]
		}
	}
	return "one is longer"
}

// failing fails to read the bytes from at on.
type failing struct {
	*bytes.Reader
	at  int64
	err error
}

func (f failing) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > f.at {
		return 0, f.err
	}
	return f.Reader.ReadAt(p, off)
}

// A disk that fails anywhere must never make a file plain: it would get
// another CID.
func TestOfReadError(t *testing.T) {
	broken := errors.New("broken disk")
	for _, f := range tensortest.Files() {
		size := int64(len(f.Data))
		if f.Format == "plain" || size > 1<<16 {
			continue
		}
		want, err := layout.Of(bytes.NewReader(f.Data), size)
		if err != nil {
			t.Fatal(err)
		}
		for at := range size {
			l, err := layout.Of(failing{bytes.NewReader(f.Data), at, broken}, size)
			if err == nil && tensortest.Cuts(l) != tensortest.Cuts(want) || err != nil && !errors.Is(err, broken) {
				t.Fatalf("Of(%s), failing at %d = %s, %v", f.Name, at, tensortest.Cuts(l), err)
			}
			l, err = layout.Of(bytes.NewReader(f.Data[:at]), size)
			if err == nil && tensortest.Cuts(l) != tensortest.Cuts(want) || err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("Of(%s), ending at %d = %s, %v", f.Name, at, tensortest.Cuts(l), err)
			}
		}
	}
}

// onlyAt is a file whose reads return io.EOF with the last byte, as
// io.ReaderAt allows.
type onlyAt []byte

func (o onlyAt) ReadAt(p []byte, off int64) (int, error) {
	n := copy(p, o[min(off, int64(len(o))):])
	if off+int64(n) == int64(len(o)) {
		return n, io.EOF
	}
	return n, nil
}

func TestOfEagerEOF(t *testing.T) {
	for _, f := range tensortest.Files() {
		l, err := layout.Of(onlyAt(f.Data), int64(len(f.Data)))
		if err != nil || l.Format != f.Format {
			t.Errorf("Of(%s) = %s, %v, want %s", f.Name, l.Format, err, f.Format)
		}
	}
	if _, err := layout.Of(onlyAt(nil), -1); err == nil {
		t.Error("Of(size -1) succeeded")
	}
}

// The models of ZIPNODE_TEST_DATA, by default those beside the checkout.
func TestOfRealModels(t *testing.T) {
	dir := os.Getenv("ZIPNODE_TEST_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	for pattern, format := range map[string]string{
		"*/*.safetensors": "safetensors",
		"torch/*.pt":      "torchzip",
		"*/config.json":   "plain",
		"*/README.md":     "plain",
	} {
		paths, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			t.Fatal(err)
		}
		if len(paths) == 0 {
			t.Logf("no %s in %s: skipped", pattern, dir)
		}
		for _, path := range paths {
			testRealFile(t, path, format)
		}
	}
}

func testRealFile(t *testing.T, path, format string) {
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	l, err := layout.Of(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	if l.Format != format {
		t.Errorf("%s is %s, want %s", path, l.Format, format)
	}
	if err := l.Check(info.Size()); err != nil {
		t.Errorf("%s: %v", path, err)
	}
	i := -1
	for e := range l.Extents.All() {
		i++
		if format == "safetensors" && i > 0 && (e.Name == "" || e.Shape == nil || e.DType == "opaque") {
			t.Errorf("%s: extent %d is %+v, want a tensor", path, i, e)
		}
	}
	if format == "torchzip" && l.Extents.Len() != 241 { // 120 records, each behind its header, and the directory
		t.Errorf("%s has %d extents, want 241", path, l.Extents.Len())
	}
}

func FuzzOf(f *testing.F) {
	for _, file := range tensortest.Files() {
		if len(file.Data) < 1<<16 {
			f.Add(file.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := layout.Of(bytes.NewReader(data), int64(len(data)))
		if err == nil {
			err = l.Check(int64(len(data)))
		}
		if err != nil {
			t.Fatalf("%s: %v", tensortest.Cuts(l), err)
		}
	})
}
