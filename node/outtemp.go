package node

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"strings"
	"time"
)

// lockSuffix ends the name of the file beside a get's temporaries that it holds
// locked while it runs. It is made and locked before they are: temporaries whose
// lock can be had are those of a get that was killed.
const lockSuffix = ".lock"

// staleAfter is how old temporaries must be to be removed where no lock tells
// whose they are: not every file system has locks.
const staleAfter = 24 * time.Hour

// makeTemp makes a directory for this get alone: another may write here at the
// same time. What killed ones left goes.
func (o *outDir) makeTemp() error {
	for tries := 1; ; tries++ {
		err := o.tryTemp()
		if tries == 100 || !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		// The name is another's, or the last of the others took partialDir away.
	}
}

func (o *outDir) tryTemp() error {
	err := o.root.MkdirAll(partialDir, 0o700)
	info, statErr := o.root.Lstat(partialDir)
	if statErr == nil && !info.IsDir() { // a link would lead sweep to other files
		return fmt.Errorf("%q is there and is no directory: remove it", partialDir)
	}
	if err = cmp.Or(err, statErr); err != nil {
		return err
	}
	o.sweep()
	o.dir = path.Join(partialDir, fmt.Sprintf("%016x", rand.Uint64()))
	if err := o.claim(); err != nil {
		o.dir = "" // not ours
		return err
	}
	if err := o.root.Mkdir(o.dir, 0o700); err != nil {
		err = errors.Join(err, o.unclaim())
		o.dir, o.lock = "", nil
		return err
	}
	return nil
}

// claim makes and locks the file that tells that this get runs.
func (o *outDir) claim() error {
	f, err := o.root.OpenFile(o.dir+lockSuffix, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	switch ok, err := tryLock(f); {
	case err != nil: // no locks here
		return errors.Join(f.Close(), o.root.Remove(o.dir+lockSuffix))
	case !ok: // another get took it for that of a killed one, and removes what has its name
		return errors.Join(f.Close(), fs.ErrExist)
	}
	o.lock = f
	return nil
}

// unclaim removes the temporaries that are left, and then the lock.
func (o *outDir) unclaim() error {
	if o.dir == "" {
		return nil
	}
	err := o.root.RemoveAll(o.dir)
	if o.lock != nil {
		err = errors.Join(err, o.lock.Close())
		_ = o.root.Remove(o.dir + lockSuffix) // another get may have, just now
	}
	_ = o.root.Remove(partialDir) // stays while another get uses it
	return err
}

// sweep removes what killed gets left. It is no harm if something stays.
func (o *outDir) sweep() {
	list, err := fs.ReadDir(o.root.FS(), partialDir)
	if err != nil {
		return
	}
	for _, d := range list {
		dir := path.Join(partialDir, strings.TrimSuffix(d.Name(), lockSuffix))
		lock, ok := o.abandoned(dir)
		if ok {
			_ = o.root.RemoveAll(dir)
		}
		if lock != nil {
			_ = lock.Close() // first: Windows removes no open file
		}
		if ok {
			_ = o.root.Remove(dir + lockSuffix)
		}
	}
}

// abandoned tells whether the get whose temporaries are in dir runs no more. A lock
// that it returns is to be closed once they are gone: a get that has made its lock's
// file and not locked it yet sees by it that it must take another name.
func (o *outDir) abandoned(dir string) (lock *os.File, ok bool) {
	f, err := o.root.OpenFile(dir+lockSuffix, os.O_RDWR, 0)
	if err != nil {
		info, err := o.root.Lstat(dir)
		return nil, err == nil && time.Since(info.ModTime()) > staleAfter
	}
	free, err := tryLock(f)
	return f, err == nil && free
}
