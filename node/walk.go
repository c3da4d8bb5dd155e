package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/zipnode/zipnode/dag"
)

// partialDir is where get keeps what is not whole yet, inside its target.
const partialDir = ".zipnode-partial"

// skipped are names that are no part of a model: a repository's history, caches
// of download tools, and what an interrupted get left. Nor is a store.
var skipped = []string{".git", ".cache", partialDir}

// A source file is a file of a model before it is added.
type sourceFile struct {
	path string // in the model, slash-separated
	real string // on disk, links followed
	info fs.FileInfo
}

// walkModel lists the files of the model at path, a directory or one file, in
// the order of their paths.
func walkModel(path string) ([]sourceFile, error) {
	root, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, Coded(err)
	}
	info, err := os.Stat(root)
	if err != nil {
		return nil, Coded(err)
	}
	if !info.IsDir() {
		name := filepath.Base(path)
		if err := checkSource(name, info); err != nil {
			return nil, err
		}
		return []sourceFile{{path: name, real: root, info: info}}, nil
	}
	if Exists(root) {
		return nil, usagef("%s is a zipnode store, no model", path)
	}
	w := walker{root: root}
	if err := filepath.WalkDir(root, w.visit); err != nil {
		return nil, Coded(err)
	}
	if len(w.files) == 0 {
		return nil, usagef("%s holds no file to add", path)
	}
	slices.SortFunc(w.files, func(a, b sourceFile) int { return strings.Compare(a.path, b.path) })
	return w.files, nil
}

type walker struct {
	root  string
	files []sourceFile
}

func (w *walker) visit(path string, d fs.DirEntry, err error) error {
	if err != nil {
		return err
	}
	if path == w.root {
		return nil
	}
	if slices.Contains(skipped, d.Name()) || d.IsDir() && Exists(path) { // a store holds its node's key
		if d.IsDir() {
			return filepath.SkipDir
		}
		return nil
	}
	rel, err := filepath.Rel(w.root, path)
	if err != nil {
		return err
	}
	f := sourceFile{path: filepath.ToSlash(rel), real: path}
	if d.IsDir() {
		return checkPath(f.path)
	}
	if d.Type()&fs.ModeSymlink != 0 {
		if f.real, err = w.follow(path, f.path); err != nil {
			return err
		}
	}
	if f.info, err = os.Stat(f.real); err != nil {
		return err
	}
	if err := checkSource(f.path, f.info); err != nil {
		return err
	}
	w.files = append(w.files, f)
	return nil
}

// follow returns the file that the link at path means. It may lie in the tree,
// or, as a Hugging Face cache has it, in the blobs/ of the same repository,
// whose snapshots/REVISION is the tree.
func (w *walker) follow(path, rel string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", usagef("%q is a link to nothing", rel)
	}
	if errors.Is(err, fs.ErrPermission) {
		return "", err
	}
	if err != nil { // a link to itself, by way of others or not
		return "", usagef("%q is a link that leads nowhere: %v", rel, err)
	}
	inside := func(dir string) bool {
		r, err := filepath.Rel(dir, real)
		return err == nil && filepath.IsLocal(r)
	}
	if inside(w.root) {
		return real, nil
	}
	if snapshots := filepath.Dir(w.root); filepath.Base(snapshots) == "snapshots" && inside(filepath.Join(filepath.Dir(snapshots), "blobs")) {
		return real, nil
	}
	return "", usagef("%q is a link out of the model: copy the file there, or remove the link", rel)
}

func checkSource(path string, info fs.FileInfo) error {
	if err := checkPath(path); err != nil {
		return err
	}
	if info.IsDir() {
		return usagef("%q is a link to a directory: a model holds files and directories only", path)
	}
	if !info.Mode().IsRegular() {
		return usagef("%q is neither a file nor a directory", path)
	}
	return nil
}

func checkPath(path string) error {
	if !utf8.ValidString(path) {
		return usagef("the file name %q is not UTF-8: rename it", path)
	}
	if err := dag.CheckPath(path); err != nil {
		return usagef("%q cannot be part of a model: %v: rename it", path, err)
	}
	return nil
}

func usagef(format string, args ...any) error {
	return WithCode(CodeUsage, fmt.Errorf(format, args...))
}
