package store_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

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
