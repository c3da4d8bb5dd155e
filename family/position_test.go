package family

import (
	"slices"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

// Where a longer tensor is sampled, as far as a shorter one reaches, the
// shorter one is too: a grown embedding lines up with the one it grew from.
func TestPositionsNested(t *testing.T) {
	for _, d := range []tensor.DType{tensor.BF16, tensor.Q4K, tensor.F4} {
		g := gridOf(d)
		for _, short := range []uint64{16, 5000, 32 << 10, 100_001, 1 << 20, 30_000_000} {
			for _, long := range []uint64{short, short + 1, short*3/2 + 16, short * 7, short << 20} {
				a, b := g.positions(short), g.positions(long)
				runs := short / uint64(g.run/g.unit)
				b = slices.DeleteFunc(b, func(at uint64) bool { return at >= runs })
				for _, at := range b {
					if _, ok := slices.BinarySearch(a, at); !ok {
						t.Fatalf("%s: run %d is sampled of %d elements and not of %d", d, at, long, short)
					}
				}
			}
		}
	}
}

func TestPositionsSpread(t *testing.T) {
	g := gridOf(tensor.BF16)
	for _, units := range []uint64{1 << 15, 1<<15 + 16, 123_456, 1 << 22, 1<<40 + 12345, 1<<64 - 1} {
		list := g.positions(units)
		if n := len(list); n < 127 || n > 256 {
			t.Errorf("%d elements: %d runs, want 128 to 256, the last perhaps missing", units, n)
		}
		if !slices.IsSorted(list) || len(slices.Compact(slices.Clone(list))) != len(list) || list[len(list)-1] >= units/16 {
			t.Errorf("%d elements: %v", units, list)
		}
		columns := map[uint64]bool{} // of a matrix with rows of 1,024
		for _, at := range list {
			columns[at%64] = true
		}
		if len(columns) < 32 {
			t.Errorf("%d elements: runs stand in %d of 64 columns", units, len(columns))
		}
	}
}

// The positions are part of the format of stored samples.
func TestPositionsGolden(t *testing.T) {
	got := gridOf(tensor.BF16).positions(1 << 24)[:8]
	want := []uint64{2764, 7429, 9979, 15278, 20069, 20782, 26202, 31565}
	if !slices.Equal(got, want) {
		t.Errorf("positions changed: %d, want %d; if meant, raise sampleVersion", got, want)
	}
}
