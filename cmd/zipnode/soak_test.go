package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/testmodels"
)

var soak = flag.Duration("soak", 0, "how long TestSoak runs; 0 skips it")

// TestSoak runs five daemons on loopback, each of which adds, gets, seeds,
// removes, collects, verifies, and is stopped or killed and started again, at
// random. In the last quarter none is: what leaks has time to. At the end every
// model that should be there is whole, and neither goroutines nor descriptors nor
// disk have leaked.
func TestSoak(t *testing.T) {
	if *soak == 0 {
		t.Skip("takes as long as -soak says")
	}
	if runtime.GOOS != "linux" {
		t.Skip("descriptors are counted in /proc")
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	farm := newFarm(t, 5)
	before := farm.start(t)
	ctx, cancel := context.WithTimeout(t.Context(), *soak)
	defer cancel()
	calm := time.Now().Add(*soak * 3 / 4)
	var wg sync.WaitGroup
	for i, d := range farm.daemons {
		d.rand = rand.New(rand.NewPCG(seed, uint64(i)))
		wg.Go(func() { d.live(ctx, calm) })
	}
	wg.Wait()
	for _, d := range farm.daemons {
		if d.err != nil {
			t.Errorf("%s: %v", d.dir, d.err)
			continue
		}
		if err := d.whole(t.Context()); err != nil {
			t.Errorf("%s: at the end: %v", d.dir, err)
		}
	}
	farm.report(t)
	if !t.Failed() {
		farm.leaks(t, before)
	}
}

// A farm is daemons that know each other, and models for them.
type farm struct {
	daemons []*daemon
	models  named // by name

	mu    sync.Mutex
	cids  map[string]string // of every model that some daemon has had
	count map[string]int    // operations done, by name and end
}

// A daemon is one node's process, and what its store should hold.
type daemon struct {
	f      *farm
	dir    string
	listen string
	peers  []string
	rand   *rand.Rand
	cmd    *exec.Cmd
	stderr bytes.Buffer

	have   named // names whose operation was acknowledged
	unsure named // of operations that were interrupted: there, or not
	calm   bool
	err    error
}

func newFarm(t *testing.T, n int) *farm {
	t.Helper()
	tmp := t.TempDir()
	f := &farm{models: named{}, cids: map[string]string{}, count: map[string]int{}}
	check(t, testmodels.Write(tmp))
	for _, name := range []string{"base", "finetune", "lora-merged"} {
		f.models[name] = filepath.Join(tmp, name)
	}
	large := largeModel(3 << 20)
	for i := range 8 { // a chain of checkpoints
		name := fmt.Sprint("step", i)
		f.models[name] = filepath.Join(tmp, name)
		check(t, os.Mkdir(f.models[name], 0o755))
		check(t, os.WriteFile(filepath.Join(f.models[name], "model.safetensors"), large, 0o644))
		large = bytes.Clone(large)
		for at := 1000 + i; at < len(large); at += 40 {
			large[at&^1] ^= 1
		}
	}
	var addrs []string
	for i := range n {
		dir := filepath.Join(tmp, fmt.Sprint("node", i))
		nd := openDir(t, dir, node.Config{})
		var id node.IDResult
		check(t, callNode(t.Context(), nd, "id", nil, &id))
		check(t, nd.Close())
		l, err := net.Listen("tcp", "127.0.0.1:0")
		check(t, err)
		listen := fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", l.Addr().(*net.TCPAddr).Port)
		check(t, l.Close())
		addrs = append(addrs, listen+"/p2p/"+id.ID)
		f.daemons = append(f.daemons, &daemon{f: f, dir: dir, listen: listen, have: named{}, unsure: named{}})
	}
	for i, d := range f.daemons {
		d.peers = slices.Delete(slices.Clone(addrs), i, i+1)
	}
	t.Cleanup(func() {
		for _, d := range f.daemons {
			if d.cmd != nil {
				d.end(syscall.SIGKILL)
			}
		}
	})
	return f
}

// start starts all daemons, and returns what they take while they idle.
func (f *farm) start(t *testing.T) []footprint {
	t.Helper()
	for _, d := range f.daemons {
		check(t, d.start())
	}
	return f.idle(t)
}

func (d *daemon) start() error {
	args := []string{"serve", "--json", "--no-mdns", "--listen", d.listen, "--wait", "1m"}
	for _, p := range d.peers {
		args = append(args, "--bootstrap", p)
	}
	d.cmd = exec.Command("zipnode", args...)
	d.cmd.Env = append(os.Environ(), "ZIPNODE_DIR="+d.dir, "GOTRACEBACK=all")
	d.stderr.Reset()
	d.cmd.Stderr = &d.stderr
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := d.cmd.Start(); err != nil {
		return err
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil { // ready
		return fmt.Errorf("serve: %w: %s", errors.Join(err, d.cmd.Wait()), d.stderr.String())
	}
	return nil
}

// end signals the daemon and waits for its end.
func (d *daemon) end(s os.Signal) error {
	err := errors.Join(ignore(d.cmd.Process.Signal(s), os.ErrProcessDone), d.cmd.Wait())
	d.cmd = nil
	return err
}

// zipnode runs a command, which talks to the daemon, and returns its exit code
// and output.
func (d *daemon) zipnode(ctx context.Context, args ...string) (int, string, error) {
	c := exec.CommandContext(ctx, "zipnode", args...)
	c.Env = append(os.Environ(), "ZIPNODE_DIR="+d.dir, "ZIPNODE_PROGRESS=none", "ZIPNODE_WAIT=5m")
	var errOut bytes.Buffer
	c.Stderr = &errOut
	out, err := c.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), errOut.String(), nil
	}
	return 0, string(out), err
}

func (f *farm) tally(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count[what]++
}

// live does random operations until ctx ends, and no harm from calm on.
func (d *daemon) live(ctx context.Context, calm time.Time) {
	for ctx.Err() == nil && d.err == nil {
		d.calm = time.Now().After(calm)
		// Not ctx: an operation that has begun ends by itself, or is killed.
		d.err = d.once(context.WithoutCancel(ctx))
	}
}

func (d *daemon) once(ctx context.Context) error {
	name := slices.Sorted(maps.Keys(d.f.models))[d.rand.IntN(len(d.f.models))]
	dir := d.f.models[name]
	switch d.rand.IntN(20) {
	case 0, 1, 2, 3, 4:
		return d.do(ctx, "add", name, dir, "add", dir, "--json")
	case 5, 6, 7, 8:
		return d.fetch(ctx, name)
	case 9, 10, 11:
		if cid := d.f.cid(name); cid != "" {
			return d.do(ctx, "seed", name, dir, "seed", cid, "--name", name, "--timeout", "1m")
		}
		return nil
	case 12, 13, 14:
		return d.do(ctx, "rm", name, "", "rm", name)
	case 15, 16:
		return d.do(ctx, "gc", "", "", "gc")
	case 17:
		return d.whole(ctx)
	case 18:
		return d.restart()
	}
	return nil
}

// restart stops or kills the daemon, now and then.
func (d *daemon) restart() error {
	switch n := d.rand.IntN(6); {
	case d.calm || n > 1:
		return nil
	case n == 0:
		d.f.tally("stopped and started")
		if err := d.end(syscall.SIGTERM); err != nil {
			return fmt.Errorf("serve ends: %w: %s", err, d.stderr.String())
		}
	default:
		d.f.tally("killed while idle")
		_ = d.end(syscall.SIGKILL)
	}
	return d.start()
}

func (f *farm) cid(name string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.cids[name]
}

// do runs a command, and one time in 20 kills the daemon meanwhile. Done, name
// stands for the model in dir; for none where that is "".
func (d *daemon) do(ctx context.Context, op, name, dir string, args ...string) error {
	var killed <-chan struct{}
	if !d.calm && d.rand.IntN(20) == 0 {
		killed = d.killIn(time.Duration(d.rand.IntN(150)) * time.Millisecond)
	}
	code, out, err := d.zipnode(ctx, args...)
	if err != nil {
		return err
	}
	if killed != nil {
		<-killed
		if err := d.start(); err != nil {
			return err
		}
	}
	miss := op == "rm" && code == 4 || op == "seed" && (code == 5 || code == 1 || code == 6)
	switch {
	case code == 0:
		d.f.tally(op + " done")
		d.settle(name, dir)
		if op == "add" {
			var res node.AddResult
			if err := json.Unmarshal([]byte(out), &res); err != nil {
				return err
			}
			d.f.mu.Lock()
			d.f.cids[name] = res.CID
			d.f.mu.Unlock()
		}
	case killed != nil:
		d.f.tally(op + " killed")
		if name != "" {
			d.unsure[name] = d.f.models[name]
			delete(d.have, name)
		}
	case miss:
		d.f.tally(op + " found nothing")
	default:
		return fmt.Errorf("zipnode %s ends with %d: %s", strings.Join(args, " "), code, out)
	}
	return nil
}

// settle notes that name stands for dir, or, if that is "", for nothing.
func (d *daemon) settle(name, dir string) {
	if name == "" {
		return
	}
	delete(d.unsure, name)
	if dir == "" {
		delete(d.have, name)
	} else {
		d.have[name] = dir
	}
}

// killIn kills the daemon after a while, and closes what it returns then.
func (d *daemon) killIn(after time.Duration) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		time.Sleep(after)
		_ = d.end(syscall.SIGKILL)
	}()
	return done
}

// fetch gets a model from whoever has it, and compares it.
func (d *daemon) fetch(ctx context.Context, name string) error {
	cid := d.f.cid(name)
	if cid == "" {
		return nil
	}
	out, err := os.MkdirTemp(filepath.Dir(d.dir), "got")
	if err != nil {
		return err
	}
	defer os.RemoveAll(out)
	code, text, err := d.zipnode(ctx, "get", cid, "-o", out, "--timeout", "1m")
	if err != nil {
		return err
	}
	if code != 0 { // whoever had it was killed, or removed it
		d.f.tally("get found nothing")
		if code != 5 && code != 1 {
			return fmt.Errorf("get %s ends with %d: %s", name, code, text)
		}
		return nil
	}
	d.f.tally("get done")
	return sameTrees(d.f.models[name], out)
}

func sameTrees(a, b string) error {
	n, _, errA := compareTrees(a, b)
	m, _, errB := compareTrees(b, a)
	if err := errors.Join(errA, errB); err != nil {
		return err
	}
	if n == 0 || n != m {
		return fmt.Errorf("%d files in %s, %d in %s", n, a, m, b)
	}
	return nil
}

// whole checks that the store has the names that it should, each whole, and
// verifies clean.
func (d *daemon) whole(ctx context.Context) error {
	d.f.tally("checked whole")
	code, out, err := d.zipnode(ctx, "ls", "--json")
	var ls node.LsResult
	if err = errors.Join(err, json.Unmarshal([]byte(out), &ls)); err != nil || code != 0 {
		return fmt.Errorf("ls ends with %d: %s: %w", code, out, err)
	}
	here := map[string]bool{}
	for _, m := range ls.Models {
		if m.Name == "" {
			continue
		}
		here[m.Name] = true
		if d.have[m.Name] == "" && d.unsure[m.Name] == "" {
			return fmt.Errorf("%s is there, and should not be", m.Name)
		}
		got, err := os.MkdirTemp(filepath.Dir(d.dir), "whole")
		if err != nil {
			return err
		}
		code, out, err := d.zipnode(ctx, "get", m.Name, "-o", got)
		if err == nil && code != 0 {
			err = fmt.Errorf("get ends with %d: %s", code, out)
		}
		if err = errors.Join(err, sameTrees(d.f.models[m.Name], got), os.RemoveAll(got)); err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
	}
	for name := range d.have {
		if !here[name] {
			return fmt.Errorf("%s is lost", name)
		}
	}
	code, out, err = d.zipnode(ctx, "verify", "--json")
	var v node.VerifyResult
	if err = errors.Join(err, json.Unmarshal([]byte(out), &v)); err != nil {
		return fmt.Errorf("verify ends with %d: %s: %w", code, out, err)
	}
	for _, dm := range v.Corrupt {
		if dm.CID != "" { // else bytes of no block, that a kill left
			return fmt.Errorf("verify: %+v", dm)
		}
	}
	return nil
}

func (f *farm) report(t *testing.T) {
	for _, what := range slices.Sorted(maps.Keys(f.count)) {
		t.Logf("%6d %s", f.count[what], what)
	}
}

// A footprint is what a daemon's process holds.
type footprint struct{ descriptors, goroutines int }

// idle waits until the daemons have nothing to do, and tells what they hold. It
// ends them for it, and starts them again.
func (f *farm) idle(t *testing.T) []footprint {
	t.Helper()
	time.Sleep(20 * time.Second)
	var out []footprint
	for _, d := range f.daemons {
		fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", d.cmd.Process.Pid))
		check(t, err)
		out = append(out, footprint{descriptors: len(fds)})
	}
	for i, d := range f.daemons {
		_ = d.end(syscall.SIGQUIT) // the runtime's dump
		out[i].goroutines = strings.Count(d.stderr.String(), "\ngoroutine ")
	}
	for _, d := range f.daemons {
		check(t, d.start())
	}
	return out
}

// leaks compares what idle daemons hold with what they held at first, and what
// a store takes when everything is removed with nothing.
func (f *farm) leaks(t *testing.T, before []footprint) {
	after := f.idle(t)
	for i, d := range f.daemons {
		t.Logf("node %d: %d goroutines, at first %d; %d descriptors, at first %d", i, after[i].goroutines, before[i].goroutines, after[i].descriptors, before[i].descriptors)
		if after[i].goroutines == 0 || after[i].goroutines > before[i].goroutines*3/2+50 {
			t.Errorf("node %d: %d goroutines, at first %d", i, after[i].goroutines, before[i].goroutines)
		}
		if after[i].descriptors > before[i].descriptors*3/2+50 {
			t.Errorf("node %d: %d descriptors, at first %d", i, after[i].descriptors, before[i].descriptors)
		}
		for _, args := range [][]string{{"rm"}, {"gc", "--all"}} {
			var err error
			if args[0] == "rm" {
				err = d.removeAll(t.Context())
			} else if code, out, e := d.zipnode(t.Context(), args...); e != nil || code != 0 {
				err = fmt.Errorf("gc ends with %d: %s: %w", code, out, e)
			}
			if err != nil {
				t.Errorf("node %d: %v", i, err)
			}
		}
		packs, err := diskUse(filepath.Join(d.dir, "packs"))
		check(t, err)
		all, err := diskUse(d.dir)
		check(t, err)
		t.Logf("node %d, everything removed: %d bytes of packs, %d in all", i, packs, all)
		if packs > 64<<10 || all > 16<<20 {
			t.Errorf("node %d, everything removed, still takes %d bytes of packs, %d in all", i, packs, all)
		}
	}
}

// removeAll removes every model, also those that lost their name to another.
func (d *daemon) removeAll(ctx context.Context) error {
	_, out, err := d.zipnode(ctx, "ls", "--json")
	var ls node.LsResult
	if err = errors.Join(err, json.Unmarshal([]byte(out), &ls)); err != nil {
		return err
	}
	for _, m := range ls.Models {
		if code, out, err := d.zipnode(ctx, "rm", m.CID); err != nil || code != 0 && code != 4 {
			return fmt.Errorf("rm ends with %d: %s: %w", code, out, err)
		}
	}
	return nil
}

func diskUse(dir string) (int64, error) {
	n := int64(0)
	return n, filepath.WalkDir(dir, func(_ string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			n += info.Size()
		}
		return ignore(err, os.ErrNotExist)
	})
}
