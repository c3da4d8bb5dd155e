package codec

import (
	"bytes"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/zipnode/zipnode/tensor"
)

// lowRankVectors returns two leaves of a small tensor of low rank: one that begins
// within a row, and one that begins within an element, of a base with odd numbers.
func lowRankVectors() []vector {
	base, target := mergedMatrix(8, 70, 70, 2, 1e-2)
	side := LowRank(target.data, base.data, tensor.BF16, 70, int64(len(base.data)), int64(len(base.data))/2)
	within := func(name string, from, to int) vector {
		c := against(tensor.BF16, int64(from), base.data[from:to])
		c.Side = side
		return vector{name: name, leaf: target.data[from:to], c: c}
	}
	odd := within("lowrank-odd", 75, 5002)
	odd.leaf, odd.c.Bases[0].Spans[0].Data = bytes.Clone(odd.leaf), bytes.Clone(odd.c.Bases[0].Spans[0].Data)
	for i, x := range []uint16{0x7f80, 0xff80, 0x7fc1, 0x8000, 0, 1, 0x8001, 0x7f7f} {
		le.PutUint16(odd.c.Bases[0].Spans[0].Data[101+38*i:], x)
		le.PutUint16(odd.leaf[701+38*i:], x)
	}
	return []vector{within("lowrank", 38, 4600), odd}
}

// encodeAll encodes all leaves of target against base at the best level, checks that
// they decode, and returns the bytes that they take.
func encodeAll(t testing.TB, target, base realTensor, side []byte) (size int, methods map[string]int) {
	t.Helper()
	methods = map[string]int{}
	for off := 0; off < len(target.data); off += MaxLeaf {
		end := min(off+MaxLeaf, len(target.data))
		c := against(target.dtype, int64(off), base.data[off:end])
		c.Row, c.Level, c.Side = target.row, Best, side
		chunk := check(t, target.data[off:end], c)
		name, _ := Method(chunk)
		methods[name]++
		size += len(chunk)
		if chunk == nil {
			size += end - off
		}
	}
	return size, methods
}

// TestLowRankReal compares what merged adapters, and others, take with and without.
func TestLowRankReal(t *testing.T) {
	if testing.Short() {
		t.Skip("seconds")
	}
	for _, pair := range [][2]string{{"lora-merged", "base"}, {"run-step50", "base"}, {"finetune-frozen", "base"}} {
		target, base := readModel(t, pair[0]), readModel(t, pair[1])
		plain, low, sides, found := 0, 0, 0, 0
		var took, searched time.Duration
		for _, name := range slices.Sorted(maps.Keys(target)) {
			a, b := target[name], base[name]
			if a.row == 0 || len(a.data) != len(b.data) || bytes.Equal(a.data, b.data) {
				continue
			}
			start := time.Now()
			size, _ := encodeAll(t, a, b, nil)
			took += time.Since(start)
			start = time.Now()
			n := min(len(a.data), LowRankSample) / (2 * a.row) * 2 * a.row
			var side []byte
			if MaybeLowRank(a.data[:n], b.data[:n], a.dtype, a.row) {
				side = LowRank(a.data[:n], b.data[:n], a.dtype, a.row, int64(len(a.data)), int64(size))
			}
			searched += time.Since(start)
			plain += size
			if side == nil {
				low += size
				continue
			}
			with, methods := encodeAll(t, a, b, side)
			t.Logf("%s: %d bytes, of low rank %d and %d of side, %v: rank %d", name, size, with, len(side), methods, side[1])
			low, sides, found = low+with, sides+len(side), found+1
		}
		t.Logf("%s: %d → %d + %d, %d matrices; encoded in %v, searched in %v", pair[0], plain, low, sides, found, took, searched)
		if pair[0] == "lora-merged" && 3*(low+sides) > plain {
			t.Errorf("%s takes %d bytes, and %d with side blocks", pair[0], plain, low+sides)
		}
	}
}

// TestLowRankOdd looks for factors in updates that have none, or odd ones, and codes
// what comes of it.
func TestLowRankOdd(t *testing.T) {
	const row = 96
	base, merged := mergedMatrix(9, 128, row, 3, 1e-2)
	few := bytes.Clone(base.data) // a few rows changed
	copy(few[row*20:row*30], merged.data[row*20:])
	huge := bytes.Clone(merged.data)
	for i := 1; i < len(huge); i += 34 {
		huge[i] = 0x7f
	}
	flipped := bytes.Clone(base.data)
	for i := 1; i < len(flipped); i += 2 {
		flipped[i] ^= 0x80
	}
	// The same updates of numbers that are nearly the largest, or mostly subnormal.
	times := func(data []byte, exponent int) []byte {
		out := bytes.Clone(data)
		for i := 0; i < len(out); i += 2 {
			x := int(le.Uint16(out[i:]))
			le.PutUint16(out[i:], uint16(x&0x807f|min(max(x>>7&0xff+exponent, 0), 0xfe)<<7))
		}
		return out
	}
	others := lowRankVectors()[0].c.Side
	same := bytes.Repeat([]byte{0x80, 0x3f}, len(base.data)/2)
	for _, tc := range []struct {
		name         string
		target, base []byte
	}{
		{"merged", merged.data, base.data},
		{"merged, of large numbers", times(merged.data, 130), times(base.data, 130)},
		{"merged, of small numbers", times(merged.data, -110), times(base.data, -110)},
		{"merged, of subnormal numbers", times(merged.data, -125), times(base.data, -125)},
		{"no change", base.data, base.data},
		{"few rows", few, base.data},
		{"huge numbers and NaN", huge, base.data},
		{"huge numbers in the base", merged.data, huge},
		{"zeros of a base", merged.data, make([]byte, len(base.data))},
		{"all signs", flipped, base.data},
		{"one number", same, base.data},
		{"noise", random(90, len(base.data)), base.data},
	} {
		side := LowRank(tc.target, tc.base, tensor.BF16, row, int64(len(tc.base)), int64(len(tc.base)))
		if again := LowRank(tc.target, tc.base, tensor.BF16, row, int64(len(tc.base)), int64(len(tc.base))); !bytes.Equal(side, again) {
			t.Errorf("%s: another side block the second time", tc.name)
		}
		if tc.name == "merged" && side == nil {
			t.Error("no side block of a merged adapter")
		}
		for _, from := range []int{0, 38, 2001} {
			c := against(tensor.BF16, int64(from), tc.base[from:])
			c.Row, c.Level, c.Side = row, Best, side
			check(t, tc.target[from:], c)
			c.Side = others
			check(t, tc.target[from:], c)
		}
	}
}
