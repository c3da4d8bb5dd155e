package family_test

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/layout"
)

var pairsOut = flag.String("pairs", "", "write every pair's estimated and real size to this file, as tab-separated values")

// A stored is a tensor of the data: its bytes and its sample.
type stored struct {
	model  string
	extent tensor.Extent
	data   []byte
	sample family.Sample
}

// everyModel reads the tensors of 64 KiB and more of all the data, or of
// testmodels where there is none.
func everyModel() []stored {
	dir := os.Getenv("ZIPNODE_TEST_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	if _, err := os.Stat(dir); err != nil {
		dir = filepath.Join("..", "testmodels")
	}
	var list []stored
	files, err := filepath.Glob(filepath.Join(dir, "*", "*.safetensors"))
	if err != nil || len(files) == 0 {
		panic(fmt.Sprintf("no models in %s: %v", dir, err))
	}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		must(err)
		f, err := os.Open(name)
		must(err)
		l, err := layout.Of(f, int64(len(raw)))
		must(err)
		for e := range l.Extents.All() {
			if e.Name == "" || e.Size < family.MinSize {
				continue
			}
			s, err := family.Take(f, e)
			must(err)
			list = append(list, stored{filepath.Base(filepath.Dir(name)), e, raw[e.Offset : e.Offset+e.Size], s})
		}
		f.Close()
	}
	return list
}

// encoded returns the bytes that target really takes, stand-alone or against
// base, leaf by leaf as a store encodes it.
func encoded(target, base *stored) float64 {
	sum := 0
	for off := 0; off < len(target.data); off += codec.MaxLeaf {
		leaf := target.data[off:min(len(target.data), off+codec.MaxLeaf)]
		c := codec.Context{DType: target.extent.DType, Offset: int64(off), Row: target.extent.Shape.Row()}
		if base != nil {
			w, bw := target.extent.DType.Bits()/8, base.extent.DType.Bits()/8
			from := off / w * bw
			to := min(len(base.data), (off+len(leaf))/w*bw)
			if from < to {
				c.Bases = []codec.Base{{DType: base.extent.DType, Spans: []codec.Span{{Data: base.data[from:to]}}}}
			}
		}
		chunk, err := codec.Encode(nil, leaf, c)
		if errors.Is(err, codec.ErrIncompressible) {
			chunk, err = leaf, nil
		}
		must(err)
		sum += len(chunk)
	}
	return float64(sum)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// An accuracy is the size-weighted error of estimates of one kind.
type accuracy struct {
	pairs             int
	apart, bias, real float64 // bytes
}

func (a *accuracy) add(estimated, real float64) {
	a.pairs++
	a.apart += math.Abs(estimated - real)
	a.bias += estimated - real
	a.real += real
}

// estimated returns the bytes that target is estimated to take: of a delta no
// more than stand-alone, for chunk by chunk the smaller wins.
func estimated(target, base *stored) float64 {
	units := float64(target.extent.Size) / float64(family.Unit(target.extent.DType))
	bits := family.Estimate(target.sample, nil)
	if base != nil {
		bits = min(bits, family.Estimate(target.sample, &base.sample))
	}
	return bits * units / 8
}

// A pair is what target takes, stand-alone if base is nil.
type pair struct {
	target, base    int // base is -1 for stand-alone
	estimated, real float64
	kind            string
}

// noneSaved ends the kind of a pair of which the estimate says that a delta does
// not pay.
const noneSaved = ", none saved"

// measured is every tensor of the data, and every ordered pair of one name and
// row length whatever the dtype, really encoded. Short runs leave most out.
var measured = sync.OnceValue(func() (m struct {
	list  []stored
	pairs []pair
}) {
	list := everyModel()
	m.list = list
	for i := range list {
		x := &list[i]
		if testing.Short() && i%5 != 0 {
			continue
		}
		m.pairs = append(m.pairs, pair{i, -1, estimated(x, nil), encoded(x, nil), fmt.Sprintf("%s alone", x.extent.DType)})
		for j := range list {
			y := &list[j]
			if i == j || x.extent.Name != y.extent.Name || testing.Short() && j%5 != 0 {
				continue
			}
			kind := fmt.Sprintf("%s on %s", x.extent.DType, y.extent.DType)
			if !family.Saves(family.Estimate(x.sample, &y.sample), family.Estimate(x.sample, nil)) {
				kind += noneSaved
			}
			m.pairs = append(m.pairs, pair{i, j, estimated(x, y), encoded(x, y), kind})
		}
	}
	return m
})

// The table of docs/planner.md is what this prints.
func TestEstimates(t *testing.T) {
	m := measured()
	kinds := map[string]*accuracy{}
	for _, p := range m.pairs {
		kindsOf := []string{p.kind, "all"}
		if p.base >= 0 && !strings.HasSuffix(p.kind, noneSaved) {
			kindsOf = append(kindsOf, "all that save")
		}
		for _, k := range kindsOf {
			if kinds[k] == nil {
				kinds[k] = &accuracy{}
			}
			kinds[k].add(p.estimated, p.real)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(kinds)) {
		a := kinds[k]
		t.Logf("%-24s %5d %12.0f bytes, mean error %5.2f %%, bias %+5.2f %%", k, a.pairs, a.real, 100*a.apart/a.real, 100*a.bias/a.real)
	}
	if a := kinds["all"]; a.apart > 0.025*a.real {
		t.Errorf("estimates are %.2f %% off, at most 2.5 %%", 100*a.apart/a.real)
	}
	if *pairsOut != "" {
		writePairs(t, m.list, m.pairs)
	}
}

func writePairs(t *testing.T, list []stored, pairs []pair) {
	f, err := os.Create(*pairsOut)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range pairs {
		x, base := &list[p.target], "-"
		if p.base >= 0 {
			base = list[p.base].model
		}
		fmt.Fprintf(f, "%s\t%s\t%s\t%d\t%.0f\t%.0f\n", x.model, base, x.extent.Name, x.extent.Size, p.estimated, p.real)
	}
}

// Plans made with estimates are compared with plans made by encoding all pairs,
// both weighed by what encoding really gives.
func TestPlanByEstimates(t *testing.T) {
	m := measured()
	for _, tc := range []struct {
		name   string
		budget float64
	}{{"depth one", family.DepthOne}, {"default budget", 0}, {"no budget", math.Inf(1)}} {
		t.Run(tc.name, func(t *testing.T) {
			guess, real := problemOf(m.list, m.pairs, tc.budget)
			plan, err := guess.Solve()
			if err != nil {
				t.Fatal(err)
			}
			best, err := real.Solve()
			if err != nil {
				t.Fatal(err)
			}
			got, want := real.Cost(plan), real.Cost(best)
			alone := real.Cost(slices.Repeat([]int32{-1}, len(plan)))
			t.Logf("alone %d, planned by estimates %d, by encoding all pairs %d: %+.2f %%", alone, got, want, 100*float64(got-want)/float64(want))
			if float64(got) > 1.01*float64(want) {
				t.Errorf("%d bytes by estimates, %d by encoding all pairs: more than 1 %% apart", got, want)
			}
			related(t, m.list, guess, plan)
		})
	}
}

// problemOf returns the problem as estimates have it, and as it really is. The
// tensors of one model are a group, and its candidates are as node takes them:
// what chance would save is none.
func problemOf(list []stored, pairs []pair, budget float64) (guess, real *family.Problem) {
	n := len(list)
	guess = &family.Problem{Alone: make([]int64, n), Size: make([]int64, n), Budget: budget}
	real = &family.Problem{Alone: make([]int64, n), Size: make([]int64, n), Budget: budget}
	groups := map[string][]int32{}
	for _, p := range pairs {
		if p.base < 0 {
			x := &list[p.target]
			guess.Size[p.target], real.Size[p.target] = x.extent.Size, x.extent.Size
			guess.Alone[p.target], real.Alone[p.target] = int64(p.estimated), int64(p.real)
			groups[x.model] = append(groups[x.model], int32(p.target))
		}
	}
	for _, p := range pairs {
		if p.base < 0 {
			continue
		}
		e := family.Edge{Target: int32(p.target), Base: int32(p.base)}
		e.Cost = int64(p.real)
		real.Edges = append(real.Edges, e)
		e.Cost = guess.Alone[p.target] // no better: never taken
		if family.Saves(p.estimated, float64(guess.Alone[p.target])) {
			e.Cost = int64(p.estimated)
		}
		guess.Edges = append(guess.Edges, e)
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		guess.Groups, real.Groups = append(guess.Groups, groups[name]), append(real.Groups, groups[name])
	}
	return guess, real
}

// related fails where what was trained from its own start has a base, or is one.
func related(t *testing.T, list []stored, p *family.Problem, plan []int32) {
	for i, e := range plan {
		if e < 0 {
			continue
		}
		x, y := &list[i], &list[p.Edges[e].Base]
		if (x.model == "unrelated") != (y.model == "unrelated") {
			t.Errorf("%s of %s is a delta of that of %s", x.extent.Name, x.model, y.model)
		}
	}
}
