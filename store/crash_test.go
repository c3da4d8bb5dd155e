package store_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/store/storetest"
)

// full has every crash and every failure tried, and not only a sample.
var full = flag.Bool("full", false, "try every crash and every failure, not a sample")

// sample returns the first of its arguments in a full run, the second in an
// ordinary one, the third in a short one.
func sample(all, some, few int) int {
	switch {
	case *full:
		return all
	case testing.Short():
		return few
	}
	return some
}

// A crash is a disk as one left it, and what may be on it.
type crash struct {
	disk    *storetest.Disk
	noIndex bool // it lost its index as well
	where   string
	step    step
	may     []world // one of these
	then    world   // what the step, done again, leads to
}

// A fate is a crash's, and perhaps takes the index as well: packs and journal
// have all that was acknowledged.
type fate struct {
	storetest.Fate
	noIndex bool
}

func (f fate) String() string {
	if f.noIndex {
		return f.Fate.String() + ", the index gone"
	}
	return f.Fate.String()
}

// TestEveryCrash stops the machine before every call of the workload that
// changes its disk. Whatever a crash there leaves: the store opens, has what was
// acknowledged and nothing by half, collects nothing in use, and the operation
// that was interrupted can be done again.
func TestEveryCrash(t *testing.T) {
	m, w := newMachine(), world{}
	points, disks := 0, 0
	for i, st := range workload() {
		var mu sync.Mutex
		var crashes []crash
		take := func(call string, may ...world) {
			points++
			for _, f := range fates(points) {
				crashes = append(crashes, crash{
					disk: m.disk.Crash(f.Fate), noIndex: f.noIndex, step: st, may: may, then: st.then(w),
					where: fmt.Sprintf("step %d, %s, before %s, %s", i, st.name, call, f),
				})
			}
		}
		m.disk.Before(func(c storetest.Call) error {
			mu.Lock()
			defer mu.Unlock()
			if c.Changes {
				take(c.String(), w, st.then(w))
			}
			return nil
		})
		if err := st.do(t.Context(), m); err != nil {
			t.Fatalf("step %d, %s: %v", i, st.name, err)
		}
		m.disk.Before(nil)
		w = st.then(w)
		take("the next step", w) // it was acknowledged
		disks += len(crashes)
		checkAll(t, crashes)
	}
	t.Logf("%d crash points, %d disks", points, disks)
	if err := m.close(); err != nil {
		t.Error(err)
	}
}

// fates are what is tried at one crash point; in a short run at one in four.
func fates(point int) []fate {
	if testing.Short() && point%4 != 0 {
		return nil
	}
	all := []fate{{storetest.Killed, false}, {storetest.Lost, false}, {storetest.Lost, true}}
	for i := range 5 {
		all = append(all, fate{storetest.Torn(uint64(point*5 + i)), false})
	}
	var out []fate
	for i := range sample(len(all), 2, 1) {
		out = append(out, all[(point*3+i)%len(all)])
	}
	return out
}

// checkAll checks crashes on all cores, and names the first few that lost.
func checkAll(t *testing.T, crashes []crash) {
	t.Helper()
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	bad := 0
	for _, c := range crashes {
		g.Go(func() error {
			files := c.disk.String()
			if err := c.check(t.Context()); err != nil {
				mu.Lock()
				defer mu.Unlock()
				if bad++; bad <= 3 {
					t.Errorf("%s: %v\n%s", c.where, err, files)
				}
			}
			return nil
		})
	}
	g.Wait()
	if bad > 0 {
		t.Fatalf("%d of %d disks lost something", bad, len(crashes))
	}
}

func (c crash) check(ctx context.Context) (err error) {
	m := &machine{disk: c.disk}
	if c.noIndex {
		if err := m.loseIndex(); err != nil {
			return err
		}
	}
	if err := m.open(ctx); err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer func() { err = errors.Join(err, m.close()) }()
	if err := m.has(ctx, c.may...); err != nil {
		return err
	}
	if err := sound(ctx, m); err != nil {
		return err
	}
	if _, err := m.s.Collect(ctx, store.CollectOptions{}); err != nil {
		return fmt.Errorf("gc: %w", err)
	}
	if err := m.has(ctx, c.may...); err != nil {
		return fmt.Errorf("after a gc: %w", err)
	}
	if err := c.step.do(ctx, m); err != nil {
		return fmt.Errorf("again: %w", err)
	}
	if err := m.has(ctx, c.then); err != nil {
		return fmt.Errorf("done again: %w", err)
	}
	if err := lasts(ctx, m.disk, c.then); err != nil {
		return fmt.Errorf("done again, and a power cut: %w", err)
	}
	if _, err := m.s.Collect(ctx, store.CollectOptions{Interrupted: true}); err != nil {
		return fmt.Errorf("gc: %w", err)
	}
	if err := reopenStep.do(ctx, m); err != nil {
		return fmt.Errorf("reopen: %w", err)
	}
	if err := m.has(ctx, c.then); err != nil {
		return fmt.Errorf("done again, collected, reopened: %w", err)
	}
	return sound(ctx, m)
}

// lasts returns an error unless a power cut now leaves the world w.
func lasts(ctx context.Context, disk *storetest.Disk, w world) (err error) {
	m := &machine{disk: disk.Crash(storetest.Lost)}
	if err := m.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	return errors.Join(m.has(ctx, w), sound(ctx, m))
}

// has returns an error unless the store is in one of worlds.
func (m *machine) has(ctx context.Context, worlds ...world) error {
	got, err := seen(ctx, m.s)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(worlds, got.equal) {
		return nil
	}
	return fmt.Errorf("the store has %v, want one of %v", got, worlds)
}
