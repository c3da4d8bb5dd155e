package store

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/tensor"
)

// A file of samples that is mostly dead goes; what lived in it is found where it
// moved, as a sample and as a candidate.
func TestShrinkSamples(t *testing.T) {
	s, err := Open(t.Context(), Config{FS: Memory()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	data := bytes.Repeat([]byte("sample"), 10_000)
	const n = maxSamples/60_000 + 10 // more than a file holds
	stays := newMarker(s)
	for i := range n {
		c := dag.Raw(fmt.Append(nil, i))
		if err := s.PutSample(c, Sampled{Group: "g", Data: data, Sketch: []byte("sketch")}); err != nil {
			t.Fatal(err)
		}
		s.putTensor(Tensor{Size: 1, DType: tensor.Opaque, of: idOf(c), recipe: digestOf(c)})
		if i%10 == 0 {
			stays.block(digestOf(c))
		}
	}
	before, last, err := s.samples.sizes()
	if err != nil || len(before) != 2 || last != 2 {
		t.Fatalf("files %v, the last %d, %v: want two", before, last, err)
	}
	w := &sweeping{s: s, m: stays, behind: map[int]bool{}}
	if err := w.samples(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.shrinkSamples(); err != nil {
		t.Fatal(err)
	}
	if after, _, err := s.samples.sizes(); err != nil || len(after) != 1 || after[2] == 0 {
		t.Errorf("files %v, %v: want the second alone", after, err)
	}
	list, err := s.Candidates("g", dag.Raw([]byte("none")), n)
	if err != nil || len(list) != 0 {
		t.Errorf("%d candidates under what is none, %v", len(list), err)
	}
	all, err := s.Candidates("g", cid.Undef, n)
	if err != nil || len(all) != (n+9)/10 {
		t.Fatalf("%d candidates, %v, want %d", len(all), err, (n+9)/10)
	}
	if members, err := s.Members("g", cid.Undef, 1); err != nil || len(members) != 1 || string(members[0].Sketch) != "sketch" {
		t.Errorf("members %v, %v: want one with its sketch", members, err)
	}
	for _, c := range all {
		if got, err := s.Sample(c.Tensor); err != nil || !bytes.Equal(got, data) {
			t.Errorf("a sample of %d bytes, %v", len(got), err)
		}
	}
}

// The file that is appended to goes too, once it is mostly dead and large.
func TestShrinkLastSamples(t *testing.T) {
	s, err := Open(t.Context(), Config{FS: Memory()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	data := bytes.Repeat([]byte("sample"), 10_000)
	put := func(name string) cid.Cid {
		c := dag.Raw([]byte(name))
		if err := s.PutSample(c, Sampled{Group: "g", Data: data}); err != nil {
			t.Fatal(err)
		}
		return c
	}
	stays := put("stays")
	for i := range leastSamples / len(data) {
		id := idOf(put(fmt.Sprint(i)))
		s.index.delete(key(tabSample, id[:]))
	}
	if err := s.shrinkSamples(); err != nil {
		t.Fatal(err)
	}
	if sizes, last, err := s.samples.sizes(); err != nil || len(sizes) != 1 || last != 2 || sizes[2] > 2*int64(len(data)) {
		t.Errorf("files %v, the last %d, %v: want the second, with one sample", sizes, last, err)
	}
	if got, err := s.Sample(stays); err != nil || !bytes.Equal(got, data) {
		t.Errorf("a sample of %d bytes, %v", len(got), err)
	}
	if err := s.shrinkSamples(); err != nil {
		t.Fatal(err)
	}
	if _, last, err := s.samples.sizes(); err != nil || last != 2 {
		t.Errorf("the last file is %d, %v: want no new one", last, err)
	}
}
