package store

import "os"

// FailAside makes writes of f past the system's memory fail until mend is called.
// It returns nil where f can't write so.
func FailAside(f File) (mend func() error) {
	a := f.(*asideFile)
	if a.direct == nil {
		return nil
	}
	whole := a.direct
	a.direct, _ = os.Open(a.Name()) // for reading alone
	return func() error {
		err := a.direct.Close()
		a.direct = whole
		return err
	}
}

// WithoutAside makes f one of a file system that can't write past the system's
// memory.
func WithoutAside(f File) { f.(*asideFile).never = true }
