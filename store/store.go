package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	leveldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"github.com/zipnode/zipnode/dag"
)

// FormatVersion is that of the store's directory, and FormatMark what its file
// "format" begins with; the version follows.
const (
	FormatVersion = 1
	FormatMark    = "zipnode store "
)

// flushBytes is how many bytes of packs, and flushIndex how many of the index's
// layer in memory, may wait for the next flush.
const (
	flushBytes = 512 << 20
	flushIndex = 4 << 20 // as goleveldb takes it, it is several times as much
)

var (
	// ErrQuota says that the packs would outgrow [Config.Quota].
	ErrQuota = errors.New("the store's quota is used up")

	// ErrClosed says that the store was closed.
	ErrClosed = errors.New("the store is closed")
)

// A VersionError says that the directory was written by a newer zipnode.
type VersionError struct{ Found, Known int }

func (e *VersionError) Error() string {
	return fmt.Sprintf("the store has format %d, this zipnode knows %d at most: use a newer zipnode", e.Found, e.Known)
}

// Config says how a store is opened.
type Config struct {
	FS    FS           // required
	Quota int64        // most bytes of packs; 0 means no bound
	Cache int64        // bytes of decoded leaves kept; 0 means 64 MiB
	Log   *slog.Logger // nil discards
}

// A Store keeps blocks in packs, and knows how to rebuild leaves from them. Its
// methods may be called by many goroutines at once.
type Store struct {
	fs    FS
	quota int64
	log   *slog.Logger
	index *index
	jrnl  *journal

	samples *samples

	packMu sync.RWMutex // guards packs, last, total
	packs  map[uint32]*pack
	last   uint32
	total  int64

	appendMu sync.Mutex       // one append at a time
	unsynced map[uint32]int64 // pack → bytes appended to it since it was opened or synced
	waiting  int64            // bytes appended since the last flush
	flushAt  int              // bytes of the index's layer: flushIndex

	journalFrom int64 // as the constant, but for tests

	flushMu sync.Mutex   // held by a flush, and from a journal record to its effect on the index
	flushes int          // begun so far; guarded by flushMu
	useMu   sync.Mutex   // held while the recipe in use of any tensor changes
	sweepMu sync.RWMutex // read-held by whoever relies on a block it found; held by sweep

	damageMu sync.Mutex // held while damage is remembered or forgotten

	rebuilt  bool         // the index was lost when the store was opened
	reserved atomic.Int64 // bytes of the file reserve
	moving   bool         // what is appended replaces what a pack has; guarded by appendMu

	appended  atomic.Int64 // bytes, since the store was opened
	quietFrom atomic.Int64 // how many it will be when peers have not asked for long

	rewritesBegun, rewritesEnded atomic.Uint64 // of packs

	leases  leaseSet
	leaves  *leafCache
	recipes *recipeCache
	buffers sync.Pool
	closed  bool
}

// Open opens the store in cfg.FS, and creates it when there is none. A lost
// index is rebuilt from packs and journal first.
func Open(ctx context.Context, cfg Config) (*Store, error) {
	s, err := openOnce(ctx, cfg)
	if IsFull(err) && giveUpReserve(cfg.FS) {
		s, err = openOnce(ctx, cfg)
	}
	return s, err
}

func openOnce(ctx context.Context, cfg Config) (*Store, error) {
	s := &Store{
		fs:      cfg.FS,
		quota:   cfg.Quota,
		log:     cfg.Log,
		flushAt: flushIndex,

		journalFrom: journalFrom,

		packs:    map[uint32]*pack{},
		unsynced: map[uint32]int64{},
		leaves:   newLeafCache(orDefault(cfg.Cache, 64<<20)),
		recipes:  newRecipeCache(4096),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.buffers.New = func() any { b := make([]byte, 0, dag.MaxBlock+64); return &b }
	if err := s.open(ctx); err != nil {
		return nil, errors.Join(err, s.release())
	}
	return s, nil
}

func orDefault(n, def int64) int64 {
	if n == 0 {
		return def
	}
	return n
}

func (s *Store) open(ctx context.Context) error {
	for _, dir := range []string{".", "packs"} {
		if err := s.fs.Mkdir(dir); err != nil {
			return err
		}
	}
	if err := s.checkFormat(); err != nil {
		return err
	}
	if err := s.openPacks(); err != nil {
		return err
	}
	if err := s.findReserve(); err != nil {
		return err
	}
	lost, err := s.openIndex()
	if err != nil {
		return err
	}
	if s.rebuilt = lost; lost {
		s.log.Warn("the index is lost: rebuilding it from the packs")
	}
	if s.samples, err = openSamples(s.fs, lost); err != nil {
		return err
	}
	if err := s.loadLeases(); err != nil {
		return err
	}
	if err := s.recoverTail(lost); err != nil {
		return err
	}
	if err := s.replay(ctx, lost); err != nil {
		return err
	}
	if err := s.noteNeeds(ctx); err != nil {
		return err
	}
	return s.Flush()
}

// checkFormat reads the file "format", and writes it in a new store.
func (s *Store) checkFormat() error {
	f, err := s.fs.Open("format")
	if errors.Is(err, fs.ErrNotExist) {
		return s.writeFormat()
	}
	if err != nil {
		return err
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, 0, 64))
	if err != nil {
		return err
	}
	if len(b) == 0 { // all that a crash left of one, in a store of an earlier zipnode
		return s.writeFormat()
	}
	text, ok := strings.CutPrefix(strings.TrimSpace(string(b)), FormatMark)
	n, err := strconv.Atoi(text)
	if !ok || err != nil || n < 1 {
		return fmt.Errorf("the file \"format\" says %q, which is no zipnode store: is this the right directory?", b)
	}
	if n > FormatVersion {
		return &VersionError{Found: n, Known: FormatVersion}
	}
	return nil
}

// writeFormat makes the directory a store, at once or not at all.
func (s *Store) writeFormat() error {
	const temp = "format.new"
	f, err := s.fs.Create(temp)
	if err != nil {
		return err
	}
	if _, err = fmt.Fprintf(f, "%s%d\n", FormatMark, FormatVersion); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := s.fs.Rename(temp, "format"); err != nil {
		return err
	}
	return s.fs.SyncDir(".")
}

func (s *Store) openPacks() error {
	names, err := s.fs.List("packs")
	if err != nil {
		return err
	}
	for _, name := range names {
		n, ok := packNumber(name)
		if !ok {
			continue
		}
		f, err := s.fs.Append(packName(n))
		if err != nil {
			return err
		}
		s.packs[n] = &pack{number: n, file: f}
		s.last = max(s.last, n)
		size, err := f.Size()
		if err != nil {
			return err
		}
		s.total += size
	}
	return nil
}

// openIndex tells whether the index is new although there are packs or a
// journal: then it was lost.
func (s *Store) openIndex() (lost bool, err error) {
	stor, err := openIndexStorage(s.fs)
	if err != nil {
		return false, err
	}
	x, err := openIndex(stor)
	if indexCorrupt(err) || errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("the index does not open", "err", err)
		if err := removeIndex(s.fs); err != nil {
			return false, err
		}
		x, err = openIndex(stor)
	}
	if err != nil {
		return false, fmt.Errorf("open the index: %w", err)
	}
	s.index = x
	done, err := x.has(key(tabMeta, []byte("end")))
	return !done && len(s.packs) > 0, err
}

// indexCorrupt tells whether err, wrapped or not, is goleveldb's for damage.
func indexCorrupt(err error) bool {
	_, ok := errors.AsType[*leveldberrors.ErrCorrupted](err)
	_, other := errors.AsType[*storage.ErrCorrupted](err)
	return ok || other
}

// Close flushes and closes the store. That the index could not follow is no
// error: the next Open brings it up to date.
func (s *Store) Close() error {
	s.flushMu.Lock()
	if s.closed {
		s.flushMu.Unlock()
		return ErrClosed
	}
	err := s.flush(nil)
	s.flushMu.Unlock()
	if err == nil {
		err = s.compactJournal()
	}
	if errors.Is(err, errBehind) {
		s.log.Warn("the store closes with its index behind", "err", err)
		err = nil
	}
	s.flushMu.Lock()
	s.closed = true
	s.flushMu.Unlock()
	return errors.Join(err, s.release())
}

func (s *Store) release() error {
	var errs []error
	for _, p := range s.packs {
		errs = append(errs, p.close())
	}
	if s.jrnl != nil {
		errs = append(errs, s.jrnl.close())
	}
	if s.samples != nil {
		errs = append(errs, s.samples.close())
	}
	if s.index != nil {
		// All that was flushed was synced; what fails here is goleveldb's own
		// tidying, or an old error told once more.
		if err := s.index.close(); err != nil {
			s.log.Warn("the index closes with an error", "err", err)
		}
	}
	return errors.Join(errs...)
}

// Rebuilt tells whether the index was lost when the store was opened: what only
// it had, samples and labels, is gone.
func (s *Store) Rebuilt() bool { return s.rebuilt }

// Bytes returns the size of all packs.
func (s *Store) Bytes() int64 {
	s.packMu.RLock()
	defer s.packMu.RUnlock()
	return s.total
}
