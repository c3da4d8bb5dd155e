package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"sync"

	leveldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/storage"
)

// indexDir is where goleveldb's files lie.
const indexDir = "index"

// An indexStorage keeps goleveldb's files on an FS. It has the names and the
// CURRENT of goleveldb's own storage, and one difference: the first sync of a
// file syncs the directory too. Without it a power cut may take a log whose
// bytes were synced, and the index would be again what it was before.
type indexStorage struct {
	fs FS

	mu       sync.Mutex
	locked   bool
	unlisted bool // the directory's last sync failed
}

// openIndexStorage makes index/ if need be.
func openIndexStorage(fs FS) (storage.Storage, error) {
	if err := fs.Mkdir(indexDir); err != nil {
		return nil, err
	}
	return &indexStorage{fs: fs}, fs.SyncDir(".")
}

// removeIndex removes every file of the index, CURRENT first: without it
// goleveldb takes none of the others for its own.
func removeIndex(fs FS) error {
	if err := fs.Remove(indexDir + "/" + currentName); err != nil {
		return err
	}
	if err := fs.SyncDir(indexDir); err != nil {
		return err
	}
	names, err := fs.List(indexDir)
	for _, name := range names {
		err = errors.Join(err, fs.Remove(indexDir+"/"+name))
	}
	return err
}

// Lock is against a second database on this storage: the directory has a lock
// of its own against other processes.
func (s *indexStorage) Lock() (storage.Locker, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.locked {
		return nil, storage.ErrLocked
	}
	s.locked = true
	return indexLock{s}, nil
}

type indexLock struct{ s *indexStorage }

func (l indexLock) Unlock() {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.s.locked = false
}

// Log drops what goleveldb tells of its compactions.
func (s *indexStorage) Log(string) {}

func indexName(fd storage.FileDesc) string { return indexDir + "/" + fd.String() }

// currentName is the file that names the manifest in use.
const currentName = "CURRENT"

func (s *indexStorage) SetMeta(fd storage.FileDesc) error {
	if !storage.FileDescOk(fd) {
		return storage.ErrInvalidFile
	}
	const temp = indexDir + "/" + currentName + ".new"
	f, err := s.fs.Create(temp)
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintln(f, fd.String()); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, s.fs.Remove(temp))
	}
	// From the renaming on there is no error: goleveldb would remove the manifest
	// that CURRENT names. What is missing is made good before anything is synced.
	if err := s.fs.Rename(temp, indexDir+"/"+currentName); err != nil {
		if now, readErr := s.GetMeta(); readErr != nil || now != fd {
			return err
		}
	}
	_ = s.syncDir()
	return nil
}

func (s *indexStorage) syncDir() error {
	err := s.fs.SyncDir(indexDir)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unlisted = err != nil
	return err
}

func (s *indexStorage) GetMeta() (storage.FileDesc, error) {
	f, err := s.fs.Open(indexDir + "/" + currentName)
	if err != nil {
		return storage.FileDesc{}, err
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 64))
	if err != nil {
		return storage.FileDesc{}, err
	}
	name, whole := strings.CutSuffix(string(b), "\n")
	fd, ok := parseIndexName(name)
	if !whole || !ok || fd.Type != storage.TypeManifest {
		return fd, leveldberrors.NewErrCorrupted(fd, fmt.Errorf("CURRENT holds %q", b))
	}
	m, err := s.fs.Open(indexName(fd))
	if errors.Is(err, fs.ErrNotExist) {
		return fd, leveldberrors.NewErrCorrupted(fd, errors.New("CURRENT names a manifest that is gone"))
	}
	if err != nil {
		return fd, err
	}
	return fd, m.Close()
}

func (s *indexStorage) List(types storage.FileType) ([]storage.FileDesc, error) {
	names, err := s.fs.List(indexDir)
	var out []storage.FileDesc
	for _, name := range names {
		if fd, ok := parseIndexName(name); ok && fd.Type&types != 0 {
			out = append(out, fd)
		}
	}
	return out, err
}

// parseIndexName is the inverse of FileDesc.String, and false for other names.
func parseIndexName(name string) (storage.FileDesc, bool) {
	digits, kind, ok := strings.Cut(name, ".")
	fd := storage.FileDesc{Type: indexTypes[kind]}
	if !ok {
		if digits, ok = strings.CutPrefix(name, "MANIFEST-"); !ok {
			return fd, false
		}
		fd.Type = storage.TypeManifest
	}
	n, err := strconv.ParseUint(digits, 10, 63)
	fd.Num = int64(n)
	return fd, err == nil && fd.Type != 0
}

var indexTypes = map[string]storage.FileType{
	"log": storage.TypeJournal, "ldb": storage.TypeTable, "tmp": storage.TypeTemp,
}

func (s *indexStorage) Open(fd storage.FileDesc) (storage.Reader, error) {
	f, err := s.fs.Open(indexName(fd))
	if err != nil {
		return nil, err
	}
	size, err := f.Size()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return indexReader{io.NewSectionReader(f, 0, size), f}, nil
}

type indexReader struct {
	*io.SectionReader
	file io.Closer
}

func (r indexReader) Close() error { return r.file.Close() }

func (s *indexStorage) Create(fd storage.FileDesc) (storage.Writer, error) {
	f, err := s.fs.Create(indexName(fd))
	if err != nil {
		return nil, err
	}
	return &indexWriter{File: f, s: s}, nil
}

// An indexWriter is written by one goroutine at a time.
type indexWriter struct {
	File
	s      *indexStorage
	listed bool // the directory was synced since the file was made
}

func (w *indexWriter) Sync() error {
	if err := w.File.Sync(); err != nil {
		return err
	}
	w.s.mu.Lock()
	listed := w.listed && !w.s.unlisted
	w.s.mu.Unlock()
	if listed {
		return nil
	}
	err := w.s.syncDir()
	w.listed = err == nil
	return err
}

func (s *indexStorage) Remove(fd storage.FileDesc) error { return s.fs.Remove(indexName(fd)) }

func (s *indexStorage) Rename(from, to storage.FileDesc) error {
	return s.fs.Rename(indexName(from), indexName(to))
}

func (s *indexStorage) Close() error { return nil }
