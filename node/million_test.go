package node

import (
	"encoding/binary"
	"flag"
	"fmt"
	"io/fs"
	"log/slog"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/tensor"
)

var million = flag.Int("million", 4000, "tensors of TestMillion's index")

const (
	millionNames    = 250 // tensors of a model
	millionSiblings = 80  // fine-tunes of a family
	millionElements = 1 << 20
)

// A drawn tensor is made up where it is read: the weights of a family, moved a
// little by each of its models.
type drawn struct{ family, name, model uint64 }

func mix(x ...uint64) uint64 {
	h := uint64(0)
	for _, v := range x {
		h = (h ^ v) * 0x9e3779b97f4a7c15
		h ^= h >> 32
		h *= 0xbf58476d1ce4e5b9
		h ^= h >> 29
	}
	return h
}

// ReadAt draws BF16 numbers; off and len(p) are even.
func (d drawn) ReadAt(p []byte, off int64) (int, error) {
	for i := 0; i < len(p); i += 2 {
		at := uint64(off)/2 + uint64(i)/2
		h := mix(d.family, d.name, at)
		v := uint16(h&0x8000) | uint16(122-min(bits.LeadingZeros32(uint32(h>>16)), 20))<<7 | uint16(h>>56)&0x7f
		if step := mix(d.family, d.name, d.model, at); d.model > 0 && step%2 == 0 {
			v += uint16(step>>8)%7 - 3
		}
		binary.LittleEndian.PutUint16(p[i:], v)
	}
	return len(p), nil
}

func (d drawn) extent() tensor.Extent {
	return tensor.Extent{
		Name: fmt.Sprintf("layers.%d.weight", d.name), DType: tensor.BF16,
		Shape: tensor.Shape{1024, 1024}, Size: 2 * millionElements,
	}
}

func (d drawn) cid() cid.Cid {
	return dag.Raw(fmt.Appendf(nil, "%d %d %d", d.family, d.name, d.model))
}

// rows are those that models of a family share.
func (d drawn) rows() []uint64 {
	var out []uint64
	for i := range uint64(tellingKept) {
		out = append(out, mix(d.family, d.name, 1<<40+i))
	}
	return out
}

func drawnNumber(i int) drawn {
	model := i / millionNames
	return drawn{uint64(model / millionSiblings), uint64(i % millionNames), uint64(model % millionSiblings)}
}

// What the index of a large store takes and how fast it answers, on tensors that
// are drawn, not stored. The figures of docs/planner.md are of a run with a
// million (make planner-million).
func TestMillion(t *testing.T) {
	n := *million
	if testing.Short() {
		n = min(n, 2000)
	}
	dir := t.TempDir()
	s, err := store.Open(t.Context(), store.Config{FS: store.Dir(dir)})
	if err != nil {
		t.Fatal(err)
	}
	node := &Node{store: s, log: slog.New(slog.DiscardHandler)}
	heap := uint64(0)
	start, last := time.Now(), time.Now()
	for i := range n {
		node.putDrawn(t, drawnNumber(i))
		if i%1000 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			heap = max(heap, m.HeapInuse)
		}
		if every := max(n/10, 1000); (i+1)%every == 0 {
			t.Logf("%8d tensors: %.0f µs for each of the last %d, %d MiB of heap at most", i+1, float64(time.Since(last).Microseconds())/float64(every), every, heap>>20)
			last = time.Now()
		}
	}
	t.Logf("added %d tensors in %v", n, time.Since(start).Round(time.Second))
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	disk := bytesUnder(t, dir) / int64(n)
	t.Logf("%d bytes of disk a tensor, %d MiB of heap at most", disk, heap>>20)
	if disk > 10_000 {
		t.Errorf("%d bytes of disk a tensor, at most 10,000", disk)
	}
	if heap > 256<<20 {
		t.Errorf("%d MiB of heap, at most 256", heap>>20)
	}
	node.ask(t, n)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A family of more tensors than are kept under one is a tree, and what is looked
// for in it is found in few steps.
func TestLargeFamily(t *testing.T) {
	s, err := store.Open(t.Context(), store.Config{FS: store.Memory()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := &Node{store: s, log: slog.New(slog.DiscardHandler)}
	const models = 300
	for m := range uint64(models) {
		n.putDrawn(t, drawn{model: m})
	}
	group := family.GroupOf(drawn{}.extent())
	reached := 0
	var visit func(under cid.Cid)
	visit = func(under cid.Cid) {
		cs, err := s.Candidates(group, under, models)
		if err != nil || len(cs) > maxSiblings {
			t.Fatalf("%d tensors under one, %v", len(cs), err)
		}
		for _, c := range cs {
			reached++
			visit(c.Tensor)
		}
	}
	visit(cid.Undef)
	if reached != models {
		t.Errorf("%d of %d tensors are in the tree", reached, models)
	}
	sample, err := family.Take(drawn{model: models}, drawn{}.extent())
	if err != nil {
		t.Fatal(err)
	}
	found, err := n.nearest(&sample, group)
	if err != nil || len(found.found) == 0 || found.found[0].c != (drawn{}).cid() {
		t.Errorf("the base of all is not the cheapest: %+v, %v", found.found, err)
	}
}

// Entries of stores of before have no sketch, and are candidates all the same.
func TestNoSketch(t *testing.T) {
	s, err := store.Open(t.Context(), store.Config{FS: store.Memory()})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n := &Node{store: s, log: slog.New(slog.DiscardHandler)}
	group := family.GroupOf(drawn{}.extent())
	for f := range uint64(2 * maxGlances) {
		d := drawn{family: f}
		sample, err := family.Take(d, d.extent())
		if err != nil {
			t.Fatal(err)
		}
		of := store.Sampled{Group: group}
		if sampleTo(&of, &sample); f > maxGlances {
			of.Sketch = nil
		}
		if err := s.PutSample(d.cid(), of); err != nil {
			t.Fatal(err)
		}
	}
	for f := range uint64(2 * maxGlances) {
		d := drawn{family: f, model: 1}
		sample, err := family.Take(d, d.extent())
		if err != nil {
			t.Fatal(err)
		}
		found, err := n.nearest(&sample, group)
		if want := (drawn{family: f}).cid(); err != nil || len(found.found) == 0 || found.found[0].c != want {
			t.Errorf("of family %d: %+v, %v, want %v", f, found.found, err, want)
		}
	}
}

// putDrawn keeps d as add keeps a tensor.
func (n *Node) putDrawn(t *testing.T, d drawn) {
	sample, err := family.Take(d, d.extent())
	if err != nil {
		t.Fatal(err)
	}
	like, err := n.nearest(&sample, family.GroupOf(d.extent()))
	if err != nil {
		t.Fatal(err)
	}
	of := store.Sampled{
		Group: family.GroupOf(d.extent()), Under: like.under(family.Estimate(sample, nil)), Label: "model/" + d.extent().Name,
		Rows: d.rows(),
	}
	sampleTo(&of, &sample)
	if err := n.store.PutSample(d.cid(), of); err != nil {
		t.Fatal(err)
	}
}

// ask looks for the base of tensors of new models, by name and by rows, and
// checks that it is of their family. Finding candidates by name may take a
// millisecond of the processor, estimates included: of a large index that is about
// the design, and not about what else the machine does.
func (n *Node) ask(t *testing.T, tensors int) {
	r := rand.New(rand.NewPCG(1, 1))
	var glanced, named, shared timed
	for range 1000 {
		d := drawnNumber(r.IntN(tensors))
		d.model += 1 << 20
		sample, err := family.Take(d, d.extent())
		if err != nil {
			t.Fatal(err)
		}
		var found search
		glanced.time(func() { _, _, err = n.descend(&sample, family.GroupOf(d.extent())) })
		if err != nil {
			t.Fatal(err)
		}
		named.time(func() { found, err = n.nearest(&sample, family.GroupOf(d.extent())) })
		if err != nil || len(found.found) == 0 || !family.Saves(found.found[0].bits, family.Estimate(sample, nil)) {
			t.Fatalf("no base of %+v: %+v, %v", d, found.found, err)
		}
		var cs []store.Sharing
		shared.time(func() { cs, err = n.store.SharingRows(d.rows(), maxSharing, maxSharers) })
		if err != nil || len(cs) == 0 || len(cs[0].Rows) != tellingKept {
			t.Fatalf("no tensor shares the rows of %+v: %v, %v", d, cs, err)
		}
	}
	for _, x := range []struct {
		what string
		took *timed
		most time.Duration // of the median of processor time; 0 for what is only told
	}{{"by name", &glanced, time.Millisecond}, {"by name, and their estimates", &named, time.Millisecond}, {"by 16 rows", &shared, 0}} {
		wall, busy := median(x.took.wall), median(x.took.busy)
		t.Logf("candidates %s: median %v, %v of the processor; 99 %% within %v", x.what, wall, busy, x.took.wall[len(x.took.wall)*99/100])
		if x.most > 0 && busy > x.most && tensors >= 100_000 {
			t.Errorf("candidates %s: a median of %v of the processor, at most %v", x.what, busy, x.most)
		}
	}
}

// timed are runs of one thing: what the clock said, and what the processor spent.
type timed struct{ wall, busy []time.Duration }

func (d *timed) time(f func()) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	busy, start := threadTime(), time.Now()
	f()
	d.wall, d.busy = append(d.wall, time.Since(start)), append(d.busy, threadTime()-busy)
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

func bytesUnder(t *testing.T, dir string) int64 {
	total := int64(0)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := os.Stat(path)
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}
