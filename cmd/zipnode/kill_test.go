package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/testmodels"
)

var (
	kills    = flag.Int("kills", 5, "processes killed in each operation")
	killSeed = flag.Uint64("kills.seed", 0, "of the moments at which they are; 0 is a new one")
)

// A killing is an operation, done by a process that is killed in the middle.
type killing struct {
	args   []string
	store  string // it starts from a copy of this one
	before named
	after  named
}

// named has the directory of each name's model.
type named map[string]string

// TestKill kills real processes with SIGKILL at random moments of an add, get,
// rm, gc and import. After each: every model whose operation had ended is there
// byte for byte, none is by half, get has left no file that is not whole, and the
// operation can be done again.
func TestKill(t *testing.T) {
	n := *kills
	if testing.Short() {
		n = 1
	}
	seed := *killSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-kills.seed %d", seed)
	moments := rand.New(rand.NewPCG(seed, 0))
	cases, out := killings(t)
	for _, name := range slices.Sorted(maps.Keys(cases)) {
		t.Run(name, func(t *testing.T) {
			k := cases[name]
			begin := time.Now()
			k.run(t, k.fresh(t)) // how long it takes
			took := time.Since(begin)
			killed := 0
			for try := 0; killed < n; try++ {
				if try == 20*n {
					t.Fatalf("of %d processes only %d were still running when they were to be killed, within %v", try, killed, took)
				}
				dir := k.fresh(t)
				// Also on a machine that has become faster, or slower, since.
				at := time.Duration(moments.Float64() * 1.2 * float64(took))
				if !k.kill(t, dir, at) {
					took = took * 19 / 20
					continue
				}
				killed++
				if err := k.check(t, dir, out); err != nil {
					t.Errorf("killed after %v: %v", at, err)
				}
				os.RemoveAll(dir)
			}
			t.Logf("%d killed, at moments up to %v", killed, took)
		})
	}
}

// killings prepares stores and operations on them, and returns the directory
// into which get writes.
func killings(t *testing.T) (map[string]killing, string) {
	t.Helper()
	tmp := t.TempDir()
	at := func(parts ...string) string { return filepath.Join(append([]string{tmp}, parts...)...) }
	check(t, testmodels.Write(at("models")))
	base, fine, large, out := at("models", "base"), at("models", "finetune"), at("models", "large"), at("out")
	check(t, os.MkdirAll(large, 0o755))
	check(t, os.WriteFile(filepath.Join(large, "model.safetensors"), largeModel(8<<20), 0o644))

	peer := openDir(t, at("peer"), node.Config{Serve: true, Listen: []string{"/ip4/127.0.0.1/tcp/0"}})
	t.Cleanup(func() { check(t, peer.Close()) })
	var added node.AddResult
	check(t, callNode(t.Context(), peer, "add", node.AddRequest{Path: large}, &added))
	car := at("large.car")
	check(t, callNode(t.Context(), peer, "export", node.ExportRequest{Ref: added.CID, Path: car}, nil))
	var id node.IDResult
	check(t, callNode(t.Context(), peer, "id", nil, &id))

	make := func(name string, models named, removed ...string) string {
		n := openDir(t, at(name), node.Config{})
		for _, as := range slices.Sorted(maps.Keys(models)) { // base before finetune
			check(t, callNode(t.Context(), n, "add", node.AddRequest{Path: models[as], Name: as}, nil))
		}
		for _, as := range removed {
			check(t, callNode(t.Context(), n, "rm", node.RefRequest{Ref: as}, nil))
		}
		check(t, n.Close())
		return at(name)
	}
	two := named{"base": base, "finetune": fine}
	all := named{"base": base, "finetune": fine, "large": large}
	withTwo, withAll := make("two", two), make("all", all)
	return map[string]killing{
		"add":    {[]string{"add", large}, withTwo, two, all},
		"import": {[]string{"import", car, "--name", "large"}, withTwo, two, all},
		"rm":     {[]string{"rm", "base"}, withAll, all, named{"finetune": fine, "large": large}},
		"gc":     {[]string{"gc"}, make("dead", all, "large"), two, two},
		"get":    {[]string{"get", added.CID, "-o", out, "--no-mdns", "--bootstrap", id.Addrs[0]}, withTwo, two, two},
	}, out
}

// largeModel is a safetensors file of n bytes of weights in tensors of 1 MiB.
func largeModel(n int) []byte {
	r := rand.New(rand.NewPCG(7, 7))
	header := map[string]any{}
	for at := 0; at < n; at += 1 << 20 {
		header[fmt.Sprint("w", at>>20)] = map[string]any{"dtype": "BF16", "shape": []int{1 << 9, 1 << 10}, "data_offsets": []int{at, at + 1<<20}}
	}
	head, err := json.Marshal(header)
	if err != nil {
		panic(err) // maps of strings and numbers
	}
	out := append([]byte{byte(len(head)), byte(len(head) >> 8), byte(len(head) >> 16), 0, 0, 0, 0, 0}, head...)
	for range n / 2 {
		out = append(out, byte(r.Uint32()), 0x3c|byte(r.IntN(2))<<7|byte(r.IntN(3)))
	}
	return out
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openDir(t *testing.T, dir string, cfg node.Config) *node.Node {
	t.Helper()
	check(t, node.Init(dir))
	cfg.Dir = dir
	n, err := node.Open(t.Context(), cfg)
	check(t, err)
	return n
}

// callNode runs an operation, and decodes its result into out unless that is nil.
func callNode(ctx context.Context, n *node.Node, op string, args, out any) error {
	raw, err := json.Marshal(args)
	if err != nil {
		return err
	}
	res, err := n.Call(ctx, op, raw, time.Minute, nil)
	if err != nil || out == nil {
		return err
	}
	if raw, err = json.Marshal(res); err != nil {
		return err
	}
	return json.Unmarshal(raw, out)
}

// fresh returns a copy of the store that the operation starts from.
func (k killing) fresh(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp(filepath.Dir(k.store), "trial")
	check(t, err)
	check(t, os.CopyFS(dir, os.DirFS(k.store)))
	return dir
}

func (k killing) command(t *testing.T, dir string) *exec.Cmd {
	c := exec.CommandContext(t.Context(), "zipnode", k.args...)
	c.Env = append(os.Environ(), "ZIPNODE_DIR="+dir, "ZIPNODE_PROGRESS=none")
	return c
}

// run does the operation, which must succeed, or find that it was done.
func (k killing) run(t *testing.T, dir string) {
	t.Helper()
	out, err := k.command(t, dir).CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if done := ok && k.args[0] == "rm" && exit.ExitCode() == 4; err != nil && !done {
		t.Fatalf("zipnode %s: %v: %s", strings.Join(k.args, " "), err, out)
	}
}

// kill starts the operation, kills it after a while, and tells whether it was
// still running.
func (k killing) kill(t *testing.T, dir string, after time.Duration) bool {
	t.Helper()
	c := k.command(t, dir)
	check(t, c.Start())
	time.Sleep(after)
	check(t, errors.Join(ignore(c.Process.Kill(), os.ErrProcessDone)))
	exit, ok := errors.AsType[*exec.ExitError](c.Wait())
	return ok && !exit.Exited()
}

func ignore(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}

// check looks at what a kill left, and does the operation again.
func (k killing) check(t *testing.T, dir, out string) error {
	if k.args[0] == "get" {
		// What has its name is whole, before and after.
		if err := wholeFiles(out, filepath.Join(filepath.Dir(out), "models", "large"), false); err != nil {
			return err
		}
	}
	if _, err := has(t, dir, k.before, k.after); err != nil {
		return err
	}
	k.run(t, dir)
	if k.args[0] == "get" {
		if err := wholeFiles(out, filepath.Join(filepath.Dir(out), "models", "large"), true); err != nil {
			return err
		}
		if err := os.RemoveAll(out); err != nil {
			return err
		}
	}
	left, err := has(t, dir, k.after)
	if err != nil {
		return fmt.Errorf("done again: %w", err)
	}
	if k.args[0] != "rm" && k.args[0] != "gc" && left > 0 {
		return fmt.Errorf("done again, and %d bytes are still kept for the one that was killed", left)
	}
	return nil
}

// wholeFiles checks that the files in got are those of want, or some of them.
func wholeFiles(got, want string, all bool) error {
	n := 0
	err := filepath.WalkDir(got, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(got, path)
		if err != nil || d.IsDir() {
			if d.IsDir() && strings.HasPrefix(d.Name(), ".") && rel != "." {
				return filepath.SkipDir // where get keeps what is not whole
			}
			return err
		}
		n++
		a, errA := os.ReadFile(path)
		b, errB := os.ReadFile(filepath.Join(want, rel))
		if err := errors.Join(errA, errB); err != nil {
			return err
		}
		if string(a) != string(b) {
			return fmt.Errorf("%s has %d bytes, which are not the model's %d", rel, len(a), len(b))
		}
		return nil
	})
	if err == nil && all && n == 0 {
		return errors.New("get wrote nothing")
	}
	return err
}

// has opens the store in dir, and returns an error unless it has the models of
// one of worlds, each byte for byte, and nothing damaged, before and after a gc. It
// returns the bytes that the gc keeps for interrupted operations.
func has(t *testing.T, dir string, worlds ...named) (left int64, err error) {
	n, err := node.Open(t.Context(), node.Config{Dir: dir, Wait: time.Minute})
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	var res node.GCResult
	for range 2 {
		if err := hasOneOf(t, n, worlds); err != nil {
			return 0, err
		}
		if err := callNode(t.Context(), n, "gc", node.GCRequest{}, &res); err != nil {
			return 0, err
		}
	}
	return res.Leased, nil
}

func hasOneOf(t *testing.T, n *node.Node, worlds []named) error {
	var ls node.LsResult
	if err := callNode(t.Context(), n, "ls", nil, &ls); err != nil {
		return err
	}
	var got []string
	for _, m := range ls.Models {
		if m.Name != "" {
			got = append(got, m.Name)
		}
	}
	slices.Sort(got)
	i := slices.IndexFunc(worlds, func(w named) bool { return slices.Equal(got, slices.Sorted(maps.Keys(w))) })
	if i < 0 {
		return fmt.Errorf("the store has %q, want one of %v", got, worlds)
	}
	for name, dir := range worlds[i] {
		out := filepath.Join(t.TempDir(), name)
		if err := callNode(t.Context(), n, "get", node.GetRequest{Ref: name, Out: out}, nil); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		want, _, errA := compareTrees(dir, out)
		files, _, errB := compareTrees(out, dir)
		if err := errors.Join(errA, errB); err != nil || files != want {
			return fmt.Errorf("%s: %d files of %d: %w", name, files, want, err)
		}
		if err := os.RemoveAll(out); err != nil {
			return err
		}
	}
	var v node.VerifyResult
	if err := callNode(t.Context(), n, "verify", nil, &v); err != nil {
		return err
	}
	for _, d := range v.Corrupt {
		if d.CID != "" { // else bytes of no block: a torn write
			return fmt.Errorf("verify: %+v", d)
		}
	}
	return nil
}
