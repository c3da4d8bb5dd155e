package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/store/storetest"
)

// A world is what a store should have: the bytes of each model, by name. Every
// model of it is pinned.
type world map[string][]byte

func (w world) with(name string, data []byte) world {
	w = maps.Clone(w)
	w[name] = data
	return w
}

func (w world) without(name string) world {
	w = maps.Clone(w)
	delete(w, name)
	return w
}

func (w world) equal(v world) bool {
	return maps.EqualFunc(w, v, bytes.Equal)
}

func (w world) String() string { return fmt.Sprint(slices.Sorted(maps.Keys(w))) }

// A machine is a store on a disk.
type machine struct {
	disk *storetest.Disk
	s    *store.Store // nil while it is closed
}

// newMachine has a disk that is large enough, and says so.
func newMachine() *machine {
	m := &machine{disk: storetest.NewDisk()}
	m.disk.SetCapacity(1 << 24)
	return m
}

func (m *machine) open(ctx context.Context) (err error) {
	if m.s == nil {
		m.s, err = store.Open(ctx, store.Config{FS: m.disk})
	}
	return err
}

func (m *machine) close() error {
	if m.s == nil {
		return nil
	}
	s := m.s
	m.s = nil
	return s.Close()
}

func (m *machine) loseIndex() error {
	names, err := m.disk.List("index")
	for _, name := range names {
		err = errors.Join(err, m.disk.Remove("index/"+name))
	}
	return err
}

// A step is one operation. Done again, after it was interrupted or was not, it
// ends in the same world.
type step struct {
	name string
	do   func(context.Context, *machine) error
	then func(world) world
}

func same(w world) world { return w }

func addStep(name string, data, base []byte) step {
	return step{"add " + name, func(ctx context.Context, m *machine) error {
		_, _, err := tryModel(ctx, m.s, name, data, base)
		return err
	}, func(w world) world { return w.with(name, data) }}
}

// rmStep takes a name away, and the pin of its model unless another name means
// it, at once.
func rmStep(name string) step {
	return step{"rm " + name, func(_ context.Context, m *machine) error {
		names, err := m.s.Names()
		if err != nil {
			return err
		}
		ch := store.Change{Unname: []string{name}}
		c, ok := names[name]
		delete(names, name)
		if ok && !slices.ContainsFunc(slices.Collect(maps.Values(names)), c.Equals) {
			ch.Unpin = []cid.Cid{c}
		}
		return m.s.Apply(ch)
	}, func(w world) world { return w.without(name) }}
}

func gcStep(o store.CollectOptions) step {
	return step{"gc", func(ctx context.Context, m *machine) error {
		_, err := m.s.Collect(ctx, o)
		return err
	}, same}
}

// besideStep adds a model whose tensor another operation, still running, put.
func besideStep(name string, data []byte) step {
	return step{"add beside another, " + name, func(ctx context.Context, m *machine) error {
		l, err := m.s.NewLease()
		if err != nil {
			return err
		}
		if _, err = tryTensor(ctx, l, data, nil); err == nil {
			_, _, err = tryModel(ctx, m.s, name, data, nil)
		}
		if err != nil {
			return errors.Join(err, l.Release())
		}
		_ = l.Release() // what is added does not depend on it
		return nil
	}, func(w world) world { return w.with(name, data) }}
}

// abandonStep is an add that is given up when all but its commit is done.
func abandonStep(data, base []byte) step {
	return step{"an add given up", func(ctx context.Context, m *machine) error {
		l, err := m.s.NewLease()
		if err != nil {
			return err
		}
		_, err = tryTensor(ctx, l, data, base)
		return errors.Join(err, l.Release())
	}, same}
}

var reopenStep = step{"reopen", func(ctx context.Context, m *machine) error {
	if err := m.close(); err != nil {
		return err
	}
	return m.open(ctx)
}, same}

var rebuildStep = step{"rebuild", func(ctx context.Context, m *machine) error {
	if err := m.close(); err != nil {
		return err
	}
	if err := m.loseIndex(); err != nil {
		return err
	}
	return m.open(ctx)
}, same}

var journalStep = step{"journal anew", func(_ context.Context, m *machine) error {
	return errors.Join(m.s.Flush(), m.s.RewriteJournal())
}, same}

var verifyStep = step{"verify", func(ctx context.Context, m *machine) error {
	_, err := m.s.Verify(ctx, nil, nil)
	return err
}, same}

// workload is every operation of a store, in an order in which each meets what
// the others left: deltas on deltas, bases without a name, packs to rewrite.
func workload() []step {
	base := weights(1, 6000)
	fine := near(2, base)
	finer := near(3, fine)
	other, late := weights(4, 5000), weights(5, 3000)
	return []step{
		{"create", func(ctx context.Context, m *machine) error { return m.open(ctx) }, same},
		addStep("base", base, nil),
		addStep("fine", fine, base),
		addStep("other", other, nil),
		addStep("finer", finer, fine),
		besideStep("beside", weights(6, 2000)),
		abandonStep(late, nil),
		rmStep("other"),
		gcStep(store.CollectOptions{}),
		journalStep,
		addStep("other", other, nil), // what was collected comes again
		rmStep("base"),               // stays, as the base of deltas
		gcStep(store.CollectOptions{Interrupted: true}),
		reopenStep,
		addStep("late", late, nil),
		addStep("fine", late, nil), // a name moves; the pin of what it meant stays
		rmStep("fine"),
		rebuildStep,
		verifyStep,
		gcStep(store.CollectOptions{Interrupted: true}),
		reopenStep,
	}
}

// seen reads every named model of s, and checks that just these are pinned.
func seen(ctx context.Context, s *store.Store) (world, error) {
	names, err := s.Names()
	if err != nil {
		return nil, err
	}
	w := world{}
	for name, c := range names {
		if w[name], err = contents(ctx, s, c); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	pins, err := s.Pins()
	if err != nil {
		return nil, err
	}
	for _, c := range names {
		if pins[c] != store.PinModel {
			return nil, fmt.Errorf("%s has a name and no pin", c)
		}
	}
	// A pin without a name is of a model that lost its name to another.
	for c := range pins {
		if _, err := contents(ctx, s, c); err != nil {
			return nil, fmt.Errorf("pinned %s: %w", c, err)
		}
	}
	return w, nil
}

// contents returns the bytes of all files of a model.
func contents(ctx context.Context, s *store.Store, model cid.Cid) ([]byte, error) {
	var out []byte
	for f, err := range dag.Files(ctx, s, model, nil) {
		if err != nil {
			return nil, err
		}
		size, err := dag.FileSize(ctx, s, f.CID)
		if err != nil {
			return nil, err
		}
		data, err := io.ReadAll(io.NewSectionReader(dag.NewReader(ctx, s, f.CID, size), 0, size))
		if err != nil {
			return nil, err
		}
		out = append(out, data...)
	}
	return out, nil
}

// sound checks what holds of every store at rest: it verifies clean, and its
// packs are the files that it counts. A verify mends the bytes that a torn write
// left between blocks; then no damage may be left.
func sound(ctx context.Context, m *machine) error {
	v, err := m.s.Verify(ctx, nil, nil)
	if err != nil {
		return err
	}
	for _, d := range v.Damage {
		if d.CID.Defined() {
			return fmt.Errorf("damage: %+v", d)
		}
	}
	if v, err = m.s.Verify(ctx, nil, nil); err != nil || len(v.Damage) > 0 {
		return errors.Join(err, fmt.Errorf("a second verify finds %+v", v.Damage))
	}
	names, err := m.disk.List("packs")
	if err != nil {
		return err
	}
	total := int64(0)
	for _, name := range names {
		f, err := m.disk.Open("packs/" + name)
		if err != nil {
			return err
		}
		size, err := f.Size()
		if err != nil {
			return err
		}
		total += size
	}
	if total != m.s.Bytes() {
		return fmt.Errorf("the packs have %d bytes, the store says %d", total, m.s.Bytes())
	}
	return nil
}
