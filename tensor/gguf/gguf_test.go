package gguf_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/gguf"
	"github.com/zipnode/zipnode/tensor/tensortest"
)

// What each file is and breaks is said in tensortest; the cuts themselves are
// in layout/testdata/cuts.txt.
func TestRead(t *testing.T) {
	for _, f := range tensortest.Files() {
		l, err := gguf.Read(bytes.NewReader(f.Data), int64(len(f.Data)))
		if f.Format != gguf.Format {
			if !errors.Is(err, tensor.ErrNotFormat) {
				t.Errorf("Read(%s) = %v, %v, want ErrNotFormat", f.Name, tensortest.Cuts(l), err)
			}
			continue
		}
		if err != nil {
			t.Errorf("Read(%s): %v", f.Name, err)
			continue
		}
		if err := l.Check(int64(len(f.Data))); err != nil {
			t.Errorf("Read(%s) = %s: %v", f.Name, tensortest.Cuts(l), err)
		}
		if _, opaque := strings.CutSuffix(f.Name, ": opaque"); opaque {
			for e := range l.Extents.All() {
				if e.Name == "a" && e.DType != tensor.Opaque {
					t.Errorf("Read(%s): dtype %s, want opaque", f.Name, e.DType)
				}
			}
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, file := range tensortest.Files() {
		if len(file.Data) < 1<<16 {
			f.Add(file.Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l, err := gguf.Read(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			if !errors.Is(err, tensor.ErrNotFormat) {
				t.Fatalf("Read(%d bytes) = %v, want ErrNotFormat: the source did not fail", len(data), err)
			}
			return
		}
		if err := l.Check(int64(len(data))); err != nil {
			t.Fatalf("%s: %v", tensortest.Cuts(l), err)
		}
	})
}
