package main

import (
	"flag"
	"runtime"
	"testing"
	"time"

	"github.com/zipnode/zipnode/simulations/hub/generate"
	"github.com/zipnode/zipnode/study"
)

var smallFiles = flag.Int("small", 5000, "small files of TestManySmallFiles")

// Of many small files, which are no models, an analysis tells how many there
// are and what of them is there again; it needs less than half a KiB of memory
// for each. Not -short; a million: make study-million.
func TestManySmallFiles(t *testing.T) {
	if testing.Short() {
		t.Skip("writes thousands of files")
	}
	dir := t.TempDir()
	n := *smallFiles / 10 * 10
	if err := generate.Small(t.Context(), dir, n); err != nil {
		t.Fatal(err)
	}
	stop := make(chan struct{})
	heap := make(chan uint64)
	go func() {
		most := uint64(0)
		for {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse)
			select {
			case <-stop:
				heap <- most
				return
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	start := time.Now()
	r, err := study.Analyze(t.Context(), []string{dir}, study.Options{})
	took := time.Since(start)
	close(stop)
	most := <-heap
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d files in %v, heap in use %d MiB at most", n, took.Round(time.Millisecond), most>>20)
	if r.Files != int64(n) || r.Models != 0 || r.Tensors != 0 || r.Partial {
		t.Errorf("%d files, %d models, %d tensors, partial: %v; want %d files and nothing else", r.Files, r.Models, r.Tensors, r.Partial, n)
	}
	for _, d := range r.Duplicates {
		// All empty ones but the first, and every tenth that is as the one before.
		if want := int64(n/10*8 + 1); d.By == "file" && d.Unique != want {
			t.Errorf("%d files differ, want %d", d.Unique, want)
		}
	}
	if limit := uint64(64<<20 + 512*n); most > limit {
		t.Errorf("the heap in use was %d MiB, want at most %d", most>>20, limit>>20)
	}
}
