package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/zipnode/zipnode/gateway"
	"github.com/zipnode/zipnode/node"
)

// usage is what a process took during one operation. Memory is the most seen,
// in bytes.
type usage struct {
	CPU     float64 `json:"cpu_seconds"`
	RSS     int64   `json:"rss"`
	RSSAnon int64   `json:"rss_anon"`       // of RSS, what is no file
	Heap    int64   `json:"heap,omitempty"` // Go's objects, those not collected yet included
}

func (u *usage) cpu() string {
	if u == nil {
		return "?"
	}
	return fmt.Sprintf("%.1f", u.CPU)
}

func (u *usage) memory() string {
	if u == nil {
		return "?"
	}
	return size(u.RSSAnon)
}

func (u *usage) heap() string {
	if u == nil || u.Heap == 0 {
		return ""
	}
	return size(u.Heap)
}

// A watcher follows a process by /proc, and the heap of a daemon by asking it.
type watcher struct {
	pid   int
	api   *gateway.Client // nil: not asked
	began float64         // CPU seconds
	most  usage
	end   chan struct{}
	ended chan struct{}
}

func watch(pid int) *watcher { return watchWith(pid, nil) }

// watchNode follows a daemon.
func watchNode(ctx context.Context, c *child) (*watcher, error) {
	api, err := gateway.Dial(ctx, c.Dir)
	if err != nil {
		return nil, err
	}
	return watchWith(c.cmd.Process.Pid, api), nil
}

func watchWith(pid int, api *gateway.Client) *watcher {
	w := &watcher{pid: pid, api: api, end: make(chan struct{}), ended: make(chan struct{})}
	w.began, _ = cpuOf(pid)
	go func() {
		defer close(w.ended)
		for n := 0; ; n++ {
			w.look()
			if n%heapEvery == 0 {
				w.ask()
			}
			select {
			case <-w.end:
				w.ask()
				return
			case <-time.After(lookEvery):
			}
		}
	}()
	return w
}

// Asking a daemon costs it, and this process, half a millisecond each: at every
// look that would be a twentieth of two cores.
const (
	lookEvery = 20 * time.Millisecond
	heapEvery = 5 // looks
)

// ask asks a daemon for its heap.
func (w *watcher) ask() {
	var m node.MemoryResult
	if w.api != nil && w.api.Call(context.Background(), "memory", nil, 0, &m, nil) == nil {
		w.most.Heap = max(w.most.Heap, m.Heap)
	}
}

// stop returns what the process took, or nil where the system does not tell.
func (w *watcher) stop() *usage {
	close(w.end)
	<-w.ended
	if w.api != nil {
		w.api.Close()
	}
	cpu, ok := cpuOf(w.pid)
	if !ok {
		return nil
	}
	w.most.CPU = cpu - w.began
	return &w.most
}

func (w *watcher) look() {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.pid))
	if err != nil {
		return
	}
	for line := range strings.Lines(string(b)) {
		name, value, _ := strings.Cut(line, ":")
		kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmRSS":
			w.most.RSS = max(w.most.RSS, kib<<10)
		case "RssAnon":
			w.most.RSSAnon = max(w.most.RSSAnon, kib<<10)
		}
	}
}

// cpuOf returns the CPU seconds that a process has used, in user mode and in the
// kernel. The kernel counts hundredths, whatever its own clock.
func cpuOf(pid int) (float64, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	_, rest, ok := strings.Cut(string(b), ") ") // a name may hold anything
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, false
	}
	user, _ := strconv.ParseFloat(fields[11], 64)
	system, _ := strconv.ParseFloat(fields[12], 64)
	return (user + system) / 100, true
}
