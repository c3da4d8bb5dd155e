package study

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrNoDirectory is wrapped by the error of Analyze for a root that is a file.
var ErrNoDirectory = errors.New("it is no directory: give one with models in it")

// A source is a regular file that is looked at.
type source struct {
	path string // as it was met
	dir  string // of its model
	rel  string // in that
	info fs.FileInfo
}

// skipped are directories that hold no models but what tools keep beside them.
var skipped = []string{".git", ".cache", ".locks", "refs"}

// walk calls fn for every regular file under root, in order, and bad for what it
// could not look at. A link is followed to a file, never to a directory: so the
// snapshots of a Hugging Face cache are read through their links, and its blobs
// are not read a second time.
func walk(root string, fn func(source) error, bad func(path string, err error)) error {
	info, err := os.Stat(root)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("%s: %w", root, ErrNoDirectory)
	}
	return filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			if path == root {
				return err
			}
			bad(path, err)
			return nil
		}
		if d.IsDir() {
			if path != root && (slices.Contains(skipped, d.Name()) || blobs(path)) {
				return filepath.SkipDir
			}
			return nil
		}
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist) && d.Type()&fs.ModeSymlink != 0:
			bad(path, errors.New("a link to nothing"))
			return nil
		case err != nil:
			bad(path, err)
			return nil
		case !info.Mode().IsRegular():
			return nil
		}
		dir, rel := modelOf(root, path)
		return fn(source{path: path, dir: dir, rel: rel, info: info})
	})
}

// blobs tells whether path is where a Hugging Face cache keeps what its snapshots
// link to.
func blobs(path string) bool {
	if filepath.Base(path) != "blobs" {
		return false
	}
	_, err := os.Stat(filepath.Join(filepath.Dir(path), "snapshots"))
	return err == nil
}

// modelOf returns the directory of the model that the file at path is of, and the
// file's path in it: a snapshot of a Hugging Face cache, or else the directory
// that the file is in.
func modelOf(root, path string) (dir, rel string) {
	parts := strings.Split(path, string(filepath.Separator))
	for i := len(parts) - 2; i > 0; i-- {
		if parts[i-1] == "snapshots" {
			return strings.Join(parts[:i+1], string(filepath.Separator)), strings.Join(parts[i+1:], "/")
		}
	}
	return filepath.Dir(path), filepath.Base(path)
}

// nameOf returns what the model in dir is called, under root: "org/name" in a
// Hugging Face cache, else its path.
func nameOf(root, dir string) string {
	for part := range strings.SplitSeq(dir, string(filepath.Separator)) {
		if rest, ok := strings.CutPrefix(part, "models--"); ok {
			name := strings.ReplaceAll(rest, "--", "/")
			if at := strings.LastIndex(dir, "snapshots"+string(filepath.Separator)); at >= 0 {
				rev := dir[at+len("snapshots/"):]
				return name + "@" + rev[:min(len(rev), 8)]
			}
			return name
		}
	}
	if rel, err := filepath.Rel(root, dir); err == nil && rel != "." {
		return filepath.ToSlash(rel)
	}
	return filepath.Base(dir)
}
