//go:build unix

package store

import (
	"errors"
	"os"
)

// SyncDir makes creations, renames and removals in dir last.
func (d osFS) SyncDir(dir string) error {
	f, err := os.Open(d.path(dir))
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
