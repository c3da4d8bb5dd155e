package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/testmodels"
)

// smallDisk mounts a tmpfs of so many bytes. It skips the test where that cannot
// be done.
func smallDisk(t *testing.T, size string) string {
	t.Helper()
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		t.Skip("a small disk of its own needs Linux and root; TestFullDisk of store has one in memory")
	}
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Skipf("no tmpfs can be mounted here: %s", out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %s", out)
		}
	})
	return dir
}

// fillUp writes a file that leaves no byte free.
func fillUp(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	check(t, err)
	defer f.Close()
	b := make([]byte, 64<<10)
	for n := len(b); n > 0; {
		if _, err = f.Write(b[:n]); err != nil {
			n /= 2
		}
	}
	if !store.IsFull(err) {
		t.Fatalf("filling the disk: %v", err)
	}
}

// TestRealFullDisk: a disk that zipnode fills, and one that others fill to the
// last byte. An add ends with exit code 8, what was there is whole and can be
// read, gc frees, and with room everything works again.
func TestRealFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("fills a disk again and again; TestFullDisk of store does so in memory")
	}
	disk := smallDisk(t, "8m")
	models, dir := t.TempDir(), filepath.Join(disk, "store")
	check(t, testmodels.Write(models))
	large := filepath.Join(models, "large")
	check(t, os.MkdirAll(large, 0o755))
	check(t, os.WriteFile(filepath.Join(large, "model.safetensors"), largeModel(12<<20), 0o644))
	zip := func(want int, args ...string) {
		t.Helper()
		c := exec.CommandContext(t.Context(), "zipnode", args...)
		c.Env = append(os.Environ(), "ZIPNODE_DIR="+dir, "ZIPNODE_PROGRESS=none")
		out, err := c.CombinedOutput()
		got := 0
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			got = exit.ExitCode()
		} else if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Fatalf("zipnode %v ends with %d, want %d: %s", args, got, want, out)
		}
		t.Logf("zipnode %s: %d %s", args[0], got, out)
	}
	whole := func(name string) {
		t.Helper()
		out := filepath.Join(t.TempDir(), "out")
		zip(0, "get", name, "-o", out)
		if n, bytes, err := compareTrees(filepath.Join(models, name), out); err != nil || n == 0 {
			t.Fatalf("%s comes out with %d files, %d bytes: %v", name, n, bytes, err)
		}
	}
	zip(0, "init")
	zip(0, "add", filepath.Join(models, "base"))
	zip(0, "add", filepath.Join(models, "finetune"))
	zip(8, "add", large)
	whole("base")
	zip(0, "verify")
	zip(0, "gc")

	foreign := filepath.Join(disk, "foreign")
	fillUp(t, foreign)
	whole("finetune")
	zip(8, "add", filepath.Join(models, "lora-merged"))
	zip(0, "rm", "finetune")
	zip(0, "gc")
	whole("base")
	fillUp(t, filepath.Join(disk, "more"))
	whole("base")
	check(t, os.Remove(foreign))
	zip(0, "add", filepath.Join(models, "finetune"))
	whole("finetune")
	whole("base")
	zip(0, "verify")
}
