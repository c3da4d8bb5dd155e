package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/study"
	"github.com/zipnode/zipnode/testmodels"
)

// What --exact says of zipnode is what a store takes into which the models were
// added, to a tenth of a percent, and the estimate is near it.
func TestAnalyzeAgainstStore(t *testing.T) {
	models := t.TempDir()
	if err := testmodels.Write(models); err != nil {
		t.Fatal(err)
	}
	sets := []string{models}
	large := os.Getenv("ZIPNODE_TEST_DATA")
	if large == "" {
		large = filepath.Join("..", "..", "..", "shared", "data")
	}
	if _, err := os.Stat(large); err == nil && !testing.Short() {
		sets = append(sets, large)
	}
	for _, models := range sets {
		stored := storedWhenAdded(t, models)
		for _, tc := range []struct {
			how  []string
			most float64 // relative error
		}{{[]string{"--exact"}, 0.001}, {nil, 0.03}} {
			var r study.Report
			args := append([]string{"analyze", models, "--cache", "", "--json"}, tc.how...)
			got := really(t, t.TempDir(), args...)
			check(t, json.Unmarshal(got, &r))
			w := r.Ways[len(r.Ways)-1]
			off := float64(w.Stored)/float64(stored) - 1
			t.Logf("%s %v: %s %d, stored %d (%+.2f %%)", filepath.Base(models), tc.how, w.Name, w.Stored, stored, 100*off)
			if w.Name != study.Zipnode || math.Abs(off) > tc.most {
				t.Errorf("%s %v: %s takes %d, but the store %d", models, tc.how, w.Name, w.Stored, stored)
			}
		}
	}
}

// storedWhenAdded returns the bytes of a store that the models in dir were added
// to, in order.
func storedWhenAdded(t *testing.T, dir string) int64 {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	home := newDir(t)
	check(t, initStore(home))
	for _, e := range entries {
		if e.IsDir() {
			really(t, home, "add", filepath.Join(dir, e.Name()), "-q")
		}
	}
	var st node.StatusResult
	got := really(t, home, "status", "--json")
	check(t, json.Unmarshal(got, &st))
	return st.Stored
}

// really runs the command line args on a store in dir, and returns what it prints.
func really(t *testing.T, dir string, args ...string) []byte {
	t.Helper()
	var out, errOut bytes.Buffer
	a := &app{stdout: &out, stderr: &errOut, open: openNode, init: initStore}
	if code := a.main(t.Context(), append([]string{"--dir", dir}, args...)); code != 0 {
		t.Fatalf("%q exits with %d: %s", args, code, &errOut)
	}
	return out.Bytes()
}
