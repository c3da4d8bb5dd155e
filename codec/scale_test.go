package codec

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestFitForgets guards against a curve of one leaf that another was encoded by:
// where no context had elements enough, only half of the curve was cleared, so
// that chunks depended on what was encoded before, and on the CPU.
func TestFitForgets(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 8))
	many, few := randomSteps(r, 4000), randomSteps(r, 200)
	var fresh, used scaler
	g := grid{row: 20}
	used.fit(many.symbols, many.depth, &scaling{}, g)
	used.fit(few.symbols, few.depth, &scaling{}, g)
	fresh.fit(few.symbols, few.depth, &scaling{}, g)
	if fresh.curve != used.curve || fresh.plain != used.plain || fresh.ratio != used.ratio {
		t.Errorf("a curve of few elements keeps something of the one before")
	}
	for i, s := range used.rows(nil, few.symbols, few.depth, g) {
		if s != 0 {
			t.Errorf("row %d of a leaf without a curve is shifted by %d", i, s)
		}
	}
}

type randomStep struct{ symbols, depth []uint8 }

// randomSteps returns symbols in contexts that are spread so far that of a few
// hundred none has many.
func randomSteps(r *rand.Rand, n int) (s randomStep) {
	for range n {
		d := r.IntN(26)
		s.symbols = append(s.symbols, uint8(r.IntN(100)))
		s.depth = append(s.depth, uint8(d))
	}
	return s
}

// TestEncodeForgets encodes leaves by memory that encoded others before, and by
// fresh memory.
func TestEncodeForgets(t *testing.T) {
	var used scratch
	r := rand.New(rand.NewPCG(4, 8))
	for i := range 60 {
		dtype := cornerDTypes[i%len(cornerDTypes)]
		n, _ := numberOf(dtype)
		base := spreadElements(r, n, 200+r.IntN(1500))
		leaf := moved(n, base, jitter(r, float64(int(1)<<r.IntN(6))))
		c := against(dtype, int64(r.IntN(500)*n.width), base)
		c.Row = r.IntN(100)
		var fresh scratch
		want := appendWords(fresh.appendDelta(nil, leaf, base, 0, n, &c))
		if got := appendWords(used.appendDelta(nil, leaf, base, 0, n, &c)); !bytes.Equal(got, want) {
			t.Fatalf("leaf %d, of %d bytes of %s: %d bytes by used memory, %d by fresh, which differ", i, len(leaf), dtype, len(got), len(want))
		}
	}
}
