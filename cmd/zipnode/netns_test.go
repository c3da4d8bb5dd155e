package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/zipnode/zipnode/testmodels"
)

// A lab is hosts of this test's own, each a network namespace, on one bridge.
type lab struct {
	t      *testing.T
	binary string
	prefix string
}

// newLab makes n hosts, 10.77.0.1 to n. It skips the test where that cannot be
// done: it needs Linux, root and iproute2.
func newLab(t *testing.T, n int) *lab {
	t.Helper()
	if testing.Short() {
		t.Skip("builds the program, and waits for daemons")
	}
	if _, err := exec.LookPath("ip"); runtime.GOOS != "linux" || os.Geteuid() != 0 || err != nil {
		t.Skip("network namespaces need Linux, root, and ip of iproute2")
	}
	l := &lab{t: t, prefix: fmt.Sprintf("zn%d", os.Getpid()%100000), binary: filepath.Join(t.TempDir(), "zipnode")}
	if out, err := exec.Command("ip", "netns", "add", l.prefix).CombinedOutput(); err != nil {
		t.Skipf("no network namespace can be made here: %s", out)
	}
	t.Cleanup(func() { exec.Command("ip", "netns", "del", l.prefix).Run() })
	if out, err := exec.Command("go", "build", "-o", l.binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %s", out)
	}
	l.ip("-n", l.prefix, "link", "add", "br0", "type", "bridge")
	l.ip("-n", l.prefix, "link", "set", "br0", "up")
	for i := 1; i <= n; i++ {
		host, port := l.host(i), port(i)
		l.ip("netns", "add", host)
		t.Cleanup(func() { exec.Command("ip", "netns", "del", host).Run() })
		l.ip("link", "add", "eth0", "netns", host, "type", "veth", "peer", "name", port, "netns", l.prefix)
		l.ip("-n", l.prefix, "link", "set", port, "master", "br0", "up")
		l.ip("-n", host, "addr", "add", fmt.Sprintf("10.77.0.%d/24", i), "dev", "eth0")
		l.ip("-n", host, "link", "set", "eth0", "up")
		l.ip("-n", host, "link", "set", "lo", "up")
		l.ip("-n", host, "route", "add", "224.0.0.0/4", "dev", "eth0")
	}
	return l
}

func (l *lab) host(i int) string { return fmt.Sprintf("%s-%d", l.prefix, i) }

// port is host i's end at the bridge.
func port(i int) string { return fmt.Sprintf("p%d", i) }

func (l *lab) ip(args ...string) {
	l.t.Helper()
	if out, err := exec.Command("ip", args...).CombinedOutput(); err != nil {
		l.t.Fatalf("ip %s: %s", strings.Join(args, " "), out)
	}
}

// command returns zipnode with args on host i, on a store of its own.
func (l *lab) command(ctx context.Context, i int, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, "ip", append([]string{"netns", "exec", l.host(i), l.binary}, args...)...)
	c.Env = append(os.Environ(), "ZIPNODE_DIR="+filepath.Join(filepath.Dir(l.binary), l.host(i)))
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 20 * time.Second
	return c
}

// serve starts a daemon on host i, waits until it is ready, and stops it at the
// test's end.
func (l *lab) serve(i int, args ...string) {
	l.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := l.command(ctx, i, append([]string{"serve", "--json"}, args...)...)
	c.Stderr = l.t.Output()
	out, err := c.StdoutPipe()
	if err != nil {
		l.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		cancel()
		c.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		l.t.Fatalf("serve on host %d: %q, %v", i, line, err)
	}
}

func (l *lab) run(i int, into any, args ...string) {
	l.t.Helper()
	c := l.command(l.t.Context(), i, append(args, "--json")...)
	c.Stderr = l.t.Output()
	out, err := c.Output()
	if err != nil {
		l.t.Fatalf("zipnode %s on host %d: %v", strings.Join(args, " "), i, err)
	}
	if err := json.Unmarshal(out, into); err != nil {
		l.t.Fatalf("zipnode %s: %q: %v", strings.Join(args, " "), out, err)
	}
}

// Three nodes that know no address find each other's models by mDNS.
func TestMDNS(t *testing.T) {
	l := newLab(t, 3)
	models := t.TempDir()
	if err := testmodels.Write(models); err != nil {
		t.Fatal(err)
	}
	for i := 1; i <= 3; i++ {
		l.serve(i)
	}
	var added struct{ CID string }
	l.run(1, &added, "add", filepath.Join(models, "base"))
	for _, i := range []int{2, 3} {
		var got struct{ Fetched, Bytes int64 }
		out := filepath.Join(t.TempDir(), "out")
		l.run(i, &got, "get", added.CID, "-o", out)
		if got.Fetched == 0 {
			t.Errorf("host %d fetched nothing", i)
		}
		want, err := os.ReadFile(filepath.Join(models, "base", "model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(out, "model.safetensors")); err != nil || string(b) != string(want) {
			t.Errorf("host %d: the model differs (%v)", i, err)
		}
	}
	// And back: what another host has, the first finds.
	l.run(3, &added, "add", filepath.Join(models, "lora-merged"))
	var got struct{ Fetched int64 }
	l.run(1, &got, "get", added.CID, "-o", filepath.Join(t.TempDir(), "out"))
	if got.Fetched == 0 {
		t.Error("host 1 fetched nothing")
	}
}
