package store_test

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"

	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/store/storetest"
)

// fill adds models until one does not fit, and returns the world it made.
func fill(t *testing.T, m *machine) (world, error) {
	t.Helper()
	w := world{}
	for i := range 256 {
		st := addStep(fmt.Sprint("model", i), weights(byte(i), 100<<10), nil)
		if err := st.do(t.Context(), m); err != nil {
			return w, err
		}
		w = st.then(w)
	}
	t.Fatal("the disk never was full")
	return nil, nil
}

// others fills what is left of a disk, to the last byte.
func others(t *testing.T, d *storetest.Disk) {
	t.Helper()
	f, err := d.Append("foreign")
	if err != nil {
		t.Fatal(err)
	}
	free, _ := d.Free()
	if _, err := f.Write(make([]byte, free)); err != nil {
		t.Fatal(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A store that has filled its disk says so and stays whole. A gc frees what is
// dead, with the room that was left for it; then there is room again.
func TestFullDisk(t *testing.T) {
	for _, share := range []bool{false, true} { // a user's share is not what the disk says is free
		t.Run(map[bool]string{false: "disk", true: "share"}[share], func(t *testing.T) {
			m := &machine{disk: storetest.NewDisk()}
			m.disk.SetCapacity(4 << 20)
			if share {
				m.disk.Share()
			}
			must(t, m.open(t.Context()))
			w, err := fill(t, m)
			if !store.IsFull(err) {
				t.Fatalf("a full disk: %v, want one that IsFull", err)
			}
			if len(w) < 10 {
				t.Errorf("%d models of 100 KiB on a disk of 4 MiB", len(w))
			}
			must(t, m.has(t.Context(), w))
			must(t, reopenStep.do(t.Context(), m))
			must(t, m.has(t.Context(), w))

			rm := rmStep("model1")
			must(t, rm.do(t.Context(), m))
			w = rm.then(w)
			if !share {
				before, _ := m.disk.Free()
				res, err := m.s.Collect(t.Context(), store.CollectOptions{})
				must(t, err)
				after, _ := m.disk.Free()
				if res.Freed < 50<<10 || after-before < res.Freed/2 {
					t.Errorf("gc says it freed %d bytes; there were %d free, there are %d", res.Freed, before, after)
				}
				again := addStep("again", weights(201, 50<<10), nil)
				must(t, again.do(t.Context(), m))
				w = again.then(w)
			} else {
				// Nothing could be kept free, so the pack cannot be rewritten. What is
				// there stays whole, again and again, and with room everything works.
				for range 3 {
					if _, err := m.s.Collect(t.Context(), store.CollectOptions{}); !store.IsFull(err) {
						t.Errorf("a gc without room: %v, want an error that IsFull", err)
					}
					must(t, m.has(t.Context(), w))
					must(t, reopenStep.do(t.Context(), m))
				}
				m.disk.SetCapacity(16 << 20)
				must(t, gcStep(store.CollectOptions{}).do(t.Context(), m))
			}
			must(t, m.has(t.Context(), w))
			must(t, reopenStep.do(t.Context(), m))
			must(t, errors.Join(m.has(t.Context(), w), sound(t.Context(), m), m.close()))
		})
	}
}

// Where others filled the disk to the last byte, the store opens, is read, and
// collects, at the price of its reserve.
func TestOthersFillTheDisk(t *testing.T) {
	m := &machine{disk: storetest.NewDisk()}
	m.disk.SetCapacity(4 << 20)
	must(t, m.open(t.Context()))
	w := world{}
	for _, st := range []step{
		addStep("big", weights(1, 400<<10), nil), addStep("kept", weights(2, 100<<10), nil),
		rmStep("big"),
	} {
		must(t, st.do(t.Context(), m))
		w = st.then(w)
	}
	must(t, m.close())
	others(t, m.disk)
	must(t, m.open(t.Context()))
	must(t, m.has(t.Context(), w))
	if _, _, err := tryModel(t.Context(), m.s, "more", weights(3, 100<<10), nil); !errors.Is(err, store.ErrFull) {
		t.Errorf("an add to a full disk: %v, want ErrFull", err)
	}
	if res, err := m.s.Collect(t.Context(), store.CollectOptions{}); err != nil || res.Freed < 100<<10 {
		t.Errorf("gc on a full disk frees %d bytes, %v", res.Freed, err)
	}
	must(t, m.has(t.Context(), w))
	must(t, m.close())
	others(t, m.disk)
	must(t, m.open(t.Context()))
	must(t, m.has(t.Context(), w))
	must(t, m.disk.Remove("foreign"))
	must(t, sound(t.Context(), m))
	st := addStep("more", weights(3, 100<<10), nil)
	must(t, st.do(t.Context(), m))
	must(t, errors.Join(m.has(t.Context(), st.then(w)), m.close()))
}

// A gc crashes at no worse a time than when it gives up the reserve and cuts
// what a failed add left.
func TestFullDiskCrash(t *testing.T) {
	m := &machine{disk: storetest.NewDisk()}
	m.disk.SetCapacity(2 << 20)
	must(t, m.open(t.Context()))
	w := world{}
	for _, st := range []step{addStep("one", weights(1, 40<<10), nil), addStep("two", weights(2, 40<<10), nil)} {
		must(t, st.do(t.Context(), m))
		w = st.then(w)
	}
	// An add that does not fit leaves its first chunks behind.
	free, _ := m.disk.Free()
	if _, _, err := tryModel(t.Context(), m.s, "much", weights(3, int(3*free)), nil); !store.IsFull(err) {
		t.Fatalf("an add that does not fit: %v", err)
	}
	must(t, m.close())
	others(t, m.disk)
	must(t, m.disk.SyncDir("."))
	gc := gcStep(store.CollectOptions{Interrupted: true})
	st := step{"gc", func(ctx context.Context, m *machine) error { return errors.Join(m.open(ctx), gc.do(ctx, m)) }, same}
	var crashes []crash
	points := 0
	m.disk.Before(func(c storetest.Call) error {
		points++
		for _, f := range fates(points) {
			if c.Changes {
				crashes = append(crashes, crash{disk: m.disk.Crash(f.Fate), noIndex: f.noIndex, step: st, may: []world{w}, then: w, where: c.String() + ", " + f.String()})
			}
		}
		return nil
	})
	must(t, st.do(t.Context(), m))
	m.disk.Before(nil)
	t.Logf("%d calls, %d disks", points, len(crashes))
	checkAll(t, crashes)
	must(t, errors.Join(m.has(t.Context(), w), sound(t.Context(), m), m.close()))
}

// A disk's words for full, by whatever way they come.
func TestIsFull(t *testing.T) {
	for _, err := range []error{syscall.ENOSPC, fmt.Errorf("write: %w", syscall.EDQUOT), store.ErrFull} {
		if !store.IsFull(err) {
			t.Errorf("IsFull(%v) = false", err)
		}
	}
	for _, err := range []error{nil, syscall.EIO, store.ErrQuota} {
		if store.IsFull(err) {
			t.Errorf("IsFull(%v) = true", err)
		}
	}
}
