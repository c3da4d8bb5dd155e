package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/zipnode/zipnode/gateway"
	"github.com/zipnode/zipnode/node"
)

// writes are the operations that change the store. One runs at a time.
var writes = map[string]bool{
	"add": true, "get": true, "seed": true, "rm": true, "pin.add": true,
	"pin.rm": true, "verify": true, "gc": true, "import": true, "repack": true,
	"export": true, // of a model that has no packing yet
}

// creates are the operations that make a store where there is none.
var creates = map[string]bool{"add": true, "get": true, "seed": true, "import": true}

// dials are the operations that may need peers.
var dials = map[string]bool{"get": true, "seed": true, "verify": true}

const (
	grace = 10 * time.Second // for others' reads, when this process is done
)

// call runs op and decodes its result into result. The zipnode that owns the
// directory does the work, or this process becomes the owner.
//
// It waits up to --wait for a directory that another process owns without
// offering op to others.
func (a *app) call(ctx context.Context, op string, args, result any) error {
	show := a.reporter()
	defer show.done()
	q := a.queue()
	lost := 0 // times that the owner ended as we came; waiting for it may take many looks
	for {
		err := a.try(ctx, op, args, result, show, q.turn())
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case errors.Is(err, gateway.ErrNoServer) && lost < 10, errors.Is(err, gateway.ErrGone) && !writes[op] && lost < 10:
			lost++
		case codeOf(err) != node.CodeLocked:
			return err
		case q.over():
			return fmt.Errorf("%w: waited %v for it (%s)", err, a.wait, a.source("wait"))
		}
		if err := q.wait(ctx, err); err != nil {
			return err
		}
	}
}

// try runs op once.
func (a *app) try(ctx context.Context, op string, args, result any, show reporter, wait time.Duration) error {
	c, err := gateway.Dial(ctx, a.dir)
	if errors.Is(err, gateway.ErrNoServer) {
		return a.own(ctx, op, args, result, show, wait)
	}
	if err != nil {
		return err
	}
	defer c.Close()
	a.embedded = false
	return c.Call(ctx, op, args, wait, result, func(data json.RawMessage) {
		var p node.Progress
		if json.Unmarshal(data, &p) == nil {
			show.report(p)
		}
	})
}

// own opens the node in this process, runs op, and lets others finish their
// reads before it closes the node.
func (a *app) own(ctx context.Context, op string, args, result any, show reporter, wait time.Duration) (err error) {
	n, err := a.openToWork(ctx, op)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	a.embedded = true
	s, err := gateway.Serve(context.WithoutCancel(ctx), a.dir, guests{n, op}, a.info(false))
	if err != nil {
		a.log(slog.LevelError).Info("no socket for other commands", "reason", err)
	} else {
		defer func() { err = errors.Join(err, shutdown(ctx, s)) }()
	}
	raw, err := json.Marshal(args)
	if err != nil {
		return err
	}
	value, err := n.Call(ctx, op, raw, max(0, wait), func(p any) {
		if p, ok := p.(node.Progress); ok {
			show.report(p)
		}
	})
	if err != nil {
		return err
	}
	return convert(value, result)
}

func shutdown(ctx context.Context, s *gateway.Server) error {
	ctx, cancel := context.WithTimeout(ctx, grace)
	defer cancel()
	return s.Shutdown(ctx)
}

// convert sets result to value as it would come over the socket.
func convert(value, result any) error {
	if result == nil {
		return nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, result)
}

// openToWork opens the node for op, in a new store where op may make one.
func (a *app) openToWork(ctx context.Context, op string) (owner, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	cfg.Network = dials[op]
	cfg.Listen = nil
	n, err := a.open(ctx, cfg)
	if !errors.Is(err, node.ErrNoStore) {
		return n, err
	}
	if !creates[op] {
		return nil, a.noStore()
	}
	if err := a.makeStore(); err != nil {
		return nil, err
	}
	return a.open(ctx, cfg)
}

func (a *app) noStore() error {
	return node.WithCode(node.CodeNoStore, fmt.Errorf("no store at %s: run 'zipnode init' or 'zipnode add'", a.dir))
}

// makeStore makes the store, and says so: a mistyped --dir would otherwise go
// unseen.
func (a *app) makeStore() error {
	if err := a.init(a.dir); err != nil {
		return err
	}
	a.note("new store at %s", a.dir)
	return nil
}

// guests lets others read while this process works on op. It runs no writer
// for them: they must not depend on how long this process stays.
type guests struct {
	gateway.Service
	op string
}

func (g guests) Call(ctx context.Context, op string, args json.RawMessage, wait time.Duration, progress func(any)) (any, error) {
	if writes[op] {
		return nil, locked(g.op)
	}
	return g.Service.Call(ctx, op, args, wait, progress)
}

// locked says that this process owns the directory.
func locked(op string) error {
	host, _ := os.Hostname()
	return &node.LockedError{Host: host, PID: os.Getpid(), Op: op}
}

func (a *app) info(daemon bool) gateway.Info {
	return gateway.Info{Version: buildVersion(), PID: os.Getpid(), Daemon: daemon}
}
