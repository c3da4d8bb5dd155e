package codec

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

var update = flag.Bool("update", false, "rewrite testdata/vectors.json")

// A vector is a leaf, its context and its chunk.
type vector struct {
	name  string
	leaf  []byte
	c     Context
	chunk []byte
}

// stepped returns the elements of base after steps of about so many units in the
// last place.
func stepped(seed uint64, base []byte, dtype tensor.DType, size float64) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	n, _ := numberOf(dtype)
	out := bytes.Clone(base)
	for i := range len(base) / n.width {
		d := int(r.NormFloat64() * size)
		n.store(out, i, n.ordering().walk(n.load(base, i), zigzag(d)&(1<<n.bits()-1)))
	}
	return out
}

// vectors returns small leaves of each method and dtype, with the chunks that
// they have now.
func vectors() []vector {
	w, apart := weights(11, 240), weights(16, 300)
	long := weights(12, 4400)
	noise := random(13, 512)
	spliced := bytes.Clone(noise) // every low byte changes, by the same 64 bytes again and again
	for i, b := range slices.Repeat(random(14, 64), 4) {
		spliced[2*i] ^= b
	}
	vs := []vector{
		{name: "fill-1", leaf: make([]byte, 32), c: Context{DType: tensor.BF16}},
		{name: "fill-2", leaf: bytes.Repeat([]byte{0x80, 0x3f}, 16), c: Context{DType: tensor.BF16}},
		{name: "fill-4", leaf: bytes.Repeat([]byte{0, 0, 0x80, 0x3f}, 8)[3:], c: Context{DType: tensor.F32, Offset: 3}},
		{name: "fill-8", leaf: bytes.Repeat([]byte("abcdefgh"), 4), c: Context{DType: tensor.I64}},
		{name: "same", leaf: w, c: against(tensor.BF16, 0, w)},
		{name: "same-as-second", leaf: w, c: Context{DType: tensor.BF16, Bases: []Base{{DType: tensor.BF16}, {tensor.BF16, []Span{{0, w[:100]}, {100, w[100:]}}}}}},
		{name: "zstd", leaf: []byte(strings.Repeat(`{"dtype":"BF16","shape":[384]},`, 8)), c: Context{DType: tensor.Opaque}},
		{name: "bitx-zstd-plane", leaf: spliced, c: against(tensor.U16, 0, noise)},
		{name: "planes-bf16", leaf: w, c: Context{DType: tensor.BF16}},
		{name: "planes-four-lanes", leaf: long, c: Context{DType: tensor.BF16}},
		{name: "planes-bytes", leaf: tuned(make([]byte, 100), 2), c: Context{DType: tensor.Opaque}},
		{name: "bitx-four-lanes", leaf: tuned(long, 9), c: against(tensor.BF16, 0, long)},
		{name: "segments", leaf: slices.Concat(apart, random(14, 300)), c: Context{DType: tensor.BF16, Bases: []Base{{tensor.BF16, []Span{{0, stepped(20, apart, tensor.BF16, 2)}}}}}},
	}
	wide := weights(15, 9000)
	for _, dtype := range []tensor.DType{tensor.BF16, tensor.F32, tensor.I8} {
		vs = append(vs, vector{name: "delta-" + string(dtype), leaf: tuned(wide, 9), c: against(dtype, 1, wide)})
	}
	still := bytes.Clone(wide)
	copy(still[2000:5000], tuned(wide[2000:5000], 5))
	// Steps as an update makes them, in 16 lanes; then large ones, with second and
	// third portions of raw bits.
	vs = append(vs, vector{name: "delta-16-lanes", leaf: stepped(21, wide, tensor.BF16, 2), c: against(tensor.BF16, 0, wide)},
		vector{name: "delta-portions", leaf: stepped(22, wide[:6000], tensor.F32, 1<<22), c: against(tensor.F32, 0, wide[:6000])},
		vector{name: "delta-F16", leaf: stepped(23, wide[:5000], tensor.F16, 9), c: against(tensor.F16, 0, wide[:5000])},
		vector{name: "delta-F8_E5M2", leaf: stepped(24, wide[:4000], tensor.F8E5M2, 1), c: against(tensor.F8E5M2, 0, wide[:4000])})
	few := bytes.Clone(wide)
	few[1000] ^= 1
	few[7001] ^= 0x80
	vs = append(vs, vector{name: "sparse", leaf: few, c: against(tensor.BF16, 1, wide)})
	vs = append(vs, vector{name: "delta-still-rows", leaf: still, c: Context{DType: tensor.BF16, Row: 100, Bases: against(tensor.BF16, 0, wide).Bases}},
		vector{name: "delta-columns", leaf: tuned(wide, 3), c: Context{DType: tensor.BF16, Row: 50, Offset: 60, Bases: against(tensor.BF16, 0, wide).Bases}},
		vector{name: "planes-lanes", leaf: wide, c: Context{DType: tensor.BF16}},
		vector{name: "cast", leaf: tuned(Cast(nil, w, tensor.F32, tensor.BF16), 9), c: Context{DType: tensor.BF16, Bases: []Base{{tensor.F32, []Span{{0, w}}}}}})
	for _, dtype := range allDTypes {
		vs = append(vs, vector{name: "bitx-" + string(dtype), leaf: tuned(w, 20), c: against(dtype, 0, w)},
			vector{name: "bitx-straddling-" + string(dtype), leaf: tuned(w[:235], 20), c: against(dtype, 3, w[:235])})
	}
	vs = append(vs, lowRankVectors()...)
	for i := range vs {
		vs[i].chunk, _ = Encode(nil, vs[i].leaf, vs[i].c)
	}
	return vs
}

// A golden is a vector as testdata has it, bytes in hex.
type golden struct {
	Name   string       `json:"name"`
	DType  tensor.DType `json:"dtype"`
	Offset int64        `json:"offset"`
	Bases  []goldenBase `json:"bases"`
	Side   string       `json:"side,omitempty"`
	Leaf   string       `json:"leaf"`
	Chunk  string       `json:"chunk"`

	// DecodeOnly says that an encoder may give other bytes: there is zstd in it.
	DecodeOnly bool `json:"decode_only"`
}

type goldenBase struct {
	DType tensor.DType `json:"dtype"`
	Spans []goldenSpan `json:"spans"`
}

type goldenSpan struct {
	At   int    `json:"at"`
	Data string `json:"data"`
}

func (v vector) golden() golden {
	g := golden{
		Name: v.name, DType: v.c.DType, Offset: v.c.Offset, Bases: []goldenBase{},
		Side: hex.EncodeToString(v.c.Side), Leaf: hex.EncodeToString(v.leaf), Chunk: hex.EncodeToString(v.chunk),
		DecodeOnly: bytes.Contains(v.chunk, []byte{0x28, 0xb5, 0x2f, 0xfd}),
	}
	for _, b := range v.c.Bases {
		gb := goldenBase{DType: b.DType, Spans: []goldenSpan{}}
		for _, s := range b.Spans {
			gb.Spans = append(gb.Spans, goldenSpan{s.At, hex.EncodeToString(s.Data)})
		}
		g.Bases = append(g.Bases, gb)
	}
	return g
}

func (g golden) vector(t testing.TB) vector {
	v := vector{name: g.Name, leaf: unhex(t, g.Leaf), chunk: unhex(t, g.Chunk), c: Context{DType: g.DType, Offset: g.Offset, Side: unhex(t, g.Side)}}
	for _, b := range g.Bases {
		base := Base{DType: b.DType}
		for _, s := range b.Spans {
			base.Spans = append(base.Spans, Span{s.At, unhex(t, s.Data)})
		}
		v.c.Bases = append(v.c.Bases, base)
	}
	return v
}

// goldens returns vectors vs as they are now and as path has them, to which they
// are written first with -update.
func goldens(t *testing.T, path string, vs []vector) (now, want []golden) {
	t.Helper()
	for _, v := range vs {
		now = append(now, v.golden())
	}
	if *update {
		out, err := json.MarshalIndent(now, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(out, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(in, &want); err != nil {
		t.Fatal(err)
	}
	if len(want) != len(now) {
		t.Fatalf("%d vectors in %s, want %d; rerun with -update", len(want), path, len(now))
	}
	return now, want
}

func TestGolden(t *testing.T) {
	now, want := goldens(t, "testdata/vectors.json", vectors())
	for i, g := range want {
		v := g.vector(t)
		got, err := Decode(nil, v.chunk, len(v.leaf), v.c)
		if err != nil || !bytes.Equal(got, v.leaf) {
			t.Errorf("%s: format changed (%v); if meant, bump the version and rerun with -update:\n got %x\nwant %x", g.Name, err, got, v.leaf)
		}
		if !g.DecodeOnly && g.Chunk != now[i].Chunk {
			t.Errorf("%s: encoding changed; if meant, rerun with -update:\n got %s\nwant %s", g.Name, now[i].Chunk, g.Chunk)
		}
	}
}

// TestSpecification decodes the vectors by a second program, which follows
// docs/format.md.
func TestSpecification(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 to run testdata/decode.py")
	}
	out, err := exec.Command(python, "testdata/decode.py", "testdata/vectors.json", "testdata/corners.json").CombinedOutput()
	if err != nil {
		t.Errorf("docs/format.md or testdata/decode.py no longer says what chunks are: %v\n%s", err, out)
	}
	t.Logf("%s", out)
}

// TestGoldenCovers checks that the vectors show every method and plane coding.
func TestGoldenCovers(t *testing.T) {
	seen := map[string]bool{}
	for _, v := range vectors() {
		name, _ := Method(v.chunk)
		seen[name] = true
		if name == "" {
			t.Errorf("%s: does not shrink", v.name)
		}
	}
	if v := vectors()[7]; v.chunk[1] != methodBitX || !v.golden().DecodeOnly {
		t.Errorf("%s: no plane is coded by zstd", v.name)
	}
	for _, name := range methods[1:] {
		if !seen[name] {
			t.Errorf("no vector of method %s", name)
		}
	}
}
