package node

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// A carFile is the file that an export writes. It has its name once it is whole.
type carFile struct {
	*os.File
	out   *outDir
	temp  string
	path  string // as it was asked for
	force bool   // another may be replaced
}

// createCar makes the temporary of the file at path, in the same directory.
func createCar(p string, force bool) (*carFile, error) {
	out, err := enterOut(filepath.Dir(p))
	if err != nil {
		return nil, err
	}
	f := &carFile{out: out, temp: path.Join(out.dir, "export.car"), path: p, force: force}
	if err = f.vacant(); err == nil {
		f.File, err = out.root.OpenFile(f.temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	}
	if err != nil {
		return nil, errors.Join(err, out.close())
	}
	return f, nil
}

func (f *carFile) name() string { return filepath.Base(f.path) }

// vacant returns an error unless the name is free, or what has it may be replaced.
func (f *carFile) vacant() error {
	switch info, err := f.out.root.Lstat(f.name()); {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case !info.Mode().IsRegular() && info.Mode().Type() != fs.ModeSymlink:
		return usagef("%s is there and is no file: give another name", f.path)
	case !f.force:
		return fmt.Errorf("%s is there already: use --force to replace it, or give another name", f.path)
	}
	return nil
}

// finish gives the file its name if err is nil, and removes it if not.
func (f *carFile) finish(err error) error {
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = f.vacant() // another may have taken it meanwhile
	}
	if err == nil {
		err = f.out.root.Rename(f.temp, f.name())
	}
	return errors.Join(err, f.out.close())
}
