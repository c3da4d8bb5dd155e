package node_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/tensor"
)

// merged returns a matrix of bfloat16, and the same plus a product of rank factors
// for each row and column, rounded: as a LoRA adapter is merged.
func merged(seed byte, rows, columns, rank int) (base, target []byte) {
	r := rand.New(rand.NewChaCha8([32]byte{seed, 3}))
	draw := func(n int) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = r.NormFloat64()
		}
		return x
	}
	round := func(x float64) uint16 {
		b := math.Float32bits(float32(x))
		return uint16((b + 0x7fff + b>>16&1) >> 16)
	}
	u, v := draw(rows*rank), draw(columns*rank)
	for i := range rows {
		for j := range columns {
			w := round(0.05 * r.NormFloat64())
			update := 0.0
			for k := range rank {
				update += u[i*rank+k] * v[j*rank+k]
			}
			y := round(float64(math.Float32frombits(uint32(w)<<16)) + 3e-4*update)
			base, target = append(base, byte(w), byte(w>>8)), append(target, byte(y), byte(y>>8))
		}
	}
	return base, target
}

// mergedColumns is how many elements rows of mergedPair's matrix have.
const mergedColumns = 640

// mergedPair writes two models of a matrix of several leaves whose rows do not end
// where leaves do, and returns their directories.
func mergedPair(t *testing.T) (base, target string) {
	t.Helper()
	const rows = 1500
	b, y := merged(1, rows, mergedColumns, 4)
	of := func(data []byte) string {
		return modelOf(t, weight{"w", tensor.BF16, tensor.Shape{rows, mergedColumns}, data})
	}
	return of(b), of(y)
}

// sideOf returns the side block of the model ref.
func sideOf(t *testing.T, n *node.Node, ref string) (cid.Cid, []byte) {
	t.Helper()
	s := exported(t, n, ref)
	for _, recipes := range s.recipes {
		for _, b := range recipes {
			r, err := dag.DecodeRecipe(b)
			if err != nil {
				t.Fatal(err)
			}
			if !r.Side.Defined() {
				continue
			}
			side, err := s.Get(t.Context(), r.Side)
			if err != nil {
				t.Fatalf("the export has a recipe without its side block: %v", err)
			}
			return r.Side, side.RawData()
		}
	}
	t.Fatalf("no recipe of %s has a side block", ref)
	return cid.Undef, nil
}

// A merged adapter takes a fraction of its delta after a repack. It is then got,
// seeded, got from who seeded it, collected around, exported, imported and verified;
// another repack leaves it.
func TestRepackLowRank(t *testing.T) {
	base, target := mergedPair(t)
	n := start(t)
	named(t, n, base, "base")
	res := named(t, n, target, "merged")
	cids := map[string]string{target: res.CID}
	before := stored(t, n, cids)
	if dry := repack(t, n, node.RepackRequest{DryRun: true}); dry.Changed != 1 || dry.Gain < before/2 {
		t.Errorf("a dry run says %+v, want a change that saves half", dry)
	}
	got := repack(t, n, node.RepackRequest{Explain: true})
	after := stored(t, n, cids)
	t.Logf("%d bytes before, %d after: %+v", before, after, got)
	if got.Changed != 1 || 3*after > before || got.Gain != before-after || len(got.Plan) != 1 {
		t.Errorf("repack: %+v, %d bytes where %d were", got, after, before)
	}
	_, side := sideOf(t, n, "merged")
	if int64(len(side)) >= after {
		t.Errorf("a side block of %d bytes is not counted in %d", len(side), after)
	}
	if again := repack(t, n, node.RepackRequest{}); again.Changed != 0 || again.Written > 0 {
		t.Errorf("a second repack: %+v", again)
	}
	call[node.GCResult](t, n, "gc", node.GCRequest{})
	wantWhole(t, n, cids)

	seeder := start(t, n)
	call[node.SeedResult](t, seeder, "seed", node.SeedRequest{Ref: res.CID})
	call[node.GCResult](t, seeder, "gc", node.GCRequest{})
	car := filepath.Join(t.TempDir(), "m.car")
	call[node.ExportResult](t, n, "export", node.ExportRequest{Ref: "merged", Path: car})
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, seeder, cids)
	wantModel(t, start(t, seeder), res.CID, target)

	elsewhere := start(t)
	call[node.ImportResult](t, elsewhere, "import", node.ImportRequest{Path: car, Name: "m"})
	call[node.GCResult](t, elsewhere, "gc", node.GCRequest{})
	wantWhole(t, elsewhere, cids)
	sideOf(t, elsewhere, "m")
}

// A side block that a disk spoiled is found, named and mended.
func TestDamagedSideBlock(t *testing.T) {
	base, target := mergedPair(t)
	dir := t.TempDir()
	n := startIn(t, dir)
	named(t, n, base, "base")
	res := named(t, n, target, "merged")
	repack(t, n, node.RepackRequest{})
	c, side := sideOf(t, n, "merged")
	peer := start(t, n)
	call[node.SeedResult](t, peer, "seed", node.SeedRequest{Ref: res.CID})
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	spoilAnywhere(t, dir, side)
	alone := startIn(t, dir)
	v := call[node.VerifyResult](t, alone, "verify", nil)
	if len(v.Corrupt) != 1 || v.Corrupt[0].CID != c.String() || len(v.Corrupt[0].Models) != 1 {
		t.Errorf("verify: %+v, want the side block %s", v.Corrupt, c)
	}
	if err := alone.Close(); err != nil {
		t.Fatal(err)
	}
	n = startIn(t, dir, peer)
	call[node.VerifyResult](t, n, "verify", nil)
	wantWhole(t, n, map[string]string{target: res.CID})
}

// spoilAnywhere flips a bit in the bytes that mark stands for, in whichever pack of
// dir has them.
func spoilAnywhere(t *testing.T, dir string, mark []byte) {
	t.Helper()
	packs, err := filepath.Glob(filepath.Join(dir, "packs", "*.car"))
	if err != nil {
		t.Fatal(err)
	}
	for _, pack := range packs {
		data, err := os.ReadFile(pack)
		if errors.Is(err, os.ErrNotExist) || err == nil && !bytes.Contains(data, mark) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		damage(t, pack, int64(bytes.Index(data, mark)+len(mark)/2))
		return
	}
	t.Fatal("no pack holds these bytes")
}

// TestRepackRealLowRank repacks real bases and models made from them, and logs what
// they take before and after.
func TestRepackRealLowRank(t *testing.T) {
	for _, set := range models(t) {
		for _, name := range []string{"lora-merged", "run-step50", "finetune-frozen"} {
			at := slices.IndexFunc(set, func(dir string) bool { return filepath.Base(dir) == name })
			if at < 0 { // the small pair has an adapter alone
				continue
			}
			n := start(t)
			add(t, n, set[0], "")
			cids := map[string]string{set[at]: add(t, n, set[at], "").CID}
			deltas := func() (sum int64) {
				for _, x := range forms(t, n, cids) {
					if x.Base != "" {
						sum += x.Stored
					}
				}
				return sum
			}
			before := deltas()
			res := repack(t, n, node.RepackRequest{})
			after := deltas()
			t.Logf("%s, %d bytes of deltas, %d after a repack of %.2f s, %d tensors changed", name, before, after, res.Seconds, res.Changed)
			if after > before || name == "lora-merged" && 3*after > before {
				t.Errorf("%s: %d bytes after, %d before", name, after, before)
			}
			wantWhole(t, n, cids)
		}
	}
}

// The base of a merged adapter may be removed: its matrix stays while the adapter needs
// it. Once that is removed too, gc leaves nothing.
func TestCollectLowRank(t *testing.T) {
	base, target := mergedPair(t)
	n := start(t)
	named(t, n, base, "base")
	res := named(t, n, target, "merged")
	cids := map[string]string{target: res.CID}
	repack(t, n, node.RepackRequest{})
	side, _ := sideOf(t, n, "merged")

	if rm := call[node.RmResult](t, n, "rm", node.RefRequest{Ref: "base"}); rm.Bases != 1 {
		t.Errorf("rm: %+v, want one tensor that stays", rm)
	}
	call[node.GCResult](t, n, "gc", node.GCRequest{})
	wantWhole(t, n, cids)
	if c, _ := sideOf(t, n, "merged"); c != side {
		t.Errorf("side block %s, it was %s", c, side)
	}
	if v := call[node.VerifyResult](t, n, "verify", nil); len(v.Corrupt) > 0 {
		t.Errorf("verify: %+v", v)
	}

	call[node.RmResult](t, n, "rm", node.RefRequest{Ref: "merged"})
	if gc := call[node.GCResult](t, n, "gc", node.GCRequest{}); gc.Kept != 0 {
		t.Errorf("gc: %+v, want nothing kept", gc)
	}
	if s := call[node.StatusResult](t, n, "status", nil); s.Blocks != 0 {
		t.Errorf("%d blocks are left", s.Blocks)
	}
}
