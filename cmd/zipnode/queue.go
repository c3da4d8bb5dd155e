package main

import (
	"context"
	"time"

	"github.com/zipnode/zipnode/node"
)

const (
	poll     = 100 * time.Millisecond // between looks at a directory that is in use
	patience = time.Second            // of waiting, before it is worth a word
)

// A queue is one command's waiting for another writer, for --wait at most.
type queue struct {
	a        *app
	begin    time.Time
	deadline time.Time
	told     bool
}

func (a *app) queue() *queue {
	now := time.Now()
	return &queue{a: a, begin: now, deadline: now.Add(a.wait)}
}

// over reports whether the command has waited long enough.
func (q *queue) over() bool { return !time.Now().Before(q.deadline) }

// turn returns how long a daemon may let this command wait: shortly at first,
// for the user to be told.
func (q *queue) turn() time.Duration {
	if left := time.Until(q.deadline); q.told || left < patience {
		return left
	}
	return patience
}

// wait waits a moment for what err says is in the way, and tells the user when
// it gets long.
func (q *queue) wait(ctx context.Context, err error) error {
	if !q.told && codeOf(err) == node.CodeLocked && time.Since(q.begin) >= patience {
		q.told = true
		q.a.note("waiting, for %v at most: %s", q.a.wait, oneLine(err.Error()))
	}
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(poll):
		return nil
	}
}
