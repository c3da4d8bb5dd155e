package tensor_test

import (
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

func TestBytes(t *testing.T) {
	for _, tc := range []struct {
		what  string
		dtype tensor.DType
		shape tensor.Shape
		want  uint64
		ok    bool
	}{
		{"scalar", tensor.BF16, tensor.Shape{}, 2, true},
		{"no shape", tensor.BF16, nil, 2, true},
		{"empty", tensor.F32, tensor.Shape{0, 4096}, 0, true},
		{"empty, with a product that overflows", tensor.F32, tensor.Shape{1 << 40, 1 << 40, 0}, 0, true},
		{"matrix", tensor.F64, tensor.Shape{3, 5}, 120, true},
		{"complex", tensor.C64, tensor.Shape{3}, 24, true},
		{"F4 in whole bytes", tensor.F4, tensor.Shape{3, 2}, 3, true},
		{"F4 in half a byte", tensor.F4, tensor.Shape{3}, 1, false},
		{"F6 in whole bytes", tensor.F6E3M2, tensor.Shape{4}, 3, true},
		{"F6 in part of one", tensor.F6E2M3, tensor.Shape{2}, 1, false},
		{"blocks", tensor.Q8_0, tensor.Shape{3, 64}, 204, true},
		{"super-blocks", tensor.Q4K, tensor.Shape{2, 256}, 288, true},
		{"row of half a block", tensor.Q8_0, tensor.Shape{64, 16}, 0, false},
		{"block of a scalar", tensor.Q8_0, tensor.Shape{}, 0, false},
		{"elements overflow", tensor.U8, tensor.Shape{1 << 32, 1 << 32}, 0, false},
		{"bits overflow", tensor.U8, tensor.Shape{1 << 61}, 0, false},
		{"blocks overflow", tensor.Q8_0, tensor.Shape{1<<64 - 32}, 0, false},
		{"opaque", tensor.Opaque, tensor.Shape{8}, 0, false},
		{"unknown", "F3_E1M1", tensor.Shape{8}, 0, false},
	} {
		if got, ok := tc.dtype.Bytes(tc.shape); ok != tc.ok || ok && got != tc.want {
			t.Errorf("%s: %s%d.Bytes() = %d, %v, want %d, %v", tc.what, tc.dtype, tc.shape, got, ok, tc.want, tc.ok)
		}
	}
}

func TestCover(t *testing.T) {
	x := func(name string, offset, size int64) tensor.Extent {
		return tensor.Extent{Name: name, DType: tensor.U8, Offset: offset, Size: size}
	}
	gap := func(offset, size int64) tensor.Extent {
		return tensor.Extent{DType: tensor.Opaque, Offset: offset, Size: size}
	}
	for _, tc := range []struct {
		what        string
		found, want []tensor.Extent // want nil: an error
	}{
		{"nothing found", nil, []tensor.Extent{gap(0, 10)}},
		{"all", []tensor.Extent{x("a", 0, 10)}, []tensor.Extent{x("a", 0, 10)}},
		{"gaps, out of order", []tensor.Extent{x("b", 5, 2), x("a", 1, 2)}, []tensor.Extent{gap(0, 1), x("a", 1, 2), gap(3, 2), x("b", 5, 2), gap(7, 3)}},
		{"empty ones cut nothing", []tensor.Extent{x("e", 2, 0), x("f", 7, 0), x("g", 10, 0), x("a", 0, 5), x("h", 0, 0), x("i", 0, 0)},
			[]tensor.Extent{x("h", 0, 0), x("i", 0, 0), x("a", 0, 5), x("e", 2, 0), gap(5, 5), x("f", 7, 0), x("g", 10, 0)}},
		{"overlap", []tensor.Extent{x("a", 0, 5), x("b", 4, 1)}, nil},
		{"one in another", []tensor.Extent{x("a", 0, 9), x("b", 4, 1)}, nil},
		{"beyond the end", []tensor.Extent{x("a", 9, 2)}, nil},
		{"empty beyond the end", []tensor.Extent{x("a", 11, 0)}, nil},
		{"negative", []tensor.Extent{x("a", -1, 2)}, nil},
		{"negative size", []tensor.Extent{x("a", 1, -1)}, nil},
		{"sum overflows", []tensor.Extent{x("a", 1, 1<<63-1)}, nil},
	} {
		got, err := tensor.Cover("test", 10, tensor.Pack(tc.found...))
		list := slices.Collect(got.Extents.All())
		if tc.want == nil {
			if !errors.Is(err, tensor.ErrNotFormat) {
				t.Errorf("%s: Cover = %v, %v, want ErrNotFormat", tc.what, list, err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(list, tc.want) {
			t.Errorf("%s: Cover = %v, %v, want %v", tc.what, list, err, tc.want)
		}
		if err := got.Check(10); err != nil {
			t.Errorf("%s: %v", tc.what, err)
		}
	}
}

func TestCheck(t *testing.T) {
	x := func(offset, size int64) tensor.Extent { return tensor.Extent{Offset: offset, Size: size} }
	for _, tc := range []struct {
		what string
		list []tensor.Extent
		ok   bool
	}{
		{"whole", []tensor.Extent{x(0, 4), x(4, 6)}, true},
		{"empty within", []tensor.Extent{x(0, 4), x(2, 0), x(4, 6), x(10, 0)}, true},
		{"gap", []tensor.Extent{x(0, 4), x(5, 5)}, false},
		{"overlap", []tensor.Extent{x(0, 4), x(3, 7)}, false},
		{"too short", []tensor.Extent{x(0, 4)}, false},
		{"too long", []tensor.Extent{x(0, 11)}, false},
		{"out of order", []tensor.Extent{x(4, 0), x(0, 10)}, false},
		{"empty behind the end", []tensor.Extent{x(0, 10), x(11, 0)}, false},
		{"negative size", []tensor.Extent{x(0, 12), x(12, -2)}, false},
	} {
		if err := (tensor.Layout{Extents: tensor.Pack(tc.list...)}).Check(10); (err == nil) != tc.ok {
			t.Errorf("%s: Check = %v", tc.what, err)
		}
	}
	if err := tensor.Plain(0).Check(0); err != nil {
		t.Errorf("Plain(0): %v", err)
	}
}
