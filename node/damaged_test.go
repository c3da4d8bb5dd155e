package node_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/zipnode/zipnode/node"
)

// wantDamaged fails unless status, before and after a restart, names want damaged
// blocks of the model m. It returns the node that runs then.
func wantDamaged(t *testing.T, n *node.Node, dir, when string, want int) *node.Node {
	t.Helper()
	for range 2 {
		got := call[node.StatusResult](t, n, "status", nil).Damaged
		if len(got) != want {
			t.Errorf("%s: status names %+v, want %d blocks", when, got, want)
		}
		for _, d := range got {
			if len(d.Models) != 1 || d.Models[0] != "m" || d.Where == "" || d.Reason == "" || d.Found.IsZero() {
				t.Errorf("%s: status says %+v, want the model that needs it, where, why and when", when, d)
			}
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		n = startIn(t, dir)
	}
	return n
}

// What a verify found, status names until it is mended, or nothing needs it any
// more, or a verify finds everything whole; also after a restart.
func TestDamageIsRemembered(t *testing.T) {
	model := modelDir(t, map[string][]byte{"a.safetensors": oneTensor(weights(5, 1<<20))})
	fresh := t.TempDir()
	n := startIn(t, fresh)
	named(t, n, model, "m")
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	largest := section{}
	for _, s := range sections(t, filepath.Join(fresh, "packs", "000001.car")) {
		if s.size > largest.size {
			largest = s
		}
	}
	for when, mend := range map[string]func(n *node.Node){
		"the model is added again": func(n *node.Node) { named(t, n, model, "m") },
		"the model is removed":     func(n *node.Node) { call[node.RmResult](t, n, "rm", node.RefRequest{Ref: "m"}) },
		"it is verified after that": func(n *node.Node) {
			named(t, n, model, "m")
			call[node.VerifyResult](t, n, "verify", nil)
		},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(fresh)); err != nil {
			t.Fatal(err)
		}
		pack := filepath.Join(dir, "packs", "000001.car")
		damage(t, pack, largest.offset+largest.size/2)
		n := startIn(t, dir)
		v := call[node.VerifyResult](t, n, "verify", nil)
		left := len(v.Corrupt) - v.Repaired
		if left == 0 {
			t.Fatalf("the damage was not found: %+v", v)
		}
		n = wantDamaged(t, n, dir, "after a verify", left)
		// It is found again, and counted once; so does a verify of the model alone.
		call[node.VerifyResult](t, n, "verify", nil)
		call[node.VerifyResult](t, n, "verify", node.RefRequest{Ref: "m"})
		n = wantDamaged(t, n, dir, "after three", left)
		mend(n)
		n = wantDamaged(t, n, dir, "after "+when, 0)
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// A pack that lost its end takes recipes and bases of what was removed with it. The
// model that is kept is added again, and a verify is content: what is missing still,
// no model needs.
func TestVerifyAfterMending(t *testing.T) {
	base, tuned := models(t)[0][0], models(t)[0][1]
	dir := t.TempDir()
	n := startIn(t, dir)
	named(t, n, base, "base")
	named(t, n, tuned, "m")
	call[node.RmResult](t, n, "rm", node.RefRequest{Ref: "base"})
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	pack := filepath.Join(dir, "packs", "000001.car")
	info, err := os.Stat(pack)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(pack, info.Size()/2); err != nil {
		t.Fatal(err)
	}
	n = startIn(t, dir)
	if v := call[node.VerifyResult](t, n, "verify", nil); len(v.Corrupt)-v.Repaired < 10 {
		t.Errorf("half of the pack is gone, and %d blocks are damaged, %d repaired", len(v.Corrupt), v.Repaired)
	}
	if ls := call[node.LsResult](t, n, "ls", nil); !slices.ContainsFunc(ls.Models, func(m node.ModelLine) bool { return m.Name == "m" && m.Damaged }) {
		t.Errorf("ls does not call it damaged: %+v", ls.Models)
	}
	named(t, n, tuned, "m")
	if v := call[node.VerifyResult](t, n, "verify", nil); len(v.Corrupt) != 0 {
		t.Errorf("added again, a verify finds %+v", v.Corrupt)
	}
	n = wantDamaged(t, n, dir, "added again", 0)
	if ls := call[node.LsResult](t, n, "ls", nil); slices.ContainsFunc(ls.Models, func(m node.ModelLine) bool { return m.Damaged }) {
		t.Errorf("ls calls it damaged still: %+v", ls.Models)
	}
	wantModel(t, n, "m", tuned)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}
