package node_test

import (
	"os"
	"path/filepath"
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
