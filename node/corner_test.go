package node_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/gofrs/flock"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/tensor/tensortest"
)

// modelDir writes a model of the given files.
func modelDir(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "model")
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// weights returns bf16 weights, and step the same after a step of training.
func weights(seed byte, n int) []byte {
	r := rand.New(rand.NewChaCha8([32]byte{seed}))
	b := make([]byte, n)
	for i := 0; i+1 < n; i += 2 {
		b[i], b[i+1] = byte(r.Uint32()), 0x3c|byte(r.IntN(2))<<7|byte(r.IntN(3))
	}
	return b
}

func step(b []byte, seed byte) []byte {
	r := rand.New(rand.NewChaCha8([32]byte{seed, 9}))
	b = bytes.Clone(b)
	for i := 0; i+1 < len(b); i += 2 {
		if r.IntN(8) == 0 && b[i] < 0xff {
			b[i]++
		}
	}
	return b
}

// oneTensor is a safetensors file of one bf16 tensor.
func oneTensor(data []byte) []byte {
	header := `{"w":{"dtype":"BF16","shape":[` + strconv.Itoa(len(data)/2) + `],"data_offsets":[0,` + strconv.Itoa(len(data)) + `]}}`
	return tensortest.Safetensors(header, data)
}

func named(t *testing.T, n *node.Node, dir, name string) node.AddResult {
	t.Helper()
	return call[node.AddResult](t, n, "add", node.AddRequest{Path: dir, Name: name})
}

func wantModel(t *testing.T, n *node.Node, ref, dir string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out")
	get(t, n, ref, out)
	sameTree(t, out, dir)
}

// The middle of a chain of checkpoints goes; what was made from it stays, also
// in a store elsewhere that had only its packing.
func TestChainOutlivesItsMiddle(t *testing.T) {
	n := start(t)
	w := weights(1, 3<<20)
	var dirs []string
	var last node.AddResult
	for i := range 4 {
		dirs = append(dirs, modelDir(t, map[string][]byte{"m.safetensors": oneTensor(w)}))
		last = call[node.AddResult](t, n, "add", node.AddRequest{Path: dirs[i], Name: "step" + strconv.Itoa(i), Base: map[bool]string{true: "step" + strconv.Itoa(i-1)}[i > 0]})
		w = step(w, byte(i))
	}
	car := filepath.Join(t.TempDir(), "m.car")
	call[node.ExportResult](t, n, "export", node.ExportRequest{Ref: last.CID, Path: car})
	for _, name := range []string{"step0", "step1", "step2"} {
		call[node.RmResult](t, n, "rm", node.RefRequest{Ref: name})
	}
	call[node.GCResult](t, n, "gc", node.GCRequest{})
	wantModel(t, n, "step3", dirs[3])
	elsewhere := start(t)
	call[node.ImportResult](t, elsewhere, "import", node.ImportRequest{Path: car, Name: "m"})
	wantModel(t, elsewhere, "m", dirs[3])
}

// A file may hold the very bytes of another file's node: one digest, two things.
func TestFileOfANodesBytes(t *testing.T) {
	n := start(t)
	data := weights(3, 5<<19)
	nodes := map[cid.Cid][]byte{}
	b := dag.NewFileBuilder(func(blk blocks.Block) error { nodes[blk.Cid()] = blk.RawData(); return nil })
	for leaf := range slices.Chunk(data, dag.MaxLeaf) {
		if err := b.Add(dag.Leaf(leaf)); err != nil {
			t.Fatal(err)
		}
	}
	file, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	innocent := modelDir(t, map[string][]byte{"innocent.bin": nodes[file.CID]})
	victim := modelDir(t, map[string][]byte{"weights.bin": weights(3, 5<<19)})
	both := modelDir(t, map[string][]byte{"a.txt": nodes[file.CID], "b.bin": weights(3, 5<<19)})
	named(t, n, innocent, "innocent")
	named(t, n, victim, "victim")
	named(t, n, both, "both")
	call[node.RmResult](t, n, "rm", node.RefRequest{Ref: "victim"})
	call[node.GCResult](t, n, "gc", node.GCRequest{})
	wantModel(t, n, "both", both)
	wantModel(t, n, "innocent", innocent)
}

// Files that a model may hold although they look odd.
func TestOddModels(t *testing.T) {
	w := weights(4, 3<<20)
	for what, files := range map[string]map[string][]byte{
		"one composite file twice":          {"a.safetensors": oneTensor(w), "copy/a.safetensors": oneTensor(w)},
		"a file that is a leaf of a tensor": {"a.safetensors": oneTensor(w), "leaf.bin": w[:1<<20]},
		"exactly one leaf, and two":         {"one": w[:1<<20], "two": w[:2<<20]},
		"nothing but an empty file":         {"empty": nil},
		"zeros":                             {"zeros": make([]byte, 3<<20), "few": make([]byte, 5)},
	} {
		t.Run(what, func(t *testing.T) {
			dir := modelDir(t, files)
			a := start(t)
			b := start(t, a)
			res := named(t, a, dir, "m")
			wantModel(t, b, res.CID, dir)
			call[node.SeedResult](t, b, "seed", node.SeedRequest{Ref: res.CID})
			call[node.GCResult](t, b, "gc", node.GCRequest{})
			wantModel(t, b, res.CID, dir)
		})
	}
}

// A model cannot write into the temporaries of the get that writes it.
func TestPathsIntoTemporaries(t *testing.T) {
	a := start(t)
	dir := modelDir(t, map[string][]byte{"good.bin": []byte("good"), ".zipnode-partial/000002.part": []byte("evil")})
	res := named(t, a, dir, "m")
	out := filepath.Join(t.TempDir(), "out")
	get(t, a, res.CID, out) // add leaves such a directory out
	sameTree(t, out, modelDir(t, map[string][]byte{"good.bin": []byte("good")}))
}

// What a killed get left goes with the next get, which does not wait a day; what a
// running one has stays.
func TestTemporariesOfKilledGets(t *testing.T) {
	n := start(t)
	dir := modelDir(t, map[string][]byte{"w.bin": []byte("w")})
	named(t, n, dir, "m")
	out := t.TempDir()
	for name, runs := range map[string]bool{"00000000000000aa": false, "00000000000000bb": true} {
		temp := filepath.Join(out, ".zipnode-partial", name)
		if err := os.MkdirAll(temp, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(temp, "000001.part"), []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
		lock := flock.New(temp + ".lock")
		if ok, err := lock.TryLock(); !ok || err != nil {
			t.Skip("no locks here")
		}
		if !runs {
			if err := lock.Close(); err != nil { // as when its process ends
				t.Fatal(err)
			}
		}
		defer lock.Close()
	}
	get(t, n, "m", out)
	if _, err := try[node.GetResult](t, n, "get", node.GetRequest{Ref: "m", Out: filepath.Join(out, "w.bin")}); code(err) != node.CodeUsage {
		t.Errorf("a get into a file: %v", err)
	}
	left, err := os.ReadDir(filepath.Join(out, ".zipnode-partial"))
	if err != nil || len(left) != 2 || left[0].Name() != "00000000000000bb" || left[1].Name() != "00000000000000bb.lock" {
		t.Errorf("temporaries %v are left (%v), want those of the get that runs", left, err)
	}
}

// A store inside a model's directory is no part of the model, however its path
// is written: it holds a private key.
func TestStoreInsideModel(t *testing.T) {
	dir := modelDir(t, map[string][]byte{"w.bin": []byte("w")})
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Skip("no symlinks here")
	}
	n := startIn(t, filepath.Join(link, ".zipnode"))
	if res := named(t, n, dir, "m"); res.Files != 1 {
		t.Errorf("%d files added, want 1", res.Files)
	}
}

// spoil flips a bit in the bytes that mark stands for in the one pack of dir.
func spoil(t *testing.T, dir string, mark []byte) {
	t.Helper()
	pack := filepath.Join(dir, "packs", "000001.car")
	data, err := os.ReadFile(pack)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(data, mark)
	if at < 0 {
		t.Fatal("the pack does not hold these bytes")
	}
	if err := os.WriteFile(pack, flip(data, at+len(mark)/2), 0o600); err != nil {
		t.Fatal(err)
	}
}

// noise returns bytes that no codec shrinks: they lie in a pack as they are.
func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed, 7}).Read(b)
	return b
}

// What a disk spoiled comes back when the model is added again, or when a get
// finds a peer that has it.
func TestDamageHeals(t *testing.T) {
	data := noise(1, 300_000)
	dir := modelDir(t, map[string][]byte{"w.bin": data})
	home := t.TempDir()
	a := startIn(t, home)
	res := named(t, a, dir, "m")
	peer := start(t, a)
	call[node.SeedResult](t, peer, "seed", node.SeedRequest{Ref: res.CID})

	reopen := func(known ...*node.Node) {
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		a = startIn(t, home, known...)
	}
	reopen()
	spoil(t, home, data[1000:1100])
	v := call[node.VerifyResult](t, a, "verify", nil) // no peer
	if len(v.Corrupt) != 1 || v.Repaired != 0 {
		t.Fatalf("damage %+v, %d repaired", v.Corrupt, v.Repaired)
	}
	if again := named(t, a, dir, "m"); again.StoredNew < int64(len(data)) {
		t.Errorf("added again, %d bytes were written", again.StoredNew)
	}
	wantModel(t, a, "m", dir)

	reopen(peer)
	packs, err := filepath.Glob(filepath.Join(home, "packs", "*.car"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packs {
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(b, data[1000:1100]); at >= 0 {
			if err := os.WriteFile(p, flip(b, at), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	wantModel(t, a, "m", dir) // no verify before
}

// A pack that is gone is damage, and comes back from a peer.
func TestPackGone(t *testing.T) {
	set := models(t)[0]
	home := t.TempDir()
	a := startIn(t, home)
	res := add(t, a, set[0], "")
	peer := start(t, a)
	call[node.SeedResult](t, peer, "seed", node.SeedRequest{Ref: res.CID})
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(home, "packs", "000001.car")); err != nil {
		t.Fatal(err)
	}
	a = startIn(t, home, peer)
	v := call[node.VerifyResult](t, a, "verify", nil)
	if len(v.Corrupt) == 0 || v.Repaired != len(v.Corrupt) {
		t.Errorf("%d damaged, %d repaired", len(v.Corrupt), v.Repaired)
	}
	if v = call[node.VerifyResult](t, a, "verify", nil); len(v.Corrupt) != 0 {
		t.Errorf("after repair: %+v", v.Corrupt)
	}
	wantModel(t, a, res.CID, set[0])
}

// gc does not take what it cannot tell is unneeded.
func TestCollectRefusesWhatDoesNotRead(t *testing.T) {
	home := t.TempDir()
	a := startIn(t, home)
	data := noise(2, 100_000)
	dir := modelDir(t, map[string][]byte{"w.bin": data})
	res := named(t, a, dir, "m")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	root, err := cid.Decode(res.CID)
	if err != nil {
		t.Fatal(err)
	}
	pack := filepath.Join(home, "packs", "000001.car")
	whole, err := os.ReadFile(pack)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(whole, root.Bytes()) + len(root.Bytes()) + 3
	if err := os.WriteFile(pack, flip(whole, at), 0o600); err != nil {
		t.Fatal(err)
	}
	a = startIn(t, home)
	if _, err := try[node.GCResult](t, a, "gc", node.GCRequest{}); code(err) != node.CodeIntegrity || !strings.Contains(err.Error(), "verify") {
		t.Errorf("gc beside a damaged root: %v", err)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(pack, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	wantModel(t, startIn(t, home), "m", dir)
}

// A name that moves leaves the model that it meant.
func TestNameMoves(t *testing.T) {
	n := start(t)
	one, two := modelDir(t, map[string][]byte{"f": []byte("one")}), modelDir(t, map[string][]byte{"f": []byte("two")})
	first := named(t, n, one, "n")
	if second := named(t, n, two, "n"); second.Replaced != first.CID {
		t.Errorf("Replaced = %q, want %q", second.Replaced, first.CID)
	}
	call[node.GCResult](t, n, "gc", node.GCRequest{})
	wantModel(t, n, first.CID, one)
	wantModel(t, n, "n", two)
}

// gc frees what its dry run says.
func TestCollectFrees(t *testing.T) {
	n := start(t)
	named(t, n, modelDir(t, map[string][]byte{"f": noise(3, 200_000)}), "keep")
	named(t, n, modelDir(t, map[string][]byte{"f": noise(4, 20_000)}), "go")
	call[node.RmResult](t, n, "rm", node.RefRequest{Ref: "go"})
	dry := call[node.GCResult](t, n, "gc", node.GCRequest{DryRun: true})
	real := call[node.GCResult](t, n, "gc", node.GCRequest{})
	if dry.Freed != real.Freed || real.Freed < 20_000 {
		t.Errorf("a dry run frees %d bytes, the real one %d", dry.Freed, real.Freed)
	}
}
