package generate

import (
	"cmp"
	"fmt"
	"slices"
)

// A class is what a tensor does in its model: its weights and its steps follow.
type class int

const (
	matrix    class = iota
	adapted         // a matrix of attention that small adapters change
	embedding       // only rows of words that were seen learn
	head            // as many rows as the embedding, all learn
	vector          // of a norm: about 1
)

// An arch is the shape of a family's models: llama's.
type arch struct {
	family       string
	width, inner int
	kv           int // rows of keys and of values
	layers       int
	vocab        int
	tied         bool // the head is the embedding
}

// A spec is one tensor of a model.
type spec struct {
	name       string
	rows, cols int
	class      class
	layer      int // -1 for what belongs to none
}

func (s spec) elements() int64 { return int64(s.rows) * int64(s.cols) }

// shrunk returns a with each width divided by n.
func (a arch) shrunk(n int) arch {
	part := func(x int) int { return max(x/n/8*8, 8) }
	a.width, a.inner, a.kv, a.vocab = part(a.width), part(a.inner), part(a.kv), part(a.vocab)
	return a
}

// tensors returns the tensors of a model of shape a with grown more words, in
// the order of their names, in which they are written.
func (a arch) tensors(grown int) []spec {
	list := []spec{
		{"model.embed_tokens.weight", a.vocab + grown, a.width, embedding, -1},
		{"model.norm.weight", 1, a.width, vector, -1},
	}
	if !a.tied {
		list = append(list, spec{"lm_head.weight", a.vocab + grown, a.width, head, -1})
	}
	for i := range a.layers {
		add := func(name string, rows, cols int, c class) {
			list = append(list, spec{fmt.Sprintf("model.layers.%d.%s.weight", i, name), rows, cols, c, i})
		}
		add("input_layernorm", 1, a.width, vector)
		add("mlp.down_proj", a.width, a.inner, matrix)
		add("mlp.gate_proj", a.inner, a.width, matrix)
		add("mlp.up_proj", a.inner, a.width, matrix)
		add("post_attention_layernorm", 1, a.width, vector)
		add("self_attn.k_proj", a.kv, a.width, matrix)
		add("self_attn.o_proj", a.width, a.width, matrix)
		add("self_attn.q_proj", a.width, a.width, adapted)
		add("self_attn.v_proj", a.kv, a.width, adapted)
	}
	slices.SortFunc(list, func(x, y spec) int { return cmp.Compare(x.name, y.name) })
	return list
}
