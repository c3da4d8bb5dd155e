package node_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/zipnode/zipnode/node"
)

// members returns all members of all families by their names.
func members(t *testing.T, n *node.Node) (all map[string]node.FamilyMember, familyOf map[string]int) {
	t.Helper()
	all, familyOf = map[string]node.FamilyMember{}, map[string]int{}
	for i, f := range call[node.FamilyResult](t, n, "family", nil).Families {
		for _, m := range f.Members {
			all[m.Name], familyOf[m.Name] = m, i
		}
	}
	return all, familyOf
}

// Cards that say what is so are not contradicted; the unrelated model is alone.
func TestFamily(t *testing.T) {
	for _, dirs := range models(t) {
		t.Run(filepath.Base(filepath.Dir(dirs[0])), func(t *testing.T) {
			n := start(t)
			addAll(t, n, dirs, "")
			all, familyOf := members(t, n)
			if len(all) != len(dirs) {
				t.Errorf("%d members of %d models", len(all), len(dirs))
			}
			for name, m := range all {
				kin := name != "unrelated" && name != "torch"
				if m.Contradiction != "" || (familyOf[name] == familyOf["base"]) != kin {
					t.Errorf("%s: %+v", name, m)
				}
			}
		})
	}
}

// Whatever a card says, a model is where its bits put it.
func TestFamilyContradictions(t *testing.T) {
	n := start(t)
	w := weights(1, 256<<10)
	model := func(name, claims string, data []byte) {
		named(t, n, modelDir(t, map[string][]byte{
			"m.safetensors": oneTensor(data), "README.md": []byte("---\nbase_model: " + claims + "\n---\n"),
		}), name)
	}
	model("base", "org/elsewhere", w)
	model("honest", "base", step(w, 1))
	other := step(step(step(w, 2), 3), 4)
	model("wrong", "honest", other)
	model("stranger", "base", weights(9, 256<<10))
	all, familyOf := members(t, n)
	for name, want := range map[string]string{
		"base": "", "honest": "", "wrong": "nearest to base", "stranger": "not related",
	} {
		if got := all[name].Contradiction; want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if familyOf["wrong"] != familyOf["base"] || familyOf["stranger"] == familyOf["base"] {
		t.Errorf("families %v", familyOf)
	}
	if m := all["wrong"]; m.Bits <= 0 || m.ClaimBits <= m.Bits || m.Under != all["base"].CID {
		t.Errorf("wrong is %+v", m)
	}
}
