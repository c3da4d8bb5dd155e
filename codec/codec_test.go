package codec

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/zipnode/zipnode/tensor"
)

var allDTypes = []tensor.DType{
	tensor.Opaque, tensor.BOOL, tensor.F4, tensor.U8, tensor.I8, tensor.F8E4M3, tensor.I16, tensor.U16,
	tensor.F16, tensor.BF16, tensor.I32, tensor.U32, tensor.F32, tensor.C64, tensor.F64, tensor.I64,
	tensor.U64, "Q4_K",
}

// random returns n bytes that do not shrink.
func random(seed uint64, n int) []byte {
	b := make([]byte, n)
	rng := rand.NewPCG(seed, 0)
	for i := range b {
		b[i] = byte(rng.Uint64() >> 56)
	}
	return b
}

// weights returns n bytes of BF16 numbers as a layer has them, about normal.
func weights(seed uint64, n int) []byte {
	rng := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, 0, n+2)
	for len(b) < n {
		x := float32(rng.IntN(2001)+rng.IntN(2001)+rng.IntN(2001)-3000) / (1 << 16)
		b = le.AppendUint16(b, uint16(math.Float32bits(x)>>16))
	}
	return b[:n]
}

// tuned returns base with one byte in every changes moved by a little.
func tuned(base []byte, every int) []byte {
	b := bytes.Clone(base)
	rng := rand.New(rand.NewPCG(7, uint64(every)))
	for i := 0; i < len(b); i += 1 + rng.IntN(2*every) {
		b[i] ^= byte(1 + rng.IntN(3))
	}
	return b
}

// against returns the context of a leaf whose one base covers it whole.
func against(dtype tensor.DType, offset int64, base []byte) Context {
	return Context{DType: dtype, Offset: offset, Bases: []Base{{dtype, []Span{{0, base}}}}}
}

// check encodes leaf and decodes what comes of it. It returns the chunk, nil if
// the leaf does not shrink.
func check(t testing.TB, leaf []byte, c Context) []byte {
	t.Helper()
	chunk, err := Encode([]byte("dst"), leaf, c)
	if string(chunk[:3]) != "dst" {
		t.Fatalf("Encode changed what dst had")
	}
	chunk = chunk[3:]
	if errors.Is(err, ErrIncompressible) && len(chunk) == 0 {
		return nil
	}
	if err != nil || len(chunk) >= len(leaf) {
		t.Fatalf("Encode(%d bytes of %s) = %d bytes, %v", len(leaf), c.DType, len(chunk), err)
	}
	got, err := Decode([]byte("dst"), chunk, len(leaf), c)
	if err != nil || !bytes.Equal(got[3:], leaf) || string(got[:3]) != "dst" {
		t.Fatalf("Decode(Encode(%d bytes of %s at %d)) differs; %v", len(leaf), c.DType, c.Offset, err)
	}
	return chunk
}

func TestMethods(t *testing.T) {
	w := weights(1, 9000)
	text := []byte(strings.Repeat("all happy families are alike; ", 40) + string(random(4, 100)))
	// Half a leaf that a base covers, half a leaf of new rows.
	rows := slices.Concat(tuned(w[:6000], 9), random(2, 3000))
	for _, tc := range []struct {
		name string
		leaf []byte
		c    Context
		want string // "" where the leaf does not shrink
	}{
		{"empty", nil, Context{DType: tensor.BF16}, ""},
		{"one byte", []byte{7}, Context{DType: tensor.BF16}, ""},
		{"three zeros", make([]byte, 3), Context{DType: tensor.BF16}, ""},
		{"four zeros", make([]byte, 4), Context{DType: tensor.BF16}, "fill"},
		{"zeros", make([]byte, MaxLeaf), Context{DType: tensor.BF16}, "fill"},
		{"one value of 8 bytes", bytes.Repeat([]byte("abcdefgh"), 9), Context{DType: tensor.F64}, "fill"},
		{"the value cut off", bytes.Repeat([]byte("abcdefgh"), 9)[3:70], Context{DType: tensor.F64}, "fill"},
		{"the base", w, against(tensor.BF16, 0, w), "same"},
		{"the base, of a dtype as wide", w, Context{DType: tensor.U16, Bases: []Base{{tensor.BF16, []Span{{0, w}}}}}, "same"},
		{"the base, of another width", w, Context{DType: tensor.U32, Bases: []Base{{tensor.BF16, []Span{{0, w}}}}}, "planes"},
		{"the base, in two spans", w, Context{DType: tensor.BF16, Bases: []Base{{tensor.BF16, []Span{{0, w[:500]}, {500, w[500:]}}}}}, "same"},
		{"zeros that no base covers", make([]byte, 99), Context{DType: tensor.BF16, Bases: []Base{{DType: tensor.BF16}}}, "fill"},
		{"weights", w, Context{DType: tensor.BF16}, "planes"},
		{"weights, base unrelated", w, against(tensor.BF16, 0, weights(2, 9000)), "planes"},
		{"weights, tuned", tuned(w, 9), against(tensor.BF16, 0, w), "delta"},
		{"weights, few of them tuned", slices.Concat(w[:8990], tuned(w[8990:], 9)), against(tensor.BF16, 0, w), "sparse"},
		{"few integers, tuned", stepped(3, w[:998], tensor.I16, 5), against(tensor.I16, 0, w[:998]), "short"},
		{"few weights, bits of them flipped", tuned(w[:999], 9), against(tensor.BF16, 0, w[:999]), "bitx"},
		{"noise, tuned, of a dtype that nobody knows", tuned(random(1, 900), 9), against("Q9_Z", 0, random(1, 900)), "bitx"},
		{"noise, one bit of it", append(random(1, 900), 1), against("Q9_Z", 1, append(random(1, 900), 0)), "bitx"},
		{"base covers a part", rows, Context{DType: tensor.BF16, Bases: []Base{{tensor.BF16, []Span{{0, w[:6000]}}}}}, "segments"},
		{"text", text, Context{DType: tensor.Opaque}, "zstd"},
		{"noise", random(1, 5000), Context{DType: tensor.BF16}, ""},
		{"noise, base unrelated", random(1, 5000), against(tensor.BF16, 0, random(2, 5000)), ""},
	} {
		chunk := check(t, tc.leaf, tc.c)
		if got, _ := Method(chunk); got != tc.want {
			t.Errorf("%s: coded by %q in %d of %d bytes, want %q", tc.name, got, len(chunk), len(tc.leaf), tc.want)
		}
	}
}

func TestEncodeTooLong(t *testing.T) {
	if _, err := Encode(nil, make([]byte, MaxLeaf+1), Context{}); err == nil {
		t.Errorf("Encode of more than MaxLeaf bytes succeeds")
	}
	if _, err := Decode(nil, []byte{1, 2, 0}, MaxLeaf+1, Context{}); err == nil {
		t.Errorf("Decode to more than MaxLeaf bytes succeeds")
	}
}

// TestOffsets cuts each dtype's elements at every phase.
func TestOffsets(t *testing.T) {
	base := weights(3, 400)
	least := 390
	if testing.Short() {
		least = 398
	}
	for _, dtype := range allDTypes {
		for off := range int64(9) {
			for n := least; n < 400; n++ {
				check(t, base[:n], Context{DType: dtype, Offset: off})
				if chunk := check(t, tuned(base[:n], 20), against(dtype, off, base[:n])); chunk == nil {
					t.Errorf("a delta of %s at %d does not shrink", dtype, off)
				}
			}
		}
	}
}

// TestSpans takes the base in pieces, some of them out of the leaf.
func TestSpans(t *testing.T) {
	base := weights(4, 40000)
	leaf := tuned(base, 9)
	for _, spans := range [][]Span{
		{{0, base[:20000]}},
		{{20000, base[20000:]}},
		{{1, base[1:7777]}, {7778, base[7778:]}},
		{{-5000, append(random(9, 5000), base[:10000]...)}, {30000, append(bytes.Clone(base[30000:]), 1, 2, 3)}},
		{{-5, base[:3]}, {50000, base[:9]}, {40000, base[:9]}},
		{{0, base[:9000]}, {9000, base[9000:20000]}, {20002, base[20002:]}},
	} {
		covered := 0
		for _, s := range spans {
			covered += min(len(leaf), max(0, s.At+len(s.Data))) - min(len(leaf), max(0, s.At))
		}
		c := Context{DType: tensor.BF16, Bases: []Base{{tensor.BF16, spans}}}
		chunk := check(t, leaf, c)
		alone := check(t, leaf, Context{DType: tensor.BF16})
		if most := len(alone) - covered/4 + 100; len(chunk) > most {
			t.Errorf("base covers %d of %d bytes: %d stored, want at most %d", covered, len(leaf), len(chunk), most)
		}
	}
}

// TestRareSteps has leaves so large that their symbols are counted in part, and
// steps of all sizes so rare that most of these are not counted.
func TestRareSteps(t *testing.T) {
	for _, dtype := range []tensor.DType{tensor.BF16, tensor.F16, tensor.F32} {
		n, _ := numberOf(dtype)
		for seed := range uint64(4) {
			r := rand.New(rand.NewPCG(seed, 15))
			base := spreadElements(r, n, MaxLeaf/n.width)
			leaf := moved(n, base, func(int) int64 {
				if r.IntN(20000) == 0 {
					return int64(r.Uint64() >> r.IntN(64))
				}
				return int64(r.IntN(3) - 1)
			})
			check(t, leaf, against(dtype, 0, base))
		}
	}
}

func TestSeveralBases(t *testing.T) {
	w := weights(5, 20000)
	c := Context{DType: tensor.BF16, Bases: []Base{
		{tensor.U32, []Span{{0, w}}}, // not as wide
		{tensor.BF16, []Span{{0, weights(6, 20000)}}},
		{tensor.BF16, []Span{{0, tuned(w, 5)}}},
		{tensor.BF16, []Span{{0, tuned(w, 50)}}},
		{tensor.BF16, []Span{{0, w}}}, // the fifth is not tried
	}}
	if chunk := check(t, w, c); chunk[1] != methodDelta || chunk[2] != 3 {
		t.Errorf("coded by %d against base %d, want a delta against 3", chunk[1], chunk[2])
	}
}

// TestFarRepeats guards the probes: rows that are there twice, further apart
// than a sample sees, are for zstd.
func TestFarRepeats(t *testing.T) {
	leaf := weights(6, MaxLeaf)
	copy(leaf[MaxLeaf/2:], leaf[:MaxLeaf/2])
	alone := check(t, leaf[:MaxLeaf/2], Context{DType: tensor.BF16})
	if chunk := check(t, leaf, Context{DType: tensor.BF16}); len(chunk) > len(alone)*5/4 {
		t.Errorf("a leaf that repeats is %d bytes, its half alone %d", len(chunk), len(alone))
	}
}

// TestNoWorseThanZstd compares with what a store without codec would do.
func TestNoWorseThanZstd(t *testing.T) {
	e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	w := weights(8, MaxLeaf)
	for name, leaf := range map[string][]byte{
		"weights": w,
		"sparse":  slices.Concat(make([]byte, MaxLeaf/2), tuned(make([]byte, MaxLeaf/2), 50)),
		"mixed":   slices.Concat(w[:MaxLeaf/4], bytes.Repeat(w[:3000], 200)),
	} {
		for _, dtype := range []tensor.DType{tensor.BF16, tensor.F32, tensor.I8, tensor.Opaque} {
			for kind, c := range map[string]Context{"alone": {DType: dtype}, "against zeros": against(dtype, 0, make([]byte, len(leaf)))} {
				want := len(e.EncodeAll(leaf, nil))
				if got := len(check(t, leaf, c)); got > want+want>>9 { // a stronger level is sometimes a little larger
					t.Errorf("%s as %s, %s: %d bytes, zstd alone takes %d", name, dtype, kind, got, want)
				}
			}
		}
	}
}

// TestDeterministic encodes the same leaves in another order in many goroutines,
// whose encoders have seen other data.
func TestDeterministic(t *testing.T) {
	var leaves [][]byte
	var want [][]byte
	base := weights(10, 100000)
	for i := range 20 {
		leaves = append(leaves, slices.Concat(tuned(base[:5000*i], 1+i), bytes.Repeat([]byte("text "), 99*i)))
		want = append(want, check(t, leaves[i], against(tensor.BF16, int64(i), base)))
	}
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range leaves {
				i = (i*7 + g*3) % len(leaves)
				got, err := Encode(nil, leaves[i], against(tensor.BF16, int64(i), base))
				if !bytes.Equal(got, want[i]) {
					t.Errorf("leaf %d: other bytes the second time; %v", i, err)
				}
			}
		})
	}
	wg.Wait()
}

func TestMethodOfChunk(t *testing.T) {
	for _, tc := range []struct {
		chunk []byte
		want  string
		ok    bool
	}{
		{[]byte{1, 1, 0}, "same", true},
		{[]byte{1, 6}, "segments", true},
		{[]byte{1, 0}, "", false},   // raw only inside segments
		{[]byte{1, 11}, "", false},  // not yet
		{[]byte{2, 1}, "", false},   // of another version
		{[]byte{1}, "", false},      // too short
		{[]byte(nil), "", false},    // too short
		{[]byte("abcd"), "", false}, // a leaf
	} {
		if got, ok := Method(tc.chunk); got != tc.want || ok != tc.ok {
			t.Errorf("Method(%x) = %q, %v, want %q, %v", tc.chunk, got, ok, tc.want, tc.ok)
		}
	}
	if got := len(Methods()); got != len(methods) {
		t.Errorf("%d Methods, want %d", got, len(methods))
	}
}
