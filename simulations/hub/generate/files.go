package generate

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/zipnode/zipnode/tensor"
)

// A file is one safetensors file of a model.
type file struct {
	name    string
	head    []byte
	tensors []spec
}

// at returns where in f each tensor begins, and where the last ends.
func (f file) at(d tensor.DType) []int64 {
	off := []int64{int64(len(f.head))}
	for i, t := range f.tensors {
		off = append(off, off[i]+t.elements()*int64(d.Bits()/8))
	}
	return off
}

// files returns the files of m. Models of the largest family have two, cut
// anywhere between tensors as the uploader's tool likes.
func (m *model) files() []file {
	if m.Kind == Copy {
		return m.made.files()
	}
	all := m.arch.tensors(m.grown)
	cut := len(all)
	if m.sharded() {
		cut = len(all) / 2
		if m.Kind == Resharded {
			cut = len(all) / 3
		}
	}
	parts := [][]spec{all[:cut], all[cut:]}
	if cut == len(all) {
		parts = parts[:1]
	}
	var out []file
	for i, p := range parts {
		name := "model.safetensors"
		if len(parts) > 1 {
			name = fmt.Sprintf("model-%05d-of-%05d.safetensors", i+1, len(parts))
		}
		out = append(out, file{name, header(p, m.DType, m.Kind != Resharded), p})
	}
	return out
}

func (m *model) sharded() bool {
	if m.Kind == Resharded {
		return !m.made.sharded()
	}
	return m.arch.layers >= 4 && m.seed%2 == 0 && m.made != nil
}

// header returns a safetensors header, its length before it, padded to 8 bytes.
func header(tensors []spec, d tensor.DType, metadata bool) []byte {
	p := []byte("{")
	if metadata {
		p = append(p, `"__metadata__":{"format":"pt"},`...)
	}
	off := int64(0)
	for i, t := range tensors {
		if i > 0 {
			p = append(p, ',')
		}
		shape := fmt.Sprintf("%d,%d", t.rows, t.cols)
		if t.class == vector {
			shape = fmt.Sprint(t.cols)
		}
		end := off + t.elements()*int64(d.Bits()/8)
		p = fmt.Appendf(p, `"%s":{"dtype":"%s","shape":[%s],"data_offsets":[%d,%d]}`, t.name, d, shape, off, end)
		off = end
	}
	p = append(p, '}')
	for len(p)%8 != 0 {
		p = append(p, ' ')
	}
	return slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(p))), p)
}

// texts returns the other files of m by their names.
func (m *model) texts() (map[string][]byte, error) {
	words := m.arch.vocab + m.grown
	config, err := json.MarshalIndent(map[string]any{
		"architectures": []string{"LlamaForCausalLM"}, "model_type": "llama",
		"hidden_size": m.arch.width, "intermediate_size": m.arch.inner, "num_hidden_layers": m.arch.layers,
		"vocab_size": words, "tie_word_embeddings": m.arch.tied, "torch_dtype": torchName[m.DType],
	}, "", "  ")
	if err != nil {
		return nil, err
	}
	out := map[string][]byte{"config.json": append(config, '\n')}
	if m.Card {
		out["README.md"] = m.card()
	}
	files := m.files()
	if len(files) < 2 {
		return out, nil
	}
	index := struct {
		Metadata map[string]int64  `json:"metadata"`
		Map      map[string]string `json:"weight_map"`
	}{map[string]int64{"total_size": m.Bytes}, map[string]string{}}
	for _, f := range files {
		for _, t := range f.tensors {
			index.Map[t.name] = f.name
		}
	}
	out["model.safetensors.index.json"], err = json.MarshalIndent(index, "", "  ")
	return out, err
}

var torchName = map[tensor.DType]string{tensor.BF16: "bfloat16", tensor.F16: "float16", tensor.F32: "float32"}

// card returns the README.md of m.
func (m *model) card() []byte {
	p := []byte("---\nlicense: apache-2.0\nlibrary_name: transformers\n")
	if m.Says != "" {
		p = fmt.Appendf(p, "base_model: hub/%s\n", m.Says)
	}
	return fmt.Appendf(p, "---\n\n# %s\n\nMade by a generator: no model to use.\n", m.Name)
}
