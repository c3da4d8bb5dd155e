package store_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/store/storetest"
)

// crashSeeds is how many torn disks are made of each crash point, beside the
// one that lost all that was not synced and the one that lost nothing.
var crashSeeds = flag.Int("crash.seeds", 2, "torn disks for each crash point")

// A crash is a disk as one left it, and what may be on it.
type crash struct {
	disk  *storetest.Disk
	where string
	step  step
	may   []world // one of these
	then  world   // what the step, done again, leads to
}

// TestEveryCrash stops the machine before every call of the workload that
// changes its disk. Whatever a crash there leaves: the store opens, has what was
// acknowledged and nothing by half, collects nothing in use, and the operation
// that was interrupted can be done again.
func TestEveryCrash(t *testing.T) {
	m, w := &machine{disk: storetest.NewDisk()}, world{}
	points, disks := 0, 0
	for i, st := range workload() {
		var mu sync.Mutex
		var crashes []crash
		take := func(call string, may ...world) {
			points++
			for _, fate := range fates(points) {
				crashes = append(crashes, crash{
					m.disk.Crash(fate), fmt.Sprintf("step %d, %s, before %s, %s", i, st.name, call, fate), st, may, st.then(w),
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

// fates are what is tried at one crash point; in a short run, one of them.
func fates(point int) []storetest.Fate {
	if testing.Short() {
		return []storetest.Fate{[]storetest.Fate{storetest.Killed, storetest.Lost, storetest.Torn(uint64(point))}[point%3]}
	}
	out := []storetest.Fate{storetest.Killed, storetest.Lost}
	for i := range *crashSeeds {
		out = append(out, storetest.Torn(uint64(point**crashSeeds+i)))
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

// has returns an error unless the store is in one of worlds.
func (m *machine) has(ctx context.Context, worlds ...world) error {
	got, err := seen(ctx, m.s)
	if err != nil {
		return err
	}
	for _, w := range worlds {
		if got.equal(w) {
			return nil
		}
	}
	return fmt.Errorf("the store has %v, want one of %v", got, worlds)
}
