package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// usage is what a process took during one operation. Memory is the most seen,
// in bytes.
type usage struct {
	CPU     float64 `json:"cpu_seconds"`
	RSS     int64   `json:"rss"`
	RSSAnon int64   `json:"rss_anon"` // of RSS, what is no file
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

// A watcher follows a process by /proc.
type watcher struct {
	pid   int
	began float64 // CPU seconds
	most  usage
	end   chan struct{}
	ended chan struct{}
}

func watch(pid int) *watcher {
	w := &watcher{pid: pid, end: make(chan struct{}), ended: make(chan struct{})}
	w.began, _ = cpuOf(pid)
	go func() {
		defer close(w.ended)
		for {
			w.look()
			select {
			case <-w.end:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	return w
}

// stop returns what the process took, or nil where the system does not tell.
func (w *watcher) stop() *usage {
	close(w.end)
	<-w.ended
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
