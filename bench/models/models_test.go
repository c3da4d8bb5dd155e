package models_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/zipnode/zipnode/bench/models"
	"github.com/zipnode/zipnode/tensor"
)

// A made is a model to write: one tensor of a row of values, in one or more
// files.
type made struct {
	name, card string
	dtype      tensor.DType
	add        float32 // to the values that all models have
	rows       int
	shards     int
}

// write writes m under dir.
func (m made) write(t *testing.T, dir string) {
	t.Helper()
	folder := filepath.Join(dir, m.name)
	if err := os.Mkdir(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if m.card != "" {
		if err := os.WriteFile(filepath.Join(folder, "README.md"), []byte(m.card), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for shard := range max(m.shards, 1) {
		name := string(rune('a' + shard))
		if err := os.WriteFile(filepath.Join(folder, name+".safetensors"), m.file(t, name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// file returns a safetensors file with one tensor of rows × 4.
func (m made) file(t *testing.T, name string) []byte {
	t.Helper()
	rows := max(m.rows, 3)
	var data []byte
	for i := range 4 * rows {
		bits := math.Float32bits(float32(i) + m.add)
		if m.dtype == tensor.BF16 {
			data = binary.LittleEndian.AppendUint16(data, uint16(bits>>16))
		} else {
			data = binary.LittleEndian.AppendUint32(data, bits)
		}
	}
	header, err := json.Marshal(map[string]any{name: map[string]any{
		"dtype": m.dtype, "shape": []int{rows, 4}, "data_offsets": []int{0, len(data)},
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(file, header...), data...)
}

func card(base string) string { return "---\nlicense: mit\nbase_model: " + base + "\n---\n# x\n" }

func TestPairs(t *testing.T) {
	for _, tc := range []struct {
		what string
		made []made
		want []string
	}{
		{"declared", []made{{name: "a", dtype: tensor.BF16}, {name: "b", card: card("a"), dtype: tensor.BF16}}, []string{"b:a"}},
		{"declared with an owner, in a list", []made{{name: "a", dtype: tensor.BF16}, {name: "b", card: card("\n- me/a"), dtype: tensor.BF16}}, []string{"b:a"}},
		{"declared, not here", []made{{name: "a", dtype: tensor.BF16}, {name: "b", card: card("c"), dtype: tensor.BF16}}, nil},
		{"itself", []made{{name: "a", card: card("me/a"), dtype: tensor.BF16}}, nil},
		{"no card, no front matter", []made{{name: "a", dtype: tensor.BF16}, {name: "b", card: "base_model: a", dtype: tensor.BF16}}, nil},
		{"casts", []made{
			{name: "base", dtype: tensor.BF16},
			{name: "other32", card: card("base"), dtype: tensor.F32, add: 9},
			{name: "base32", card: card("base"), dtype: tensor.F32},
			{name: "tuned32", card: card("base"), dtype: tensor.F32, add: 0.5},
		}, []string{"other32:base32", "tuned32:base32"}},
		{"checkpoints", []made{
			{name: "base", dtype: tensor.BF16},
			{name: "run-step9", card: card("base"), dtype: tensor.BF16},
			{name: "run-step10", card: card("base"), dtype: tensor.BF16},
			{name: "run-step100", dtype: tensor.BF16},
			{name: "other-step50", dtype: tensor.BF16},
			{name: "run-step50", dtype: tensor.F32},
			{name: "size7", dtype: tensor.BF16},
			{name: "size13", dtype: tensor.BF16},
		}, []string{"run-step10:base", "run-step10:run-step9", "run-step100:run-step10", "run-step9:base"}},
		{"more rows, in two files", []made{
			{name: "a", dtype: tensor.BF16, shards: 2}, {name: "b", card: card("a"), dtype: tensor.BF16, rows: 5, shards: 3},
		}, []string{"b:a"}},
	} {
		dir := t.TempDir()
		for _, m := range tc.made {
			m.write(t, dir)
		}
		found, err := models.Read(dir)
		if err != nil {
			t.Fatal(err)
		}
		pairs, err := models.Pairs(found)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range pairs {
			got = append(got, p.Target.Name+":"+p.Base.Name)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%s: pairs are %v, want %v", tc.what, got, tc.want)
		}
	}
}

func TestMatch(t *testing.T) {
	dir := t.TempDir()
	made{name: "a", dtype: tensor.BF16, shards: 2}.write(t, dir)
	made{name: "b", dtype: tensor.BF16, rows: 5, shards: 3}.write(t, dir)
	made{name: "c", dtype: tensor.F32}.write(t, dir)
	found, err := models.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	p, err := models.Find(found, "b:a")
	if err != nil {
		t.Fatal(err)
	}
	if both, target, base := p.Match(); len(both) != 2 || target != 1 || base != 0 {
		t.Errorf("b and a match in %d tensors, %d and %d left; want 2, 1 and 0", len(both), target, base)
	}
	for _, spec := range []string{"b:c", "b", "b:none", ":"} {
		if _, err := models.Find(found, spec); err == nil {
			t.Errorf("Find(%q) finds a pair", spec)
		}
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	if _, err := models.Read(dir); err == nil {
		t.Error("an empty directory has models")
	}
	made{name: "a", dtype: tensor.BF16}.write(t, dir)
	if err := os.WriteFile(filepath.Join(dir, "a", "b.safetensors"), []byte("not one"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := models.Read(dir); err == nil {
		t.Error("a broken file is read")
	}
}
