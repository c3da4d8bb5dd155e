package store_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
)

// What is dropped from memory is still in its pack, and read from the disk.
func TestSpent(t *testing.T) {
	s := open(t, store.Dir(t.TempDir()))
	l, err := s.NewLease()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	rnd := rand.NewChaCha8([32]byte{1})
	var all [][]byte
	for range 80 { // more than stays in memory
		data := make([]byte, dag.MaxLeaf)
		rnd.Read(data)
		all = append(all, data)
		if err := l.Spent(put(t, l, data)); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	for i, data := range all {
		err := s.View(t.Context(), dag.Raw(data), func(got []byte) error {
			if !bytes.Equal(got, data) {
				t.Errorf("block %d has other bytes", i)
			}
			return nil
		})
		if err != nil {
			t.Errorf("block %d: %v", i, err)
		}
	}
}
