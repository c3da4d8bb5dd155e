package node_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/layout"
	"github.com/zipnode/zipnode/tensor/tensortest"
)

// withoutCards copies the weights of the model in dir, and nothing that says
// what it was made from; card is its README, unless empty.
func withoutCards(t *testing.T, dir, card string) string {
	t.Helper()
	files := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext != ".safetensors" && ext != ".pt" {
			continue
		}
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	if card != "" {
		files["README.md"] = []byte(card)
	}
	return modelDir(t, files)
}

// stored is what the tensors of a model take, and which models' tensors they
// are deltas of.
type kept struct {
	bytes, deltas, tensors int64
	known                  int64            // tensors of models before
	of                     map[string]int64 // bytes of tensors by the model of their base
}

// keptOf looks at a model; seen are the tensors of models before.
func keptOf(t *testing.T, n *node.Node, ref string, seen map[string]bool) kept {
	t.Helper()
	k := kept{of: map[string]int64{}}
	for _, f := range call[node.ShowResult](t, n, "show", node.RefRequest{Ref: ref}).FileList {
		for _, x := range f.Tensors {
			k.tensors++
			if seen[x.CID] {
				k.known++
				continue
			}
			seen[x.CID] = true
			k.bytes += x.Stored
			if x.Base != "" {
				k.deltas++
				model, _, _ := strings.Cut(x.BaseOf, "/")
				k.of[model] += x.Bytes
			}
		}
	}
	return k
}

// Without a word of where they come from, fine-tunes find bases of their own
// family, and what is unrelated finds none. With cards that lie, nothing is
// stored in more bytes.
func TestBasesWithoutCards(t *testing.T) {
	for _, set := range models(t) {
		honest, lied := start(t), start(t)
		wrong := ""
		seen, seenToo := map[string]bool{}, map[string]bool{}
		for _, dir := range set {
			name := filepath.Base(dir)
			named(t, honest, withoutCards(t, dir, ""), name)
			card := ""
			if wrong != "" {
				card = "---\nbase_model: " + wrong + "\n---\n"
			}
			named(t, lied, withoutCards(t, dir, card), name)
			if name == "unrelated" || wrong == "" || wrong == "base" {
				wrong = name
			}
			got, with := keptOf(t, honest, name, seen), keptOf(t, lied, name, seenToo)
			t.Logf("%-16s %9d bytes, of %d tensors %d known, %d deltas of %v; with wrong cards %d", name, got.bytes, got.tensors, got.known, got.deltas, got.of, with.bytes)
			unrelated := name == "unrelated" || name == "torch"
			switch {
			case unrelated && got.bytes > 0 && len(got.of) > 0:
				t.Errorf("%s is unrelated, and has bases %v", name, got.of)
			case !unrelated && dir != set[0] && !strings.HasPrefix(name, "base") && got.deltas+got.known < got.tensors*9/10:
				t.Errorf("%s: %d of %d tensors are deltas", name, got.deltas, got.tensors)
			case got.of["unrelated"]+got.of["torch"] > 0:
				t.Errorf("%s has bases %v", name, got.of)
			case with.bytes > got.bytes:
				t.Errorf("%s takes %d bytes with a wrong card, %d with none", name, with.bytes, got.bytes)
			}
		}
	}
}

// A weight is one tensor of a model that a test writes.
type weight struct {
	name  string
	dtype tensor.DType
	shape tensor.Shape
	data  []byte
}

// readWeights reads the matrices of the model in dir.
func readWeights(t *testing.T, dir string) map[string]weight {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	lay, err := layout.Of(bytes.NewReader(raw), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]weight{}
	for e := range lay.Extents.All() {
		if len(e.Shape) == 2 && e.Size >= 64<<10 {
			out[e.Name] = weight{e.Name, e.DType, e.Shape, raw[e.Offset : e.Offset+e.Size]}
		}
	}
	return out
}

// modelOf writes a model of ws.
func modelOf(t *testing.T, ws ...weight) string {
	t.Helper()
	header := map[string]any{}
	var data []byte
	for _, w := range ws {
		header[w.name] = map[string]any{"dtype": w.dtype, "shape": w.shape, "data_offsets": []int{len(data), len(data) + len(w.data)}}
		data = append(data, w.data...)
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	return modelDir(t, map[string][]byte{"model.safetensors": tensortest.Safetensors(string(text), data)})
}

// rows returns rows [from, to) of w, and stack those of ws under each other.
func (w weight) rows(from, to uint64) weight {
	row := uint64(len(w.data)) / w.shape[0]
	return weight{w.name, w.dtype, tensor.Shape{to - from, w.shape[1]}, w.data[from*row : to*row]}
}

func stack(name string, ws ...weight) weight {
	out := weight{name: name, dtype: ws[0].dtype, shape: tensor.Shape{0, ws[0].shape[1]}}
	for _, w := range ws {
		out.shape[0] += w.shape[0]
		out.data = append(out.data, w.data...)
	}
	return out
}

func (w weight) as(dtype tensor.DType) weight {
	return weight{w.name, dtype, w.shape, codec.Cast(nil, w.data, w.dtype, dtype)}
}

func (w weight) called(name string) weight {
	w.name = name
	return w
}

// rotated moves the rows, by sixteen at a time, to other places.
func (w weight) rotated(name string) weight {
	var parts []weight
	for from := uint64(0); from < w.shape[0]; from += 16 {
		parts = append(parts, w.rows(from, min(from+16, w.shape[0])))
	}
	slices.Reverse(parts)
	return stack(name, parts...)
}

// What converters do to tensors whose rows stay whole is found, and costs as
// much as what was converted: fused and split, moved, grown, renamed, cast.
func TestConvertedTensors(t *testing.T) {
	for _, set := range models(t) {
		base, tuned := threeMoved(t, set)
		half := base[0].shape[0] / 2
		convert(t, "fused", base, tuned, []weight{stack("fused", tuned...)})
		convert(t, "fused in another order", base, tuned, []weight{stack("fused", tuned[2], tuned[0], tuned[1])})
		convert(t, "split", []weight{stack("fused", base...)}, tuned, tuned)
		moved := []weight{tuned[0].rotated("a"), tuned[1].rotated("b"), tuned[2].rotated("c")}
		convert(t, "moved", base, moved, moved)
		convert(t, "renamed", base, tuned, []weight{tuned[0].called("x"), tuned[1].called("y"), tuned[2].called("z")})
		convert(t, "cut", base, []weight{tuned[0].rows(half, 2*half)}, []weight{tuned[0].rows(half, 2*half).called("second half")})
		convert(t, "cast", []weight{base[0].as(tensor.F32), base[1].as(tensor.F32), base[2].as(tensor.F32)}, tuned, tuned)
		convert(t, "cast and fused", []weight{base[0].as(tensor.F32), base[1].as(tensor.F32), base[2].as(tensor.F32)}, tuned, []weight{stack("fused", tuned...)})
	}
}

// threeMoved returns three matrices of one row length of a base in set, and as
// its fine-tune has them.
func threeMoved(t *testing.T, set []string) (base, tuned []weight) {
	t.Helper()
	find := func(name string) map[string]weight {
		i := slices.IndexFunc(set, func(dir string) bool { return filepath.Base(dir) == name })
		return readWeights(t, set[i])
	}
	from, to := find("base"), find("finetune")
	for _, name := range slices.Sorted(maps.Keys(to)) {
		x, y := to[name], from[name]
		if x.shape[1] != 384 || x.shape[0] > 1536 || bytes.Equal(x.data, y.data) {
			continue
		}
		for at := uint64(0); at < x.shape[0]; at += 384 { // so that there are enough of them
			part := fmt.Sprintf("%s.%d", name, at)
			base, tuned = append(base, y.rows(at, at+384).called(part)), append(tuned, x.rows(at, at+384).called(part))
		}
	}
	if len(base) < 3 {
		t.Fatalf("%d matrices moved", len(base))
	}
	return base[:3], tuned[:3]
}

// convert adds base and then converted, which is tuned in another form, and
// compares its bytes with those of tuned against the very bases, in tuned's form.
func convert(t *testing.T, what string, base, tuned, converted []weight) {
	t.Helper()
	n := start(t)
	named(t, n, modelOf(t, base...), "base")
	dir := modelOf(t, converted...)
	named(t, n, dir, "converted")
	got := keptOf(t, n, "converted", map[string]bool{})
	wantModel(t, n, "converted", dir)

	alone := start(t)
	named(t, alone, modelOf(t, tuned...), "tuned")
	t.Logf("%s: %d bytes, %d of %d tensors deltas; stand-alone %d", what, got.bytes, got.deltas, got.tensors, keptOf(t, alone, "tuned", map[string]bool{}).bytes)
	if got.deltas != int64(len(converted)) {
		t.Errorf("%s: %d of %d tensors are deltas", what, got.deltas, len(converted))
	}
	like := base
	if what == "moved" {
		like = []weight{base[0].rotated("a"), base[1].rotated("b"), base[2].rotated("c")}
	}
	if best := bestOf(t, tuned, like); best > 0 && float64(got.bytes) > 1.01*float64(best) {
		t.Errorf("%s: %d bytes, %d against the best base", what, got.bytes, best)
	}
}

// bestOf returns what tuned takes against tensors of the same rows and dtype,
// encoded one by one; 0 where base has them not as they are.
func bestOf(t *testing.T, tuned, base []weight) int64 {
	t.Helper()
	sum := int64(0)
	for i, x := range tuned {
		if i >= len(base) || len(base[i].data) != len(x.data) {
			return 0
		}
		c := codec.Context{DType: x.dtype, Bases: []codec.Base{{DType: base[i].dtype, Spans: []codec.Span{{Data: base[i].data}}}}}
		if len(x.data) > codec.MaxLeaf {
			return 0
		}
		chunk, err := codec.Encode(nil, x.data, c)
		if err != nil {
			t.Fatal(err)
		}
		sum += int64(len(chunk))
	}
	return sum
}
