package node

import "fmt"

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
