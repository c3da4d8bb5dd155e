package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/zipnode/zipnode/store"
)

// An operation is one of a node's, as Call runs it.
type operation struct {
	writes bool // it waits for its turn to write
	run    func(n *Node, ctx context.Context, args json.RawMessage, progress func(Progress)) (any, error)
}

// quick makes an operation of a method that reports no progress.
func quick[Q, R any](writes bool, fn func(*Node, context.Context, Q) (R, error)) operation {
	return op(writes, func(n *Node, ctx context.Context, q Q, _ func(Progress)) (R, error) { return fn(n, ctx, q) })
}

func op[Q, R any](writes bool, fn func(*Node, context.Context, Q, func(Progress)) (R, error)) operation {
	return operation{writes, func(n *Node, ctx context.Context, args json.RawMessage, progress func(Progress)) (any, error) {
		var q Q
		if len(args) > 0 {
			dec := json.NewDecoder(bytes.NewReader(args))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&q); err != nil {
				return nil, usagef("the request does not read: %v", err)
			}
			if _, err := dec.Token(); err != io.EOF {
				return nil, usagef("the request has more than one object")
			}
		}
		return fn(n, ctx, q, progress)
	}}
}

// none is the request of an operation that takes nothing.
type none struct{}

var operations = map[string]operation{
	"add":           op(true, (*Node).Add),
	"get":           op(false, (*Node).Get), // it takes its turn when it needs peers
	"seed":          op(true, (*Node).Seed),
	"ls":            quick(false, (*Node).Ls),
	"show":          quick(false, (*Node).Show),
	"diff":          op(false, (*Node).Diff),
	"family":        op(false, (*Node).Family),
	"rm":            quick(true, (*Node).Rm),
	"pin.add":       quick(true, (*Node).PinAdd),
	"pin.rm":        quick(true, (*Node).PinRm),
	"pin.ls":        quick(false, (*Node).PinLs),
	"verify":        op(true, (*Node).Verify),
	"gc":            quick(true, (*Node).GC),
	"repack":        op(false, (*Node).Repack), // it takes its turn batch by batch
	"export":        op(false, (*Node).Export), // what it may write, a packing, has a lease
	"import":        op(true, (*Node).Import),
	"id":            quick(false, (*Node).ID),
	"peers.ls":      quick(false, (*Node).Peers),
	"peers.connect": quick(false, (*Node).Connect),
	"status":        quick(false, (*Node).Status),
	"memory":        quick(false, (*Node).Memory),
}

// Call runs the operation op with args, a JSON object, and returns its result.
// One that writes waits at most wait for its turn. progress is called with
// values of type Progress, from several goroutines but one at a time.
func (n *Node) Call(ctx context.Context, op string, args json.RawMessage, wait time.Duration, progress func(any)) (any, error) {
	o, ok := operations[op]
	if !ok {
		return nil, usagef("no operation %q", op)
	}
	ctx = context.WithValue(ctx, waitKey{}, waiting{op: op, wait: wait})
	if o.writes {
		done, err := n.takeTurn(ctx)
		if err != nil {
			return nil, Coded(err)
		}
		defer done()
		ctx = context.WithValue(ctx, waitKey{}, waiting{op: op, has: true})
	}
	start := time.Now()
	report := newReporter(progress)
	defer report.stop()
	res, err := o.run(n, ctx, args, report.send)
	if errors.Is(err, store.ErrQuota) || errors.Is(err, store.ErrFull) {
		// What is cached, and what interrupted operations left, goes first.
		freed, gcErr := n.store.Collect(ctx, store.CollectOptions{Interrupted: true})
		if (gcErr == nil || store.IsFull(gcErr)) && freed.Freed > 0 {
			res, err = o.run(n, ctx, args, report.send)
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			err = ctx.Err() // whatever broke when it was cancelled
		}
		err = Coded(fmt.Errorf("%w", err))
		n.logFailure(op, o.writes, err)
		return nil, err
	}
	if err := n.lookAgain(ctx, op); err != nil {
		n.log.Info("what was damaged is not looked at again", "err", err)
	}
	if o.writes {
		n.log.Info("done", "operation", op, "took", time.Since(start).Round(time.Millisecond))
	}
	return res, nil
}

// logFailure logs that an operation failed: as a warning where whoever runs this
// node should know, not only who asked for the operation.
func (n *Node) logFailure(op string, writes bool, err error) {
	level := slog.LevelInfo
	var coder interface{ Code() string }
	if errors.As(err, &coder) {
		switch code := coder.Code(); {
		case code == CodeIntegrity, code == CodeDisk, writes && code == CodeError:
			level = slog.LevelWarn
		}
	}
	n.log.Log(context.Background(), level, "an operation failed", "operation", op, "err", err)
}

// A waiting says, in an operation's context, how it takes its turn to write.
type waiting struct {
	op   string
	wait time.Duration
	has  bool // it has it
}

type waitKey struct{}

// takeTurn waits for the turn to write, unless the operation of ctx has it, and
// returns how to give it back.
func (n *Node) takeTurn(ctx context.Context) (func(), error) {
	w, _ := ctx.Value(waitKey{}).(waiting)
	if w.has {
		return func() {}, nil
	}
	return n.turn.take(ctx, w.op, w.wait)
}
