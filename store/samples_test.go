package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"testing"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
)

func sampled(i int) (cid.Cid, store.Sampled) {
	name := fmt.Appendf(nil, "tensor %d", i)
	return dag.Raw(name), store.Sampled{
		Group: "g", Label: string(name), Rows: []uint64{7, uint64(1000 + i)}, Data: bytes.Repeat(name, 100),
	}
}

func TestSamples(t *testing.T) {
	each(t, func(t *testing.T, fs store.FS) {
		s := open(t, fs)
		root, first := sampled(0)
		child, second := sampled(1)
		second.Under, second.Sketch = root, []byte("sketch")
		small, third := sampled(2)
		third.Group, third.Data, third.Rows = "small", nil, nil
		for _, p := range []struct {
			c  cid.Cid
			of store.Sampled
		}{{root, first}, {child, second}, {small, third}, {root, first}} {
			if err := s.PutSample(p.c, p.of); err != nil {
				t.Fatal(err)
			}
		}
		for range 2 { // once more after opening again
			if data, err := s.Sample(child); err != nil || !bytes.Equal(data, second.Data) {
				t.Errorf("Sample = %d bytes, %v", len(data), err)
			}
			if data, err := s.Sample(small); err != nil || data != nil {
				t.Errorf("sample of a tensor that has none: %d bytes, %v", len(data), err)
			}
			for _, tc := range []struct {
				group string
				under cid.Cid
				want  []cid.Cid
			}{{"g", cid.Undef, []cid.Cid{root}}, {"g", root, []cid.Cid{child}}, {"g", child, nil}, {"small", cid.Undef, []cid.Cid{small}}, {"none", cid.Undef, nil}} {
				if got := candidates(t, s, tc.group, tc.under); !slices.Equal(got, tc.want) {
					t.Errorf("Candidates(%q, %v) = %v, want %v", tc.group, tc.under, got, tc.want)
				}
			}
			if got, err := s.SharingRows([]uint64{7}, 10, 10); err != nil || len(got) != 2 {
				t.Errorf("SharingRows of two tensors' row = %v, %v", got, err)
			}
			want := []store.Sharing{{Tensor: child, Rows: []int{1, 2}}}
			if got, err := s.SharingRows([]uint64{6, 7, 1001}, 10, 1); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("SharingRows = %v, %v, want %v", got, err, want)
			}
			members, err := s.Members("g", root, 10)
			if err != nil || len(members) != 1 || string(members[0].Sketch) != "sketch" {
				t.Errorf("Members = %v, %v", members, err)
			}
			if label, err := s.Label(child); err != nil || label != "tensor 1" {
				t.Errorf("Label = %q, %v", label, err)
			}
			closeStore(t, s)
			s = open(t, fs)
		}
		closeStore(t, s)
	})
}

func candidates(t *testing.T, s *store.Store, group string, under cid.Cid) []cid.Cid {
	t.Helper()
	list, err := s.Candidates(group, under, 10)
	if err != nil {
		t.Fatal(err)
	}
	var out []cid.Cid
	for _, c := range list {
		out = append(out, c.Tensor)
	}
	return out
}

// Samples are a cache. One that a crash tore, or that another record took the
// place of, is none; the store opens, and takes new ones.
func TestSamplesTorn(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Dir(dir))
	for i := range 10 {
		c, of := sampled(i)
		if err := s.PutSample(c, of); err != nil {
			t.Fatal(err)
		}
	}
	closeStore(t, s)
	files, err := filepath.Glob(filepath.Join(dir, "samples", "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("files of samples: %v, %v", files, err)
	}
	info, err := os.Stat(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(files[0], info.Size()*2/3); err != nil {
		t.Fatal(err)
	}
	s = open(t, store.Dir(dir))
	defer closeStore(t, s)
	for i := 20; i < 25; i++ { // they take the places of those that were cut off
		c, of := sampled(i)
		if err := s.PutSample(c, of); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 25 {
		c, of := sampled(i)
		data, err := s.Sample(c)
		if err != nil {
			t.Fatal(err)
		}
		there := i < 6 || i >= 20
		if there && !bytes.Equal(data, of.Data) || !there && data != nil {
			t.Errorf("sample %d: %d bytes", i, len(data))
		}
	}
	if list := candidates(t, s, "g", cid.Undef); len(list) == 0 {
		t.Error("no candidates are left")
	}
	if err := os.WriteFile(filepath.Join(dir, "samples", "README"), nil, 0o600); err != nil { // not ours: let be
		t.Fatal(err)
	}
}

// What is collected is no candidate any more; those under it are found still.
func TestSamplesCollected(t *testing.T) {
	each(t, func(t *testing.T, fs store.FS) {
		s := open(t, fs)
		defer closeStore(t, s)
		model, gone := addModel(t, s, "gone", base, nil)
		_, kept := addModel(t, s, "kept", weights(3, 1<<18), nil)
		for _, c := range []cid.Cid{gone, kept} {
			of := store.Sampled{Group: "g", Label: "l", Rows: []uint64{5}, Data: []byte("sample")}
			if c == kept {
				of.Under = gone
			}
			if err := s.PutSample(c, of); err != nil {
				t.Fatal(err)
			}
		}
		apply(t, s, store.Change{Unpin: []cid.Cid{model}})
		collect(t, s, store.CollectOptions{Interrupted: true})
		if _, ok, err := s.Tensor(gone); ok || err != nil {
			t.Fatalf("the tensor is there still, or %v", err)
		}
		if got := candidates(t, s, "g", cid.Undef); !slices.Equal(got, []cid.Cid{kept}) {
			t.Errorf("candidates %v, want %v", got, kept)
		}
		if got, err := s.SharingRows([]uint64{5}, 10, 10); err != nil || len(got) != 1 || got[0].Tensor != kept {
			t.Errorf("SharingRows = %v, %v, want %v", got, err, kept)
		}
		if data, err := s.Sample(gone); err != nil || data != nil {
			t.Errorf("a sample of %d bytes is left, %v", len(data), err)
		}
	})
}

// A chain's last tensor reads all of it; one of fewer elements only its part.
func TestCold(t *testing.T) {
	s := open(t, store.Memory())
	defer closeStore(t, s)
	_, first := addModel(t, s, "base", base, nil)
	_, second := addModel(t, s, "fine", fine, base)
	_, part := addModel(t, s, "part", near(3, fine[:1<<19]), fine)
	stored := func(c cid.Cid) store.Tensor {
		info, ok, err := s.Tensor(c)
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		return info
	}
	want := store.Cold{Read: stored(first).Stored + stored(second).Stored, Decode: 2 * int64(len(base))}
	if got, err := s.Cold(second); err != nil || got != want {
		t.Errorf("Cold = %+v, %v, want %+v", got, err, want)
	}
	fifth := int64(len(base) / (1 << 19)) // of the base's elements
	want = store.Cold{Read: stored(part).Stored + want.Read/fifth, Decode: 1<<19 + want.Decode/fifth}
	if got, err := s.Cold(part); err != nil || got != want {
		t.Errorf("Cold of a part = %+v, %v, want %+v", got, err, want)
	}
}
