// Package gateway is the door through which other processes use a running node:
// the control API, HTTP and JSON on a unix socket.
//
// # API
//
// POST /api/v1/OP runs the operation OP. The request's body is one object:
//
//	{"args": {...}, "wait_ms": 10000}
//
// args are those of the operation; wait_ms is how long a writer may wait for
// its turn. The answer is a stream of objects, one a line, and ends with a
// result or an error:
//
//	{"progress": {...}}
//	{"result": {...}}
//	{"error": {"message": "no peer has bafy...", "code": "no_provider"}}
//
// A call that breaks off without such an end has no known outcome. Closing the
// request cancels the operation. GET /api/v1/version tells who answers.
//
// # Socket
//
// The socket is DIR/api.sock. Where that path is too long for a socket, DIR/api.addr
// holds the path of another, in a directory that only its user may enter. Both
// have mode 0600: who may open the socket may do all that the node's user may.
//
// Package gateway knows nothing of what the operations do.
package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"time"
)

// A Service runs operations. A node is one.
type Service interface {
	// Call runs op with its args as JSON and returns its result, which encodes
	// to JSON. A writer waits at most wait for its turn. Call returns soon after
	// ctx is done. It may call progress, also from several goroutines, but not
	// after it returned. It may be called by many goroutines at once.
	//
	// An error may have a method Code() string; the code is carried along.
	Call(ctx context.Context, op string, args json.RawMessage, wait time.Duration, progress func(any)) (any, error)
}

// Info tells who answers.
type Info struct {
	API     int    `json:"api"` // of the path: 1
	Version string `json:"version"`
	PID     int    `json:"pid"`
	Daemon  bool   `json:"daemon"` // it stays; else it ends when its own work is done
}

const (
	prefix      = "/api/v1/"
	maxRequest  = 1 << 20 // bytes of a request's body: a path, globs, a name
	contentType = "application/x-ndjson"
)

// ops are the operations of v1.
var ops = map[string]bool{
	"add": true, "get": true, "seed": true, "ls": true, "show": true, "rm": true,
	"pin.add": true, "pin.rm": true, "pin.ls": true, "verify": true, "gc": true,
	"repack": true, "family": true, "diff": true,
	"export": true, "import": true, "id": true, "peers.ls": true,
	"peers.connect": true, "status": true, "memory": true,
}

type request struct {
	Args json.RawMessage `json:"args,omitempty"`
	Wait int64           `json:"wait_ms,omitempty"`
}

// A line of the answer has one of these.
type line struct {
	Progress any        `json:"progress,omitempty"`
	Result   any        `json:"result,omitempty"`
	Error    *wireError `json:"error,omitempty"`
}

type wireError struct {
	Message string `json:"message"`
	Code    string `json:"code"`
}

const (
	codeError       = "error"
	codeUsage       = "usage"
	codeInterrupted = "interrupted"
	codeStopping    = "stopping" // the server ended before the operation did
)

// codeOf returns the code of err.
func codeOf(err error) string {
	var coder interface{ Code() string }
	switch {
	case errors.As(err, &coder):
		return coder.Code()
	case errors.Is(err, context.Canceled):
		return codeInterrupted
	}
	return codeError
}

// An Error is what an operation at the other end of the socket failed with.
type Error struct {
	message, code string
}

func (e *Error) Error() string { return e.message }

// Code returns the code of the operation's error.
func (e *Error) Code() string { return e.code }

var (
	// ErrNoServer says that nobody answers for the directory: the call did not
	// begin.
	ErrNoServer = errors.New("no zipnode answers for this directory")

	// ErrGone says that the server ended before the call did.
	ErrGone = errors.New("the zipnode that ran this ended before it was done: run the command again to go on")
)
