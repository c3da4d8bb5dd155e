package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"sync"

	"github.com/ipfs/go-cid"
)

// An outFile is one file that a get writes. Its bytes go to a temporary; when
// the last part is there it takes its name.
type outFile struct {
	path string
	cid  cid.Cid
	size int64 // -1 until it is known

	out  *outDir // nil: nothing is written
	temp *os.File
	name string // of temp

	mu   sync.Mutex
	left int // parts not written yet
}

// An outDir is the directory that a get writes to. Nothing that a model names
// can lie outside it: os.Root sees to that.
type outDir struct {
	root *os.Root
	n    int // temporaries made
}

func openOut(dir string) (*outDir, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, coded(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, coded(err)
	}
	return &outDir{root: root}, nil
}

// close removes the temporaries that are left.
func (o *outDir) close() error {
	return errors.Join(o.root.RemoveAll(partialDir), o.root.Close())
}

// state tells what lies where f will be written: nothing, the same file, or
// something else.
func (o *outDir) state(ctx context.Context, f *outFile) (same bool, other error) {
	if info, err := o.root.Lstat(f.path); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		return false, errDiffers // it is replaced as a link, where its file may belong to others
	}
	h, err := o.root.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("%q: %w", f.path, err)
	}
	defer h.Close()
	info, err := h.Stat()
	if err != nil {
		return false, err
	}
	if !info.Mode().IsRegular() {
		return false, fmt.Errorf("%q is there and is no file: remove it, or give another directory", f.path)
	}
	c, err := fileCID(ctx, h)
	if err != nil {
		return false, fmt.Errorf("%q: %w", f.path, err)
	}
	if c.Equals(f.cid) {
		f.size = info.Size()
		return true, nil
	}
	return false, errDiffers
}

// errDiffers says that another file has the name.
var errDiffers = errors.New("another file of that name is there")

// begin makes f's temporary.
func (o *outDir) begin(f *outFile) error {
	if err := o.root.MkdirAll(partialDir, 0o700); err != nil {
		return err
	}
	o.n++
	f.name = path.Join(partialDir, fmt.Sprintf("%06d.part", o.n))
	t, err := o.root.OpenFile(f.name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	f.out, f.temp = o, t
	return nil
}

func (f *outFile) writeAt(data []byte, off int64) error {
	if f.temp == nil {
		return nil
	}
	_, err := f.temp.WriteAt(data, off)
	return err
}

// finishPart counts a part that is written; with the last the file takes its
// name.
func (f *outFile) finishPart() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left > 0 || f.temp == nil {
		return nil
	}
	t := f.temp
	f.temp = nil
	if err := t.Close(); err != nil { // a full disk may speak only here
		return err
	}
	if dir := path.Dir(f.path); dir != "." {
		if err := f.out.root.MkdirAll(dir, 0o777); err != nil {
			return err
		}
	}
	return f.out.root.Rename(f.name, f.path)
}

// abandon closes a temporary that will not be finished.
func (f *outFile) abandon() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.temp != nil {
		f.temp.Close()
		f.temp = nil
	}
}
