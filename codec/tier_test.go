//go:build amd64 && !purego

package codec

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestTiers encodes and decodes random streams with every tier, and compares.
func TestTiers(t *testing.T) {
	best := use
	defer func() { use = best }()
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 2))
		n := r.IntN(5000) + 1
		testTiers[uint16](t, r, n, 16, best)
		testTiers[uint32](t, r, n, 32, best)
	}
}

func testTiers[Z step](t *testing.T, r *rand.Rand, n, width int, best tier) {
	z, ctx, symbols := make([]Z, n), make([]uint8, n), make([]uint8, n)
	wide := r.IntN(width) + 1
	var counts stepCounts
	for i := range z {
		ctx[i] = uint8(r.IntN(contexts))
		z[i] = Z(r.Uint64() & (1<<wide - 1) >> r.IntN(wide))
		s := symbolOf(z[i])
		symbols[i] = s
		counts[ctx[i]][s]++
	}
	var st stepTables
	totals := counts.totals()
	cs, _ := st.cluster(make([]cluster, contexts), &counts, &totals, 0)
	for t := range cs {
		st.fit(t, &cs[t].h, 0)
	}
	for _, lanes := range []int{4, 16, 32, 64} {
		var first []byte
		for tr := portable; tr <= best; tr++ {
			use = tr
			var e laneEncoder
			st.forEncoding(&e)
			out := appendWords(encodeLanes(&e, nil, ctx, symbols, z, lanes))
			if tr == portable {
				first = out
			} else if !bytes.Equal(first, out) {
				t.Fatalf("%d lanes of %d bits: tier %d encodes %d bytes, portable %d, which differ", lanes, width, tr, len(out), len(first))
			}
			var d laneDecoder
			st.forDecoding(&d)
			src, err := d.readStates(out, lanes)
			if err != nil {
				t.Fatal(err)
			}
			got := make([]Z, n)
			src, err = decodeLanes(&d, got, ctx, src, lanes)
			if err == nil {
				err = d.end(src)
			}
			if err != nil || !slices.Equal(got, z) {
				t.Fatalf("%d lanes of %d bits, tier %d: decoding differs: %v", lanes, width, tr, err)
			}
		}
	}
}
