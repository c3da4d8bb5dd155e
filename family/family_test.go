package family_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/tensor"
)

// take returns the sample of a whole tensor.
func take(t testing.TB, dtype tensor.DType, data []byte) family.Sample {
	t.Helper()
	s, err := family.Take(bytes.NewReader(data), tensor.Extent{DType: dtype, Size: int64(len(data))})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// weights returns n BF16 numbers, normal with standard deviation 0.02.
func weights(r *rand.Rand, n int) []float32 {
	list := make([]float32, n)
	for i := range list {
		list[i] = float32(r.NormFloat64() * 0.02)
	}
	return list
}

func bf16(list []float32) []byte {
	p := make([]byte, 0, 2*len(list))
	for _, v := range list {
		p = binary.LittleEndian.AppendUint16(p, uint16((math.Float32bits(v)+0x8000)>>16))
	}
	return p
}

// tune moves each of list by a normal step of standard deviation size.
func tune(r *rand.Rand, list []float32, size float64) []float32 {
	out := make([]float32, len(list))
	for i, v := range list {
		out[i] = v + float32(r.NormFloat64()*size)
	}
	return out
}

func TestTakeSize(t *testing.T) {
	for _, tc := range []struct {
		what  string
		dtype tensor.DType
		size  int
		least int // bytes of the sample
		most  int
	}{
		{"64 KiB of BF16", tensor.BF16, 64 << 10, 4 << 10, 8<<10 + 16},
		{"1,000,000 of BF16", tensor.BF16, 2_000_000, 4 << 10, 8<<10 + 16},
		{"F64", tensor.F64, 1 << 20, 4 << 10, 8<<10 + 16},
		{"F4: bytes", tensor.F4, 1 << 20, 2 << 10, 4<<10 + 16},
		{"F6: bytes", tensor.F6E2M3, 1 << 20, 2 << 10, 4<<10 + 16},
		{"Q4_K: blocks", tensor.Q4K, 144 * 8000, 2 << 10, 8<<10 + 16},
		{"opaque", tensor.Opaque, 1 << 20, 4 << 10, 8<<10 + 16},
		{"not a multiple of an element", tensor.F32, 1<<20 + 3, 4 << 10, 8<<10 + 16},
		{"less than a run", tensor.F32, 63, 0, 16},
		{"empty", tensor.F32, 0, 0, 16},
	} {
		s := take(t, tc.dtype, make([]byte, tc.size))
		if n := len(s.Encode(nil)); n < tc.least || n > tc.most {
			t.Errorf("%s: a sample of %d bytes, want %d to %d", tc.what, n, tc.least, tc.most)
		}
	}
}

func TestTakeErrors(t *testing.T) {
	e := tensor.Extent{Name: "a", DType: tensor.BF16, Offset: 10, Size: 1 << 20}
	if _, err := family.Take(bytes.NewReader(make([]byte, 1000)), e); !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Take of a file that is too short: %v, want EOF", err)
	}
}

// A tensor's padding (GGUF has it) is no part of its sample.
func TestTakePadding(t *testing.T) {
	data := bf16(weights(rand.New(rand.NewPCG(1, 1)), 100_000))
	padded := append(bytes.Clone(data), make([]byte, 31)...)
	want := take(t, tensor.BF16, data)
	got, err := family.Take(bytes.NewReader(padded), tensor.Extent{DType: tensor.BF16, Shape: tensor.Shape{100_000}, Size: int64(len(padded))})
	if err != nil || !bytes.Equal(got.Encode(nil), want.Encode(nil)) {
		t.Errorf("with padding another sample, or %v", err)
	}
}

func TestChoose(t *testing.T) {
	r := rand.New(rand.NewPCG(2, 2))
	const n = 200_000
	base := weights(r, n)
	s := func(list []float32) family.Sample { return take(t, tensor.BF16, bf16(list)) }
	target := s(tune(r, base, 1e-4))
	far, near, same, other := s(tune(r, base, 1e-2)), s(base), target, s(weights(r, n))
	grown, shrunk := s(append(base[:n:n], weights(r, n/2)...)), s(base[:n/2])
	wide := make([]byte, 0, 4*n)
	for _, v := range base {
		wide = binary.LittleEndian.AppendUint32(wide, math.Float32bits(v))
	}
	fp32, ints := take(t, tensor.F32, wide), take(t, tensor.I16, bf16(base))
	tiny := s(base[:64])
	for _, tc := range []struct {
		what  string
		bases []*family.Sample
		want  int
	}{
		{"none", nil, -1},
		{"unrelated weights of one distribution", []*family.Sample{&other}, -1},
		{"the nearest", []*family.Sample{&other, &far, &near}, 2},
		{"itself", []*family.Sample{&near, &same, &far}, 1},
		{"the first of equal ones", []*family.Sample{&near, &near}, 0},
		{"a longer one", []*family.Sample{&other, &grown}, 1},
		{"a shorter one", []*family.Sample{&other, &shrunk}, 1},
		{"whole rather than part", []*family.Sample{&shrunk, &near}, 1},
		{"another dtype, cast", []*family.Sample{&far, &fp32}, 1},
		{"no dtype to cast from", []*family.Sample{&ints}, -1},
		{"too short to tell", []*family.Sample{&tiny}, -1},
	} {
		if got, bits := nearest(target, tc.bases); got != tc.want {
			t.Errorf("%s: Choose = %d at %.3f bits, want %d", tc.what, got, bits, tc.want)
		}
	}
}

// Random bytes have no base, however many are offered.
func TestChooseRandom(t *testing.T) {
	r := rand.NewChaCha8([32]byte{3})
	sample := func(d tensor.DType) family.Sample {
		p := make([]byte, 144*1000)
		r.Read(p)
		return take(t, d, p)
	}
	for _, d := range []tensor.DType{tensor.U8, tensor.BF16, tensor.F32, tensor.Opaque, tensor.Q4K, tensor.F8E4M3} {
		target := sample(d)
		var bases []*family.Sample
		for range 100 {
			s := sample(d)
			bases = append(bases, &s)
		}
		if got, bits := nearest(target, bases); got != -1 {
			t.Errorf("%s: base %d at %.3f bits, alone %.3f", d, got, bits, family.Estimate(target, nil))
		}
		if got, bits := nearest(target, []*family.Sample{&target}); got != 0 || bits > 0.1 {
			t.Errorf("%s: not its own base (%d, %.3f bits)", d, got, bits)
		}
	}
}

// Rows that did not move cost nothing, though the others do.
func TestEstimateStillRows(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	base := weights(r, 400_000)
	moved := tune(r, base, 1e-2)
	half := bytes.Clone(bf16(base))
	for row := 0; row < 400_000/800; row += 2 {
		copy(half[row*1600:(row+1)*1600], bf16(moved[row*800:(row+1)*800]))
	}
	b := take(t, tensor.BF16, bf16(base))
	all, some := family.Estimate(take(t, tensor.BF16, bf16(moved)), &b), family.Estimate(take(t, tensor.BF16, half), &b)
	if some < all*0.4 || some > all*0.6 {
		t.Errorf("half of the rows moved: %.3f bits, all: %.3f", some, all)
	}
}

func TestDistance(t *testing.T) {
	data := bytes.Repeat([]byte{0x80, 0x3f}, 100_000)
	other := bytes.Repeat([]byte{0x83, 0x3f}, 50_000)
	a, b, ints := take(t, tensor.BF16, data), take(t, tensor.BF16, other), take(t, tensor.I16, data)
	f32 := take(t, tensor.F32, bytes.Repeat([]byte{0, 0, 0x80, 0x3f}, 100_000))
	if d, ok := family.Distance(a, a); d != 0 || !ok {
		t.Errorf("Distance to itself = %v, %v, want 0", d, ok)
	}
	if d, ok := family.Distance(a, b); d != 2 || !ok {
		t.Errorf("Distance, two bits of each apart = %v, %v, want 2", d, ok)
	}
	for _, pair := range [][2]family.Sample{{f32, a}, {a, f32}} {
		if d, ok := family.Distance(pair[0], pair[1]); d != 0 || !ok {
			t.Errorf("Distance of %s to %s of the same numbers = %v, %v, want 0", pair[0].DType(), pair[1].DType(), d, ok)
		}
	}
	if d, ok := family.Distance(a, ints); ok {
		t.Errorf("Distance to integers = %v, want none", d)
	}
	if d, ok := family.Distance(a, family.Sample{}); ok {
		t.Errorf("Distance to nothing = %v, want none", d)
	}
}

func TestDecode(t *testing.T) {
	for _, d := range []tensor.DType{tensor.BF16, tensor.Q6K, tensor.Opaque, tensor.F4, "F3_E1M1"} {
		s := take(t, d, bf16(weights(rand.New(rand.NewPCG(5, 5)), 70_001)))
		got, err := family.Decode(s.Encode(nil))
		if err != nil || !bytes.Equal(got.Encode(nil), s.Encode(nil)) || got.DType() != d {
			t.Errorf("%s: Decode = %s, %v", d, got.DType(), err)
		}
	}
	whole := func() []byte {
		s := take(t, tensor.BF16, make([]byte, 1<<16))
		return s.Encode(nil)
	}()
	for _, tc := range []struct {
		what string
		p    []byte
	}{
		{"empty", nil},
		{"another version", append([]byte{1}, whole[1:]...)},
		{"only a version", whole[:1]},
		{"dtype cut short", []byte{2, 9, 'B'}},
		{"no number", []byte{2, 1, 'B'}},
		{"number of two bytes where one does", append([]byte{2, 1, 'B', 0x80, 0x00}, whole...)},
		{"runs cut short", whole[:len(whole)-1]},
		{"bytes behind", append(bytes.Clone(whole), 0)},
		{"2^64-1 elements", []byte{2, 1, 'B', 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}},
	} {
		if _, err := family.Decode(tc.p); !errors.Is(err, family.ErrSample) {
			t.Errorf("%s: %v, want ErrSample", tc.what, err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, d := range []tensor.DType{tensor.BF16, tensor.Q8_0, tensor.Opaque, tensor.F64} {
		s := take(f, d, make([]byte, 4096))
		f.Add(s.Encode(nil), s.Encode(nil))
	}
	f.Fuzz(func(t *testing.T, p, q []byte) {
		a, err := family.Decode(p)
		if err != nil {
			return
		}
		if !bytes.Equal(a.Encode(nil), p) {
			t.Fatalf("%x decodes, and encodes to %x", p, a.Encode(nil))
		}
		b, err := family.Decode(q)
		if err != nil {
			b = a
		}
		for _, bits := range []float64{family.Estimate(a, nil), family.Estimate(a, &b)} {
			if math.IsNaN(bits) || bits < 0 {
				t.Fatalf("Estimate = %v", bits)
			}
		}
		family.Distance(a, b)
	})
}

// nearest returns the index of the base against which target takes the fewest bits,
// and these bits for one unit; -1 where none saves enough.
func nearest(target family.Sample, bases []*family.Sample) (int, float64) {
	alone := family.Estimate(target, nil)
	best, least := -1, alone
	for i, b := range bases {
		if n := family.Estimate(target, b); n < least && family.Saves(n, alone) {
			best, least = i, n
		}
	}
	return best, least
}
