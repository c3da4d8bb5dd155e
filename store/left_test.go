package store_test

import (
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/store/storetest"
)

// wantHere fails unless block c is here, or is not, as here says.
func wantHere(t *testing.T, s *store.Store, what string, c cid.Cid, here bool) {
	t.Helper()
	if got, err := s.Has(t.Context(), c); got != here || err != nil {
		t.Errorf("%s is here: %v, %v, want %v", what, got, err, here)
	}
}

// interrupt puts data as an operation for work that is then given up.
func interrupt(t *testing.T, s *store.Store, work string, data []byte) cid.Cid {
	t.Helper()
	l := lease(t, s)
	if work != "" {
		l.For(work)
	}
	c := put(t, l, data)
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	return c
}

// forgotten adds a model and takes its pin away.
func forgotten(t *testing.T, s *store.Store, name string, data []byte) cid.Cid {
	t.Helper()
	root, of := addModel(t, s, name, data, nil)
	if err := s.Apply(store.Change{Unname: []string{name}, Unpin: []cid.Cid{root}}); err != nil {
		t.Fatal(err)
	}
	return of
}

// What was written after an interrupted operation, and before it, is collected
// while what it left stays: at once, after rewrites of its packs, and after
// restarts.
func TestCollectAroundInterrupted(t *testing.T) {
	each(t, func(t *testing.T, fs store.FS) {
		s := open(t, fs)
		before := forgotten(t, s, "before", weights(1, 20_000))
		left := interrupt(t, s, "", weights(2, 20_000))
		for round := range 3 {
			after := forgotten(t, s, "after", weights(byte(10+round), 20_000))
			res := collect(t, s, store.CollectOptions{})
			if res.Leased == 0 || res.Leased > 25_000 {
				t.Errorf("round %d: %d bytes are kept, want what was left, of 20,000", round, res.Leased)
			}
			wantHere(t, s, "what was added before", before, false)
			wantHere(t, s, "what was left", left, true)
			wantHere(t, s, "what was added after", after, false)
			if size := s.Bytes(); size > 25_000 {
				t.Errorf("round %d: the packs have %d bytes", round, size)
			}
			closeStore(t, s)
			s = open(t, fs)
		}
		defer closeStore(t, s)
		collect(t, s, store.CollectOptions{Interrupted: true})
		wantHere(t, s, "what was left, asked to go,", left, false)
	})
}

// What a killed process left stays too, and nothing that came later with it.
func TestCollectAfterKill(t *testing.T) {
	for _, flushed := range []bool{false, true} {
		m := newMachine()
		if err := m.open(t.Context()); err != nil {
			t.Fatal(err)
		}
		l := lease(t, m.s)
		l.For("a model")
		if err := m.s.Flush(); err != nil {
			t.Fatal(err)
		}
		left := dag.Raw(weights(2, 20_000))
		b, err := blocks.NewBlockWithCid(weights(2, 20_000), left)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.Put(t.Context(), b); err != nil {
			t.Fatal(err)
		}
		if flushed {
			if err := m.s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		old := m.s
		m.disk, m.s = m.disk.Crash(storetest.Killed), nil
		closeStore(t, old)
		if err := m.open(t.Context()); err != nil {
			t.Fatal(err)
		}
		after := forgotten(t, m.s, "after", weights(3, 20_000))
		collect(t, m.s, store.CollectOptions{})
		wantHere(t, m.s, "what was left", left, true)
		wantHere(t, m.s, "what was added after", after, false)
		// Another operation changes nothing; the same, done, needs it no more.
		forgotten(t, m.s, "another", weights(4, 20_000))
		collect(t, m.s, store.CollectOptions{})
		wantHere(t, m.s, "what was left, after another was done,", left, true)
		l = lease(t, m.s)
		l.For("a model")
		if err := l.Commit(store.Change{}); err != nil {
			t.Fatal(err)
		}
		collect(t, m.s, store.CollectOptions{})
		wantHere(t, m.s, "what was left, after it was done,", left, false)
		if err := m.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// What a try left stays when the next one is interrupted as well; of many
// operations that are given up, the index remembers some.
func TestManyInterrupted(t *testing.T) {
	s := open(t, store.Memory())
	defer closeStore(t, s)
	one := interrupt(t, s, "a model", weights(1, 4_000))
	two := interrupt(t, s, "a model", weights(2, 4_000))
	var all []cid.Cid
	for i := range 100 {
		all = append(all, interrupt(t, s, "", weights(byte(100+i), 400)))
		forgotten(t, s, "between", weights(byte(i), 2_000))
	}
	if n := s.Interrupted(); n > 64 {
		t.Errorf("%d interrupted operations are remembered, want 64 at most", n)
	}
	for range 2 {
		collect(t, s, store.CollectOptions{})
		for _, c := range append(all, one, two) {
			wantHere(t, s, "what was left", c, true)
		}
	}
}

// A get or an add that is under way keeps all that it finds and writes, whatever
// was interrupted before, meanwhile and in the same work.
func TestCollectBesideInterrupted(t *testing.T) {
	each(t, func(t *testing.T, fs store.FS) {
		s := open(t, fs)
		defer closeStore(t, s)
		dead := interrupt(t, s, "a model", weights(1, 4_000))
		runs := lease(t, s)
		runs.For("a model")
		if ok, err := runs.Keep(dead); !ok || err != nil {
			t.Fatal(ok, err)
		}
		mine := put(t, runs, weights(2, 4_000))
		interrupt(t, s, "a model", weights(3, 4_000))
		other := lease(t, s)
		other.For("a model")
		if err := other.Commit(store.Change{}); err != nil {
			t.Fatal(err)
		}
		forgotten(t, s, "between", weights(4, 4_000))
		for range 2 {
			collect(t, s, store.CollectOptions{Interrupted: true})
			wantHere(t, s, "what an operation found", dead, true)
			wantHere(t, s, "what an operation wrote", mine, true)
			mine2 := put(t, runs, dag.Raw([]byte("more")).Bytes())
			wantHere(t, s, "what an operation wrote after a collect", mine2, true)
		}
	})
}

// An interrupted operation that put a recipe, and found its tensor's nodes here,
// leaves both or neither: a tensor that can be rebuilt has its nodes.
func TestCollectNodesOfInterrupted(t *testing.T) {
	each(t, func(t *testing.T, fs store.FS) {
		s := open(t, fs)
		defer closeStore(t, s)
		data := weights(1, 2*dag.MaxLeaf)
		before := lease(t, s)
		of := nodesOf(t, before, data)
		if err := before.Commit(store.Change{}); err != nil {
			t.Fatal(err)
		}
		l := lease(t, s)
		if _, err := addTensor(t, l, data, nil); err != nil {
			t.Fatal(err)
		}
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
		for _, all := range []bool{false, true} {
			collect(t, s, store.CollectOptions{Interrupted: all})
			if _, here, err := s.Tensor(of.CID); here == all || err != nil {
				t.Fatalf("the tensor is here: %v, %v, want %v", here, err, !all)
			}
			wantHere(t, s, "the tensor's node", of.CID, !all)
		}
	})
}
