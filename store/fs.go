package store

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// An FS is the disk as the store uses it: a directory of files that grow at
// their end. Names are slash-separated and relative.
type FS interface {
	// Append opens name for reading and appending, and creates it if absent.
	Append(name string) (File, error)
	// Create opens name, empty, for appending.
	Create(name string) (File, error)
	// Open opens name for reading. It returns an error wrapping fs.ErrNotExist
	// when there is none.
	Open(name string) (File, error)
	Rename(from, to string) error // both in one directory; replaces
	Remove(name string) error     // nil when absent
	// List returns the names of the files in dir, sorted; none when absent.
	List(dir string) ([]string, error)
	Mkdir(dir string) error   // with mode 0700; nil when there
	SyncDir(dir string) error // so that creations, renames and removals in it last
}

// A File grows at its end and is read anywhere.
type File interface {
	io.ReaderAt
	io.Writer // at the end
	io.Closer
	Size() (int64, error)
	Sync() error
	Truncate(size int64) error
}

// Dir returns the FS of a directory of the operating system's.
func Dir(path string) FS { return osFS(path) }

type osFS string

func (d osFS) path(name string) string { return filepath.Join(string(d), filepath.FromSlash(name)) }

func (d osFS) Append(name string) (File, error) {
	return openFile(d.path(name), os.O_RDWR|os.O_CREATE)
}

func (d osFS) Create(name string) (File, error) {
	return openFile(d.path(name), os.O_RDWR|os.O_CREATE|os.O_TRUNC)
}

func (d osFS) Open(name string) (File, error) { return openFile(d.path(name), os.O_RDONLY) }

func openFile(path string, flags int) (File, error) {
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if flags == os.O_RDONLY {
		return &osFile{File: f, end: end}, nil
	}
	return appendable(&osFile{File: f, end: end}), nil
}

func (d osFS) Rename(from, to string) error { return os.Rename(d.path(from), d.path(to)) }

func (d osFS) Remove(name string) error {
	if err := os.Remove(d.path(name)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func (d osFS) List(dir string) ([]string, error) {
	entries, err := os.ReadDir(d.path(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var names []string
	for _, e := range entries {
		if !e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, err
}

func (d osFS) Mkdir(dir string) error { return os.MkdirAll(d.path(dir), 0o700) }

type osFile struct {
	*os.File
	end int64 // where the next write goes: a failed one may have left bytes behind it
}

func (f *osFile) Write(b []byte) (int, error) {
	n, err := f.WriteAt(b, f.end)
	if err != nil {
		return 0, errors.Join(err, f.File.Truncate(f.end))
	}
	f.end += int64(n)
	return n, nil
}

func (f *osFile) Size() (int64, error) { return f.end, nil }

func (f *osFile) Truncate(size int64) error {
	if err := f.File.Truncate(size); err != nil {
		return err
	}
	f.end = size
	return nil
}

// Memory returns an FS that lives as long as the process.
func Memory() FS { return &memFS{files: map[string]*memFile{}} }

type memFS struct {
	mu    sync.Mutex
	files map[string]*memFile
}

func (m *memFS) Append(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[name]
	if !ok {
		f = &memFile{}
		m.files[name] = f
	}
	return f, nil
}

func (m *memFS) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.files[name] = &memFile{}
	return m.files[name], nil
}

func (m *memFS) Open(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if f, ok := m.files[name]; ok {
		return f, nil
	}
	return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
}

func (m *memFS) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	f, ok := m.files[from]
	if !ok {
		return fs.ErrNotExist
	}
	delete(m.files, from)
	m.files[to] = f
	return nil
}

func (m *memFS) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.files, name)
	return nil
}

func (m *memFS) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var names []string
	for name := range m.files {
		if rest, ok := strings.CutPrefix(name, dir+"/"); ok {
			names = append(names, rest)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (m *memFS) Mkdir(string) error   { return nil }
func (m *memFS) SyncDir(string) error { return nil }

// A memFile keeps its bytes in pieces, so that growing copies little.
type memFile struct {
	mu     sync.RWMutex
	pieces [][]byte // all of memPiece bytes but the last, which grows to that
	size   int64
}

const memPiece = 1 << 18

func (f *memFile) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(b)
	for len(b) > 0 {
		i := int(f.size / memPiece)
		if i == len(f.pieces) {
			f.pieces = append(f.pieces, nil)
		}
		k := min(len(b), memPiece-int(f.size%memPiece))
		f.pieces[i] = append(f.pieces[i][:f.size%memPiece], b[:k]...)
		f.size += int64(k)
		b = b[k:]
	}
	return n, nil
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	n := 0
	for n < len(b) && off < f.size {
		piece := f.pieces[off/memPiece]
		k := copy(b[n:], piece[off%memPiece:min(memPiece, f.size-off/memPiece*memPiece)])
		n += k
		off += int64(k)
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) Truncate(size int64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.size = min(f.size, size)
	f.pieces = f.pieces[:(f.size+memPiece-1)/memPiece]
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	return f.size, nil
}

func (f *memFile) Sync() error  { return nil }
func (f *memFile) Close() error { return nil }
