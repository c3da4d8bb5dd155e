package store_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/zipnode/zipnode/store"
)

// asideFile returns a new file, and the name that it has elsewhere.
func asideFile(t *testing.T) (store.File, string) {
	t.Helper()
	dir := t.TempDir()
	f, err := store.Dir(dir).Append("f")
	if err != nil {
		t.Fatal(err)
	}
	return f, filepath.Join(dir, "f")
}

func writeAside(t *testing.T, f store.File, data []byte) {
	t.Helper()
	k := len(data) / 3
	if err := f.(store.Aside).WriteAside(data[:k], data[k:]); err != nil {
		t.Fatal(err)
	}
}

// sameBytes fails unless f has the bytes of want, read in pieces that begin and
// end anywhere.
func sameBytes(t *testing.T, f io.ReaderAt, want []byte, rnd *rand.Rand) {
	t.Helper()
	for range 20 {
		from := rnd.IntN(len(want) + 1)
		got := make([]byte, rnd.IntN(len(want)+1-from))
		if _, err := f.ReadAt(got, int64(from)); err != nil {
			t.Fatalf("ReadAt %d bytes at %d of %d: %v", len(got), from, len(want), err)
		}
		if !bytes.Equal(got, want[from:from+len(got)]) {
			t.Fatalf("%d bytes at %d of %d are others", len(got), from, len(want))
		}
	}
	if n, err := f.ReadAt(make([]byte, len(want)+1), 0); n != len(want) || err != io.EOF {
		t.Fatalf("ReadAt past the end = %d, %v, want %d, EOF", n, err, len(want))
	}
}

// A file is what was written to it, whichever way, in whatever order; and once it
// is closed the system has it all, and no room behind it.
func TestAside(t *testing.T) {
	f, name := asideFile(t)
	rnd := rand.New(rand.NewPCG(1, 2))
	noise := rand.NewChaCha8([32]byte{3})
	var all []byte
	for i := range 60 {
		data := make([]byte, rnd.IntN(1<<20))
		if i%7 == 0 {
			data = data[:min(len(data), 5000)]
		}
		noise.Read(data)
		switch op := rnd.IntN(10); {
		case op < 7:
			writeAside(t, f, data)
			all = append(all, data...)
		case op == 7:
			if n, err := f.Write(data); n != len(data) || err != nil {
				t.Fatal(n, err)
			}
			all = append(all, data...)
		case op == 8:
			if err := f.Sync(); err != nil {
				t.Fatal(err)
			}
		default:
			all = all[:len(all)-rnd.IntN(len(all)/4+1)]
			if err := f.Truncate(int64(len(all))); err != nil {
				t.Fatal(err)
			}
		}
		sameBytes(t, f, all, rnd)
		if size, err := f.Size(); size != int64(len(all)) || err != nil {
			t.Fatalf("size %d, %v, want %d", size, err, len(all))
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(got, all) {
		t.Fatalf("the file has other bytes, %d of %d: %v", len(got), len(all), err)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if room := info.Sys().(*syscall.Stat_t).Blocks * 512; room > int64(len(all))+1<<20 {
		t.Errorf("%d bytes take %d on the disk", len(all), room)
	}
}

// What is read and synced beside the writing is whole.
func TestAsideConcurrent(t *testing.T) {
	f, _ := asideFile(t)
	defer f.Close()
	all := make([]byte, 24<<20)
	rand.NewChaCha8([32]byte{4}).Read(all)
	const piece = 1<<20 - 77
	done := make(chan int, len(all)/piece+1)
	var wg sync.WaitGroup
	wg.Go(func() {
		defer close(done)
		for n := 0; n < len(all); n = min(n+piece, len(all)) {
			writeAside(t, f, all[n:min(n+piece, len(all))])
			done <- min(n+piece, len(all))
		}
	})
	wg.Go(func() {
		rnd := rand.New(rand.NewPCG(5, 6))
		for n := range done {
			got := make([]byte, piece)
			from := rnd.IntN(max(n-piece, 1))
			if k, err := f.ReadAt(got[:min(piece, n)], int64(from)); err != nil || !bytes.Equal(got[:k], all[from:from+k]) {
				t.Errorf("%d bytes at %d are others: %v", k, from, err)
			}
		}
	})
	wg.Go(func() {
		for range 5 {
			if err := f.Sync(); err != nil {
				t.Error(err)
			}
		}
	})
	wg.Wait()
}

// What the disk does not take is told by Sync, can be read all the time, and is
// written once the disk takes it.
func TestAsideFails(t *testing.T) {
	f, name := asideFile(t)
	rnd := rand.New(rand.NewPCG(7, 8))
	all := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{9}).Read(all)
	writeAside(t, f, all[:5000])
	mend := store.FailAside(f)
	if mend == nil {
		t.Skip("this file system has no O_DIRECT")
	}
	writeAside(t, f, all[5000:])
	for range 2 {
		if err := f.Sync(); err == nil {
			t.Fatal("Sync of what was not written succeeds")
		}
		sameBytes(t, f, all, rnd)
	}
	if _, err := f.Write([]byte("more")); err == nil {
		t.Fatal("Write behind what was not written succeeds")
	}
	if err := f.Truncate(6000); err == nil {
		t.Fatal("Truncate of what was not written succeeds")
	}
	sameBytes(t, f, all, rnd)
	if err := mend(); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, all) {
		t.Fatalf("the file has other bytes: %v", err)
	}
	// Given up, it can be cut.
	writeAside(t, f, all)
	if mend = store.FailAside(f); mend == nil {
		t.Fatal("no O_DIRECT any more")
	}
	if err := f.Truncate(int64(len(all))); err != nil {
		t.Errorf("Truncate of all that was not written: %v", err)
	}
	sameBytes(t, f, all, rnd)
	if err := mend(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// A file system without O_DIRECT takes what is put aside as it takes the rest.
func TestAsideNever(t *testing.T) {
	f, name := asideFile(t)
	defer f.Close()
	store.WithoutAside(f)
	all := make([]byte, 100_000)
	rand.NewChaCha8([32]byte{10}).Read(all)
	writeAside(t, f, all)
	got, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(got, all) {
		t.Errorf("the file has other bytes: %v", err)
	}
}
