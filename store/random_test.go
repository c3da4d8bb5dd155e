package store_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ipfs/go-cid"
	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/store/storetest"
)

var (
	randomRuns = flag.Int("random", 40, "stores on which random operations run")
	randomSeed = flag.Uint64("random.seed", 0, "of the first of them; 0 is a new one")
)

// TestRandom does random operations, under random options, on stores and on a
// model of one, which must agree: adds against random bases, open leases, pins,
// names that move, gc, verify, rebuilds, crashes within and between operations,
// disks that fail and that are full. It is after pebble's metamorphic test.
func TestRandom(t *testing.T) {
	runs, first := *randomRuns, *randomSeed
	if testing.Short() {
		runs = min(runs, 3)
	}
	if first == 0 {
		first = rand.Uint64N(1 << 40)
	}
	t.Logf("-random.seed %d, %d stores", first, runs)
	var ops, crashes, failures, refused atomic.Int64
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for seed := first; seed < first+uint64(runs); seed++ {
		g.Go(func() error {
			r := newRandom(seed)
			err := r.run(t.Context(), 60)
			ops.Add(int64(len(r.done)))
			crashes.Add(r.crashes)
			failures.Add(r.failures)
			refused.Add(r.refused)
			if err != nil {
				return fmt.Errorf("-random 1 -random.seed %d: %w\n%s", seed, err, strings.Join(r.done, "\n"))
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
	t.Logf("%d operations, of which %d crashed in the middle, %d met a failing disk, %d a full one", ops.Load(), crashes.Load(), failures.Load(), refused.Load())
}

// A ledger is what a store should say: the contents of each name, and those that
// are pinned. A model's contents tell its CID.
type ledger struct {
	names  map[string]string
	pinned map[string]bool
}

func (l ledger) clone() ledger {
	return ledger{maps.Clone(l.names), maps.Clone(l.pinned)}
}

func (l ledger) equal(k ledger) bool {
	return maps.Equal(l.names, k.names) && maps.Equal(l.pinned, k.pinned)
}

func (l ledger) String() string {
	return fmt.Sprintf("%d names %v and %d pins", len(l.names), slices.Sorted(maps.Keys(l.names)), len(l.pinned))
}

type random struct {
	*rand.Rand
	machine
	want   ledger
	leases []openLease
	left   [][]byte // that interrupted operations put: kept, while nothing crashes, until a gc --all
	pool   [][]byte // contents that were ever made: bases of new ones, added again
	done   []string

	crashes, failures, refused int64
}

// An openLease is an operation under way: all that it put stays until it ends.
type openLease struct {
	l    *store.Lease
	puts [][]byte
	new  [][]byte // of these, what was not here before: kept when it ends, unless it is full
	full bool
}

func newRandom(seed uint64) *random {
	r := &random{
		Rand:    rand.New(rand.NewPCG(seed, 0)),
		machine: machine{disk: storetest.NewDisk()},
		want:    ledger{map[string]string{}, map[string]bool{}},
	}
	if r.IntN(2) == 0 {
		r.disk.SetCapacity(int64(300+r.IntN(400)) << 10)
	}
	return r
}

func (r *random) reopen(ctx context.Context) (err error) {
	cfg := store.Config{FS: r.disk, Cache: []int64{0, 1, 20 << 10}[r.IntN(3)]}
	if r.IntN(4) == 0 {
		cfg.Quota = int64(100+r.IntN(400)) << 10
	}
	r.s, err = store.Open(ctx, cfg)
	if err == nil && r.IntN(3) == 0 {
		r.s.FlushAt(1 << r.IntN(12)) // in the middle of whatever is long
	}
	r.leases = nil
	return err
}

func (r *random) run(ctx context.Context, ops int) error {
	if err := r.reopen(ctx); err != nil {
		return err
	}
	for range ops {
		op := r.pick()
		r.done = append(r.done, op.name)
		if err := r.do(ctx, op); err != nil {
			return err
		}
		if err := r.agrees(ctx, r.want); err != nil {
			return err
		}
	}
	return r.close()
}

// A change is an operation on the store, and what it does to the ledger.
type change struct {
	name string
	do   func(context.Context, *machine) error
	then func(ledger)
	// alone: it opens the store itself, or has leases, and is not tried on
	// another disk.
	alone bool
	// steps: it does its work in several, and may fail behind the one that counts.
	steps bool
}

func nothing(ledger) {}

// do does op: as it is, with a crash in the middle, or on a failing disk.
func (r *random) do(ctx context.Context, op change) error {
	after := r.want.clone()
	op.then(after)
	at, n := r.IntN(40), 0
	var mu sync.Mutex
	var left *storetest.Disk
	way := r.IntN(10)
	if op.alone && way < 4 {
		way = 9
	}
	fate := []storetest.Fate{storetest.Killed, storetest.Lost, storetest.Torn(r.Uint64())}[r.IntN(3)]
	r.disk.Before(func(c storetest.Call) error {
		mu.Lock()
		defer mu.Unlock()
		if n++; n-1 != at {
			return nil
		}
		switch {
		case way < 2 && left == nil:
			left = r.disk.Crash(fate)
		case way == 2:
			return syscall.EIO
		case way == 3 && c.Changes && c.Op != "write":
			return storetest.Late{Err: syscall.EIO}
		}
		return nil
	})
	err := op.do(ctx, &r.machine)
	r.disk.Before(nil)
	mu.Lock()
	crashed, met := left, n > at
	mu.Unlock() // a compaction of the index may yet be in a call, and is waited for
	switch {
	case crashed != nil:
		r.crashes++
		r.done = append(r.done, "  and a crash before call "+fmt.Sprint(at)+", "+fate.String())
		return r.resume(ctx, crashed, r.want, after)
	case err == nil:
		r.want = after
		return nil
	case (way == 2 || way == 3) && met:
		r.failures++
		r.done = append(r.done, "  failed: "+err.Error())
		if op.steps && r.agrees(ctx, after) == nil {
			r.want = after
		}
		return nil // else as before: that is checked next
	case store.IsFull(err) || errors.Is(err, store.ErrQuota):
		r.refused++
		r.done = append(r.done, "  refused: "+err.Error())
		if op.steps && r.agrees(ctx, after) == nil {
			r.want = after
		}
		return r.makeRoom(ctx)
	}
	return fmt.Errorf("%s: %w", op.name, err)
}

// makeRoom grows a disk that is full, as its owner would.
func (r *random) makeRoom(ctx context.Context) error {
	if free, ok := r.disk.Free(); ok && free < 64<<10 {
		r.disk.SetCapacity(r.disk.Used() + 1<<20)
	}
	return nil
}

// resume goes on with the disk that a crash left: in the one state or the other.
func (r *random) resume(ctx context.Context, disk *storetest.Disk, before, after ledger) error {
	old := r.machine
	r.machine = machine{disk: disk}
	r.leases, r.left = nil, nil
	if err := old.close(); err != nil && !store.IsFull(err) {
		return err
	}
	if r.IntN(5) == 0 {
		r.done = append(r.done, "  and the index is lost")
		if err := r.loseIndex(); err != nil {
			return err
		}
	}
	if err := r.reopen(ctx); err != nil {
		return fmt.Errorf("open after a crash: %w", err)
	}
	if r.agrees(ctx, after) == nil {
		r.want = after
		return nil
	}
	r.want = before
	return nil
}

// agrees returns an error unless the store is as l says, and keeps what open
// leases put.
func (r *random) agrees(ctx context.Context, l ledger) error {
	if r.s == nil { // a failed disk kept it from being opened
		if err := r.reopen(ctx); err != nil {
			return err
		}
	}
	got := ledger{map[string]string{}, map[string]bool{}}
	names, err := r.s.Names()
	if err != nil {
		return err
	}
	pins, err := r.s.Pins()
	if err != nil {
		return err
	}
	for c := range pins {
		b, err := contents(ctx, r.s, c)
		if err != nil {
			return fmt.Errorf("pinned %s: %w", c, err)
		}
		got.pinned[string(b)] = true
		for name, of := range names {
			if of.Equals(c) {
				got.names[name] = string(b)
			}
		}
	}
	for name, of := range names {
		if _, ok := got.names[name]; ok {
			continue
		}
		// Unpinned: it may have been collected, and must not be asked for. That it is
		// none of those that are pinned is known.
		if want := l.names[name]; l.pinned[want] {
			return fmt.Errorf("%s names %s, which is not pinned, want contents that are", name, of)
		}
		got.names[name] = l.names[name]
	}
	if !got.equal(l) {
		return fmt.Errorf("the store has %v, want %v", got, l)
	}
	for _, o := range r.leases {
		for _, data := range o.puts {
			if b, err := r.s.Get(ctx, dag.Raw(data)); err != nil || string(b.RawData()) != string(data) {
				return fmt.Errorf("what an open lease put: %w", err)
			}
		}
	}
	for _, data := range r.left {
		if b, err := r.s.Get(ctx, dag.Raw(data)); err != nil || string(b.RawData()) != string(data) {
			return fmt.Errorf("what an interrupted operation put: %w", err)
		}
	}
	return nil
}

// data returns contents, new or known, and a base for them that is here, or nil.
func (r *random) data() (data, base []byte) {
	if len(r.pool) > 0 && r.IntN(5) == 0 {
		return r.pool[r.IntN(len(r.pool))], nil
	}
	data = weights(byte(r.IntN(256)), 2*(1000+r.IntN(9000)))
	if here := slices.Sorted(maps.Keys(r.want.pinned)); len(here) > 0 && r.IntN(3) > 0 {
		base = []byte(here[r.IntN(len(here))])
		data = near(byte(r.IntN(256)), base)
		if slices.Equal(data, base) {
			base = nil
		}
	}
	r.pool = append(r.pool, data)
	return data, base
}

func (r *random) anyName() string { return string(rune('a' + r.IntN(6))) }

// tooDeep lets an add do without a base that has too many behind it.
func tooDeep(err error) bool {
	return errors.Is(err, store.ErrTooDeep) || errors.Is(err, store.ErrCircle)
}

func (r *random) pick() change {
	switch r.IntN(14) {
	case 0, 1, 2, 3:
		name := r.anyName()
		data, base := r.data()
		return change{name: fmt.Sprintf("add %s, %d bytes, a delta: %v", name, len(data), base != nil), do: func(ctx context.Context, m *machine) error {
			_, _, err := tryModel(ctx, m.s, name, data, base)
			if tooDeep(err) {
				_, _, err = tryModel(ctx, m.s, name, data, nil)
			}
			return err
		}, then: func(l ledger) { l.names[name], l.pinned[string(data)] = string(data), true }}
	case 4:
		return r.rm(r.anyName())
	case 5:
		return r.unpin()
	case 6:
		return change{name: "gc", steps: true, do: func(ctx context.Context, m *machine) error {
			_, err := m.s.Collect(ctx, store.CollectOptions{})
			return err
		}, then: r.forget}
	case 7:
		return change{name: "gc --all", steps: true, do: func(ctx context.Context, m *machine) error {
			r.left = nil
			_, err := m.s.Collect(ctx, store.CollectOptions{Interrupted: true})
			return err
		}, then: r.forget}
	case 8:
		return change{name: "verify", do: func(ctx context.Context, m *machine) error { return sound(ctx, m) }, then: nothing}
	case 9:
		return change{name: "reopen", alone: true, do: func(ctx context.Context, m *machine) error {
			return errors.Join(m.close(), r.reopen(ctx))
		}, then: nothing}
	case 10:
		return change{name: "rebuild", alone: true, do: func(ctx context.Context, m *machine) error {
			r.left = nil
			return errors.Join(m.close(), m.loseIndex(), r.reopen(ctx))
		}, then: nothing}
	case 11:
		return change{name: "journal anew", do: journalStep.do, then: nothing}
	case 12:
		return r.lease()
	default:
		return r.endLease()
	}
}

// forget drops, as a gc does, the names of what is not pinned.
func (r *random) forget(l ledger) {
	maps.DeleteFunc(l.names, func(_, of string) bool { return !l.pinned[of] })
}

func (r *random) rm(name string) change {
	return change{name: "rm " + name, do: rmStep(name).do, then: func(l ledger) {
		of, ok := l.names[name]
		delete(l.names, name)
		if ok && !slices.Contains(slices.Collect(maps.Values(l.names)), of) {
			delete(l.pinned, of)
		}
	}}
}

// unpin takes a pin away and leaves the name: a gc takes that.
func (r *random) unpin() change {
	here := slices.Sorted(maps.Keys(r.want.pinned))
	if len(here) == 0 {
		return change{name: "nothing to unpin", do: func(context.Context, *machine) error { return nil }, then: nothing}
	}
	of := here[r.IntN(len(here))]
	return change{name: "unpin", do: func(ctx context.Context, m *machine) error {
		pins, err := m.s.Pins()
		if err != nil {
			return err
		}
		for c := range pins {
			b, err := contents(ctx, m.s, c)
			if err != nil {
				return err
			}
			if string(b) == of {
				return m.s.Apply(store.Change{Unpin: []cid.Cid{c}})
			}
		}
		return errors.New("a pin is missing")
	}, then: func(l ledger) { delete(l.pinned, of) }}
}

// lease begins an operation, or goes on with one.
func (r *random) lease() change {
	data, base := r.data()
	return change{name: fmt.Sprintf("a lease, %d bytes, a delta: %v", len(data), base != nil), alone: true, do: func(ctx context.Context, m *machine) error {
		if len(r.leases) == 0 || r.IntN(2) == 0 {
			l, err := m.s.NewLease()
			if err != nil {
				return err
			}
			r.leases = append(r.leases, openLease{l: l})
		}
		o := &r.leases[len(r.leases)-1]
		known, err := m.s.Has(ctx, dag.Raw(data))
		if err != nil {
			return err
		}
		_, err = tryTensor(ctx, o.l, data, base)
		if tooDeep(err) {
			_, err = tryTensor(ctx, o.l, data, nil)
		}
		if err == nil {
			o.puts = append(o.puts, data)
		}
		if err == nil && !known {
			o.new = append(o.new, data)
		}
		o.full = o.full || store.IsFull(err) || errors.Is(err, store.ErrQuota)
		return err
	}, then: nothing}
}

func (r *random) endLease() change {
	return change{name: "a lease ends", alone: true, do: func(ctx context.Context, m *machine) error {
		if len(r.leases) == 0 {
			return nil
		}
		o := r.leases[0]
		r.leases = r.leases[1:]
		err := o.l.Release()
		if err == nil && !o.full {
			r.left = append(r.left, o.new...)
		}
		return err
	}, then: nothing}
}
