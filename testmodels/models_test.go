package testmodels

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

const layer = "encoder.layer.0.attention.self."

// tensors reads the tensors of a model's one safetensors file, by name.
func tensors(t *testing.T, model string) map[string][]byte {
	t.Helper()
	file, err := FS.ReadFile(model + "/model.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(file)
	var header map[string]struct {
		Offsets [2]int `json:"data_offsets"`
	}
	if err := json.Unmarshal(file[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	delete(header, "__metadata__")
	out := map[string][]byte{}
	for name, h := range header {
		out[name] = file[8+n:][h.Offsets[0]:h.Offsets[1]]
	}
	return out
}

// TestFamily checks what other rooms' tests rely on.
func TestFamily(t *testing.T) {
	base := tensors(t, "base")
	for model, moved := range map[string]map[string]bool{
		"finetune":    {layer + "query.weight": true, "encoder.layer.0.intermediate.dense.weight": true},
		"lora-merged": {layer + "query.weight": true, layer + "key.weight": false},
	} {
		derived := tensors(t, model)
		for name, data := range derived {
			if len(base[name]) != len(data) {
				t.Errorf("%s: %s has %d bytes, in base %d", model, name, len(data), len(base[name]))
			}
		}
		for name, want := range moved {
			if got := !bytes.Equal(base[name], derived[name]); got != want {
				t.Errorf("%s: %s moved is %v, want %v", model, name, got, want)
			}
		}
	}
}

func TestSize(t *testing.T) {
	total := int64(0)
	err := fs.WalkDir(FS, ".", func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		total += info.Size()
		return err
	})
	if err != nil || total > 4_000_000 {
		t.Errorf("the models have %d bytes, more than the 4 MB a clone should cost: %v", total, err)
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "models")
	if err := Write(dir); err != nil {
		t.Fatal(err)
	}
	want, _ := FS.ReadFile("base/config.json")
	got, err := os.ReadFile(filepath.Join(dir, "base", "config.json"))
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("base/config.json came out as %q, %v", got, err)
	}
}
