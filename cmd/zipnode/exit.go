package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/zipnode/zipnode/node"
)

const exitInterrupted = 130

var exits = map[string]int{
	node.CodeError:       1,
	node.CodeUsage:       2,
	node.CodePartial:     3,
	node.CodeNotFound:    4,
	node.CodeNoProvider:  5,
	node.CodeIntegrity:   6,
	node.CodeDenied:      7,
	node.CodeDisk:        8,
	node.CodeNoStore:     10,
	node.CodeLocked:      11,
	node.CodeInterrupted: exitInterrupted,
}

func usagef(format string, args ...any) error {
	return node.WithCode(node.CodeUsage, fmt.Errorf(format, args...))
}

// A timeoutError says that --timeout is over.
type timeoutError struct{ after string }

func (e timeoutError) Error() string { return fmt.Sprintf("gave up: --timeout %s is over", e.after) }

// codeOf returns err's code, and "error" if it has none.
func codeOf(err error) string {
	var coder interface{ Code() string }
	if errors.As(err, &coder) {
		return coder.Code()
	}
	return node.CodeError
}

// end says err on stderr, in one sentence, and returns the exit code.
func (a *app) end(ctx context.Context, err error) int {
	if err == nil {
		return 0
	}
	err = node.Coded(a.denied(err))
	cause := context.Cause(ctx)
	timeout, late := errors.AsType[timeoutError](cause)
	code := exits[codeOf(err)]
	switch {
	case errors.Is(cause, errInterrupted):
		err, code = cause, exitInterrupted
	case late && (over(err) || code == exitInterrupted):
		err, code = timeout, 1
	case !a.ran:
		code = exits[node.CodeUsage]
	case code == 0:
		code = 1
	}
	a.say("%s", oneLine(err.Error()))
	return code
}

// over reports whether err is that of a context that ended.
func over(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) || errors.As(err, new(timeoutError))
}

// oneLine joins the lines of a message, as of errors.Join, and leaves nothing
// in it that a terminal would obey: it may quote a peer's words.
func oneLine(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, plain(line))
		}
	}
	return strings.Join(lines, "; ")
}

// note says what is worth knowing beside a result, but not with -q.
func (a *app) note(format string, args ...any) {
	if !a.quiet {
		a.say(format, args...)
	}
}

// say writes a line on stderr.
func (a *app) say(format string, args ...any) {
	fmt.Fprintf(a.stderr, "zipnode: "+format+"\n", args...)
}
