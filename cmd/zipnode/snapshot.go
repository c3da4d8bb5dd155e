package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// A snapshot is which files lie under a directory. It tells whether a get wrote
// any: it replaces no file in place. It is nil where there is none, or are too
// many to look at twice.
type snapshot map[string]fs.FileInfo

const maxSnapshot = 10_000

var errTooMany = errors.New("too many files")

func snapshotOf(dir string) snapshot {
	s := snapshot{}
	seen := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if seen++; seen > maxSnapshot {
			return errTooMany
		}
		if err != nil || e.IsDir() {
			return err
		}
		s[path], err = e.Info()
		return err
	})
	if err != nil {
		return nil
	}
	return s
}

// equal reports whether both are known, and of the same files.
func (s snapshot) equal(t snapshot) bool {
	if s == nil || t == nil || len(s) != len(t) {
		return false
	}
	for path, info := range s {
		other, ok := t[path]
		if !ok || !os.SameFile(info, other) || !info.ModTime().Equal(other.ModTime()) {
			return false
		}
	}
	return true
}
