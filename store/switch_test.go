package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/syndtr/goleveldb/leveldb"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
)

// addWay stores another recipe of data, against base, and returns it.
func addWay(t *testing.T, l *store.Lease, data, base []byte) cid.Cid {
	t.Helper()
	_, blk := recipeOf(t, l, data, base)
	if err := l.AddWay(t.Context(), blk, cids(leavesOf(data))); err != nil {
		t.Fatal(err)
	}
	return blk.Cid()
}

// inUse returns what the store says of the tensor of data.
func inUse(t *testing.T, s *store.Store, of cid.Cid) store.Tensor {
	t.Helper()
	got, ok, err := s.Tensor(of)
	if err != nil || !ok {
		t.Fatalf("Tensor(%s) = %v, %v", of, ok, err)
	}
	return got
}

// The root of a family becomes a delta of what was a delta of it, at once.
func TestSwitchTurnsEdges(t *testing.T) {
	each(t, func(t *testing.T, fs store.FS) {
		s := open(t, fs)
		_, root := addModel(t, s, "base", base, nil)
		_, leaf := addModel(t, s, "fine", fine, base)
		l := lease(t, s)
		down, up := addWay(t, l, base, fine), addWay(t, l, fine, nil)
		if err := l.Switch(t.Context(), down); !errors.Is(err, store.ErrCircle) {
			t.Errorf("a circle of bases: %v, want ErrCircle", err)
		}
		if got := inUse(t, s, root); len(got.Bases) != 0 {
			t.Errorf("after a refused switch the base has bases %v", got.Bases)
		}
		if err := l.Switch(t.Context(), down, up); err != nil {
			t.Fatal(err)
		}
		if err := l.Commit(store.Change{}); err != nil {
			t.Fatal(err)
		}
		check := func(s *store.Store) {
			t.Helper()
			if r, f := inUse(t, s, root), inUse(t, s, leaf); r.Recipe() != down || f.Recipe() != up || len(r.Bases) != 1 || r.Bases[0] != leaf {
				t.Errorf("in use are %v and %v, want %v and %v", r.Recipe(), f.Recipe(), down, up)
			}
			wantTensor(t, s, base)
			wantTensor(t, s, fine)
			needs, err := s.Dependants(leaf, 10)
			if back, err2 := s.Dependants(root, 10); err != nil || err2 != nil || len(needs) != 1 || needs[0] != root || len(back) != 0 {
				t.Errorf("dependants %v of the new base, %v of the old, %v, %v", needs, back, err, err2)
			}
		}
		check(s)
		if res := collect(t, s, store.CollectOptions{}); res.Blocks == 0 || res.Packs == 0 {
			t.Errorf("collected %+v, want the old recipes gone", res)
		}
		check(s)
		closeStore(t, s)
		removeIndex(t, fs)
		s = open(t, fs)
		defer closeStore(t, s)
		check(s)
		if v, err := s.Verify(t.Context(), nil, nil); err != nil || len(v.Damage) > 0 {
			t.Errorf("Verify = %v, %v", v.Damage, err)
		}
	})
}

// What a crash kept from the index, the journal brings back, a batch as a whole.
func TestSwitchOutlastsCrash(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Dir(dir))
	_, root := addModel(t, s, "base", base, nil)
	_, leaf := addModel(t, s, "fine", fine, base)
	closeStore(t, s)
	before := filepath.Join(t.TempDir(), "index")
	if err := os.CopyFS(before, os.DirFS(filepath.Join(dir, "index"))); err != nil {
		t.Fatal(err)
	}
	s = open(t, store.Dir(dir))
	l := lease(t, s)
	down, up := addWay(t, l, base, fine), addWay(t, l, fine, nil)
	if err := l.Switch(t.Context(), down, up); err != nil {
		t.Fatal(err)
	}
	if err := l.Commit(store.Change{}); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	if err := os.RemoveAll(filepath.Join(dir, "index")); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(dir, "index"), os.DirFS(before)); err != nil {
		t.Fatal(err)
	}
	s = open(t, store.Dir(dir))
	defer closeStore(t, s)
	if r, f := inUse(t, s, root), inUse(t, s, leaf); r.Recipe() != down || f.Recipe() != up {
		t.Errorf("in use are %v and %v, want %v and %v as the journal says", r.Recipe(), f.Recipe(), down, up)
	}
	wantTensor(t, s, base)
	wantTensor(t, s, fine)
}

// A base that comes to stand on others takes its dependants with it, and is
// refused where one of them would stand on too many.
func TestSwitchCountsDependants(t *testing.T) {
	s := open(t, store.Memory())
	defer closeStore(t, s)
	l := lease(t, s)
	defer l.Release()
	chain := func(seed byte, n int) [][]byte {
		var out [][]byte
		for i := range n {
			data, from := weights(seed, 2048), []byte(nil)
			if i > 0 {
				data, from = near(seed+byte(i), out[i-1]), out[i-1]
			}
			if _, err := addTensor(t, l, data, from); err != nil {
				t.Fatalf("delta %d: %v", i, err)
			}
			out = append(out, data)
		}
		return out
	}
	a, b := chain(1, 20), chain(100, 20)
	// The foot of b onto a[n]: behind the last of b stand n+1 more.
	if err := l.Switch(t.Context(), addWay(t, l, b[0], a[13])); !errors.Is(err, store.ErrTooDeep) {
		t.Errorf("33 behind a dependant: %v, want ErrTooDeep", err)
	}
	if err := l.Switch(t.Context(), addWay(t, l, b[0], a[12])); err != nil {
		t.Fatalf("32 behind a dependant: %v", err)
	}
	for _, data := range append(a, b...) {
		wantTensor(t, s, data)
	}
	if got := inUse(t, s, dag.Raw(b[19])); got.CanBeBase() {
		t.Error("a tensor with 32 behind it may still be a base: its count was left as it was")
	}
	if _, err := addTensor(t, l, near(7, b[19]), b[19]); !errors.Is(err, store.ErrTooDeep) {
		t.Errorf("a delta against it: %v, want ErrTooDeep", err)
	}
	// And shorter again.
	if err := l.Switch(t.Context(), addWay(t, l, b[10], nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := addTensor(t, l, near(7, b[19]), b[19]); err != nil {
		t.Errorf("after the chain was cut: %v", err)
	}
}

// Nothing is put to use whose blocks are not here.
func TestSwitchRefused(t *testing.T) {
	s := open(t, store.Memory())
	defer closeStore(t, s)
	l := lease(t, s)
	defer l.Release()
	if _, err := addTensor(t, l, base, nil); err != nil {
		t.Fatal(err)
	}
	_, other := recipeOf(t, l, fine, base)
	if err := l.AddWay(t.Context(), other, cids(leavesOf(fine))); !errors.Is(err, dag.ErrNotFound) {
		t.Errorf("another way of a tensor that is not here: %v, want ErrNotFound", err)
	}
	if err := l.Switch(t.Context(), other.Cid()); !errors.Is(err, dag.ErrNotFound) {
		t.Errorf("a recipe that is not here: %v, want ErrNotFound", err)
	}
	if err := l.Switch(t.Context(), dag.Raw(base)); err == nil {
		t.Error("a leaf was put to use as a recipe")
	}
}

// Collecting for a repack takes the old recipes, and no model.
func TestCollectKeepsModels(t *testing.T) {
	s := open(t, store.Memory())
	defer closeStore(t, s)
	model, _ := addModel(t, s, "base", base, nil)
	apply(t, s, store.Change{Unpin: []cid.Cid{model}})
	if res := collect(t, s, store.CollectOptions{Models: true}); res.Blocks != 0 {
		t.Errorf("collected %+v of a model without a pin", res)
	}
	wantTensor(t, s, base)
	if _, ok, err := s.Model(model); !ok || err != nil {
		t.Errorf("the model is forgotten, %v", err)
	}
	if res := collect(t, s, store.CollectOptions{}); res.Kept != 0 {
		t.Errorf("then collected %+v, want all gone", res)
	}
}

// An index written before it knew who needs whom learns it when it is opened.
func TestIndexWithoutNeeds(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Dir(dir))
	_, root := addModel(t, s, "base", base, nil)
	_, leaf := addModel(t, s, "fine", fine, base)
	closeStore(t, s)
	db, err := leveldb.OpenFile(filepath.Join(dir, "index"), nil)
	if err != nil {
		t.Fatal(err)
	}
	it := db.NewIterator(nil, nil)
	for it.Next() {
		if k := string(it.Key()); k[0] == 'd' || k == "zneeds" {
			err = errors.Join(err, db.Delete(it.Key(), nil))
		}
	}
	it.Release()
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s = open(t, store.Dir(dir))
	defer closeStore(t, s)
	if got, err := s.Dependants(root, 10); err != nil || len(got) != 1 || got[0] != leaf {
		t.Errorf("Dependants = %v, %v, want %v", got, err, leaf)
	}
}

// A base that was set aside as damaged, and comes back with more behind it, is
// deeper for what stands on it as well.
func TestBaseComesBackDeeper(t *testing.T) {
	dir := t.TempDir()
	base := weights(40, 100<<10)
	fine := near(41, base)
	s := open(t, store.Dir(dir))
	addModel(t, s, "base", base, nil)
	_, leaf := addModel(t, s, "fine", fine, base)
	closeStore(t, s)
	pack := filepath.Join(dir, "packs", "000001.car")
	data, err := os.ReadFile(pack)
	if err != nil {
		t.Fatal(err)
	}
	data[1000] ^= 1 // of the base's first chunk
	if err := os.WriteFile(pack, data, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, store.Dir(dir))
	defer closeStore(t, s)
	l := lease(t, s)
	defer l.Release()
	if aside, err := s.SetAside(t.Context(), nodesOf(t, l, base).CID); err != nil || len(aside) != 1 {
		t.Fatalf("set aside %v, %v", aside, err)
	}
	last := weights(50, len(base))
	if _, err := addTensor(t, l, last, nil); err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		next := near(byte(60+i), last)
		if _, err := addTensor(t, l, next, last); err != nil {
			t.Fatal(err)
		}
		last = next
	}
	if _, err := addTensor(t, l, base, last); err != nil {
		t.Fatal(err)
	}
	wantTensor(t, s, fine)
	if got := inUse(t, s, leaf); got.CanBeBase() {
		t.Error("a tensor with 32 base leaves behind it may be a base: its count is that of its old base")
	}
}
