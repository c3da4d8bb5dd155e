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
	"strings"
	"sync"
	"time"
)

// A Server answers the control API of one directory.
type Server struct {
	svc     Service
	info    Info
	http    *http.Server
	path    string // of the socket
	address string // file that names the socket; "" when none is needed

	stop  context.CancelCauseFunc // of all calls
	ended chan struct{}           // closed when the accept loop has ended

	mu       sync.Mutex
	stopping bool // no call begins any more
	calls    sync.WaitGroup
}

// Serve answers calls for dir with svc until Shutdown. The calls' contexts
// derive from ctx, and end with it.
//
// The caller owns dir, by a lock or otherwise: a socket left there by a process
// that died is replaced.
func Serve(ctx context.Context, dir string, svc Service, info Info) (*Server, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	path, fallback, err := socketFor(dir)
	if err != nil {
		return nil, err
	}
	ln, err := listen(path)
	if err != nil {
		return nil, err
	}
	info.API = 1
	s := &Server{svc: svc, info: info, path: path, ended: make(chan struct{})}
	if fallback {
		if err := writeAddress(dir, path); err != nil {
			return nil, errors.Join(err, ln.Close())
		}
		s.address = filepath.Join(dir, addressName)
	}
	ctx, s.stop = context.WithCancelCause(ctx)
	s.http = &http.Server{
		Handler:           s.routes(),
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ReadHeaderTimeout: 10 * time.Second,
	}
	go func() {
		defer close(s.ended)
		s.http.Serve(ln) // returns when Shutdown or Close closed ln
	}()
	return s, nil
}

func listen(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ln, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	// The directory is 0700, so nobody came in between.
	if err := restrict(path); err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return ln, nil
}

// Path returns the path of the socket.
func (s *Server) Path() string { return s.path }

// Shutdown takes no more calls, waits for those that run until ctx is done,
// then cancels them, and returns when the last has ended. The socket is gone
// then.
func (s *Server) Shutdown(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	s.stop(errStopping)
	s.calls.Wait()
	err = errors.Join(s.http.Close(), ignore(err, context.Canceled, context.DeadlineExceeded))
	<-s.ended
	if s.address != "" {
		err = errors.Join(err, ignore(os.Remove(s.address), fs.ErrNotExist))
	}
	return errors.Join(err, ignore(os.Remove(s.path), fs.ErrNotExist))
}

// ignore returns err unless it is one of expected.
func ignore(err error, expected ...error) error {
	for _, e := range expected {
		if errors.Is(err, e) {
			return nil
		}
	}
	return err
}

var errStopping = errors.New("this zipnode is ending")

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+prefix+"version", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(s.info)
	})
	mux.HandleFunc("POST "+prefix+"{op}", s.call)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, codeUsage, "no such path: this zipnode speaks POST %sOP", prefix)
	})
	return mux
}

func (s *Server) call(w http.ResponseWriter, r *http.Request) {
	if !s.begin() {
		refuse(w, http.StatusServiceUnavailable, codeStopping, "%v", errStopping)
		return
	}
	defer s.calls.Done()
	op := r.PathValue("op")
	if !ops[op] {
		refuse(w, http.StatusNotFound, codeUsage, "no operation %q: this zipnode is version %s", op, s.info.Version)
		return
	}
	req, err := readRequest(w, r)
	if err != nil {
		refuse(w, http.StatusBadRequest, codeUsage, "%v", err)
		return
	}
	a := newAnswer(w)
	result, err := s.svc.Call(r.Context(), op, req.Args, time.Duration(req.Wait)*time.Millisecond, a.progress)
	a.end(result, s.failure(r.Context(), err))
}

// begin reports whether a call may begin. Its end is calls.Done.
func (s *Server) begin() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopping {
		s.calls.Add(1)
	}
	return !s.stopping
}

// failure returns err as the client should see it.
func (s *Server) failure(ctx context.Context, err error) *wireError {
	switch {
	case err == nil:
		return nil
	case errors.Is(context.Cause(ctx), errStopping):
		return &wireError{errStopping.Error(), codeStopping}
	}
	return &wireError{err.Error(), codeOf(err)}
}

func readRequest(w http.ResponseWriter, r *http.Request) (request, error) {
	var req request
	// The whole body is read: only then does net/http notice a client that leaves.
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return req, fmt.Errorf("the request's body: %w", err)
	}
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(&req); err != nil && err != io.EOF {
		return req, fmt.Errorf("the request is not what /api/v1 takes: %w", err)
	}
	if req.Wait < 0 || req.Wait > int64(maxWait/time.Millisecond) {
		return req, fmt.Errorf("wait_ms %d is not between 0 and %d", req.Wait, maxWait/time.Millisecond)
	}
	return req, nil
}

const maxWait = 1000 * time.Hour

func refuse(w http.ResponseWriter, status int, code, format string, args ...any) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(line{Error: &wireError{fmt.Sprintf(format, args...), code}})
}
