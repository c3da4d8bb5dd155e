package store_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	blocks "github.com/ipfs/go-block-format"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
)

// What went past the system's memory is lent while it waits to be written, and
// after.
func TestPutSpent(t *testing.T) {
	s := open(t, store.Dir(t.TempDir()))
	l, err := s.NewLease()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	rnd := rand.NewChaCha8([32]byte{1})
	var all [][]byte
	check := func() {
		t.Helper()
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
	for i := range 40 {
		data := make([]byte, dag.MaxLeaf-i)
		rnd.Read(data)
		all = append(all, data)
		put := l.PutSpent
		if i%15 == 14 { // what is read soon comes in between
			put = l.Put
		}
		b, err := blocks.NewBlockWithCid(data, dag.Raw(data))
		if err != nil {
			t.Fatal(err)
		}
		if added, err := put(t.Context(), b); err != nil || !added {
			t.Fatalf("block %d: %v, %v", i, added, err)
		}
	}
	check()
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	check()
}

// What a disk spoilt is not lent to peers, whom an honest node would lose.
func TestViewSpoilt(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Dir(dir))
	l, err := s.NewLease()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	c := put(t, l, bytes.Repeat([]byte("spoilt"), 1000))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "packs", "000001.car"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte{0}, 3000); err != nil {
		t.Fatal(err)
	}
	err = s.View(t.Context(), c, func([]byte) error {
		t.Error("spoilt bytes are lent")
		return nil
	})
	if _, corrupt := errors.AsType[*dag.CorruptError](err); !corrupt {
		t.Errorf("View: %v, want a *dag.CorruptError", err)
	}
}
