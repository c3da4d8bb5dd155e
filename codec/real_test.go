package codec

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

// A realTensor is a tensor of one of the models in the test data.
type realTensor struct {
	dtype tensor.DType
	data  []byte
	row   int // elements of one of its rows; 0 if it is no matrix
}

// readModel reads a model of the test data: eight bytes of length, a JSON
// header, tensors. It skips the test where there is no test data.
func readModel(t testing.TB, name string) map[string]realTensor {
	t.Helper()
	dir := os.Getenv("ZIPNODE_TEST_DATA")
	if dir == "" {
		dir = "../../shared/data"
	}
	file, err := os.ReadFile(filepath.Join(dir, name, "model.safetensors"))
	if err != nil {
		t.Skipf("no test data; set ZIPNODE_TEST_DATA: %v", err)
	}
	n := le.Uint64(file)
	header := map[string]json.RawMessage{}
	if err := json.Unmarshal(file[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	delete(header, "__metadata__")
	model := map[string]realTensor{}
	for name, raw := range header {
		var info struct {
			DType   tensor.DType `json:"dtype"`
			Offsets [2]uint64    `json:"data_offsets"`
			Shape   []int
		}
		if err := json.Unmarshal(raw, &info); err != nil {
			t.Fatal(err)
		}
		row := 0
		if len(info.Shape) == 2 {
			row = info.Shape[1]
		}
		model[name] = realTensor{info.DType, file[8+n:][info.Offsets[0]:info.Offsets[1]], row}
	}
	return model
}

// A tally adds up what leaves became.
type tally struct {
	in, out int
	methods map[string]int
}

// roundTrip encodes each leaf of target against base, if any, checks that it
// decodes, and adds up the bytes that are stored.
func (sum *tally) roundTrip(t testing.TB, target realTensor, base *realTensor) {
	for off := 0; off < len(target.data); off += MaxLeaf {
		leaf := target.data[off:min(off+MaxLeaf, len(target.data))]
		c := Context{DType: target.dtype, Offset: int64(off)}
		if base != nil && off < len(base.data) {
			c.Bases = []Base{{base.dtype, []Span{{0, base.data[off:min(off+MaxLeaf, len(base.data))]}}}}
		}
		sum.in += len(leaf)
		chunk, err := Encode(nil, leaf, c)
		if err == ErrIncompressible {
			sum.out += len(leaf)
			sum.methods["leaf"]++
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(nil, chunk, len(leaf), c)
		if err != nil || !bytes.Equal(got, leaf) {
			t.Fatalf("Decode(Encode(leaf of %s at %d)) differs: %v", target.dtype, off, err)
		}
		name, _ := Method(chunk)
		sum.out += len(chunk)
		sum.methods[name]++
	}
}

// realPairs are the pairs of the test data, with the bytes that the paper's
// codec in C stores of the tensors that differ.
var realPairs = []struct {
	target, base string
	paper        int
}{
	{"finetune", "base", 9147169},
	{"finetune-frozen", "base", 1782896},
	{"lora-merged", "base", 598602},
	{"run-step50", "base", 1710567},
	{"finetune-fp16", "base-fp16", 3665282},
	{"finetune-fp32", "base-fp32", 4686195},
	{"run-step100", "run-step50", 0},
	{"finetune-vocab", "base", 0},
	{"base", "", 0},
	{"base-fp16", "", 0},
	{"base-fp32", "", 0},
	{"finetune-fp32", "", 0},
}

// TestLevels checks that the best level is one: over all leaves of a pair it
// stores less than the fast one, and decodes.
func TestLevels(t *testing.T) {
	target, base := readModel(t, "run-step50"), readModel(t, "base")
	sizes := map[Level]int{}
	for _, name := range slices.Sorted(maps.Keys(target)) {
		b, ok := base[name]
		if !ok || bytes.Equal(b.data, target[name].data) || len(b.data) > MaxLeaf {
			continue
		}
		c := against(target[name].dtype, 0, b.data)
		for _, c.Level = range []Level{Fast, Best} {
			c.Row = 384
			sizes[c.Level] += len(check(t, target[name].data, c))
		}
	}
	t.Logf("%d bytes at the fast level, %d at the best", sizes[Fast], sizes[Best])
	if fast, best := sizes[Fast], sizes[Best]; best >= fast || fast == 0 {
		t.Errorf("%d bytes at the best level, %d at the fast one", best, fast)
	}
}

func TestRealPairs(t *testing.T) {
	if testing.Short() {
		t.Skip("100 MB of weights")
	}
	for _, pair := range realPairs {
		target := readModel(t, pair.target)
		bases := map[string]realTensor{}
		if pair.base != "" {
			bases = readModel(t, pair.base)
		}
		sum := tally{methods: map[string]int{}}
		for _, name := range slices.Sorted(maps.Keys(target)) {
			base, ok := bases[name]
			switch {
			case !ok && pair.base != "":
			case !ok:
				sum.roundTrip(t, target[name], nil)
			case bytes.Equal(base.data, target[name].data): // deduplicated
			default:
				sum.roundTrip(t, target[name], &base)
			}
		}
		t.Logf("%-16s %-10s %9d → %8d, ratio %.3f, %v", pair.target, pair.base, sum.in, sum.out, float64(sum.in)/float64(sum.out), sum.methods)
		if pair.paper != 0 && sum.out > pair.paper {
			t.Errorf("%s against %s: %d bytes stored, the paper's codec stores %d", pair.target, pair.base, sum.out, pair.paper)
		}
	}
}
