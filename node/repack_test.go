package node_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/tensor"
)

// addAll adds the models of dirs in their order, each by the base that is best
// then, or by base if that is not "", and returns their CIDs.
func addAll(t *testing.T, n *node.Node, dirs []string, base string) map[string]string {
	t.Helper()
	cids := map[string]string{}
	for _, dir := range dirs {
		cids[dir] = add(t, n, dir, base).CID
	}
	return cids
}

func repack(t *testing.T, n *node.Node, req node.RepackRequest) node.RepackResult {
	t.Helper()
	return call[node.RepackResult](t, n, "repack", req)
}

// stored returns the bytes of the chunks of all tensors.
func stored(t *testing.T, n *node.Node, cids map[string]string) int64 {
	t.Helper()
	sum := int64(0)
	for _, x := range forms(t, n, cids) {
		sum += x.Stored
	}
	return sum
}

// wantWhole verifies every leaf of the store, and gets some models and compares
// them, byte by byte.
func wantWhole(t *testing.T, n *node.Node, cids map[string]string) {
	t.Helper()
	got := 0
	for dir, c := range cids {
		if got++; got > 4 {
			break
		}
		wantModel(t, n, c, dir)
	}
	if v := call[node.VerifyResult](t, n, "verify", node.RefRequest{}); len(v.Corrupt) > 0 {
		t.Errorf("verify: %+v", v.Corrupt)
	}
}

// forms returns how each tensor of the models is stored.
func forms(t *testing.T, n *node.Node, cids map[string]string) map[string]node.ShowTensor {
	t.Helper()
	out := map[string]node.ShowTensor{}
	for _, c := range cids {
		for _, f := range call[node.ShowResult](t, n, "show", node.RefRequest{Ref: c}).FileList {
			for _, x := range f.Tensors {
				x.Shape = nil // so that forms compare
				out[x.CID] = x
			}
		}
	}
	return out
}

// wantBudget fails where the cold rebuild of a model reads more than its own
// size. What is stand-alone, or a delta of what is, counts for its size at most:
// it may always be so.
func wantBudget(t *testing.T, n *node.Node, cids map[string]string) {
	t.Helper()
	all := forms(t, n, cids)
	reads := func(x node.ShowTensor) (sum int64, deep bool) {
		sum = x.Stored
		for depth := 0; x.Base != ""; depth++ {
			deep = depth > 0
			x = all[x.Base]
			sum += x.Stored
		}
		return sum, deep
	}
	for dir, c := range cids {
		sum, most := int64(0), int64(0)
		for _, x := range forms(t, n, map[string]string{dir: c}) {
			n, deep := reads(x)
			if !deep {
				n = min(n, x.Bytes)
			}
			sum, most = sum+n, most+x.Bytes
		}
		t.Logf("%s: a cold read of %d bytes takes %d", filepath.Base(dir), most, sum)
		if sum > most {
			t.Errorf("a cold read of %s, %d bytes, takes %d", dir, most, sum)
		}
	}
}

// Models that came in the worst order, fine-tunes before what they were made
// from, or that know no base at all, take after a repack what they would take in
// the best order.
func TestRepackWorstOrder(t *testing.T) {
	for _, dirs := range models(t) {
		t.Run(filepath.Base(filepath.Dir(dirs[0])), func(t *testing.T) {
			best := start(t)
			want := stored(t, best, addAll(t, best, dirs, ""))
			slices.Reverse(dirs)
			for _, base := range []string{"", "none"} {
				if base == "none" && len(dirs) > 3 {
					continue // it takes long, and the small ones tell as much
				}
				t.Run("base "+base, func(t *testing.T) { testRepack(t, dirs, base, want) })
			}
		})
	}
}

// What was fused, split, moved, cast or renamed and came before what it was made
// from, or knows no base at all, is found by its rows after a repack, and takes
// what it would take in the best order.
func TestRepackConverted(t *testing.T) {
	for _, set := range models(t) {
		base, tuned := threeMoved(t, set)
		wide := []weight{base[0].as(tensor.F32), base[1].as(tensor.F32), base[2].as(tensor.F32)}
		moved := []weight{tuned[0].rotated("a"), tuned[1].rotated("b"), tuned[2].rotated("c")}
		for _, tc := range []struct {
			what      string
			base, new []weight
		}{
			{"fused", base, []weight{stack("fused", tuned...)}},
			{"split", []weight{stack("fused", base...)}, tuned},
			{"moved and renamed", base, moved},
			{"cast and fused", wide, []weight{stack("fused", tuned...)}},
		} {
			t.Run(tc.what, func(t *testing.T) {
				dirs := []string{modelOf(t, tc.base...), modelOf(t, tc.new...)}
				best := start(t)
				want := stored(t, best, addAll(t, best, dirs, ""))
				slices.Reverse(dirs)
				for _, base := range []string{"", "none"} {
					n := start(t)
					cids := addAll(t, n, dirs, base)
					before := stored(t, n, cids)
					repack(t, n, node.RepackRequest{})
					got := stored(t, n, cids)
					t.Logf("base %q: stored %d in the best order, %d before, %d repacked", base, want, before, got)
					if float64(got) > 1.01*float64(want) {
						t.Errorf("base %q: %d bytes after the repack of %d, want %d at most and 1 %%", base, got, before, want)
					}
					wantWhole(t, n, cids)
					wantBudget(t, n, cids)
				}
			})
		}
	}
}

// testRepack adds dirs, repacks, and checks all that may not change, and what
// should: want bytes stored, and 1 % at most.
func testRepack(t *testing.T, dirs []string, base string, want int64) {
	n := start(t)
	cids := addAll(t, n, dirs, base)
	before := stored(t, n, cids)
	plan := repack(t, n, node.RepackRequest{DryRun: true, Explain: true})
	if got := stored(t, n, cids); got != before {
		t.Errorf("a dry run changed %d bytes to %d", before, got)
	}
	res := repack(t, n, node.RepackRequest{})
	got := stored(t, n, cids)
	t.Logf("stored %d in the best order, %d before, %d repacked: %+v", want, before, got, res)
	if float64(got) > 1.01*float64(want) {
		t.Errorf("%d bytes after the repack of %d, want %d at most and 1%%", got, before, want)
	}
	if res.Gain != before-got || res.Gain < 0 || len(plan.Plan) != plan.Changed {
		t.Errorf("said to have won %d bytes of %d, to %d", res.Gain, before, got)
	}
	if base == "none" && (plan.Changed == 0 || res.Changed == 0 || res.Packings == 0 || res.After >= res.Before) {
		t.Errorf("planned %+v, did %+v", plan, res)
	}
	if res.NoRoom+res.Damaged+res.Refused > 0 {
		t.Errorf("tensors were left out: %+v", res)
	}
	wantWhole(t, n, cids)
	wantBudget(t, n, cids)
	wantCarried(t, n, dirs[0], cids[dirs[0]])
	// Another sets out from estimates put right, and may find a little more.
	again := repack(t, n, node.RepackRequest{})
	if again.Gain < 0 || 200*again.Gain > got {
		t.Errorf("another repack won %d bytes of %d: %+v", again.Gain, got, again)
	}
	wantBudget(t, n, cids)
}

// wantCarried exports model c of n, whose files are in dir, and imports it where
// nothing else is.
func wantCarried(t *testing.T, n *node.Node, dir, c string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "model.car")
	call[node.ExportResult](t, n, "export", node.ExportRequest{Ref: c, Path: path})
	other := start(t)
	if got := call[node.ImportResult](t, other, "import", node.ImportRequest{Path: path}); got.CID != c {
		t.Errorf("imported %s, want %s", got.CID, c)
	}
	wantModel(t, other, c, dir)
}

// chain makes models a, b, c of one tensor: b moved from a, and c from b.
func chain(t *testing.T, n *node.Node, bytes int) (dirs map[string]string, cids map[string]string) {
	t.Helper()
	dirs, cids = map[string]string{}, map[string]string{}
	w, base := weights(1, bytes), "none"
	for i, name := range []string{"a", "b", "c"} {
		dirs[name] = modelDir(t, map[string][]byte{"m.safetensors": oneTensor(w)})
		cids[name] = call[node.AddResult](t, n, "add", node.AddRequest{Path: dirs[name], Name: name, Base: base}).CID
		w, base = step(w, byte(i)), name
	}
	return dirs, cids
}

// The base that two models share is worth keeping when it is removed; that of a
// single one is not, and the repack frees it.
func TestRemovedBase(t *testing.T) {
	n := start(t)
	dirs, _ := chain(t, n, 3<<20)
	kept := call[node.RmResult](t, n, "rm", node.RefRequest{Ref: "b"})
	if kept.Bases != 1 || kept.BaseBytes == 0 {
		t.Errorf("rm of a base in a chain: %+v", kept)
	}
	gc := call[node.GCResult](t, n, "gc", node.GCRequest{})
	if gc.Bases != 1 || gc.BaseBytes != kept.BaseBytes {
		t.Errorf("gc tells %d bases of %d bytes, want 1 of %d", gc.Bases, gc.BaseBytes, kept.BaseBytes)
	}
	// c can be a delta of a as well: two steps from it, and b goes.
	if !kept.Reencode || kept.Without >= kept.BaseBytes {
		t.Errorf("rm of a base that others can do without: %+v", kept)
	}
	res := repack(t, n, node.RepackRequest{Explain: true})
	if res.Changed == 0 || res.Spared != 1 || res.Gain <= 0 || res.Freeable != 0 {
		t.Errorf("repack without the base: %+v", res)
	}
	for _, name := range []string{"a", "c"} {
		wantModel(t, n, name, dirs[name])
	}
	if gc := call[node.GCResult](t, n, "gc", node.GCRequest{}); gc.Bases != 0 {
		t.Errorf("%d bases are left", gc.Bases)
	}
	if v := call[node.VerifyResult](t, n, "verify", node.RefRequest{}); len(v.Corrupt) > 0 {
		t.Errorf("verify: %+v", v.Corrupt)
	}
}

// A base of many stays: all of them without it would take more.
func TestRemovedBaseStays(t *testing.T) {
	n := start(t)
	w := weights(1, 2<<20)
	named(t, n, modelDir(t, map[string][]byte{"m.safetensors": oneTensor(w)}), "base")
	dirs := map[string]string{}
	for i := range 8 {
		name := string(rune('p' + i))
		dirs[name] = modelDir(t, map[string][]byte{"m.safetensors": oneTensor(step(step(w, byte(i)), byte(9+i)))})
		call[node.AddResult](t, n, "add", node.AddRequest{Path: dirs[name], Name: name, Base: "base"})
	}
	rm := call[node.RmResult](t, n, "rm", node.RefRequest{Ref: "base"})
	res := repack(t, n, node.RepackRequest{Explain: true})
	if rm.Bases != 1 || rm.Reencode || rm.Without <= rm.BaseBytes {
		t.Errorf("rm of a base of many: %+v", rm)
	}
	if res.Spared != 0 || res.Changed != 0 {
		t.Errorf("repack after it: %+v", res)
	}
	for name, dir := range dirs {
		wantModel(t, n, name, dir)
	}
}

// With room for little, a repack frees what it replaced and goes on; with room
// for nothing it changes nothing, and says so.
func TestRepackLittleRoom(t *testing.T) {
	dirs := models(t)[0]
	slices.Reverse(dirs)
	dir := t.TempDir()
	n := startIn(t, dir)
	cids := addAll(t, n, dirs, "none")
	want := repack(t, n, node.RepackRequest{DryRun: true})
	bytes := call[node.StatusResult](t, n, "status", nil).Stored
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	open := func(quota int64) *node.Node {
		t.Helper()
		n, err := node.Open(t.Context(), node.Config{Dir: dir, Quota: quota})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	n = open(bytes + 1000)
	if res := repack(t, n, node.RepackRequest{}); res.Changed != 0 || res.NoRoom == 0 {
		t.Errorf("with 1000 bytes to spare: %+v", res)
	}
	wantWhole(t, n, cids)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	n = open(bytes + 3<<19)
	defer n.Close()
	if res := repack(t, n, node.RepackRequest{}); res.Changed != want.Changed || res.NoRoom != 0 || res.Packs < 1 {
		t.Errorf("with 1.5 MiB to spare: %+v, want %d changed", res, want.Changed)
	}
	wantWhole(t, n, cids)
}

// A node serves, and others write, while it repacks.
func TestRepackBesideOthers(t *testing.T) {
	dirs := models(t)[0]
	slices.Reverse(dirs)
	n := start(t)
	cids := addAll(t, n, dirs, "none")
	peer := start(t, n)
	done := make(chan node.RepackResult)
	go func() {
		res, err := n.Call(t.Context(), "repack", nil, time.Second, nil)
		if err != nil {
			t.Error(err)
		}
		r, _ := res.(node.RepackResult)
		done <- r
	}()
	for dir, c := range cids {
		out := filepath.Join(t.TempDir(), "out")
		get(t, peer, c, out)
		sameTree(t, out, dir)
	}
	more, err := json.Marshal(node.AddRequest{Path: modelDir(t, map[string][]byte{"m.safetensors": oneTensor(weights(1, 1<<20))}), Name: "more"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Call(t.Context(), "add", more, time.Minute, nil); err != nil {
		t.Errorf("an add beside a repack: %v", err)
	}
	if res := <-done; res.Changed == 0 {
		t.Errorf("the repack: %+v", res)
	}
	wantWhole(t, n, cids)
	// What the peer has came by recipes that are no more here, or not yet.
	wantWhole(t, peer, cids)
}

// What a repack does not know, it refuses.
func TestRepackUnknownField(t *testing.T) {
	n := start(t)
	chain(t, n, 1<<20)
	if _, err := n.Call(t.Context(), "repack", []byte(`{"budget":1}`), 0, nil); code(err) != node.CodeUsage {
		t.Errorf("an unknown field: %v", err)
	}
}

// What is damaged is passed over, and counted; the rest is done, and nothing is
// made of bytes that do not read.
func TestRepackDamaged(t *testing.T) {
	dir := t.TempDir()
	n := startIn(t, dir)
	dirs := map[string]string{}
	for i, name := range []string{"p", "q", "r", "s"} {
		w := weights(byte(i/2), 2<<20)
		if i%2 == 1 {
			w = step(w, 1)
		}
		file := strings.ReplaceAll(string(oneTensor(w)), `{"w":`, `{"`+string("wv"[i/2])+`":`)
		dirs[name] = modelDir(t, map[string][]byte{"m.safetensors": []byte(file)})
		call[node.AddResult](t, n, "add", node.AddRequest{Path: dirs[name], Name: name, Base: "none"})
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	pack := filepath.Join(dir, "packs", "000001.car")
	data, err := os.ReadFile(pack)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pack, flip(data, 100_000), 0o600); err != nil { // in a chunk of p
		t.Fatal(err)
	}
	n = startIn(t, dir)
	res := repack(t, n, node.RepackRequest{Explain: true})
	if res.Damaged != 2 && res.Damaged != 1 || res.Changed != 1 || len(res.Plan) != 1 || res.Gain <= 0 {
		t.Errorf("repack beside damage: %+v", res)
	}
	for _, name := range []string{"q", "r", "s"} {
		wantModel(t, n, name, dirs[name])
	}
}
