package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/zipnode/zipnode/gateway"
	"github.com/zipnode/zipnode/node"
)

// noOpen fails the test of a command that must use the daemon.
func noOpen(t *testing.T) func(context.Context, node.Config) (owner, error) {
	return func(context.Context, node.Config) (owner, error) {
		t.Error("the node was opened beside the one that runs")
		return nil, errors.New("opened")
	}
}

// held is a directory that another process owns, without a socket.
func held(context.Context, node.Config) (owner, error) {
	return nil, &node.LockedError{Host: "elsewhere", PID: 4711}
}

func TestDaemonIsUsed(t *testing.T) {
	dir := newDir(t)
	f := &fake{call: func(_ context.Context, op string, args json.RawMessage, progress func(any)) (any, error) {
		progress(node.Progress{Stage: "read"})
		if op == "rm" {
			return nil, node.WithCode(node.CodeNotFound, errors.New("no model named x"))
		}
		return &node.LsResult{Models: []node.ModelLine{{CID: someCID}}}, nil
	}}
	s, err := gateway.Serve(t.Context(), dir, f, gateway.Info{PID: 1, Daemon: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	zipnode(t.Context(), dir, noOpen(t), "ls", "-q").want(t, 0, someCID+"\n", "")
	zipnode(t.Context(), dir, noOpen(t), "ls", "--progress=json").want(t, 0, someCID, `{"stage":"read","done":0}`)
	zipnode(t.Context(), dir, noOpen(t), "rm", "x").want(t, 4, "", "zipnode: no model named x\n")
	zipnode(t.Context(), dir, noOpen(t), "peers", "ls").want(t, 0, "no peer is connected yet", "")
	zipnode(t.Context(), dir, noOpen(t), "ls", "--public").want(t, 2, "", "unknown flag")
	zipnode(t.Context(), dir, noOpen(t), "get", "x", "--public", "--no-mdns").want(t, 0, "", "its own network is used: --public, --no-mdns")
	if r := zipnode(t.Context(), dir, noOpen(t), "get", "x"); r.errOut != "" {
		t.Errorf("get says %q", r.errOut)
	}
	zipnode(t.Context(), dir, noOpen(t), "get", "x", "--bootstrap=localhost").want(t, 2, "", "--bootstrap")
	zipnode(t.Context(), dir, noOpen(t), "config", "set", "quota", "1GiB").want(t, 0, "quota = 1GiB", "a daemon runs, process 1: this takes effect when it starts next")
	zipnode(t.Context(), dir, noOpen(t), "serve").want(t, 11, "", "a daemon already serves")
}

func TestLocked(t *testing.T) {
	begin := time.Now()
	zipnode(t.Context(), newDir(t), held, "ls", "--wait=300ms").want(t, 11, "", "in use by process 4711 on elsewhere")
	if d := time.Since(begin); d < 300*time.Millisecond || d > 5*time.Second {
		t.Errorf("it waited %v, not 300ms", d)
	}
	zipnode(t.Context(), newDir(t), held, "serve", "--wait=0").want(t, 11, "", "process 4711 on elsewhere")
}

// TestWaitingIsSaid: a second of silence is enough, and one line.
func TestWaitingIsSaid(t *testing.T) {
	const says = "zipnode: waiting, for 1.3s at most: the store is in use by process 4711 on elsewhere\n"
	for _, command := range []string{"ls", "serve"} {
		r := zipnode(t.Context(), newDir(t), held, command, "--wait=1.3s")
		r.want(t, 11, "", says)
		if strings.Count(r.errOut, "waiting,") != 1 {
			t.Errorf("%s says %q", command, r.errOut)
		}
	}
	if r := zipnode(t.Context(), newDir(t), held, "ls", "--wait=1.3s", "-q"); strings.Contains(r.errOut, "waiting,") {
		t.Errorf("-q says %q", r.errOut)
	}
}

// busy is a node where another operation writes, until the wait is over.
type busy struct{ *fake }

func (busy) Call(_ context.Context, _ string, _ json.RawMessage, wait time.Duration, _ func(any)) (any, error) {
	time.Sleep(wait)
	return nil, &node.LockedError{Host: "here", PID: 4711, Op: "add"}
}

// TestWaitingForDaemon: the daemon does the waiting, and the user is told.
func TestWaitingForDaemon(t *testing.T) {
	dir := newDir(t)
	s, err := gateway.Serve(t.Context(), dir, busy{}, gateway.Info{PID: 4711, Daemon: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown(t.Context())
	begin := time.Now()
	zipnode(t.Context(), dir, noOpen(t), "rm", "x", "--wait=1.5s").want(t, 11, "", "waiting, for 1.5s at most: the store is in use by process 4711 on here (add)\n")
	if d := time.Since(begin); d < 1500*time.Millisecond || d > 10*time.Second {
		t.Errorf("it waited %v, not 1.5s", d)
	}
}

func TestLockIsFreedInTime(t *testing.T) {
	f, tries := answers(&node.LsResult{}, nil), 0
	open := func(ctx context.Context, cfg node.Config) (owner, error) {
		if tries++; tries < 3 {
			return held(ctx, cfg)
		}
		return f.open(ctx, cfg)
	}
	zipnode(t.Context(), newDir(t), open, "ls").want(t, 0, "", "")
}

// TestOthersWhileEmbedded: a command that owns the directory answers others'
// reads, and sends their writes away.
func TestOthersWhileEmbedded(t *testing.T) {
	dir := newDir(t)
	writing, finish, ended := make(chan bool), make(chan bool), make(chan run)
	f := &fake{call: func(_ context.Context, op string, _ json.RawMessage, _ func(any)) (any, error) {
		if op == "gc" {
			close(writing)
			<-finish
			return &node.GCResult{}, nil
		}
		return &node.LsResult{Models: []node.ModelLine{{CID: someCID}}}, nil
	}}
	go func() { ended <- zipnode(context.Background(), dir, f.open, "gc") }()
	<-writing
	zipnode(t.Context(), dir, noOpen(t), "ls").want(t, 0, someCID, "")
	zipnode(t.Context(), dir, noOpen(t), "rm", "x", "--wait=200ms").want(t, 11, "", fmt.Sprintf("process %d on", os.Getpid()))

	waiter := answers(&node.RmResult{CID: someCID}, nil)
	time.AfterFunc(200*time.Millisecond, func() { close(finish) })
	zipnode(t.Context(), dir, waiter.open, "rm", "x").want(t, 0, "removed", "")
	r := <-ended
	r.want(t, 0, "nothing to free: 0 blocks stay", "")
}

// TestReadOutlivesServer: a read whose server ends is done again by itself.
func TestReadOutlivesServer(t *testing.T) {
	dir := newDir(t)
	started := make(chan bool)
	s, err := gateway.Serve(t.Context(), dir, waits(started), gateway.Info{PID: 1, Daemon: true})
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	go func() {
		<-started
		s.Shutdown(over)
	}()
	f := answers(&node.LsResult{Models: []node.ModelLine{{CID: someCID}}}, nil)
	zipnode(t.Context(), dir, f.open, "ls").want(t, 0, someCID, "")
}

func TestWriteDiesWithServer(t *testing.T) {
	dir := newDir(t)
	started := make(chan bool)
	s, err := gateway.Serve(t.Context(), dir, waits(started), gateway.Info{PID: 1, Daemon: true})
	if err != nil {
		t.Fatal(err)
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	go func() {
		<-started
		s.Shutdown(over)
	}()
	zipnode(t.Context(), dir, noOpen(t), "gc").want(t, 1, "", "ended before it was done")
}

func TestServe(t *testing.T) {
	dir := newDir(t)
	f := answers(&node.IDResult{ID: "12D3KooW", Addrs: []string{"/ip4/127.0.0.1/tcp/1/p2p/12D3KooW"}}, nil)
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan run)
	go func() {
		ended <- zipnode(ctx, dir, f.open, "serve", "--json", "--listen=/ip4/127.0.0.1/tcp/0", "--no-mdns", "--quota=1GiB")
	}()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if c, err := gateway.Dial(t.Context(), dir); err == nil {
			c.Close()
			break
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
	cancel(errInterrupted)
	r := <-ended
	r.want(t, 0, "", "")
	var got ready
	if err := json.Unmarshal([]byte(r.out), &got); err != nil || got.ID != "12D3KooW" || len(got.Addrs) != 1 || got.Dir != dir {
		t.Errorf("serve --json prints %q: %+v, %v", r.out, got, err)
	}
	if strings.Count(r.out, "\n") != 1 {
		t.Errorf("serve --json prints more than one line: %q", r.out)
	}
	if cfg := f.opened[0]; !cfg.Serve || cfg.MDNS || cfg.Quota != 1<<30 || cfg.Listen[0] != "/ip4/127.0.0.1/tcp/0" {
		t.Errorf("opened with %+v", cfg)
	}
	if f.closed != 1 {
		t.Error("the node was not closed")
	}
	zipnode(t.Context(), dir, f.open, "serve", "--timeout=50ms").want(t, 1, "ready: 12D3KooW", "--timeout 50ms is over")
}
