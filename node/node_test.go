package node_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/tensor/tensortest"
	"github.com/zipnode/zipnode/testmodels"
)

// models returns the directories of models to test on, bases first: the small
// pair of the repository, and the larger ones of ZIPNODE_TEST_DATA where those
// are.
func models(t *testing.T) [][]string {
	t.Helper()
	small := t.TempDir()
	if err := testmodels.Write(small); err != nil {
		t.Fatal(err)
	}
	sets := [][]string{dirs(t, small)}
	large := os.Getenv("ZIPNODE_TEST_DATA")
	if large == "" {
		large = filepath.Join("..", "..", "shared", "data")
	}
	if _, err := os.Stat(large); err == nil && !testing.Short() {
		sets = append(sets, dirs(t, large))
	}
	return sets
}

// dirs returns the directories in dir, those named base first.
func dirs(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		if e.IsDir() {
			abs, err := filepath.Abs(filepath.Join(dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, abs)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int {
		isBase := func(s string) int { return strings.Count(filepath.Base(s), "base") }
		return isBase(b) - isBase(a)
	})
	return out
}

// start opens a serving node on loopback that knows the nodes of known.
func start(t *testing.T, known ...*node.Node) *node.Node {
	t.Helper()
	return startIn(t, t.TempDir(), known...)
}

// startIn opens it on the store in dir. A test may close it earlier.
func startIn(t *testing.T, dir string, known ...*node.Node) *node.Node {
	t.Helper()
	if err := node.Init(dir); err != nil {
		t.Fatal(err)
	}
	cfg := node.Config{Dir: dir, Serve: true, Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	for _, k := range known {
		cfg.Bootstrap = append(cfg.Bootstrap, call[node.IDResult](t, k, "id", nil).Addrs...)
	}
	n, err := node.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil && !errors.Is(err, store.ErrClosed) {
			t.Error(err)
		}
	})
	return n
}

// try runs an operation as the control API would.
func try[R any](t *testing.T, n *node.Node, op string, args any) (R, error) {
	t.Helper()
	var out R
	raw, err := json.Marshal(args)
	if err != nil {
		t.Fatal(err)
	}
	if args == nil {
		raw = nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	res, err := n.Call(ctx, op, raw, time.Second, nil)
	if err != nil {
		return out, err
	}
	return res.(R), nil
}

func call[R any](t *testing.T, n *node.Node, op string, args any) R {
	t.Helper()
	out, err := try[R](t, n, op, args)
	if err != nil {
		t.Fatalf("%s: %v", op, err)
	}
	return out
}

func add(t *testing.T, n *node.Node, dir, base string) node.AddResult {
	t.Helper()
	return call[node.AddResult](t, n, "add", node.AddRequest{Path: dir, Base: base})
}

func get(t *testing.T, n *node.Node, ref, out string) node.GetResult {
	t.Helper()
	return call[node.GetResult](t, n, "get", node.GetRequest{Ref: ref, Out: out})
}

// sameTree fails unless got holds the files of want and no others.
func sameTree(t *testing.T, got, want string) {
	t.Helper()
	if err := treeDiffers(got, want); err != nil {
		t.Error(err)
	}
}

// Every model comes out of a second node as it went into the first. What is
// moved is the chunks that the plan named and little beside; asked again,
// nothing.
func TestEveryModel(t *testing.T) {
	for _, set := range models(t) {
		a := start(t)
		b := start(t, a)
		for _, dir := range set {
			res := add(t, a, dir, "")
			out := filepath.Join(t.TempDir(), "out")
			plan := call[node.GetResult](t, b, "get", node.GetRequest{Ref: res.CID, DryRun: true})
			got := get(t, b, res.CID, out)
			sameTree(t, out, dir)
			// Nodes and recipes, some 200 bytes a tensor, come beside the chunks: all
			// there is to fetch of a model that is another's, cast.
			if most := plan.Fetched + plan.Fetched/50 + res.Bytes/1000; got.Fetched > most {
				t.Errorf("%s: %d bytes fetched, the recipes' chunks have %d", filepath.Base(dir), got.Fetched, plan.Fetched)
			}
			if got.Fetched == 0 || got.Peers != 1 {
				t.Errorf("%s: %d bytes fetched from %d peers", filepath.Base(dir), got.Fetched, got.Peers)
			}
			again := get(t, b, res.CID, filepath.Join(t.TempDir(), "again"))
			if again.Fetched != 0 || again.Peers != 0 {
				t.Errorf("%s: a second get fetched %d bytes from %d peers", filepath.Base(dir), again.Fetched, again.Peers)
			}
			t.Logf("%-18s %9d bytes, stored %9d, fetched %9d (plan %9d)", filepath.Base(dir), res.Bytes, res.StoredNew, got.Fetched, plan.Fetched)
		}
	}
}

// One model has one CID, whatever it was encoded against, and each node can
// fetch it from any other.
func TestOneCID(t *testing.T) {
	set := models(t)[0]
	base, other, fine := set[0], set[1], set[2]
	withBase, withOther, withNone := start(t), start(t), start(t)
	add(t, withBase, base, "")
	add(t, withOther, other, "")
	r1 := add(t, withBase, fine, "")
	r2 := add(t, withOther, fine, filepath.Base(other))
	r3 := add(t, withNone, fine, "none")
	if r1.CID != r2.CID || r2.CID != r3.CID {
		t.Errorf("model CIDs %s, %s, %s: want one", r1.CID, r2.CID, r3.CID)
	}
	if r1.TensorsDelta == 0 || r2.TensorsDelta == 0 || r3.TensorsDelta != 0 {
		t.Errorf("deltas: %d with the base, %d with another, %d with none", r1.TensorsDelta, r2.TensorsDelta, r3.TensorsDelta)
	}
	if r1.Packing == r3.Packing {
		t.Error("a delta and stand-alone tensors have one packing")
	}
	for _, from := range []*node.Node{withBase, withOther, withNone} {
		to := start(t, from)
		out := filepath.Join(t.TempDir(), "out")
		get(t, to, r1.CID, out)
		sameTree(t, out, fine)
	}
	// A node with the base fetches from one that has another, or none.
	for _, from := range []*node.Node{withOther, withNone} {
		to := start(t, from)
		add(t, to, base, "")
		out := filepath.Join(t.TempDir(), "out")
		get(t, to, r1.CID, out)
		sameTree(t, out, fine)
	}
}

// Three nodes of which two know the first find each other's models.
func TestThreeNodes(t *testing.T) {
	set := models(t)[0]
	a := start(t)
	b, c := start(t, a), start(t, a)
	res := add(t, b, set[0], "")
	out := filepath.Join(t.TempDir(), "out")
	get(t, c, res.CID, out)
	sameTree(t, out, set[0])
	res = add(t, c, set[1], "")
	out = filepath.Join(t.TempDir(), "out")
	get(t, b, res.Packing, out)
	sameTree(t, out, set[1])
}

// Malformed model files are stored as they are.
func TestMalformedFiles(t *testing.T) {
	src := filepath.Join(t.TempDir(), "odd")
	for _, f := range tensortest.Files() {
		path := filepath.Join(src, strings.ReplaceAll(f.Name, " ", "_"))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range map[string][]byte{"empty": nil, ".hidden": []byte("x"), "sub/deep/file": bytes.Repeat([]byte("ab"), 1<<20)} {
		path := filepath.Join(src, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	a := start(t)
	b := start(t, a)
	res := add(t, a, src, "")
	out := filepath.Join(t.TempDir(), "out")
	get(t, b, res.CID, out)
	sameTree(t, out, src)
}

// A flipped bit in a pack is found, named, and mended from a peer.
func TestRepair(t *testing.T) {
	set := models(t)[0]
	dir := t.TempDir()
	a := startIn(t, dir)
	b := start(t, a)
	for _, model := range set[:2] { // the base first: then both have the same chunks
		call[node.SeedResult](t, b, "seed", node.SeedRequest{Ref: add(t, a, model, "").CID})
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	pack := filepath.Join(dir, "packs", "000001.car")
	data, err := os.ReadFile(pack)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-len(data)/3] ^= 4
	if err := os.WriteFile(pack, data, 0o600); err != nil {
		t.Fatal(err)
	}
	a = startIn(t, dir, b)
	v := call[node.VerifyResult](t, a, "verify", nil)
	if len(v.Corrupt) != 1 || v.Corrupt[0].CID == "" || !strings.Contains(v.Corrupt[0].Where, "000001.car") || len(v.Corrupt[0].Models) == 0 {
		t.Errorf("damage: %+v, want one block, with its pack and model", v.Corrupt)
	}
	if v.Repaired != 1 {
		t.Errorf("%d repaired, want 1", v.Repaired)
	}
	if v = call[node.VerifyResult](t, a, "verify", nil); len(v.Corrupt) != 0 {
		t.Errorf("damage after repair: %+v", v.Corrupt)
	}
	out := filepath.Join(t.TempDir(), "out")
	get(t, a, filepath.Base(set[1]), out)
	sameTree(t, out, set[1])
}

// A node whose peer has the model in another form mends itself all the same.
func TestRepairFromAnotherForm(t *testing.T) {
	set := models(t)[0]
	dir := t.TempDir()
	a := startIn(t, dir)
	add(t, a, set[0], "")
	add(t, a, set[1], "")
	b := start(t)
	add(t, b, set[1], "none") // stand-alone: not one chunk in common
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	pack := filepath.Join(dir, "packs", "000001.car")
	whole, err := os.ReadFile(pack)
	if err != nil {
		t.Fatal(err)
	}
	for _, back := range []int{30_000, 500, 1500} { // a chunk, the packing, a recipe or node
		if err := os.WriteFile(pack, flip(whole, len(whole)-back), 0o600); err != nil {
			t.Fatal(err)
		}
		a = startIn(t, dir, b)
		v := call[node.VerifyResult](t, a, "verify", nil)
		if len(v.Corrupt) == 0 || v.Repaired != len(v.Corrupt) {
			t.Errorf("%d bytes from the end: damage %+v, %d repaired", back, v.Corrupt, v.Repaired)
		}
		if v = call[node.VerifyResult](t, a, "verify", nil); len(v.Corrupt) != 0 {
			t.Errorf("%d bytes from the end: damage after repair: %+v", back, v.Corrupt)
		}
		out := filepath.Join(t.TempDir(), "out")
		get(t, a, filepath.Base(set[1]), out)
		sameTree(t, out, set[1])
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		// Each flip starts from the same store.
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		a = startIn(t, dir)
		add(t, a, set[0], "")
		add(t, a, set[1], "")
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		if whole, err = os.ReadFile(pack); err != nil {
			t.Fatal(err)
		}
	}
}

// A packing travels as a CAR file.
func TestExportImport(t *testing.T) {
	set := models(t)[0]
	a, b := start(t), start(t)
	add(t, a, set[0], "")
	res := add(t, a, set[1], "")
	car := filepath.Join(t.TempDir(), "m.car")
	exp := call[node.ExportResult](t, a, "export", node.ExportRequest{Ref: filepath.Base(set[1]), Path: car})
	if exp.Packing != res.Packing {
		t.Errorf("exported packing %s, add made %s", exp.Packing, res.Packing)
	}
	imp := call[node.ImportResult](t, b, "import", node.ImportRequest{Path: car, Name: "m"})
	if imp.CID != res.CID {
		t.Errorf("imported %s, want %s", imp.CID, res.CID)
	}
	out := filepath.Join(t.TempDir(), "out")
	get(t, b, "m", out)
	sameTree(t, out, set[1])

	data, err := os.ReadFile(car)
	if err != nil {
		t.Fatal(err)
	}
	for what, bad := range map[string][]byte{
		"a flipped bit": flip(data, len(data)/2), "a torn end": data[:len(data)-10], "nothing": nil, "no CAR": []byte("hello, world"),
	} {
		if err := os.WriteFile(car, bad, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := try[node.ImportResult](t, start(t), "import", node.ImportRequest{Path: car})
		if code(err) != node.CodeIntegrity {
			t.Errorf("import of %s: %v (%s), want an integrity error", what, err, code(err))
		}
	}
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

func code(err error) string {
	var c interface{ Code() string }
	if errors.As(err, &c) {
		return c.Code()
	}
	return ""
}

func TestRefusals(t *testing.T) {
	n := start(t)
	dir := t.TempDir()
	write := func(name string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := try[node.AddResult](t, n, "add", node.AddRequest{Path: dir}); code(err) != node.CodeUsage {
		t.Errorf("add of an empty directory: %v", err)
	}
	write("a")
	if err := os.Symlink("/etc/hostname", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if _, err := try[node.AddResult](t, n, "add", node.AddRequest{Path: dir}); code(err) != node.CodeUsage {
		t.Errorf("add of a link out of the model: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	res := add(t, n, dir, "")
	out := t.TempDir()
	if err := os.WriteFile(filepath.Join(out, "a"), []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := try[node.GetResult](t, n, "get", node.GetRequest{Ref: res.CID, Out: out}); code(err) != node.CodeError {
		t.Errorf("get over another file: %v", err)
	}
	if b, err := os.ReadFile(filepath.Join(out, "a")); string(b) != "precious" {
		t.Errorf("the refused file has %q, %v", b, err)
	}
	call[node.GetResult](t, n, "get", node.GetRequest{Ref: res.CID, Out: out, Force: true})
	if b, _ := os.ReadFile(filepath.Join(out, "a")); string(b) != "a" {
		t.Errorf("with force the file has %q", b)
	}
	for ref, want := range map[string]string{
		"nobody": node.CodeNotFound,
		"bafkreifzjut3te7nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e": node.CodeUsage,
	} {
		if _, err := try[node.GetResult](t, n, "get", node.GetRequest{Ref: ref, Out: out}); code(err) != want {
			t.Errorf("get %s: %v (%s), want %s", ref, err, code(err), want)
		}
	}
	if _, err := try[node.GetResult](t, n, "get", node.GetRequest{
		Ref: "bafybeifx7yeb55armcsxwwitkymga5xf53dxiarykms3ygqic223w5sk3m", Out: out,
	}); code(err) != node.CodeNoProvider {
		t.Errorf("get of what nobody has: %v (%s)", err, code(err))
	}
}
