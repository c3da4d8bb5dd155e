package node_test

import (
	"cmp"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ipfs/go-cid"

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

// What a read meets, status names as well, whoever read, until it is mended.
func TestDamageThatReadsMeet(t *testing.T) {
	model := modelDir(t, map[string][]byte{"a.safetensors": oneTensor(weights(5, 1<<20))})
	fresh := t.TempDir()
	n := startIn(t, fresh)
	ref := named(t, n, model, "m").CID
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	whole := start(t) // a peer that has it
	named(t, whole, model, "m")
	for how, read := range map[string]func(t *testing.T, n *node.Node) error{
		"get": func(t *testing.T, n *node.Node) error {
			_, err := try[node.GetResult](t, n, "get", node.GetRequest{Ref: "m", Out: filepath.Join(t.TempDir(), "out")})
			return err
		},
		"export": func(t *testing.T, n *node.Node) error {
			_, err := try[node.ExportResult](t, n, "export", node.ExportRequest{Ref: "m", Path: filepath.Join(t.TempDir(), "m.car")})
			return err
		},
		"a peer's get": func(t *testing.T, n *node.Node) error {
			return untilDamaged(t, n, start(t, n), ref)
		},
	} {
		t.Run(how, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(fresh)); err != nil {
				t.Fatal(err)
			}
			pack := filepath.Join(dir, "packs", "000001.car")
			at := slices.MaxFunc(sections(t, pack), func(a, b section) int { return cmp.Compare(a.size, b.size) })
			damage(t, pack, at.offset+at.size/2)
			n := startIn(t, dir)
			for range 2 {
				if read(t, n) == nil {
					t.Error("what is damaged is read")
				}
			}
			n = wantDamaged(t, n, dir, "after it was read", 1)
			if ls := call[node.LsResult](t, n, "ls", nil); len(ls.Models) != 1 || !ls.Models[0].Damaged {
				t.Errorf("ls says %+v, want it damaged", ls.Models)
			}
			if how == "get" { // whose next try fetches it
				for _, addr := range call[node.IDResult](t, whole, "id", nil).Addrs {
					call[node.PeersResult](t, n, "peers.connect", node.ConnectRequest{Addr: addr})
				}
				wantModel(t, n, "m", model)
			} else { // verify sets it aside, so that an add mends it
				call[node.VerifyResult](t, n, "verify", nil)
				named(t, n, model, "m")
			}
			n = wantDamaged(t, n, dir, "mended", 0)
			wantModel(t, n, "m", model)
		})
	}
}

// A get fetches the nodes of a model that are damaged here, as it does chunks.
func TestGetHealsNodes(t *testing.T) {
	model := modelDir(t, map[string][]byte{"sub/a.safetensors": oneTensor(weights(5, 3<<20))})
	whole := start(t)
	named(t, whole, model, "m")
	dir := t.TempDir()
	n := startIn(t, dir)
	named(t, n, model, "m")
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	pack := filepath.Join(dir, "packs", "000001.car")
	nodes := 0
	for _, s := range sections(t, pack) {
		if s.codec == cid.DagProtobuf {
			damage(t, pack, s.offset+s.size/2)
			nodes++
		}
	}
	if nodes < 4 { // two directories, the file, the tensor
		t.Fatalf("%d nodes were damaged", nodes)
	}
	n = startIn(t, dir, whole)
	if ls := call[node.LsResult](t, n, "ls", nil); len(ls.Models) != 1 || !ls.Models[0].Damaged {
		t.Errorf("ls, which met it, says %+v, want it damaged", ls.Models)
	}
	wantModel(t, n, "m", model)
	if err := wantDamaged(t, n, dir, "after a get", 0).Close(); err != nil {
		t.Fatal(err)
	}
}

// untilDamaged has peer get ref from n until n knows of damage, and returns how the
// get ended: it would try for long.
func untilDamaged(t *testing.T, n, peer *node.Node, ref string) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var watch sync.WaitGroup
	watch.Go(func() {
		defer cancel()
		for ctx.Err() == nil {
			if st, err := try[node.StatusResult](t, n, "status", nil); err != nil || len(st.Damaged) > 0 {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	})
	defer watch.Wait()
	args, err := json.Marshal(node.GetRequest{Ref: ref, Out: filepath.Join(t.TempDir(), "out")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = peer.Call(ctx, "get", args, time.Second, nil)
	return err
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
