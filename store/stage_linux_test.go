package store

import (
	"path/filepath"
	"testing"
)

// A file keeps no stage once it is synced or closed, and no more than it fills
// and writes before.
func TestStagesEnd(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	file, err := Dir(filepath.Dir(name)).Append("f")
	if err != nil {
		t.Fatal(err)
	}
	f := file.(*asideFile)
	held := func() int {
		f.mu.Lock()
		defer f.mu.Unlock()
		n := len(f.full) + len(f.spare)
		if f.fill != nil {
			n++
		}
		return n
	}
	data := make([]byte, 1<<20)
	for range 40 {
		if err := f.WriteAside(data[:100], data); err != nil {
			t.Fatal(err)
		}
		if n := held(); n > stages {
			t.Fatalf("%d stages, more than %d", n, stages)
		}
	}
	if f.never {
		t.Skip("this file system has no O_DIRECT")
	}
	if held() == 0 {
		t.Fatal("40 MiB went through no stage")
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	if n := held(); n > 0 {
		t.Errorf("%d stages after Sync", n)
	}
	if err := f.WriteAside(data[:100], data); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(data[:1]); err != nil { // drains
		t.Fatal(err)
	}
	if n := held(); n != 1 {
		t.Errorf("%d stages after a write of the usual way, want the one that is kept for more", n)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if n := held(); n > 0 {
		t.Errorf("%d stages after Close", n)
	}
}
