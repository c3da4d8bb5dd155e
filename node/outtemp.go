package node

import (
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
	if err := o.root.MkdirAll(partialDir, 0o700); err != nil {
		return err
	}
	if info, err := o.root.Lstat(partialDir); err != nil || !info.IsDir() { // a link would lead sweep to other files
		return errors.Join(err, fmt.Errorf("%q is there and is no directory: remove it", partialDir))
	}
	o.sweep()
	for {
		o.dir = path.Join(partialDir, fmt.Sprintf("%016x", rand.Uint64()))
		err := o.claim()
		if err == nil {
			return o.root.Mkdir(o.dir, 0o700)
		}
		if !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
}

// claim makes and locks the file that tells that this get runs.
func (o *outDir) claim() error {
	f, err := o.root.OpenFile(o.dir+lockSuffix, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if ok, err := tryLock(f); !ok || err != nil { // no locks here
		return errors.Join(f.Close(), o.root.Remove(o.dir+lockSuffix))
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
		if o.abandoned(dir) {
			_ = o.root.RemoveAll(dir)
			_ = o.root.Remove(dir + lockSuffix)
		}
	}
}

// abandoned tells whether the get whose temporaries are in dir runs no more.
func (o *outDir) abandoned(dir string) bool {
	f, err := o.root.OpenFile(dir+lockSuffix, os.O_RDWR, 0)
	if err != nil {
		info, err := o.root.Lstat(dir)
		return err == nil && time.Since(info.ModTime()) > staleAfter
	}
	defer f.Close()
	free, err := tryLock(f)
	return err == nil && free
}
