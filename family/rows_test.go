package family_test

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/tensor"
)

const width = 64 // of the rows below, in elements

// rowsOf reads the rows of a BF16 matrix.
func rowsOf(t *testing.T, list []float32) []family.Row {
	t.Helper()
	data := bf16(list)
	r, ok := family.RowsOf(tensor.Extent{DType: tensor.BF16, Shape: tensor.Shape{uint64(len(list) / width), width}, Size: int64(len(data))})
	if !ok {
		t.Fatal("no rows")
	}
	rows, err := r.Read(bytes.NewReader(data), 0)
	if err != nil {
		t.Fatal(err)
	}
	scanned := make([]family.Row, r.Count)
	for off := 0; off < len(data); off += 1000 * 2 * width {
		r.Scan(scanned, int64(off), data[off:min(len(data), off+1000*2*width)])
	}
	if !slices.Equal(rows, scanned) {
		t.Error("Scan and Read know rows differently")
	}
	return rows
}

func rows(list []float32, from, to int) []float32 { return list[from*width : to*width] }

// flip changes a sign of each row.
func flip(list []float32) []float32 {
	list = slices.Clone(list)
	for i := 3; i < len(list); i += width {
		list[i] = -list[i]
	}
	return list
}

func TestMapRows(t *testing.T) {
	r := rand.New(rand.NewPCG(8, 8))
	a, b, c := weights(r, 100*width), weights(r, 50*width), weights(r, 30*width)
	moved := slices.Concat(rows(a, 60, 100), rows(a, 0, 60))
	changed := slices.Clone(a)
	copy(rows(changed, 10, 12), weights(r, 2*width))
	copy(rows(changed, 99, 100), weights(r, width))
	for _, tc := range []struct {
		what   string
		target []float32
		bases  [][]float32
		want   []family.Span
	}{
		{"the same", a, [][]float32{a}, []family.Span{{Count: 100}}},
		{"fine-tuned", tune(r, a, 1e-6), [][]float32{a}, []family.Span{{Count: 100}}},
		{"unrelated", b, [][]float32{a}, nil},
		{"no bases", b, nil, nil},
		{"grown at its end", slices.Concat(a, c), [][]float32{a}, []family.Span{{Count: 100}}},
		{"grown at its start", slices.Concat(c, a), [][]float32{a}, []family.Span{{Dst: 30, Count: 100}}},
		{"cut out of the middle", rows(a, 20, 70), [][]float32{a}, []family.Span{{Src: 20, Count: 50}}},
		{"moved", moved, [][]float32{a}, []family.Span{{Src: 60, Count: 40}, {Dst: 40, Count: 60}}},
		{"stacked", slices.Concat(a, b, c), [][]float32{c, a, b}, []family.Span{
			{Base: 1, Count: 100}, {Base: 2, Dst: 100, Count: 50}, {Base: 0, Dst: 150, Count: 30},
		}},
		{"some rows new", changed, [][]float32{a}, []family.Span{{Count: 99}}},
		{"rows of either side moved", slices.Concat(rows(moved, 0, 39), flip(rows(moved, 39, 41)), rows(moved, 41, 100)), [][]float32{a},
			[]family.Span{{Src: 60, Count: 40}, {Dst: 40, Count: 60}}},
	} {
		var bases [][]family.Row
		for _, list := range tc.bases {
			bases = append(bases, rowsOf(t, list))
		}
		if got := family.MapRows(rowsOf(t, tc.target), bases); !slices.Equal(got, tc.want) {
			t.Errorf("%s: %+v, want %+v", tc.what, got, tc.want)
		}
	}
}

// Rows in random order are more spans than a recipe can have: the map is cut.
func TestMapRowsBound(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	const n = 20_000
	base := weights(r, n*width)
	var mixed []float32
	for _, row := range r.Perm(n) {
		mixed = append(mixed, rows(base, row, row+1)...)
	}
	spans := family.MapRows(rowsOf(t, mixed), [][]family.Row{rowsOf(t, base)})
	if len(spans) == 0 || len(spans) > 4096 {
		t.Fatalf("%d spans", len(spans))
	}
	end := int64(0)
	for _, s := range spans {
		if s.Dst < end || s.Count < 1 || s.Dst+s.Count > n || s.Src < 0 || s.Src+s.Count > n {
			t.Fatalf("span %+v after row %d", s, end)
		}
		end = s.Dst + s.Count
	}
}

func TestTelling(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 10))
	a, b := rowsOf(t, weights(r, 200*width)), rowsOf(t, weights(r, 100*width))
	all := slices.Concat(a, []family.Row{0, 0}, b, a)
	got := family.Telling(all, 64)
	if len(got) != 64 || !slices.IsSorted(got) || len(slices.Compact(slices.Clone(got))) != 64 {
		t.Errorf("Telling = %d rows: %v", len(got), got)
	}
	for _, part := range [][]family.Row{a, b} {
		common := 0
		for _, row := range family.Telling(part, 16) {
			if slices.Contains(got, row) {
				common++
			}
		}
		if common < 8 {
			t.Errorf("%d of 16 telling rows of a part tell the whole too", common)
		}
	}
}

func TestRowsOfNone(t *testing.T) {
	for what, e := range map[string]tensor.Extent{
		"no shape":       {DType: tensor.BF16, Size: 1 << 20},
		"one dimension":  {DType: tensor.BF16, Shape: tensor.Shape{1 << 19}, Size: 1 << 20},
		"short rows":     {DType: tensor.BF16, Shape: tensor.Shape{1 << 15, 16}, Size: 1 << 20},
		"too many":       {DType: tensor.U8, Shape: tensor.Shape{1 << 30, 64}, Size: 1 << 36},
		"does not fit":   {DType: tensor.BF16, Shape: tensor.Shape{100, 100}, Size: 100},
		"unknown dtype":  {DType: "F3", Shape: tensor.Shape{100, 100}, Size: 10000},
		"it overflows":   {DType: tensor.BF16, Shape: tensor.Shape{2, 1 << 62, 1 << 62}, Size: 10000},
		"an empty shape": {DType: tensor.BF16, Shape: tensor.Shape{100, 0}},
	} {
		if r, ok := family.RowsOf(e); ok {
			t.Errorf("%s: rows %+v", what, r)
		}
	}
}
