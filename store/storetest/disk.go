// Package storetest has a disk that behaves as badly as a disk may: what was
// not synced is lost or torn by a crash, it is full, and any call fails.
//
// It follows pebble's crashable MemFS: names and bytes have a state that the
// process sees and one that a crash leaves. It knows nothing of stores but the
// interface that they use a disk by.
package storetest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/zipnode/zipnode/store"
)

// A Call is one call that a [Disk] is about to carry out.
type Call struct {
	Op      string // "write", "sync", ...
	Name    string
	Changes bool // it is none that only reads
}

func (c Call) String() string { return c.Op + " " + c.Name }

// A Disk is a [store.FS] in memory. It is its own power switch: [Disk.Crash]
// returns the disk that a crash at this instant would leave.
type Disk struct {
	mu       sync.Mutex
	before   func(Call) error
	names    map[string]*inode // as the process sees them, directories too
	lasting  map[string]*inode // as a crash leaves them
	pending  []dirChange       // since their directory was synced, in order
	capacity int64             // bytes of all files; 0: no bound
	share    bool              // of a larger disk, which is what Free tells of
}

// An inode is a file's bytes, or a directory.
type inode struct {
	data  []byte // as the process sees them
	aside int    // bytes at the end of data that only the process has
	safe  []byte // as of the last sync; never changed in place
	dir   bool
}

// file returns the bytes that the system has.
func (f *inode) file() []byte { return f.data[:len(f.data)-f.aside] }

// A dirChange is a creation, renaming or removal: it lasts whole or not at all.
type dirChange struct {
	dir  string
	set  string // this name ...
	to   *inode // ... is this file's
	gone string // and this one is nobody's; "" for none
}

func (c dirChange) apply(names map[string]*inode) {
	if c.set != "" {
		names[c.set] = c.to
	}
	delete(names, c.gone)
}

// Late is an error of a call that was carried out all the same.
type Late struct{ Err error }

func (l Late) Error() string { return l.Err.Error() + ", after the fact" }
func (l Late) Unwrap() error { return l.Err }

// NewDisk returns an empty disk.
func NewDisk() *Disk {
	return &Disk{names: map[string]*inode{}, lasting: map[string]*inode{}}
}

// Before makes the disk call fn before each call, from several goroutines at
// once. The call fails with the error that fn returns, and does nothing; if it
// is a [Late] one, it does its work and fails then. Nil is no fn.
func (d *Disk) Before(fn func(Call) error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = fn
}

// SetCapacity bounds the bytes of all files to n; 0 is no bound.
func (d *Disk) SetCapacity(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.capacity = n
}

// Share makes the capacity a user's share of a larger disk: Free tells of that.
func (d *Disk) Share() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.share = true
}

// Used returns the bytes of all files.
func (d *Disk) Used() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.used()
}

// full is the error of a write for which there is no room.
func (d *Disk) full() error {
	if d.share {
		return syscall.EDQUOT
	}
	return syscall.ENOSPC
}

func (d *Disk) used() int64 {
	n := int64(0)
	for _, f := range d.names {
		n += int64(len(f.data))
	}
	return n
}

// Free implements [store.Spacer]. It is false where nothing bounds the bytes.
func (d *Disk) Free() (int64, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.share {
		return 1 << 50, true
	}
	return max(0, d.capacity-d.used()), d.capacity > 0
}

// call asks before, and then does fn while nothing else runs.
func (d *Disk) call(op, name string, changes bool, fn func() error) error {
	d.mu.Lock()
	before := d.before
	d.mu.Unlock()
	var fault error
	if before != nil {
		fault = before(Call{op, name, changes})
	}
	if _, late := errors.AsType[Late](fault); fault == nil || late {
		d.mu.Lock()
		err := fn()
		d.mu.Unlock()
		if err != nil || fault == nil {
			return err
		}
	}
	return &fs.PathError{Op: op, Path: name, Err: fault}
}

func (d *Disk) change(c dirChange) {
	c.apply(d.names)
	d.pending = append(d.pending, c)
}

// lookup returns the file name, made if need be.
func (d *Disk) lookup(name string) (*inode, error) {
	if f, ok := d.names[name]; ok {
		return f, nil
	}
	dir := path.Dir(name)
	if parent, ok := d.names[dir]; dir != "." && (!ok || !parent.dir) {
		return nil, fmt.Errorf("%s: %w", dir, fs.ErrNotExist)
	}
	f := &inode{}
	d.change(dirChange{dir: dir, set: name, to: f})
	return f, nil
}

// Append implements [store.FS], as do the methods that follow.
func (d *Disk) Append(name string) (store.File, error) {
	var f *inode
	err := d.call("append", name, true, func() (err error) {
		f, err = d.lookup(name)
		return err
	})
	return &file{d, name, f}, err
}

func (d *Disk) Create(name string) (store.File, error) {
	var f *inode
	err := d.call("create", name, true, func() (err error) {
		if f, err = d.lookup(name); err == nil {
			f.data, f.aside = nil, 0
		}
		return err
	})
	return &file{d, name, f}, err
}

func (d *Disk) Open(name string) (store.File, error) {
	var f *inode
	err := d.call("open", name, false, func() error {
		ok := false
		if f, ok = d.names[name]; !ok || f.dir {
			return &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		}
		return nil
	})
	return &file{d, name, f}, err
}

func (d *Disk) Rename(from, to string) error {
	return d.call("rename", to, true, func() error {
		f, ok := d.names[from]
		if !ok {
			return fs.ErrNotExist
		}
		d.change(dirChange{dir: path.Dir(to), set: to, to: f, gone: from})
		return nil
	})
}

func (d *Disk) Remove(name string) error {
	return d.call("remove", name, true, func() error {
		if _, ok := d.names[name]; ok {
			d.change(dirChange{dir: path.Dir(name), gone: name})
		}
		return nil
	})
}

func (d *Disk) List(dir string) ([]string, error) {
	var out []string
	err := d.call("list", dir, false, func() error {
		for name, f := range d.names {
			if path.Dir(name) == dir && !f.dir {
				out = append(out, path.Base(name))
			}
		}
		slices.Sort(out)
		return nil
	})
	return out, err
}

func (d *Disk) Mkdir(dir string) error {
	if dir == "." {
		return nil
	}
	return d.call("mkdir", dir, true, func() error {
		if _, ok := d.names[dir]; !ok {
			d.change(dirChange{dir: path.Dir(dir), set: dir, to: &inode{dir: true}})
		}
		return nil
	})
}

func (d *Disk) SyncDir(dir string) error {
	return d.call("syncdir", dir, true, func() error {
		d.pending = slices.DeleteFunc(d.pending, func(c dirChange) bool {
			if c.dir != dir {
				return false
			}
			c.apply(d.lasting)
			return true
		})
		return nil
	})
}

// A file is one opening of an inode.
type file struct {
	d    *Disk
	name string
	f    *inode
}

func (f *file) Write(b []byte) (int, error) {
	err := f.d.call("write", f.name, true, func() error {
		if f.d.capacity > 0 && f.d.used()+int64(len(b)) > f.d.capacity {
			return &fs.PathError{Op: "write", Path: f.name, Err: f.d.full()}
		}
		f.f.data, f.f.aside = append(f.f.data, b...), 0
		return nil
	})
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

// WriteAside implements [store.Aside]: of what is put aside, up to stage bytes
// are in the process alone.
func (f *file) WriteAside(a, b []byte) error {
	return f.d.call("write", f.name, true, func() error {
		n := len(a) + len(b)
		if f.d.capacity > 0 && f.d.used()+int64(n) > f.d.capacity {
			return &fs.PathError{Op: "write", Path: f.name, Err: f.d.full()}
		}
		f.f.data = append(append(f.f.data, a...), b...)
		f.f.aside += n
		if f.f.aside > stage {
			f.f.aside = min(f.f.aside, len(f.f.data)%sector) // whole ones were written
		}
		return nil
	})
}

const stage = 8 * sector

func (f *file) ReadAt(b []byte, off int64) (int, error) {
	n := 0
	err := f.d.call("read", f.name, false, func() error {
		if off < int64(len(f.f.data)) {
			n = copy(b, f.f.data[off:])
		}
		if n < len(b) {
			return io.EOF
		}
		return nil
	})
	if err != nil && err != io.EOF {
		n = 0
	}
	return n, err
}

func (f *file) Size() (int64, error) {
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	return int64(len(f.f.data)), nil
}

func (f *file) Sync() error {
	return f.d.call("sync", f.name, true, func() error {
		f.f.aside = 0
		f.f.safe = slices.Clip(f.f.data)
		return nil
	})
}

func (f *file) Truncate(size int64) error {
	return f.d.call("truncate", f.name, true, func() error {
		// Copied: what is appended next must not change the synced bytes.
		f.f.data = slices.Clone(f.f.data[:min(size, int64(len(f.f.data)))])
		f.f.aside = 0
		return nil
	})
}

func (f *file) Close() error { return f.d.call("close", f.name, false, func() error { return nil }) }

// String lists the files, for the message of a test that failed.
func (d *Disk) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(d.names)) {
		if f := d.names[name]; !f.dir {
			fmt.Fprintf(&b, "%s: %d bytes, %d synced\n", name, len(f.data), len(f.safe))
		}
	}
	return b.String()
}
