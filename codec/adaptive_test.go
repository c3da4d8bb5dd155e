package codec

import (
	"math/rand/v2"
	"testing"
)

// TestAdaptive writes random bits and integers of many kinds and reads them
// back.
func TestAdaptive(t *testing.T) {
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 1))
		n := r.IntN(2000)
		skew := r.IntN(20)
		type item struct {
			kind, n int
			x       uint32
		}
		var items []item
		for range n {
			it := item{kind: r.IntN(3)}
			switch it.kind {
			case 0:
				if r.IntN(skew+1) == 0 {
					it.x = 1
				}
			case 1:
				it.n = r.IntN(33)
				it.x = uint32(r.Uint64() & (1<<it.n - 1))
			case 2:
				it.x = r.Uint32() >> r.IntN(33)
			}
			items = append(items, it)
		}
		var e adaptiveEncoder
		var m model
		var im intModel
		e.reset([]byte("x"))
		for _, it := range items {
			switch it.kind {
			case 0:
				e.bit(&m, it.x)
			case 1:
				e.raw(it.x, it.n)
			case 2:
				e.int(&im, it.x)
			}
		}
		out := e.end(1)
		var d adaptiveDecoder
		m, im = 0, intModel{}
		d.reset(out[1:])
		for i, it := range items {
			got := uint32(0)
			switch it.kind {
			case 0:
				got = d.bit(&m)
			case 1:
				got = d.raw(it.n)
			case 2:
				got = d.int(&im)
			}
			if got != it.x {
				t.Fatalf("seed %d: item %d of %d, %+v: got %d", seed, i, n, it, got)
			}
		}
		if err := d.end(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
	}
}

// TestModelBounds looks at all that a model can become: no probability may be so
// near to 0 or 1 that the bounds which format.md has would ever matter.
func TestModelBounds(t *testing.T) {
	known := map[model]bool{0: true}
	for todo := []model{0}; len(todo) > 0; {
		m := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if p := m.odds(); p < 1<<5 || p > 1<<16-1<<5 {
			t.Fatalf("a model of 0 at %d of 65536", p)
		}
		for bit := range uint32(2) {
			if next := m.after(bit); !known[next] {
				known[next] = true
				todo = append(todo, next)
			}
		}
	}
}
