package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/p2p"
	"github.com/zipnode/zipnode/store"
)

// Codes tell apart the errors of a node's operations. The control API carries
// them, and each is an exit code of the command.
const (
	CodeError       = "error"
	CodeUsage       = "usage"
	CodePartial     = "partial"
	CodeNotFound    = "not_found"
	CodeNoProvider  = "no_provider"
	CodeIntegrity   = "integrity"
	CodeDenied      = "denied"
	CodeDisk        = "disk"
	CodeNoStore     = "no_store"
	CodeLocked      = "locked"
	CodeInterrupted = "interrupted"
)

// ErrNoStore says that the directory holds no store. Init makes one.
var ErrNoStore = WithCode(CodeNoStore, fmt.Errorf("no store"))

// A LockedError says that another process owns the directory, or that its
// turn to write did not come in time.
type LockedError struct {
	Host string
	PID  int
	Op   string // what holds it, where known
}

func (e *LockedError) Error() string {
	doing := ""
	if e.Op != "" {
		doing = fmt.Sprintf(" (%s)", e.Op)
	}
	return fmt.Sprintf("the store is in use by process %d on %s%s", e.PID, e.Host, doing)
}

// Code returns CodeLocked.
func (*LockedError) Code() string { return CodeLocked }

// WithCode returns err with a code. It wraps err, and is nil if err is.
func WithCode(code string, err error) error {
	if err == nil {
		return nil
	}
	return &codedError{code, err}
}

type codedError struct {
	code string
	err  error
}

func (e *codedError) Error() string { return e.err.Error() }
func (e *codedError) Unwrap() error { return e.err }
func (e *codedError) Code() string  { return e.code }

// Coded returns err with the code that its kind has, unless it has one. It is
// nil if err is.
func Coded(err error) error {
	if err == nil {
		return nil
	}
	var has interface{ Code() string }
	if errors.As(err, &has) {
		return err
	}
	_, corrupt := errors.AsType[*dag.CorruptError](err)
	code := CodeError
	switch {
	case errors.Is(err, context.Canceled):
		code = CodeInterrupted
	case errors.Is(err, store.ErrQuota), store.IsFull(err):
		code = CodeDisk
	case errors.Is(err, p2p.ErrNoProvider): // before the next: it is one as well
		code = CodeNoProvider
	case corrupt:
		code = CodeIntegrity
	case errors.Is(err, dag.ErrNotFound), errors.Is(err, fs.ErrNotExist):
		code = CodeNotFound
	case errors.Is(err, fs.ErrPermission), errors.Is(err, syscall.EROFS):
		code = CodeDenied
	}
	return &codedError{code, err}
}
