package codec

import (
	"math/rand/v2"
	"testing"
)

// TestShifts compares the search by a tree with one through all shifts.
func TestShifts(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 8))
	var s scaler
	for k := range s.ratio {
		s.ratio[k] = uint64(1000 << k / (k + 1))
	}
	s.search.set(&s.ratio)
	sums := s.room(2000)
	for i := range sums {
		sums[i] = stepSums{r.Uint32N(1 << r.IntN(25)), r.Uint32N(1 << r.IntN(32))}
	}
	sums[0] = stepSums{}
	sums[1] = stepSums{symbols: 5}
	zero := float64(s.ratio[maxShift])
	for i, got := range s.shifts(nil, sums) {
		have, expected := float64(sums[i].symbols<<curveBits), float64(sums[i].expected)
		want := int8(0)
		if apart := have - expected; expected > 0 && apart*apart > significant<<curveBits*expected {
			want = -maxShift
			for k := 1; k < len(s.ratio) && have/expected >= float64(s.ratio[k-1]+s.ratio[k])/2/zero; k++ {
				want = int8(k - maxShift)
			}
		}
		if got != want {
			t.Errorf("%v: shift by %d, want %d", sums[i], got, want)
		}
	}
}
