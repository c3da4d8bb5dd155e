package node_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/store/storetest"
)

var full = flag.Bool("full", false, "try every crash, not a sample")

// An operation is one of a node's, by which the models under names change.
type operation struct {
	name string
	do   func(*testing.T, *node.Node) error
	then func(names) // what it does to them
}

// names has the directory that each name's model was made from.
type names map[string]string

func (w names) after(op operation) names {
	w = maps.Clone(w)
	op.then(w)
	return w
}

func does[R any](name, op string, args any, then func(names)) operation {
	return operation{name, func(t *testing.T, n *node.Node) error {
		_, err := try[R](t, n, op, args)
		return err
	}, then}
}

// forgiving makes op succeed where a node answers that it is done already.
func (op operation) forgiving() operation {
	do := op.do
	op.do = func(t *testing.T, n *node.Node) error {
		if err := do(t, n); code(err) != node.CodeNotFound {
			return err
		}
		return nil
	}
	return op
}

func twoTensors(t *testing.T, w []byte, note string) string {
	t.Helper()
	return modelDir(t, map[string][]byte{
		"model.safetensors": oneTensor(w), "sub/part.safetensors": oneTensor(w[:3000]), "config.json": []byte(note), "empty": nil,
	})
}

// A crash before any call that changes the disk, in an add, get, seed, import,
// rm or gc: every model whose operation had ended comes out byte for byte, none
// is there by half, and the operation can be done again.
func TestOperationsCrash(t *testing.T) {
	w := weights(1, 72<<10) // above 64 KiB tensors have samples
	base, fine := twoTensors(t, w, "base"), twoTensors(t, step(w, 2), "fine")
	remote, packed := twoTensors(t, step(w, 3), "remote"), twoTensors(t, weights(9, 70<<10), "packed")

	peer := start(t)
	add(t, peer, base, "")
	far := add(t, peer, remote, "")
	add(t, peer, packed, "none")
	car := filepath.Join(t.TempDir(), "packed.car")
	call[node.ExportResult](t, peer, "export", node.ExportRequest{Ref: filepath.Base(packed), Path: car})
	peers := call[node.IDResult](t, peer, "id", nil).Addrs

	out := filepath.Join(t.TempDir(), "got")
	ops := []operation{
		does[node.AddResult]("add", "add", node.AddRequest{Path: base, Name: "base"}, func(w names) { w["base"] = base }),
		does[node.AddResult]("add of a fine-tune", "add", node.AddRequest{Path: fine, Name: "fine"}, func(w names) { w["fine"] = fine }),
		{"get", func(t *testing.T, n *node.Node) error {
			// Elsewhere each time: what is written already would not be fetched.
			dir, err := os.MkdirTemp(filepath.Dir(out), "got")
			if err == nil {
				_, err = try[node.GetResult](t, n, "get", node.GetRequest{Ref: far.CID, Out: dir})
			}
			return errors.Join(err, treeDiffers(dir, remote))
		}, func(names) {}},
		does[node.GCResult]("gc of what get left", "gc", node.GCRequest{All: true}, func(names) {}),
		does[node.SeedResult]("seed", "seed", node.SeedRequest{Ref: far.CID, Name: "remote"}, func(w names) { w["remote"] = remote }),
		does[node.ImportResult]("import", "import", node.ImportRequest{Path: car, Name: "packed"}, func(w names) { w["packed"] = packed }),
		does[node.RmResult]("rm", "rm", node.RefRequest{Ref: "packed"}, func(w names) { delete(w, "packed") }).forgiving(),
		does[node.RmResult]("rm of a base", "rm", node.RefRequest{Ref: "base"}, func(w names) { delete(w, "base") }).forgiving(),
		does[node.GCResult]("gc", "gc", node.GCRequest{All: true}, func(names) {}),
		does[node.ImportResult]("import again", "import", node.ImportRequest{Path: car, Name: "packed"}, func(w names) { w["packed"] = packed }),
		does[node.VerifyResult]("verify", "verify", nil, func(names) {}),
	}
	cfg := node.Config{Network: true, Bootstrap: peers}
	disk := storetest.NewDisk()
	n, err := node.Open(t.Context(), cfg.WithDisk(disk))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	has := names{}
	points, disks := 0, 0
	for _, op := range ops {
		var mu sync.Mutex
		var crashes []crash
		take := func(call string, may ...names) {
			points++
			for _, fate := range fates(points) {
				crashes = append(crashes, crash{disk.Crash(fate), fmt.Sprintf("%s, before %s, %s", op.name, call, fate), op, may, has.after(op)})
			}
		}
		disk.Before(func(c storetest.Call) error {
			mu.Lock()
			defer mu.Unlock()
			if c.Changes {
				take(c.String(), has, has.after(op))
			}
			return nil
		})
		if err := op.do(t, n); err != nil {
			t.Fatalf("%s: %v", op.name, err)
		}
		disk.Before(nil)
		has = has.after(op)
		mu.Lock()
		take("the next operation", has)
		disks += len(crashes)
		mu.Unlock()
		checkCrashes(t, cfg, crashes)
	}
	t.Logf("%d crash points, %d disks", points, disks)
}

// fates are what is tried at one crash point.
func fates(point int) []storetest.Fate {
	all := []storetest.Fate{storetest.Killed, storetest.Lost, storetest.Torn(uint64(2 * point)), storetest.Torn(uint64(2*point + 1))}
	switch {
	case *full:
		return all
	case testing.Short() && point%4 != 0:
		return nil
	}
	return all[point%len(all):][:1]
}

type crash struct {
	disk  *storetest.Disk
	where string
	op    operation
	may   []names // one of these
	then  names   // what the operation, done again, leads to
}

func checkCrashes(t *testing.T, cfg node.Config, crashes []crash) {
	t.Helper()
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	bad := 0
	for _, c := range crashes {
		g.Go(func() error {
			files := c.disk.String()
			if err := c.check(t, cfg); err != nil {
				mu.Lock()
				defer mu.Unlock()
				if bad++; bad <= 3 {
					t.Errorf("%s: %v\n%s", c.where, err, files)
				}
			}
			return nil
		})
	}
	g.Wait()
	if bad > 0 {
		t.Fatalf("%d of %d disks lost something", bad, len(crashes))
	}
}

func (c crash) check(t *testing.T, cfg node.Config) (err error) {
	n, err := node.Open(t.Context(), cfg.WithDisk(c.disk))
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	if err := hasOneOf(t, n, c.may...); err != nil {
		return err
	}
	if _, err := try[node.GCResult](t, n, "gc", node.GCRequest{}); err != nil {
		return fmt.Errorf("gc: %w", err)
	}
	if err := hasOneOf(t, n, c.may...); err != nil {
		return fmt.Errorf("after a gc: %w", err)
	}
	if err := c.op.do(t, n); err != nil {
		return fmt.Errorf("again: %w", err)
	}
	if _, err := try[node.GCResult](t, n, "gc", node.GCRequest{All: true}); err != nil {
		return fmt.Errorf("gc: %w", err)
	}
	if err := hasOneOf(t, n, c.then); err != nil {
		return fmt.Errorf("done again: %w", err)
	}
	return nil
}

// hasOneOf returns an error unless n has the named models of one of worlds,
// each byte for byte, and nothing that is damaged.
func hasOneOf(t *testing.T, n *node.Node, worlds ...names) error {
	ls, err := try[node.LsResult](t, n, "ls", nil)
	if err != nil {
		return err
	}
	var got []string
	for _, m := range ls.Models {
		if m.Name != "" {
			got = append(got, m.Name)
		}
	}
	slices.Sort(got)
	i := slices.IndexFunc(worlds, func(w names) bool { return slices.Equal(got, slices.Sorted(maps.Keys(w))) })
	if i < 0 {
		return fmt.Errorf("the node has %q, want one of %v", got, worlds)
	}
	out, err := os.MkdirTemp("", "zipnode-crash")
	if err != nil {
		return err
	}
	defer os.RemoveAll(out)
	for name, dir := range worlds[i] {
		res, err := try[node.GetResult](t, n, "get", node.GetRequest{Ref: name, Out: filepath.Join(out, name)})
		if err == nil && res.Fetched > 0 {
			err = fmt.Errorf("%d bytes had to be fetched", res.Fetched)
		}
		if err = errors.Join(err, treeDiffers(filepath.Join(out, name), dir)); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	v, err := try[node.VerifyResult](t, n, "verify", nil)
	if err != nil {
		return fmt.Errorf("verify: %w", err)
	}
	for _, d := range v.Corrupt {
		if d.CID != "" { // else bytes of no block: a torn write
			return fmt.Errorf("verify: %+v", d)
		}
	}
	return nil
}

// treeDiffers returns an error unless got holds the files of want and no others.
func treeDiffers(got, want string) error {
	g, err := tree(got)
	if err != nil {
		return err
	}
	w, err := tree(want)
	if err != nil {
		return err
	}
	for name := range w {
		if g[name] != w[name] {
			return fmt.Errorf("%s differs from %s in %q", got, want, name)
		}
	}
	if len(g) != len(w) {
		return fmt.Errorf("%s has %d files, %s has %d", got, len(g), want, len(w))
	}
	return nil
}

// tree reads the files under root.
func tree(root string) (map[string]string, error) {
	out := map[string]string{}
	return out, filepath.WalkDir(root, func(p string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(p)
		out[rel] = string(b)
		return err
	})
}
