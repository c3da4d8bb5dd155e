package node

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Gets that begin at once, while each looks for what killed ones left, keep their
// own temporaries.
func TestTemporariesOfGetsAtOnce(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				o, err := openOut(dir)
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := o.root.Lstat(o.dir); err != nil {
					t.Errorf("the temporaries of a get that runs: %v", err)
				}
				if err := o.close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

// Directories that failing gets make are gone when the last is done, none that
// another made or that has something in it, and nobody is in another's way.
func TestDirectoriesOfGetsAtOnce(t *testing.T) {
	dir := t.TempDir()
	out := filepath.Join(dir, "a", "b")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 50 {
				o, err := openOut(out)
				if err != nil {
					t.Error(err)
					return
				}
				if err := o.close(); err != nil {
					t.Error(err)
				}
				o.unmake()
			}
		})
	}
	wg.Wait()
	if err := os.MkdirAll(out, 0o777); err != nil {
		t.Fatal(err)
	}
	o, err := openOut(filepath.Join(out, "c", "d"))
	if err != nil {
		t.Fatal(err)
	}
	if err := o.close(); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(out, "c", "file"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	o.unmake()
	if _, err := os.Stat(filepath.Join(out, "c", "d")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty directory that a get made: %v", err)
	}
	if _, err := os.Stat(filepath.Join(out, "c", "file")); err != nil {
		t.Errorf("a file in a directory that a get made: %v", err)
	}
}
