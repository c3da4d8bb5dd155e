package family_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/tensor/layout"
)

// model is the samples of a model's tensors.
type model map[string]*family.Sample

// load samples the model in folder name of ZIPNODE_TEST_DATA, by default that
// beside the checkout. It skips the test where there is none.
func load(t testing.TB, name string) model {
	t.Helper()
	dir := os.Getenv("ZIPNODE_TEST_DATA")
	if dir == "" {
		dir = filepath.Join("..", "..", "shared", "data")
	}
	if !strings.Contains(name, ".") {
		name = filepath.Join(name, "model.safetensors")
	}
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		t.Skipf("no test data: %v", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	l, err := layout.Of(f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	m := model{}
	for e := range l.Extents.All() {
		if e.Name == "" || e.Size < family.MinSize {
			continue
		}
		s, err := family.Take(f, e)
		if err != nil {
			t.Fatal(err)
		}
		m[e.Name] = &s
	}
	return m
}

// sum is what all tensors of a model come to.
type sum struct {
	tensors, chosen  int
	alone, best      float64 // bits an element, the mean over tensors
	distance, paired float64
}

// choose offers each tensor of target all tensors of base, whatever their name.
func choose(t *testing.T, target, base model) sum {
	var s sum
	for name, x := range target {
		s.tensors++
		names, list := []string{name}, []*family.Sample{}
		if own, ok := base[name]; ok {
			list = append(list, own)
			if d, ok := family.Distance(*x, *own); ok {
				s.distance += d
				s.paired++
			}
		} else {
			names = nil
		}
		for other, y := range base {
			if other != name {
				names, list = append(names, other), append(list, y)
			}
		}
		best, bits := nearest(*x, list)
		s.alone += family.Estimate(*x, nil)
		s.best += bits
		if best >= 0 && names[best] == name {
			s.chosen++
		} else if best >= 0 {
			t.Errorf("%s attached to %s: %.3f bits, alone %.3f", name, names[best], bits, family.Estimate(*x, nil))
		}
	}
	s.alone /= float64(s.tensors)
	s.best /= float64(s.tensors)
	s.distance /= max(s.paired, 1)
	return s
}

// No card, no config: the samples alone find the base, tensor by tensor, among
// all tensors of the other model, and refuse what is not related.
func TestChooseOnRealModels(t *testing.T) {
	for _, tc := range []struct {
		target, base string
		related      bool
	}{
		{"finetune", "base", true},
		{"finetune-frozen", "base", true},
		{"finetune-vocab", "base", true},
		{"lora-merged", "base", true},
		{"run-step50", "base", true},
		{"run-step100", "run-step50", true},
		{"run-step150", "run-step100", true},
		{"finetune-fp16", "base-fp16", true},
		{"finetune-fp32", "base-fp32", true},
		{"unrelated", "base", false},
		{"base", "unrelated", false},
		{"unrelated", "finetune", false},
		{"finetune-fp16", "base", true}, // by a cast
		{"base-fp32", "base", true},
		{"torch/proteinmpnn_v_48_020.pt", "torch/proteinmpnn_v_48_002.pt", false},
	} {
		t.Run(filepath.Base(tc.target)+" on "+filepath.Base(tc.base), func(t *testing.T) {
			s := choose(t, load(t, tc.target), load(t, tc.base))
			t.Logf("%d of %d tensors have a base: %.2f bits, alone %.2f; bit distance %.2f", s.chosen, s.tensors, s.best, s.alone, s.distance)
			if want := s.tensors; tc.related && s.chosen != want {
				t.Errorf("%d of %d tensors chose their base", s.chosen, want)
			}
			if !tc.related && s.chosen != 0 {
				t.Errorf("%d of %d tensors chose a base that is none", s.chosen, s.tensors)
			}
		})
	}
}

// Of all stored models the nearest is chosen, not the one that is called base.
func TestChooseNearest(t *testing.T) {
	names := []string{"base", "finetune", "unrelated", "run-step50", "run-step100"}
	var stored []model
	for _, n := range names {
		stored = append(stored, load(t, n))
	}
	for name, x := range load(t, "run-step150") {
		var list []*family.Sample
		var from []string
		for i, m := range stored {
			if y, ok := m[name]; ok {
				list, from = append(list, y), append(from, names[i])
			}
		}
		best, bits := nearest(*x, list)
		if near := family.Estimate(*x, list[len(list)-1]); bits == near { // the pooler never moved: all are as near
			continue
		}
		t.Errorf("%s: index %d of %v at %.3f bits, want run-step100", name, best, from, bits)
	}
}

// An embedding with rows added at its end lines up with the one it grew from.
func TestGrownEmbedding(t *testing.T) {
	const name = "embeddings.word_embeddings.weight"
	grown, base := load(t, "finetune-vocab")[name], load(t, "base")[name]
	if grown == nil || base == nil {
		t.Fatalf("no %s of 64 KiB in both", name)
	}
	alone, delta := family.Estimate(*grown, nil), family.Estimate(*grown, base)
	back := family.Estimate(*base, grown)
	t.Logf("grown: %.3f bits on base, %.3f alone; base on grown: %.3f", delta, alone, back)
	if delta > alone/2 || back > alone/2 {
		t.Errorf("grown on base %.3f bits, base on grown %.3f, alone %.3f: they do not line up", delta, back, alone)
	}
}

func BenchmarkEstimate(b *testing.B) {
	x, y := load(b, "finetune"), load(b, "base")
	const name = "encoder.layer.0.intermediate.dense.weight"
	for _, bc := range []struct {
		name string
		base *family.Sample
	}{{"BF16 delta", y[name]}, {"BF16 alone", nil}} {
		b.Run(bc.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				family.Estimate(*x[name], bc.base)
			}
		})
	}
	b.Run("glance", func(b *testing.B) {
		for b.Loop() {
			family.Glance(x[name], y[name])
		}
	})
}
