package store_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/store"
)

// A disk may keep the end of an unsynced journal and lose what lies before it. A
// name was then seen whose model had a tensor without the choice of its recipe,
// which had a line of its own.
func TestCommitIsOneLine(t *testing.T) {
	dir := t.TempDir()
	s := open(t, store.Dir(dir))
	read := func() []byte {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, "journal"))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	before := read()
	root, _ := addModel(t, s, "model", base, nil)
	closeStore(t, s)
	added := bytes.TrimPrefix(read(), before)
	if n := bytes.Count(added, []byte("\n")); n != 1 {
		t.Errorf("a commit wrote %d lines, want all of it in 1:\n%s", n, added)
	}
	for _, want := range []string{"model", root.String(), `"use":`} {
		if !bytes.Contains(added, []byte(want)) {
			t.Errorf("a commit's line lacks %s:\n%s", want, added)
		}
	}
}

// A journal that was last written anew when there were many tensors is written anew
// when a collect has removed them: it stayed as long as it was, and every start
// read it.
func TestCollectTrimsJournal(t *testing.T) {
	const least = 1000
	s := open(t, store.Memory())
	defer closeStore(t, s)
	s.JournalFrom(least)
	var models []cid.Cid
	for i := range 20 {
		model, _ := addModel(t, s, fmt.Sprint(i), weights(byte(i), 100), nil)
		models = append(models, model)
	}
	collect(t, s, store.CollectOptions{})
	full := s.JournalBytes()
	collect(t, s, store.CollectOptions{})
	if n := s.JournalBytes(); n != full || n < 5*least {
		t.Errorf("the journal of 20 models has %d bytes, and %d after another collect", full, n)
	}
	apply(t, s, store.Change{Unpin: models})
	collect(t, s, store.CollectOptions{})
	if n := s.JournalBytes(); n >= least {
		t.Errorf("of no models the journal has %d bytes", n)
	}
}
