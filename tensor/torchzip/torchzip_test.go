package torchzip_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/tensortest"
	"github.com/zipnode/zipnode/tensor/torchzip"
)

// What each file is and breaks is said in tensortest; the cuts themselves are
// in layout/testdata/cuts.txt.
func TestRead(t *testing.T) {
	for _, f := range tensortest.Files() {
		l, err := torchzip.Read(bytes.NewReader(f.Data), int64(len(f.Data)))
		if f.Format != torchzip.Format {
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
		l, err := torchzip.Read(bytes.NewReader(data), int64(len(data)))
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

// FuzzPatch changes a few bytes of a good zip: most bytes that FuzzRead makes
// up are no zip at all.
func FuzzPatch(f *testing.F) {
	var good [][]byte
	for _, file := range tensortest.Files() {
		if file.Format == torchzip.Format && len(file.Data) < 1<<16 {
			good = append(good, file.Data)
		}
	}
	f.Add(uint(0), uint(8), []byte{3, 0}, uint(40), []byte{1}) // counts from the end
	f.Add(uint(1), uint(4), []byte{0xff, 0xff}, uint(100), []byte("PK"))
	f.Fuzz(func(t *testing.T, which, at uint, with []byte, at2 uint, with2 []byte) {
		data := bytes.Clone(good[which%uint(len(good))])
		size := uint(len(data))
		copy(data[size-1-at%size:], with)
		copy(data[size-1-at2%size:], with2)
		l, err := torchzip.Read(bytes.NewReader(data), int64(size))
		if err == nil {
			err = l.Check(int64(size))
		}
		if err != nil && !errors.Is(err, tensor.ErrNotFormat) {
			t.Fatalf("%s: %v", tensortest.Cuts(l), err)
		}
	})
}

func TestStorage(t *testing.T) {
	for _, tc := range []struct {
		name string
		want bool
	}{
		{"archive/data/0", true},
		{"model_v1/data/123", true},
		{"archive/data.pkl", false},
		{"archive/data/", false},
		{"archive/data/1x", false},
		{"archive/constants/0", false},
		{"data/0", false},
		{"", false},
	} {
		if got := torchzip.Storage(tc.name); got != tc.want {
			t.Errorf("Storage(%q) = %v, want %v", tc.name, got, tc.want)
		}
	}
}
