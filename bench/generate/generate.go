// Package generate makes tensors that look like those of models and of their
// fine-tunes, the same ones on every run: cases where the real models at hand
// have none.
//
// # The floats
//
// A base is Student's t with 8 degrees of freedom, standard deviation about
// 0.02, each row times a scale of its own, lognormal with sigma 0.1, and
// rounded to the dtype. A fine-tune begins at the rounded base, as training
// does: a master copy in full precision takes a normal step of standard
// deviation Delta times that of the tensor, and is rounded in its turn.
//
// That the master copy begins on the grid of the dtype is what gives the
// shares of elements that change, and the ratios of BitX, that are known of
// such data; 8 and 0.1 are the round numbers that come nearest. For bf16
// (BitX's ratio, whole tensors of 1024 × 1024):
//
//	Delta               1e-4   1e-3   5e-3   2e-2   alone
//	changed, known     2.8 %   25 %   68 %   91 %
//	changed, here      2.7 %   25 %   69 %   92 %
//	ratio, known        30.4   6.06   3.19   2.28   1.413
//	ratio, here         30.5   6.03   3.15   2.27   1.414
//
// A third of the tensors identical, the others 3e-4: 18.4 known, 19.0 here. A
// step proportional to each weight, 3e-3 of it: 6.46 and 6.47. fp16, 1e-3: 2.85
// and 2.83. TestRatios holds these to within 5 %.
//
// # Others
//
// Integers are such weights quantised, or indices: see [Cases].
//
// Package generate knows nothing of codecs.
package generate

import (
	"bytes"
	"hash/fnv"
	"math/rand/v2"

	"github.com/zipnode/zipnode/tensor"
)

// A Case is one kind of data.
type Case struct {
	Name  string
	DType tensor.DType
	Shape tensor.Shape // of each tensor
	Alone bool         // there is no base

	label string // of its tensors
	same  int    // every same-th tensor is its base; 0 for none
	fill  func(rng *rand.Rand, rows, cols int) (base, data []byte)
}

// A Tensor is one tensor of a case. Base is nil where there is none.
type Tensor struct {
	Name       string
	Data, Base []byte
}

// Bytes returns the size of each tensor of c.
func (c Case) Bytes() int {
	n, _ := c.DType.Bytes(c.Shape)
	return int(n)
}

// Tensor returns the i-th tensor of c, which is the same on every call. On
// processors that fuse multiplication and addition it may differ in few bits.
func (c Case) Tensor(i int) Tensor {
	h := fnv.New64a()
	h.Write([]byte(c.Name))
	rng := rand.New(rand.NewPCG(h.Sum64(), uint64(i)))
	rows, cols := 1, int(c.Shape[len(c.Shape)-1])
	if len(c.Shape) > 1 {
		rows = int(c.Shape[0])
	}
	t := Tensor{Name: c.label}
	t.Base, t.Data = c.fill(rng, rows, cols)
	switch {
	case c.Alone:
		t.Base = nil
	case c.same > 0 && i%c.same == c.same-1:
		t.Data = bytes.Clone(t.Base) // not the same memory, which is no work to compare
	}
	return t
}
