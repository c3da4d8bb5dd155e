package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
)

// kinds are the stores that must behave alike.
var kinds = []struct {
	name string
	fs   func(*testing.T) store.FS
}{
	{"memory", func(*testing.T) store.FS { return store.Memory() }},
	{"disk", func(t *testing.T) store.FS { return store.Dir(t.TempDir()) }},
}

var (
	base = weights(1, 5<<19) // 2.5 MiB: three leaves
	fine = near(2, base)
)

func TestContract(t *testing.T) {
	each(t, func(t *testing.T, fs store.FS) {
		s := open(t, fs)
		if _, err := s.Get(t.Context(), dag.Raw([]byte("x"))); !errors.Is(err, dag.ErrNotFound) {
			t.Errorf("Get of a block that is not here: %v, want ErrNotFound", err)
		}
		addModel(t, s, "base", base, nil)
		before := s.Bytes()
		model, of := addModel(t, s, "fine", fine, base)
		if grew := s.Bytes() - before; grew > int64(len(fine))/2 {
			t.Errorf("the fine-tune took %d bytes of %d", grew, len(fine))
		}
		wantTensor(t, s, base)
		wantTensor(t, s, fine)
		info, ok, err := s.Tensor(of)
		if !ok || err != nil || len(info.Bases) != 1 || info.Size != int64(len(fine)) {
			t.Errorf("Tensor = %+v, %v, %v", info, ok, err)
		}
		closeStore(t, s)

		s = open(t, fs)
		defer closeStore(t, s)
		wantTensor(t, s, fine)
		if c, ok, err := s.Name("fine"); c != model || !ok || err != nil {
			t.Errorf("Name(fine) = %v, %v, %v, want %v", c, ok, err, model)
		}
		if pins, err := s.Pins(); len(pins) != 2 || err != nil {
			t.Errorf("%d pins, %v, want 2", len(pins), err)
		}
		if err := s.Put(t.Context(), badBlock(t)); err == nil {
			t.Error("a block with another hash was taken")
		}
	})
}

func TestCollect(t *testing.T) {
	each(t, func(t *testing.T, fs store.FS) {
		s := open(t, fs)
		defer closeStore(t, s)
		baseModel, _ := addModel(t, s, "base", base, nil)
		fineModel, _ := addModel(t, s, "fine", fine, base)
		other := weights(9, 3<<20)
		otherModel, _ := addModel(t, s, "other", other, nil)

		// A base that a live delta needs stays.
		apply(t, s, store.Change{Unpin: []cid.Cid{baseModel, otherModel}, Unname: []string{"base", "other"}})
		res := collect(t, s, store.CollectOptions{DryRun: true})
		if res.Blocks == 0 {
			t.Error("a dry run finds nothing to remove")
		}
		wantTensor(t, s, other)
		collect(t, s, store.CollectOptions{})
		wantTensor(t, s, fine)
		wantTensor(t, s, base)
		if ok, err := s.Has(t.Context(), dag.Raw(other[:1<<20])); ok || err != nil {
			t.Errorf("Has of a collected leaf = %v, %v", ok, err)
		}
		if _, ok, _ := s.Model(otherModel); ok {
			t.Error("a collected model is still listed")
		}

		apply(t, s, store.Change{Unpin: []cid.Cid{fineModel}})
		collect(t, s, store.CollectOptions{})
		if n := s.Bytes(); n > 4096 {
			t.Errorf("an empty store has %d bytes of packs", n)
		}
	})
}

// What an operation that still runs found or wrote is not collected.
func TestLeaseKeeps(t *testing.T) {
	each(t, func(t *testing.T, fs store.FS) {
		s := open(t, fs)
		defer closeStore(t, s)
		baseModel, _ := addModel(t, s, "base", base, nil)
		l := lease(t, s)
		c, err := addTensor(t, l, fine, base)
		if err != nil {
			t.Fatal(err)
		}
		apply(t, s, store.Change{Unpin: []cid.Cid{baseModel}})
		have, _, err := s.Tensor(c.CID)
		if err != nil {
			t.Fatal(err)
		}
		again, err := s.Get(t.Context(), have.Recipe())
		if err != nil {
			t.Fatal(err)
		}
		if fresh, err := l.Put(t.Context(), again); err != nil || fresh {
			t.Fatalf("a recipe put again: new %v, %v", fresh, err)
		}
		collect(t, s, store.CollectOptions{})
		wantTensor(t, s, fine)
		dir, err := dag.BuildDir(t.Context(), map[string]dag.Child{"m": c}, l.Emit(t.Context()))
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Commit(store.Change{Pin: map[cid.Cid]string{dir.CID: store.PinModel}}); err != nil {
			t.Fatal(err)
		}
		collect(t, s, store.CollectOptions{})
		wantTensor(t, s, fine)
		wantTensor(t, s, base)
	})
}

// An interrupted operation's blocks outlast a collect and a restart, unless
// they are asked for.
func TestReleasedLease(t *testing.T) {
	each(t, func(t *testing.T, fs store.FS) {
		s := open(t, fs)
		l := lease(t, s)
		of, err := addTensor(t, l, base, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
		s = open(t, fs)
		defer closeStore(t, s)
		known, _, err := s.Tensor(of.CID)
		if err != nil {
			t.Fatal(err)
		}
		// Also the chunks, which the recipe keeps, are kept for the lease alone.
		if res := collect(t, s, store.CollectOptions{}); res.Blocks != 0 || res.Leased <= known.Stored {
			t.Errorf("collected %+v of an interrupted add, whose chunks take %d", res, known.Stored)
		}
		wantTensor(t, s, base)
		if res := collect(t, s, store.CollectOptions{Interrupted: true}); res.Blocks == 0 {
			t.Error("nothing of an interrupted add was collected when asked for")
		}
	})
}

func TestLostIndex(t *testing.T) {
	each(t, func(t *testing.T, fs store.FS) {
		s := open(t, fs)
		addModel(t, s, "base", base, nil)
		model, of := addModel(t, s, "fine", fine, base)
		want, _, _ := s.Tensor(of)
		closeStore(t, s)
		removeIndex(t, fs)
		s = open(t, fs)
		defer closeStore(t, s)
		wantTensor(t, s, base)
		wantTensor(t, s, fine)
		if c, ok, err := s.Name("fine"); c != model || !ok || err != nil {
			t.Errorf("Name(fine) = %v, %v, %v, want %v", c, ok, err, model)
		}
		got, ok, err := s.Tensor(of)
		if !ok || err != nil || got.Recipe() != want.Recipe() {
			t.Errorf("recipe in use = %v, want %v", got.Recipe(), want.Recipe())
		}
		if v, err := s.Verify(t.Context(), nil, nil); err != nil || len(v.Damage) > 0 {
			t.Errorf("after a rebuild, Verify = %v, %v", v.Damage, err)
		}
	})
}

// Without index and journal the packs alone give every tensor back.
func TestLostIndexAndJournal(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Dir(dir))
	addModel(t, s, "base", base, nil)
	addModel(t, s, "fine", fine, base)
	closeStore(t, s)
	for _, name := range []string{"index", "journal"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, store.Dir(dir))
	defer closeStore(t, s)
	wantTensor(t, s, base)
	wantTensor(t, s, fine)
}

// TestCollectBehindLease cuts what an interrupted operation wrote while another
// runs, which began behind it: what that one puts from then on lies before where it
// began, and is kept all the same.
func TestCollectBehindLease(t *testing.T) {
	each(t, func(t *testing.T, fs store.FS) {
		s := open(t, fs)
		defer closeStore(t, s)
		given := lease(t, s)
		put(t, given, weights(1, 20_000))
		if err := given.Release(); err != nil {
			t.Fatal(err)
		}
		runs := lease(t, s)
		if res := collect(t, s, store.CollectOptions{Interrupted: true}); res.Blocks != 1 {
			t.Fatalf("%d blocks collected, want the one of the lease that ended", res.Blocks)
		}
		c := put(t, runs, weights(2, 4_000))
		if res := collect(t, s, store.CollectOptions{Interrupted: true}); res.Blocks != 0 {
			t.Errorf("%d blocks collected, want none", res.Blocks)
		}
		if _, err := s.Get(t.Context(), c); err != nil {
			t.Errorf("what an open lease put: %v", err)
		}
	})
}

// A process that dies between writing and flushing leaves bytes behind the
// index's end, the last of them torn.
func TestTornTail(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Dir(dir))
	addModel(t, s, "base", base, nil)
	closeStore(t, s)
	packFile := filepath.Join(dir, "packs", "000001.car")
	whole, err := os.ReadFile(packFile)
	if err != nil {
		t.Fatal(err)
	}
	late := []byte("a block that was written and not indexed")
	c := dag.Raw(late)
	section := append([]byte{byte(36 + len(late))}, c.Bytes()...)
	section = append(section, late...)
	torn := append(append(bytes.Clone(whole), section...), section[:len(section)-5]...)
	if err := os.WriteFile(packFile, torn, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, store.Dir(dir))
	defer closeStore(t, s)
	if b, err := s.Get(t.Context(), c); err != nil || !bytes.Equal(b.RawData(), late) {
		t.Errorf("the block behind the index's end: %v", err)
	}
	if st, _ := os.Stat(packFile); st.Size() != int64(len(whole)+len(section)) {
		t.Errorf("the pack has %d bytes, want %d: the torn section cut, nothing else", st.Size(), len(whole)+len(section))
	}
	wantTensor(t, s, base)
}

// Whatever bit of a pack flips, Verify names it, and nothing whole is lost.
func TestFlippedBits(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Dir(dir))
	small := weights(5, 3000)
	addModel(t, s, "base", small, nil)
	addModel(t, s, "fine", near(6, small), small)
	closeStore(t, s)
	packFile := filepath.Join(dir, "packs", "000001.car")
	whole, err := os.ReadFile(packFile)
	if err != nil {
		t.Fatal(err)
	}
	step := max(1, len(whole)/150)
	for at := 0; at < len(whole); at += step {
		t.Run(fmt.Sprint(at), func(t *testing.T) {
			copied := t.TempDir()
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			bad := bytes.Clone(whole)
			bad[at] ^= 1 << (at % 8)
			if err := os.WriteFile(filepath.Join(copied, "packs", "000001.car"), bad, 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, store.Dir(copied))
			defer closeStore(t, s)
			v, err := s.Verify(t.Context(), nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(v.Damage) == 0 {
				t.Fatal("Verify finds nothing")
			}
			// What it names is mended by putting the blocks again.
			l := lease(t, s)
			src, err := store.Open(t.Context(), store.Config{FS: store.Dir(t.TempDir())})
			if err != nil {
				t.Fatal(err)
			}
			defer closeStore(t, src)
			addModel(t, src, "base", small, nil)
			addModel(t, src, "fine", near(6, small), small)
			for _, d := range v.Damage {
				if !d.CID.Defined() {
					continue
				}
				b, err := src.Get(t.Context(), d.CID)
				if err != nil {
					t.Fatalf("%s (%s): %v", d.CID, d.Reason, err)
				}
				if _, err := l.Put(t.Context(), b); err != nil {
					t.Fatal(err)
				}
			}
			if err := l.Release(); err != nil {
				t.Fatal(err)
			}
			if v, err := s.Verify(t.Context(), nil, nil); err != nil || len(v.Damage) > 0 {
				t.Errorf("mended, Verify = %+v, %v", v.Damage, err)
			}
			wantTensor(t, s, small)
		})
	}
}

// A rebuild passes over damaged bytes and finds the blocks behind them.
func TestLostIndexDamagedPack(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Dir(dir))
	first := weights(5, 3000)
	addModel(t, s, "first", first, nil)
	second := weights(7, 3000)
	addModel(t, s, "second", second, nil)
	closeStore(t, s)
	packFile := filepath.Join(dir, "packs", "000001.car")
	whole, err := os.ReadFile(packFile)
	if err != nil {
		t.Fatal(err)
	}
	whole[26] ^= 0x40 // the first section's length
	if err := os.WriteFile(packFile, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	removeIndex(t, store.Dir(dir))
	s = open(t, store.Dir(dir))
	defer closeStore(t, s)
	wantTensor(t, s, second)
}

func TestRecipesRefused(t *testing.T) {
	each(t, func(t *testing.T, fs store.FS) {
		s := open(t, fs)
		defer closeStore(t, s)
		l := lease(t, s)
		defer l.Release()
		if _, err := addTensor(t, l, fine, base); !errors.Is(err, dag.ErrNotFound) {
			t.Errorf("a delta whose base is not here: %v, want ErrNotFound", err)
		}
		if _, err := addTensor(t, l, base, nil); err != nil {
			t.Fatal(err)
		}
		if _, err := addTensor(t, l, fine, base); err != nil {
			t.Fatal(err)
		}
		if _, err := addTensor(t, l, base, fine); err == nil {
			t.Error("a circle of bases was taken")
		}
		wantTensor(t, s, base)
		small := weights(1, 4096)
		if _, err := addTensor(t, l, small, nil); err != nil {
			t.Fatal(err)
		}
		depth := 0
		var err error
		for ; err == nil && depth < 100; depth++ {
			next := near(byte(depth+10), small)
			_, err = addTensor(t, l, next, small)
			small = next
		}
		if !errors.Is(err, store.ErrTooDeep) || depth != 33 {
			t.Errorf("a chain of %d deltas: %v, want ErrTooDeep for the 33rd", depth, err)
		}
	})
}

func TestNewerFormatRefused(t *testing.T) {
	dir := t.TempDir()
	closeStore(t, open(t, store.Dir(dir)))
	if err := os.WriteFile(filepath.Join(dir, "format"), []byte("zipnode store 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := store.Open(t.Context(), store.Config{FS: store.Dir(dir)})
	if bad, ok := errors.AsType[*store.VersionError](err); !ok || bad.Found != 2 {
		t.Errorf("a newer format: %v, want *VersionError", err)
	}
}

func TestQuota(t *testing.T) {
	each(t, func(t *testing.T, fs store.FS) {
		s, err := store.Open(t.Context(), store.Config{FS: fs, Quota: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		defer closeStore(t, s)
		l := lease(t, s)
		defer l.Release()
		data := make([]byte, 700<<10)
		rand.NewChaCha8([32]byte{3}).Read(data)
		put(t, l, data)
		data[0]++
		b, _ := blocks.NewBlockWithCid(data, dag.Raw(data))
		if _, err := l.Put(t.Context(), b); !errors.Is(err, store.ErrQuota) {
			t.Errorf("a block beyond the quota: %v, want ErrQuota", err)
		}
	})
}

// Blocks larger in sum than one pack, read back after reopening.
func TestManyPacks(t *testing.T) {
	if testing.Short() {
		t.Skip("writes over 1 GiB")
	}
	s := open(t, store.Dir(t.TempDir()))
	defer closeStore(t, s)
	l := lease(t, s)
	defer l.Release()
	data := make([]byte, 1<<20)
	var all []cid.Cid
	for i := range 1030 {
		data[i] ^= 0xff
		all = append(all, put(t, l, data))
	}
	for _, c := range []cid.Cid{all[0], all[1020], all[1029]} {
		if _, err := s.Get(context.Background(), c); err != nil {
			t.Error(err)
		}
	}
}
