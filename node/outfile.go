package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"sync"
	"syscall"

	"github.com/ipfs/go-cid"
)

// An outFile is one file that a get writes. Its bytes go to a temporary; when
// the last part is there it takes its name.
type outFile struct {
	path string
	cid  cid.Cid
	size int64 // -1 until it is known

	out *outDir // nil: nothing is written

	mu   sync.Mutex
	left int      // parts not written, or not planned, yet
	temp *os.File // opened by the first write: a model may have more files than descriptors
	name string   // of temp
	done bool
}

// An outDir is the directory that a get writes to. Nothing that a model names
// can lie outside it: os.Root sees to that.
type outDir struct {
	root *os.Root
	dir  string   // of this get's temporaries, in partialDir
	lock *os.File // held while this get runs; nil where there are no locks
	made []string // directories that this get made, the outermost first

	mu sync.Mutex
	n  int // temporaries made
}

func openOut(dir string) (*outDir, error) {
	for tries := 1; ; tries++ {
		o, err := tryOut(dir)
		if tries < 10 && errors.Is(err, fs.ErrNotExist) {
			continue // another get had made the directory, failed, and removed it again
		}
		if errors.Is(err, syscall.ENOTDIR) {
			return nil, usagef("%s is, or is under, what is no directory: give another to write to", dir)
		}
		return o, Coded(err)
	}
}

func tryOut(dir string) (*outDir, error) {
	made, err := makeDirs(dir)
	var o *outDir
	if err == nil {
		o, err = enterOut(dir)
	}
	if err != nil {
		(&outDir{made: made}).unmake()
		return nil, err
	}
	o.made = made
	return o, nil
}

// enterOut makes temporaries in dir, which is there.
func enterOut(dir string) (*outDir, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	o := &outDir{root: root}
	if err := o.makeTemp(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", dir, err), o.close())
	}
	return o, nil
}

// makeDirs is os.MkdirAll, and returns which directories it made, the outermost
// first.
func makeDirs(dir string) ([]string, error) {
	var made []string
	missing := []string{}
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) || filepath.Dir(d) == d {
			break
		}
		missing = append(missing, d)
	}
	for _, d := range slices.Backward(missing) {
		switch err := os.Mkdir(d, 0o777); {
		case err == nil:
			made = append(made, d)
		case !errors.Is(err, fs.ErrExist):
			return made, err
		}
	}
	return made, os.MkdirAll(dir, 0o777) // says what is wrong with what is there
}

// close removes the temporaries that are left.
func (o *outDir) close() error { return errors.Join(o.unclaim(), o.root.Close()) }

// unmake removes the directories that this get made, if nothing is in them. o is
// closed, or was never opened.
func (o *outDir) unmake() {
	for _, d := range slices.Backward(o.made) {
		_ = os.Remove(d) // not what is in it
	}
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

// open makes f's temporary, unless it is there. f.mu is held.
func (f *outFile) open() error {
	if f.temp != nil {
		return nil
	}
	o := f.out
	o.mu.Lock()
	o.n++
	f.name = path.Join(o.dir, fmt.Sprintf("%06d.part", o.n))
	o.mu.Unlock()
	t, err := o.root.OpenFile(f.name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
	f.temp = t
	if err == nil && f.size >= allocateFrom {
		err = allocate(t, f.size)
	}
	return err
}

// allocateFrom is the size of files that get room at once.
const allocateFrom = 1 << 20

// writes tells whether f is written at all.
func (f *outFile) writes() bool { return f.out != nil }

func (f *outFile) writeAt(data []byte, off int64) error {
	if !f.writes() {
		return nil
	}
	f.mu.Lock()
	err := f.open()
	t := f.temp
	f.mu.Unlock()
	if err != nil {
		return err
	}
	_, err = t.WriteAt(data, off)
	return err
}

// add counts n more parts.
func (f *outFile) add(n int) {
	f.mu.Lock()
	f.left += n
	f.mu.Unlock()
}

// finishPart counts a part that is written; with the last the file takes its
// name.
func (f *outFile) finishPart() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.left--; f.left > 0 || !f.writes() || f.done {
		return nil
	}
	if err := f.open(); err != nil { // a file of no bytes was never written to
		return err
	}
	t := f.temp
	f.temp, f.done = nil, true
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

// whole tells whether f is written and has its name.
func (f *outFile) whole() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.done
}

// reopen opens f for reading, or returns nil if this get did not write it.
func (f *outFile) reopen() (*os.File, error) {
	if !f.writes() || !f.whole() {
		return nil, nil
	}
	return f.out.root.Open(f.path)
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
