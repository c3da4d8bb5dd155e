package family_test

import (
	"math/rand/v2"
	"testing"

	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/tensor"
)

// Two families of generated models: a base, fine-tunes of it, one of a
// fine-tune; the same again from another start; and one that is alone.
func TestCluster(t *testing.T) {
	r := rand.New(rand.NewPCG(6, 6))
	const n = 60_000
	sample := func(list []float32) family.Model {
		return family.Model{"w": take(t, tensor.BF16, bf16(list))}
	}
	var models []family.Model
	for range 2 {
		base := weights(r, n)
		first := tune(r, base, 1e-3)
		for _, list := range [][]float32{base, first, tune(r, base, 1e-3), tune(r, base, 1e-3), tune(r, first, 1e-4)} {
			models = append(models, sample(list))
		}
	}
	models = append(models, sample(weights(r, n)))
	trees := family.Cluster(len(models), func(i, j int) family.Relation { return family.Relate(models[i], models[j]) })
	if len(trees) != 3 || len(trees[0].Members) != 5 || len(trees[1].Members) != 5 || len(trees[2].Members) != 1 {
		t.Fatalf("trees %+v, want two of five and one of one", trees)
	}
	for f, tree := range trees[:2] {
		under := map[int]int{}
		for _, m := range tree.Members {
			under[m.Model-5*f] = m.Under - 5*f
		}
		pair := under[4] == 1 && under[1] == 0 || under[1] == 4 && under[4] == 0
		if tree.Members[0].Model != 5*f || under[2] != 0 || under[3] != 0 || !pair {
			t.Errorf("family %d: %+v, want fine-tunes under the base, the first and its own together", f, tree.Members)
		}
	}
}

func TestRelateNothing(t *testing.T) {
	a := family.Model{"a": take(t, tensor.BF16, make([]byte, 1<<17))}
	b := family.Model{"b": take(t, tensor.BF16, make([]byte, 1<<17)), "c": {}}
	if r := family.Relate(a, b); r.Related() || r.Shared != 0 {
		t.Errorf("models without a common name: %+v", r)
	}
	if r := family.Relate(a, family.Model{"a": take(t, tensor.I16, make([]byte, 1<<17))}); r.Related() {
		t.Errorf("models of dtypes without a cast: %+v", r)
	}
}

// Every fine-tune of the data is in the family of base, dtypes and missing rows
// notwithstanding, and what was trained from its own start is not.
func TestClusterOnRealModels(t *testing.T) {
	names := []string{
		"unrelated", "base", "finetune", "finetune-frozen", "finetune-vocab", "lora-merged", "run-step50",
		"run-step100", "run-step150", "base-fp16", "finetune-fp16", "base-fp32", "finetune-fp32",
		"torch/proteinmpnn_v_48_002.pt", "torch/proteinmpnn_v_48_020.pt",
	}
	var models []family.Model
	for _, name := range names {
		m := family.Model{}
		for tensor, s := range load(t, name) {
			m[tensor] = *s
		}
		models = append(models, m)
	}
	trees := family.Cluster(len(models), func(i, j int) family.Relation { return family.Relate(models[i], models[j]) })
	for _, tree := range trees {
		for _, m := range tree.Members {
			under := "-"
			if m.Under >= 0 {
				under = names[m.Under]
			}
			t.Logf("%-32s under %-16s %.2f bits", names[m.Model], under, m.Distance)
		}
	}
	if len(trees) != 4 || len(trees[1].Members) != 12 {
		t.Errorf("%d families, want base's of 12 models and three of one", len(trees))
	}
}
