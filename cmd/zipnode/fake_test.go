package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zipnode/zipnode/node"
)

// A fake is a node that answers with what a test says.
type fake struct {
	call func(ctx context.Context, op string, args json.RawMessage, progress func(any)) (any, error)

	mu     sync.Mutex
	calls  []string // "op args"
	opened []node.Config
	closed int
}

// answers returns a fake whose every operation returns result and err.
func answers(result any, err error) *fake {
	return &fake{call: func(context.Context, string, json.RawMessage, func(any)) (any, error) { return result, err }}
}

func (f *fake) Call(ctx context.Context, op string, args json.RawMessage, _ time.Duration, progress func(any)) (any, error) {
	f.mu.Lock()
	f.calls = append(f.calls, op+" "+string(args))
	f.mu.Unlock()
	return f.call(ctx, op, args, progress)
}

func (f *fake) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed++
	return nil
}

func (f *fake) open(_ context.Context, cfg node.Config) (owner, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.opened = append(f.opened, cfg)
	return f, nil
}

// newDir makes a directory for a store, with a path that fits a socket.
func newDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "zn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// A run is what one command did.
type run struct {
	code        int
	out, errOut string
}

// zipnode runs the command line args on dir with nodes that open opens.
func zipnode(ctx context.Context, dir string, open func(context.Context, node.Config) (owner, error), args ...string) run {
	var out, errOut bytes.Buffer
	a := &app{stdout: &out, stderr: &errOut, open: open, init: func(dir string) error { return os.MkdirAll(dir, 0o700) }}
	code := a.main(ctx, append([]string{"--dir", dir}, args...))
	return run{code, out.String(), errOut.String()}
}

// want checks the outcome of a run.
func (r run) want(t *testing.T, code int, stdout, stderr string) {
	t.Helper()
	if r.code != code || !strings.Contains(r.out, stdout) || !strings.Contains(r.errOut, stderr) {
		t.Errorf("exit code %d, stdout %q, stderr %q\nwant %d, %q, %q", r.code, r.out, r.errOut, code, stdout, stderr)
	}
	if code != 0 && strings.Contains(r.errOut, "Usage:") {
		t.Errorf("a failure prints the usage:\n%s", r.errOut)
	}
}
