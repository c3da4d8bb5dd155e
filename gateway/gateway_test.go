package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

type serviceFunc func(ctx context.Context, op string, args json.RawMessage, wait time.Duration, progress func(any)) (any, error)

func (f serviceFunc) Call(ctx context.Context, op string, args json.RawMessage, wait time.Duration, progress func(any)) (any, error) {
	return f(ctx, op, args, wait, progress)
}

type codedErr struct{ error }

func (codedErr) Code() string { return "no_provider" }

// serve answers for a new short directory.
func serve(t *testing.T, svc serviceFunc) (*Server, string) {
	t.Helper()
	dir := shortDir(t)
	s, err := Serve(context.Background(), dir, svc, Info{Version: "v-test", PID: 42})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Shutdown(done()) })
	return s, dir
}

// shortDir makes a directory whose socket needs no fallback.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "zn")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// done returns a context that is over.
func done() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

func dial(t *testing.T, dir string) *Client {
	t.Helper()
	c, err := Dial(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func TestCall(t *testing.T) {
	_, dir := serve(t, func(_ context.Context, op string, args json.RawMessage, wait time.Duration, _ func(any)) (any, error) {
		return map[string]string{"op": op, "args": string(args), "wait": wait.String()}, nil
	})
	c := dial(t, dir)
	if got, want := c.Info(), (Info{API: 1, Version: "v-test", PID: 42}); got != want {
		t.Errorf("Info() = %+v, want %+v", got, want)
	}
	for range 3 { // over one connection
		var got map[string]string
		if err := c.Call(t.Context(), "pin.ls", map[string]int{"a": 1}, 7*time.Second, &got, nil); err != nil {
			t.Fatal(err)
		}
		if got["op"] != "pin.ls" || got["args"] != `{"a":1}` || got["wait"] != "7s" {
			t.Errorf("the service got %v", got)
		}
	}
	if err := c.Call(t.Context(), "ls", nil, 0, nil, nil); err != nil {
		t.Errorf("Call with neither args nor result: %v", err)
	}
}

func TestNullResult(t *testing.T) {
	_, dir := serve(t, func(context.Context, string, json.RawMessage, time.Duration, func(any)) (any, error) {
		return nil, nil
	})
	var result *int
	if err := dial(t, dir).Call(t.Context(), "ls", nil, 0, &result, nil); err != nil {
		t.Errorf("a result of null: %v", err)
	}
}

func TestErrorCode(t *testing.T) {
	for _, tc := range []struct {
		err  error
		code string
	}{
		{fmt.Errorf("get: %w", codedErr{errors.New("no peer has it")}), "no_provider"},
		{errors.New("plain"), "error"},
		{fmt.Errorf("stopped: %w", context.Canceled), "interrupted"},
	} {
		_, dir := serve(t, func(context.Context, string, json.RawMessage, time.Duration, func(any)) (any, error) {
			return nil, tc.err
		})
		err := dial(t, dir).Call(t.Context(), "get", nil, 0, nil, nil)
		var e *Error
		if !errors.As(err, &e) || e.Code() != tc.code || e.Error() != tc.err.Error() {
			t.Errorf("Call() = %#v, want %q with code %q", err, tc.err, tc.code)
		}
	}
}

func TestProgressStreams(t *testing.T) {
	seen := make(chan bool)
	_, dir := serve(t, func(ctx context.Context, _ string, _ json.RawMessage, _ time.Duration, progress func(any)) (any, error) {
		progress(map[string]int{"done": 1})
		select {
		case <-seen: // the client has it while the operation runs
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		progress(map[string]int{"done": 2})
		return "ok", nil
	})
	var got []string
	err := dial(t, dir).Call(t.Context(), "add", nil, 0, nil, func(p json.RawMessage) {
		if got = append(got, string(p)); len(got) == 1 {
			close(seen)
		}
	})
	if want := `{"done":1} {"done":2}`; err != nil || strings.Join(got, " ") != want {
		t.Errorf("progress %v, %v; want %s", got, err, want)
	}
}

// TestSlowClient guards that an operation never waits for who reads its progress.
func TestSlowClient(t *testing.T) {
	const n = 1_000_000
	_, dir := serve(t, func(_ context.Context, _ string, _ json.RawMessage, _ time.Duration, progress func(any)) (any, error) {
		for i := range n {
			progress(i)
		}
		return "ok", nil
	})
	last, lines := "", 0
	err := dial(t, dir).Call(t.Context(), "add", nil, 0, nil, func(p json.RawMessage) {
		last = string(p)
		lines++
	})
	if err != nil || last != fmt.Sprint(n-1) || lines > 100*backlog {
		t.Errorf("%d lines, the last %s, %v", lines, last, err)
	}
}

func TestCancel(t *testing.T) {
	started, cancelled := make(chan bool), make(chan bool)
	_, dir := serve(t, func(ctx context.Context, _ string, _ json.RawMessage, _ time.Duration, _ func(any)) (any, error) {
		close(started)
		<-ctx.Done()
		close(cancelled)
		return nil, ctx.Err()
	})
	reason := errors.New("out of time")
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-started
		cancel(reason)
	}()
	if err := dial(t, dir).Call(ctx, "get", nil, 0, nil, nil); !errors.Is(err, reason) {
		t.Errorf("Call() = %v, want the cause %q", err, reason)
	}
	select {
	case <-cancelled:
	case <-time.After(10 * time.Second):
		t.Error("the operation goes on 10 s after its client left")
	}
}

func TestBadRequests(t *testing.T) {
	var called atomic.Bool
	s, dir := serve(t, func(context.Context, string, json.RawMessage, time.Duration, func(any)) (any, error) {
		called.Store(true)
		return nil, nil
	})
	raw := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return net.Dial("unix", s.Path())
	}}}
	defer raw.CloseIdleConnections()
	for _, tc := range []struct {
		name, path, body string
		status           int
		says             string
	}{
		{"unknown operation", "/api/v1/format-disk", "{}", 404, "no operation"},
		{"unknown version", "/api/v2/ls", "{}", 404, "/api/v1/"},
		{"not JSON", "/api/v1/ls", "args", 400, "not what"},
		{"unknown field", "/api/v1/ls", `{"arguments":{}}`, 400, "arguments"},
		{"negative wait", "/api/v1/ls", `{"wait_ms":-1}`, 400, "wait_ms"},
		{"overflowing wait", "/api/v1/ls", `{"wait_ms":9000000000000000000}`, 400, "wait_ms"},
		{"too long", "/api/v1/ls", `{"args":"` + strings.Repeat("x", maxRequest) + `"}`, 400, "too large"},
	} {
		resp, err := raw.Post("http://zipnode"+tc.path, "application/json", strings.NewReader(tc.body))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
			continue
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != tc.status || !strings.Contains(string(body), tc.says) {
			t.Errorf("%s: status %d %s, want %d and %q", tc.name, resp.StatusCode, body, tc.status, tc.says)
		}
	}
	if called.Load() {
		t.Error("the service was called")
	}
	var e *Error
	if err := dial(t, dir).Call(t.Context(), "format-disk", nil, 0, nil, nil); !errors.As(err, &e) || e.Code() != "usage" {
		t.Errorf("an unknown operation: %v", err)
	}
}

func TestNoServer(t *testing.T) {
	dir := shortDir(t)
	if _, err := Dial(t.Context(), dir); !errors.Is(err, ErrNoServer) {
		t.Errorf("no socket: Dial() = %v", err)
	}
	leaveStaleSocket(t, filepath.Join(dir, socketName))
	if _, err := Dial(t.Context(), dir); !errors.Is(err, ErrNoServer) {
		t.Errorf("a dead process' socket: Dial() = %v", err)
	}
	s, err := Serve(t.Context(), dir, nil, Info{})
	if err != nil {
		t.Fatalf("Serve beside a dead process' socket: %v", err)
	}
	c := dial(t, dir)
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Call(t.Context(), "ls", nil, 0, nil, nil); !errors.Is(err, ErrNoServer) {
		t.Errorf("after the server's end: Call() = %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("Shutdown left %v", left)
	}
}

func leaveStaleSocket(t *testing.T, path string) {
	t.Helper()
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
}

func TestShutdownFinishesCalls(t *testing.T) {
	started, finish := make(chan bool), make(chan bool)
	s, dir := serve(t, func(ctx context.Context, _ string, _ json.RawMessage, _ time.Duration, _ func(any)) (any, error) {
		close(started)
		select {
		case <-finish:
			return "whole", nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	ended := make(chan error)
	go func() {
		<-started
		time.AfterFunc(50*time.Millisecond, func() { close(finish) })
		ended <- s.Shutdown(context.Background())
	}()
	var got string
	if err := dial(t, dir).Call(t.Context(), "export", nil, 0, &got, nil); err != nil || got != "whole" {
		t.Errorf("Call() = %q, %v", got, err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Shutdown() = %v", err)
	}
}

func TestShutdownCancelsCalls(t *testing.T) {
	started := make(chan bool)
	var running atomic.Bool
	s, dir := serve(t, func(ctx context.Context, _ string, _ json.RawMessage, _ time.Duration, _ func(any)) (any, error) {
		running.Store(true)
		defer running.Store(false)
		close(started)
		<-ctx.Done()
		time.Sleep(20 * time.Millisecond) // it cleans up
		return nil, ctx.Err()
	})
	go func() {
		<-started
		s.Shutdown(done())
		if running.Load() {
			t.Error("Shutdown returned before the call ended")
		}
	}()
	if err := dial(t, dir).Call(t.Context(), "get", nil, 0, nil, nil); !errors.Is(err, ErrGone) {
		t.Errorf("Call() = %v, want ErrGone", err)
	}
}

// longDir makes a directory whose socket needs a fallback, in a runtime
// directory of the test's own.
func longDir(t *testing.T) string {
	t.Helper()
	t.Setenv("XDG_RUNTIME_DIR", shortDir(t))
	dir := filepath.Join(shortDir(t), strings.Repeat("long/", 30))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestFallback(t *testing.T) {
	dir := longDir(t)
	if _, err := Dial(t.Context(), dir); !errors.Is(err, ErrNoServer) {
		t.Errorf("before Serve: Dial() = %v", err)
	}
	s, err := Serve(t.Context(), dir, serviceFunc(func(context.Context, string, json.RawMessage, time.Duration, func(any)) (any, error) {
		return "here", nil
	}), Info{})
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Path()) > maxSocket {
		t.Errorf("the fallback %s is too long", s.Path())
	}
	t.Setenv("XDG_RUNTIME_DIR", "") // the client's differs
	var got string
	if err := dial(t, dir).Call(t.Context(), "ls", nil, 0, &got, nil); err != nil || got != "here" {
		t.Errorf("Call() = %q, %v", got, err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("Shutdown left %v", left)
	}
}

func TestModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing on windows")
	}
	s, _ := serve(t, nil)
	mode(t, s.Path(), 0o600)
	dir := longDir(t)
	s, err := Serve(t.Context(), dir, nil, Info{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(done())
	mode(t, s.Path(), 0o600)
	mode(t, filepath.Dir(s.Path()), 0o700)
	mode(t, filepath.Join(dir, addressName), 0o600)
}

func mode(t *testing.T, path string, want fs.FileMode) {
	t.Helper()
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := info.Mode().Perm(); got != want {
		t.Errorf("%s has mode %v, want %v", filepath.Base(path), got, want)
	}
}

// TestForeignAddress guards against a socket that another user offers.
func TestForeignAddress(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing on windows")
	}
	dir := longDir(t)
	s, err := Serve(t.Context(), dir, nil, Info{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(done())
	address, room := filepath.Join(dir, addressName), filepath.Dir(s.Path())
	refused := func(why string) {
		t.Helper()
		if _, err := Dial(t.Context(), dir); err == nil || errors.Is(err, ErrNoServer) {
			t.Errorf("%s: Dial() = %v, want a refusal", why, err)
		}
	}
	os.Chmod(address, 0o666)
	refused("an address that all may write")
	os.Chmod(address, 0o600)
	os.Chmod(room, 0o777)
	refused("a directory that all may enter")
	if _, err := Serve(t.Context(), longDir(t), nil, Info{}); err != nil {
		t.Errorf("another runtime directory: %v", err)
	}
	os.Chmod(room, 0o700)
	os.WriteFile(address, []byte("relative.sock\n"), 0o600)
	refused("a relative address")
	os.Remove(address)
	os.Symlink("/dev/null", address)
	refused("a link")
}

// TestSquattedRoom guards against a fallback directory that another user made.
func TestSquattedRoom(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing on windows")
	}
	dir := longDir(t)
	t.Setenv("TMPDIR", shortDir(t)) // the next place
	squat := filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), fmt.Sprintf("zipnode-%d", os.Getuid()))
	if err := os.Mkdir(squat, 0o777); err != nil {
		t.Fatal(err)
	}
	os.Chmod(squat, 0o777)
	s, err := Serve(t.Context(), dir, nil, Info{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(done())
	if filepath.Dir(s.Path()) == squat {
		t.Errorf("Serve listens in %s, which all may enter", squat)
	}
	dial(t, dir)
}
