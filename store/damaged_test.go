package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
)

// Damage is remembered over a restart until it is forgotten, and no more of it than
// is bounded.
func TestRememberDamage(t *testing.T) {
	fs := store.Memory()
	s := open(t, fs)
	found := func(from, to int) (list []store.KnownDamage) {
		for i := from; i < to; i++ {
			list = append(list, store.KnownDamage{CID: dag.Raw(fmt.Append(nil, i)).String(), Where: "here", Reason: "why", Models: []string{"m"}, Found: time.Unix(1, 0).UTC()})
		}
		return list
	}
	for _, tc := range []struct{ from, to, forget, want int }{
		{0, 3, 0, 3},
		{2, 4, 0, 4}, // one of them again
		{4, 1000, 0, store.MostDamage},
		{0, 5, 0, store.MostDamage}, // full, and all known
		{0, 0, 1000, 0},
	} {
		if err := s.RememberDamage(found(tc.from, tc.to)...); err != nil {
			t.Fatal(err)
		}
		if err := s.ForgetDamage(found(0, tc.forget)...); err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
		s = open(t, fs)
		got, err := s.Damaged()
		if len(got) != tc.want || err != nil {
			t.Errorf("%d damages are remembered after %+v, %v", len(got), tc, err)
		}
	}
	closeStore(t, s)
}

// A block that a disk spoiled is remembered once by whoever reads it, as often as it
// is read, where it lies; and is mended when it is elsewhere.
func TestReadNotesDamage(t *testing.T) {
	whole, spoilt := dag.Raw([]byte("whole")), dag.Raw([]byte("spoilt"))
	for how, read := range map[string]func(s *store.Store) error{
		"Get":  func(s *store.Store) error { _, err := s.Get(t.Context(), spoilt); return err },
		"View": func(s *store.Store) error { return s.View(t.Context(), spoilt, func([]byte) error { return nil }) },
		"gone": func(s *store.Store) error { _, err := s.Get(t.Context(), dag.Raw([]byte("nowhere"))); return err },
	} {
		dir := t.TempDir()
		s := open(t, store.Dir(dir))
		l := lease(t, s)
		put(t, l, []byte("whole"))
		put(t, l, []byte("spoilt"))
		if err := l.Release(); err != nil {
			t.Fatal(err)
		}
		closeStore(t, s)
		spoil(t, filepath.Join(dir, "packs", "000001.car"), "spoilt")
		s = open(t, store.Dir(dir))
		want := 1
		if how == "gone" {
			want = 0 // what was never here is no damage
		}
		for range 2 {
			if _, err := s.Get(t.Context(), whole); err != nil {
				t.Error(err)
			}
			if err := read(s); err == nil {
				t.Errorf("%s: a block that is not whole is read", how)
			}
			got, err := s.Damaged()
			if err != nil || len(got) != want {
				t.Fatalf("%s: %+v, %v, is remembered, want %d", how, got, err, want)
			}
			for _, d := range got {
				mended, err := s.Mended(d)
				if d.CID != spoilt.String() || !d.Read || d.Found.IsZero() || d.Reason == "" || mended || err != nil {
					t.Errorf("%s: %+v is remembered, mended %t, %v", how, d, mended, err)
				}
			}
			closeStore(t, s)
			s = open(t, store.Dir(dir))
		}
		closeStore(t, s)
	}
}

// spoil flips a bit of what in a file.
func spoil(t *testing.T, file, what string) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	data[bytes.Index(data, []byte(what))] ^= 1
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
