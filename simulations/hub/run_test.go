package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zipnode/zipnode/simulations/hub/generate"
	"github.com/zipnode/zipnode/testmodels"
)

// TestMain is the command too: a pass runs in a process of its own.
func TestMain(m *testing.M) {
	if slices.Contains(os.Args, "-pass") {
		main()
		return
	}
	os.Exit(m.Run())
}

// Models of one's own are measured, each way in its process, and nothing is
// left but what was measured and the plots.
func TestRunOnModels(t *testing.T) {
	models, dir := t.TempDir(), t.TempDir()
	if err := testmodels.Write(models); err != nil {
		t.Fatal(err)
	}
	o := options{dir: dir, models: models, only: "zstd,repacked,zipnode"}
	if err := run(t.Context(), o, t.Output()); err != nil {
		t.Fatal(err)
	}
	r, err := load(filepath.Join(dir, "results.json"), models, o.hub)
	if err != nil {
		t.Fatal(err)
	}
	size, err := treeSize(models)
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range []string{"zstd", "zipnode", "repacked"} {
		if i >= len(r.Outcomes) || r.Outcomes[i].Method != name {
			t.Fatalf("the outcomes are %+v, want one of %s at %d", r.Outcomes, name, i)
		}
		x := r.Outcomes[i]
		if x.Bytes != size || x.saved() < 0.15 || x.CPU <= 0 || x.Wall <= 0 {
			t.Errorf("%s: %+v is no outcome of %d bytes", name, x, size)
		}
	}
	if zstd, zipnode := r.Outcomes[0], r.Outcomes[1]; zipnode.Stored >= zstd.Stored || zipnode.Metadata == 0 {
		t.Errorf("zipnode stores %d bytes and an index of %d, zstd %d", zipnode.Stored, zipnode.Metadata, zstd.Stored)
	}
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 3 {
		t.Errorf("the directory has %v, want the results and two plots", left)
	}
}

// A small hub is written once, and another in its place is refused.
func TestRunOnHub(t *testing.T) {
	if testing.Short() {
		t.Skip("writes 545 models")
	}
	o := options{dir: t.TempDir(), hub: generate.Config{Shrink: 16}, only: "file,tensor"}
	for range 2 {
		if err := run(t.Context(), o, t.Output()); err != nil {
			t.Fatal(err)
		}
	}
	r, err := load(filepath.Join(o.dir, "results.json"), filepath.Join(o.dir, "models"), o.hub)
	if err != nil || len(r.Outcomes) != 2 {
		t.Fatalf("the outcomes are %+v, %v", r, err)
	}
	file, tensor := r.Outcomes[0], r.Outcomes[1]
	// The weights' 3.2 and 8.3 per cent, and of such small models as much again
	// and more: configs and headers, which a family shares.
	if file.saved() < 0.032 || tensor.saved() < file.saved()+0.05 {
		t.Errorf("file dedup saves %.4f, tensor dedup %.4f", file.saved(), tensor.saved())
	}
	if file.Unique >= file.Pieces || tensor.Unique >= tensor.Pieces {
		t.Errorf("files and tensors, and how many differ: %+v, %+v", file, tensor)
	}
	o.hub.Seed = 1
	if err := run(t.Context(), o, t.Output()); err == nil || !strings.Contains(err.Error(), "another hub") {
		t.Errorf("another hub in its place: %v", err)
	}
}

func TestUsage(t *testing.T) {
	for what, o := range map[string]options{
		"no directory":    {},
		"no such method":  {dir: t.TempDir(), only: "file,gzip"},
		"no such shrink":  {dir: t.TempDir(), hub: generate.Config{Shrink: 99}},
		"no model":        {dir: t.TempDir(), models: t.TempDir(), pass: "file"},
		"two in one pass": {dir: t.TempDir(), pass: "file,zstd"},
	} {
		if err := run(t.Context(), o, t.Output()); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}
