package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/testmodels"
)

// family returns directories of models: some of ZIPNODE_TEST_DATA where that is
// there, all of it for a soak, else the small ones.
func family(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv("ZIPNODE_TEST_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "data")
	}
	names := []string{"run-step150", "run-step100", "run-step50"}
	if _, err := os.Stat(dir); err != nil {
		*kills = min(*kills, 5)
		dir, names = t.TempDir(), []string{"finetune", "lora-merged", "base"}
		if err := testmodels.Write(dir); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(dir); err == nil && *kills > 5 {
		names = append([]string{"unrelated", "torch", "finetune-vocab", "finetune-fp32", "finetune-fp16", "finetune-frozen", "finetune"}, names...)
		names = append(names, "lora-merged", "base-fp32", "base-fp16", "base")
	}
	for i, name := range names {
		names[i] = filepath.Join(dir, name)
	}
	return names
}

// process runs the command in a process of its own, decodes what it prints into
// result, unless that is nil, and fails the test if it fails.
func process(t *testing.T, dir string, result any, args ...string) {
	t.Helper()
	out, err := exec.Command("zipnode", append(args, "--dir", dir, "--json")...).Output()
	if err == nil && result != nil {
		err = json.Unmarshal(out, result)
	}
	if err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			t.Fatalf("zipnode %v: %v\n%s", args, err, exit.Stderr)
		}
		t.Fatalf("zipnode %v: %v\n%s", args, err, out)
	}
}

// TestRepackKilled kills a repack in the middle, at moments spread over the time
// that a whole one takes. Nothing is lost, and the next repack completes it.
func TestRepackKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("packs a store anew a dozen times")
	}
	fresh := filepath.Join(t.TempDir(), "fresh")
	cids := map[string]string{}
	for _, model := range family(t) {
		var r node.AddResult
		process(t, fresh, &r, "add", model, "--base", "none")
		cids[model] = r.CID
	}
	whole := copyStore(t, fresh)
	begin := time.Now()
	var want node.RepackResult
	process(t, whole, &want, "repack")
	took := time.Since(begin)
	least := stored(t, whole, cids)
	if want.Changed == 0 {
		t.Fatalf("there is nothing to kill: %+v", want)
	}
	killed := 0
	for i := range *kills {
		dir := copyStore(t, fresh)
		at := time.Duration((float64(i) + rand.Float64()) / float64(*kills) * float64(took))
		if kill(t, dir, at) {
			killed++
		}
		checkModels(t, dir, cids)
		var again node.RepackResult
		process(t, dir, &again, "repack")
		checkModels(t, dir, cids)
		got := stored(t, dir, cids)
		t.Logf("killed after %v of %v: then %d changed, %d bytes stored", at.Round(time.Millisecond), took.Round(time.Millisecond), again.Changed, got)
		if float64(got) > 1.01*float64(least) {
			t.Errorf("killed after %v, then %d bytes are stored, want %d and 1%% at most", at, got, least)
		}
	}
	if killed == 0 {
		t.Errorf("none of %d repacks was killed in the middle", *kills)
	}
}

// stored returns the bytes of the chunks of all tensors of the models.
func stored(t *testing.T, dir string, cids map[string]string) int64 {
	t.Helper()
	sum, seen := int64(0), map[string]bool{}
	for _, c := range cids {
		var r node.ShowResult
		process(t, dir, &r, "show", c)
		for _, f := range r.FileList {
			for _, x := range f.Tensors {
				if !seen[x.CID] {
					seen[x.CID] = true
					sum += x.Stored
				}
			}
		}
	}
	return sum
}

// kill starts a repack, kills it after a while, and tells whether it still ran.
func kill(t *testing.T, dir string, after time.Duration) bool {
	t.Helper()
	c := exec.Command("zipnode", "repack", "--dir", dir, "--progress", "none")
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(after)
	if err := c.Process.Kill(); err != nil {
		t.Log(err) // it was done before
	}
	return c.Wait() != nil
}

func copyStore(t *testing.T, from string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// checkModels verifies the store, and gets every model by its CID and compares
// it with what was added.
func checkModels(t *testing.T, dir string, cids map[string]string) {
	t.Helper()
	process(t, dir, nil, "verify")
	for model, c := range cids {
		out := filepath.Join(t.TempDir(), "out")
		process(t, dir, nil, "get", c, "-o", out)
		if _, _, err := compareTrees(out, model); err != nil {
			t.Error(err)
		}
		if _, _, err := compareTrees(model, out); err != nil {
			t.Error(err)
		}
	}
}
