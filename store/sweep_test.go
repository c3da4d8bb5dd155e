package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/store/storetest"
)

// TestEveryCrashOfSweep stops the machine at every write of a collect whose
// removals go to the disk one by one, as those of many go a few megabytes at a
// time. Whatever is left of them: what is pinned is whole, and what was being
// removed can be added again, before another collect and after.
func TestEveryCrashOfSweep(t *testing.T) {
	base := weights(1, 3000)
	fine := near(2, base)
	other := weights(4, 2000)
	m := newMachine()
	ctx := t.Context()
	for _, st := range []step{
		{"create", func(ctx context.Context, m *machine) error { return m.open(ctx) }, same},
		addStep("base", base, nil), addStep("fine", fine, base), addStep("other", other, nil),
		rmStep("fine"), rmStep("base"),
	} {
		if err := st.do(ctx, m); err != nil {
			t.Fatalf("%s: %v", st.name, err)
		}
	}
	w := world{"other": other}
	var left []*storetest.Disk
	points := 0
	m.disk.Before(func(c storetest.Call) error {
		if c.Changes {
			points++
			if points%sample(1, 2, 6) == 0 {
				left = append(left, m.disk.Crash(storetest.Torn(uint64(points))), m.disk.Crash(storetest.Lost))
			}
		}
		return nil
	})
	m.s.FlushAt(1)
	got, err := m.s.Collect(ctx, store.CollectOptions{})
	m.disk.Before(nil)
	if err != nil || got.Blocks != 6 || points < 40 {
		t.Fatalf("%+v in %d writes: %v", got, points, err)
	}
	for i, disk := range left {
		if err := sweptAgain(ctx, &machine{disk: disk}, w, base, fine, i%2 == 0); err != nil {
			t.Fatalf("crash %d of %d: %v", i, len(left), err)
		}
	}
	t.Logf("%d crash points, %d disks", points, len(left))
	if err := m.close(); err != nil {
		t.Error(err)
	}
}

// sweptAgain adds to what a crash left, in which w is pinned, a base and its
// delta; after another collect if collect is true.
func sweptAgain(ctx context.Context, m *machine, w world, base, fine []byte, collect bool) (err error) {
	if err := m.open(ctx); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.close()) }()
	if err := m.has(ctx, w); err != nil {
		return err
	}
	for _, data := range [][]byte{base, fine} { // each of one leaf
		_, known, err := m.s.Tensor(dag.Raw(data))
		if err == nil && known {
			_, err = m.s.Get(ctx, dag.Raw(data))
		}
		if err != nil {
			return fmt.Errorf("a tensor that an add takes for known: %w", err)
		}
	}
	if collect {
		if _, err := m.s.Collect(ctx, store.CollectOptions{}); err != nil {
			return err
		}
	}
	for _, st := range []step{addStep("base", base, nil), addStep("fine", fine, base)} {
		if err := st.do(ctx, m); err != nil {
			return fmt.Errorf("%s: %w", st.name, err)
		}
		w = st.then(w)
		if err := errors.Join(m.has(ctx, w), sound(ctx, m), lasts(ctx, m.disk, w)); err != nil {
			return fmt.Errorf("%s: %w", st.name, err)
		}
	}
	_, err = m.s.Collect(ctx, store.CollectOptions{Interrupted: true})
	return errors.Join(err, m.has(ctx, w), sound(ctx, m))
}
