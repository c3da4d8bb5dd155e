package generate

import "github.com/zipnode/zipnode/tensor"

// A Kind is how a model came to be.
type Kind string

// The kinds. All but Base and Scratch are made from another model.
const (
	Base       Kind = "base"       // trained from nothing, and others from it
	Scratch    Kind = "scratch"    // of a base's shape, trained from nothing, and nothing from it
	Light      Kind = "light"      // few small steps: preferences, safety
	Tuned      Kind = "tuned"      // a full fine-tune on instructions
	Strong     Kind = "strong"     // another, at a high learning rate
	Continued  Kind = "continued"  // trained on for long: another language or field
	Frozen     Kind = "frozen"     // a full fine-tune of the upper half; the rest as it was
	Adapter    Kind = "adapter"    // a low-rank adapter of queries and values, merged
	AdapterAll Kind = "adapterall" // the same of every matrix of the layers
	Grown      Kind = "grown"      // a fine-tune with more words
	Checkpoint Kind = "checkpoint" // one of a run's
	Half       Kind = "half"       // a fine-tune in fp16
	Wide       Kind = "wide"       // a fine-tune in fp32
	Copy       Kind = "copy"       // another's weights, file by file
	Resharded  Kind = "resharded"  // another's tensors, cut into other files
)

// mix is the part of a hub's bytes that each kind has, but for Base and
// Scratch. Copies are what the study found to be duplicate files; what shares
// tensors otherwise comes to what it found beyond these.
var mix = []struct {
	kind  Kind
	share float64
}{
	{Tuned, 0.270},
	{Strong, 0.169},
	{Light, 0.150},
	{Continued, 0.060},
	{Frozen, 0.020},
	{Adapter, 0.022},
	{AdapterAll, 0.039},
	{Grown, 0.040},
	{Checkpoint, 0.105},
	{Half, 0.030},
	{Wide, 0.060},
	{Copy, 0.032},
	{Resharded, 0.003},
}

// A tuning is how long training was, and how fast.
type tuning struct {
	rate  float64 // the learning rate
	steps float64
	words float64 // tokens seen, for each word of the vocabulary
}

var tunings = map[Kind]tuning{
	Light:      {1e-6, 400, 3},
	Tuned:      {2e-5, 600, 20},
	Strong:     {1e-4, 400, 40},
	Continued:  {3e-4, 3000, 1e5},
	Frozen:     {2e-5, 600, 20},
	Adapter:    {1e-4, 400, 0},
	AdapterAll: {1e-4, 400, 0},
	Grown:      {2e-5, 300, 20},
	Checkpoint: {2e-5, 100, 5}, // from one to the next
	Half:       {2e-5, 600, 20},
	Wide:       {2e-5, 600, 20},
}

// spread is what the learning rates of models of one kind differ by.
var spread = []float64{1, 0.5, 2, 0.7, 1.4}

func (k Kind) dtype() tensor.DType {
	switch k {
	case Half:
		return tensor.F16
	case Wide:
		return tensor.F32
	}
	return tensor.BF16
}

// families are the bases: models of each, by bytes, are those of the third
// column. Widths are those of a hub that is not shrunk.
var families = []struct {
	arch    arch
	models  int // bytes of all, in those of the base
	scratch int // models trained from nothing
}{
	{arch{family: "kite", width: 256, inner: 688, kv: 64, layers: 4, vocab: 4096}, 110, 0},
	{arch{family: "heron", width: 192, inner: 512, kv: 64, layers: 4, vocab: 3072}, 150, 0},
	{arch{family: "wren", width: 128, inner: 352, kv: 32, layers: 3, vocab: 3072, tied: true}, 300, 2},
}
