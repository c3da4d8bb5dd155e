package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Every thread of a daemon, Go's monitor among them, has timers that may be late.
func TestRelaxedTimers(t *testing.T) {
	c := exec.Command("zipnode", "serve", "--json", "--listen", "/ip4/127.0.0.1/tcp/0")
	c.Env = append(os.Environ(), "ZIPNODE_DIR="+filepath.Join(t.TempDir(), "a"), "ZIPNODE_NO_MDNS=true")
	out, err := c.StdoutPipe()
	check(t, err)
	check(t, c.Start())
	defer func() {
		check(t, c.Process.Signal(os.Interrupt))
		check(t, c.Wait())
	}()
	var r ready
	check(t, json.NewDecoder(out).Decode(&r))
	pid := c.Process.Pid
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	check(t, err)
	if !strings.Contains(string(env), relaxed) {
		t.Error("the daemon was not started anew")
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	check(t, err)
	for _, thread := range threads {
		b, err := os.ReadFile(filepath.Join("/proc", thread.Name(), "timerslack_ns"))
		if err != nil {
			t.Skip("who is not root may not look:", err)
		}
		if got, want := strings.TrimSpace(string(b)), fmt.Sprint(timersLate.Nanoseconds()); got != want {
			t.Errorf("thread %s: %s ns, want %s", thread.Name(), got, want)
		}
	}
}
