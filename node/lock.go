package node

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/gofrs/flock"

	"github.com/zipnode/zipnode/store"
)

// A dirLock is held by the process that owns a directory. The file names host
// and pid, for whoever finds it held.
type dirLock struct {
	f    *flock.Flock
	path string
}

type lockOwner struct {
	Host string `json:"host"`
	PID  int    `json:"pid"`
}

// lockDir takes the lock of dir, and waits for it at most wait.
func lockDir(ctx context.Context, dir string, wait time.Duration) (*dirLock, error) {
	path := filepath.Join(dir, "lock")
	l := &dirLock{f: flock.New(path, flock.SetPermissions(0o600)), path: path}
	until := time.Now().Add(wait)
	for {
		ok, err := l.f.TryLock()
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if ok {
			break
		}
		if time.Now().After(until) {
			return nil, l.held()
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	host, err := os.Hostname()
	if err != nil {
		host = "this machine"
	}
	b, err := json.Marshal(lockOwner{Host: host, PID: os.Getpid()})
	if err == nil {
		err = os.WriteFile(path, append(b, '\n'), 0o600)
	}
	if err != nil && !store.IsFull(err) { // on a full disk it is nameless, and held all the same
		return nil, errors.Join(err, l.release())
	}
	return l, nil
}

// held returns the error that names the lock's owner.
func (l *dirLock) held() error {
	var o lockOwner
	b, err := os.ReadFile(l.path)
	if err != nil || json.Unmarshal(b, &o) != nil || o.PID == 0 {
		return &LockedError{Host: "an unknown host"}
	}
	return &LockedError{Host: o.Host, PID: o.PID}
}

func (l *dirLock) release() error { return l.f.Unlock() }

// A turn lets one operation write at a time.
type turn struct {
	free chan struct{} // holds a value while nobody writes
	op   atomic.Pointer[string]
}

func newTurn() *turn {
	t := &turn{free: make(chan struct{}, 1)}
	t.free <- struct{}{}
	return t
}

// take waits at most wait for the turn, and returns how to give it back.
func (t *turn) take(ctx context.Context, op string, wait time.Duration) (func(), error) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-t.free:
	default:
		select {
		case <-t.free:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
			host, err := os.Hostname()
			if err != nil {
				host = "this machine"
			}
			return nil, &LockedError{Host: host, PID: os.Getpid(), Op: t.writing()}
		}
	}
	t.op.Store(&op)
	return func() {
		t.op.Store(nil)
		t.free <- struct{}{}
	}, nil
}

// writing returns the operation that writes now, or "".
func (t *turn) writing() string {
	if op := t.op.Load(); op != nil {
		return *op
	}
	return ""
}
