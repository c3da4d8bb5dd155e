package store_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ipfs/go-cid"
	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/store/storetest"
)

// A fault says what happens to call n of a step, counted from 0, when it is
// call at that the fault is tried at.
type fault struct {
	name string
	of   func(c storetest.Call, n, at int) error
	// still is what happens to every call after the step.
	still func(c storetest.Call) error
}

// noSpace lets files neither grow nor be made.
func noSpace(c storetest.Call) error {
	if c.Op == "write" || c.Op == "create" || c.Op == "append" || c.Op == "mkdir" {
		return &os.SyscallError{Syscall: c.Op, Err: syscall.ENOSPC}
	}
	return nil
}

var faults = []fault{
	{name: "fails", of: func(_ storetest.Call, n, at int) error {
		if n == at {
			return syscall.EIO
		}
		return nil
	}},
	{name: "fails, after the fact", of: func(c storetest.Call, n, at int) error {
		if n == at && c.Changes && c.Op != "write" { // a write that failed leaves nothing: File says so
			return storetest.Late{Err: syscall.EIO}
		}
		return nil
	}},
	{name: "meets a full disk, that stays full", still: noSpace, of: func(c storetest.Call, n, at int) error {
		if n >= at {
			return noSpace(c)
		}
		return nil
	}},
}

// TestEveryFailure lets each call of each step of the workload fail. The step
// may then fail, but not the store: it is as before the step, or, if the step
// said that it succeeded, as after it. It can be done again, at once or after a
// crash.
func TestEveryFailure(t *testing.T) {
	m, w := newMachine(), world{}
	var tried, failed atomic.Int64
	every := sample(1, 4, 48)
	for i, st := range workload() {
		var g errgroup.Group
		g.SetLimit(runtime.GOMAXPROCS(0))
		var mu sync.Mutex
		bad := 0
		for _, f := range faults {
			for worker := range g2 {
				start, before := m.disk.Crash(storetest.Killed), w
				g.Go(func() error {
					for k := worker; ; k += g2 {
						at := i%every + k*every
						tr := &trial{machine: machine{disk: start.Crash(storetest.Killed)}, step: st, before: before, at: at, fault: f}
						met, err := tr.run(t.Context())
						if !met {
							return nil
						}
						tried.Add(1)
						if tr.err != nil {
							failed.Add(1)
						}
						if err == nil {
							continue
						}
						mu.Lock()
						if bad++; bad <= 3 {
							t.Errorf("step %d, %s: call %d, %s, %s: it ended with %v; then: %v", i, st.name, at, tr.call, f.name, tr.err, err)
						}
						mu.Unlock()
					}
				})
			}
		}
		g.Wait()
		if bad > 0 {
			t.Fatalf("%d failures were not survived", bad)
		}
		if err := st.do(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		w = st.then(w)
	}
	t.Logf("%d calls that failed, of which %d made their operation fail", tried.Load(), failed.Load())
	if err := m.close(); err != nil {
		t.Error(err)
	}
}

// g2 is into how many parts the calls of a step are divided.
const g2 = 2

// A trial is one step on a disk of its own, with one fault.
type trial struct {
	machine
	step   step
	before world
	fault  fault
	at     int

	call storetest.Call // that met the fault
	err  error          // of the step
}

// run returns false when the step has no such call.
func (tr *trial) run(ctx context.Context) (met bool, err error) {
	if tr.step.name != "create" {
		if err := tr.open(ctx); err != nil {
			return true, err
		}
	}
	var mu sync.Mutex
	n := 0
	tr.disk.Before(func(c storetest.Call) error {
		mu.Lock()
		defer mu.Unlock()
		if n++; n-1 == tr.at {
			tr.call = c
		}
		return tr.fault.of(c, n-1, tr.at)
	})
	tr.err = tr.step.do(ctx, &tr.machine)
	tr.disk.Before(tr.fault.still)
	mu.Lock() // goleveldb's own goroutines may be in a call still
	met = n > tr.at
	mu.Unlock()
	if !met {
		return false, errors.Join(tr.err, tr.close())
	}
	after := tr.step.then(tr.before)
	want := tr.before
	if tr.err == nil {
		want = after
	}
	if tr.s != nil { // it can be read, also while the disk is full
		if err := tr.has(ctx, want); err != nil {
			return true, err
		}
	}
	tr.disk.Before(nil)
	for _, fate := range []storetest.Fate{storetest.Killed, storetest.Lost, storetest.Torn(uint64(tr.at))} {
		if err := tr.crashed(ctx, fate, want, after); err != nil {
			return true, fmt.Errorf("after a crash, %s: %w", fate, err)
		}
	}
	return true, tr.goesOn(ctx, want, after)
}

// crashed checks what a crash behind the failure leaves.
func (tr *trial) crashed(ctx context.Context, fate storetest.Fate, want, after world) error {
	c := crash{disk: tr.disk.Crash(fate), step: tr.step, may: []world{want}, then: after}
	return c.check(ctx)
}

// goesOn checks the store that met the failure and lives on.
func (tr *trial) goesOn(ctx context.Context, want, after world) error {
	if err := tr.open(ctx); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	if err := tr.has(ctx, want); err != nil {
		return err
	}
	if err := tr.step.do(ctx, &tr.machine); err != nil {
		return fmt.Errorf("again: %w", err)
	}
	if err := tr.has(ctx, after); err != nil {
		return fmt.Errorf("done again: %w", err)
	}
	if _, err := tr.s.Collect(ctx, store.CollectOptions{Interrupted: true}); err != nil {
		return fmt.Errorf("gc: %w", err)
	}
	if err := tr.has(ctx, after); err != nil {
		return fmt.Errorf("collected: %w", err)
	}
	if err := reopenStep.do(ctx, &tr.machine); err != nil {
		return fmt.Errorf("reopen: %w", err)
	}
	if err := tr.has(ctx, after); err != nil {
		return fmt.Errorf("reopened: %w", err)
	}
	return errors.Join(sound(ctx, &tr.machine), tr.close())
}

// A change that could not be read back from the journal is refused before it is
// written: no start would succeed behind it.
func TestUnreadableChange(t *testing.T) {
	m := newMachine()
	must(t, m.open(t.Context()))
	old, err := cid.Decode("QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG") // version 0
	must(t, err)
	for what, ch := range map[string]store.Change{
		"pin":   {Pin: map[cid.Cid]string{old: store.PinModel}},
		"name":  {Names: map[string]cid.Cid{"old": old}},
		"unpin": {Unpin: []cid.Cid{old}},
		"model": {Models: []store.Model{{CID: old.String()}}},
	} {
		if err := m.s.Apply(ch); err == nil {
			t.Errorf("a %s of a CID that is none of ours was taken", what)
		}
	}
	must(t, reopenStep.do(t.Context(), m))
	must(t, m.close())
}
