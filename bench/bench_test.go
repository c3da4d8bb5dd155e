package main

import (
	"strings"
	"testing"

	"github.com/zipnode/zipnode/bench/generate"
	"github.com/zipnode/zipnode/bench/models"
	"github.com/zipnode/zipnode/tensor"
)

func TestClassOf(t *testing.T) {
	for _, tc := range []struct {
		name  string
		shape tensor.Shape
		want  class
	}{
		{"scalar", tensor.Shape{}, vector},
		{"embeddings.norm.bias", tensor.Shape{384}, vector},
		{"a.weight", tensor.Shape{64, 64}, small},
		{"token_type_embeddings", tensor.Shape{2, 384}, small},
		{"a.weight", tensor.Shape{64, 65}, matrix},
		{"word_embeddings.weight", tensor.Shape{512, 384}, embedding},
		{"model.Embed.weight", tensor.Shape{512, 384}, embedding},
		{"lookup", tensor.Shape{2048, 256}, embedding},
		{"lookup", tensor.Shape{2047, 256}, matrix},
		{"down.weight", tensor.Shape{256, 2048}, matrix},
	} {
		n, _ := tensor.BF16.Bytes(tc.shape)
		if got := classOf(item{name: tc.name, shape: tc.shape, data: make([]byte, n)}); got != tc.want {
			t.Errorf("class of %s%d = %s, want %s", tc.name, tc.shape, got, tc.want)
		}
	}
}

// TestGenerated runs every method over every generated case: round trips are
// compared on the way.
func TestGenerated(t *testing.T) {
	all, free, err := methods()
	if err != nil {
		t.Fatal(err)
	}
	defer free()
	b := &bench{methods: all, rounds: 1}
	for _, c := range generate.Cases() {
		r, err := b.run(generated(c, 0))
		if err != nil {
			t.Fatal(err)
		}
		checkSums(t, r)
		if r.Tensors != 3 || r.Bytes != int64(3*c.Bytes()) {
			t.Errorf("%s: %d tensors of %d bytes in all, want 3 of %d each", r.Name, r.Tensors, r.Bytes, c.Bytes())
		}
	}
}

// checkSums checks that classes add up to the whole.
func checkSums(t *testing.T, r *result) {
	t.Helper()
	var tensors int
	var size int64
	stored := make([]int64, len(r.Scores))
	for _, c := range r.Classes {
		tensors, size = tensors+c.Tensors, size+c.Bytes
		for i, n := range c.Stored {
			stored[i] += n
		}
	}
	for i, s := range r.Scores {
		if s.Stored != stored[i] || s.Stored <= 0 || s.Compress <= 0 || s.Decompress <= 0 {
			t.Errorf("%s: method %d: %+v, its classes add up to %d bytes", r.Name, i, s, stored[i])
		}
	}
	if tensors != r.Tensors || size != r.Bytes {
		t.Errorf("%s: classes have %d tensors and %d bytes, the whole %d and %d", r.Name, tensors, size, r.Tensors, r.Bytes)
	}
}

func TestPair(t *testing.T) {
	found, err := models.Read("../testmodels")
	if err != nil {
		t.Fatal(err)
	}
	p, err := models.Find(found, "lora-merged:base")
	if err != nil {
		t.Fatal(err)
	}
	all, free, err := methods()
	if err != nil {
		t.Fatal(err)
	}
	defer free()
	r, err := (&bench{methods: all, rounds: 2}).run(pairSubject(p))
	if err != nil {
		t.Fatal(err)
	}
	checkSums(t, r)
	both, _, _ := p.Match()
	if r.Identical == 0 || r.Tensors == 0 || r.Tensors+r.Identical != len(both) {
		t.Errorf("%d tensors and %d identical, of %d that match", r.Tensors, r.Identical, len(both))
	}
}

// forgetful is a method that loses a bit.
type forgetful struct{}

func (forgetful) name() string { return "forgetful" }

func (forgetful) compress(dst []byte, x item) ([]byte, error) { return append(dst, x.data...), nil }

func (forgetful) decompress(dst, src []byte, x item) error {
	copy(dst, src)
	dst[len(dst)-1] ^= 1
	return nil
}

func TestWrongRoundTrip(t *testing.T) {
	b := &bench{methods: []method{forgetful{}}, rounds: 1}
	_, err := b.run(generated(generate.Cases()[0], 0))
	if err == nil || !strings.Contains(err.Error(), "round trip of linear.weight is wrong") {
		t.Errorf("a method that loses a bit: %v", err)
	}
}

func TestWriteLosses(t *testing.T) {
	r := &report{Methods: []string{"zipnode", "BitX"}, Results: []*result{
		{Name: "won", Bytes: 9, Scores: []score{{Stored: 3}, {Stored: 4}}, Classes: map[class]*classed{
			vector: {Stored: []int64{2, 2}}, matrix: {Stored: []int64{1, 2}},
		}},
		{Name: "lost", Bytes: 9, Scores: []score{{Stored: 1004}, {Stored: 1003}}},
	}}
	var out strings.Builder
	r.writeLosses(&out)
	want := `
zipnode is not the smallest in 2 comparisons over 4 cases and classes
  vector of won: BitX 2, zipnode 2
  lost: BitX 1,003, zipnode 1,004
`
	if out.String() != want {
		t.Errorf("got %s, want %s", out.String(), want)
	}
}

func TestCommas(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := commas(n); got != want {
			t.Errorf("commas(%d) = %s, want %s", n, got, want)
		}
	}
}
