package generate

import (
	"slices"
	"testing"
)

// Each kind has its share of the bytes, and cards say what they are to say.
func TestPlan(t *testing.T) {
	models, err := Plan(Config{})
	if err != nil {
		t.Fatal(err)
	}
	total, bytes := int64(0), map[Kind]int64{}
	made, honest, wrong, silent := 0, 0, 0, 0
	names := map[string]bool{}
	for _, m := range models {
		if names[m.Name] {
			t.Errorf("two models are called %s", m.Name)
		}
		if m.Made != "" && !names[m.Made] {
			t.Errorf("%s comes before %s, from which it is made", m.Name, m.Made)
		}
		if m.Says != "" && m.Says == m.Name {
			t.Errorf("%s says that it is its own base", m.Name)
		}
		names[m.Name] = true
		total += m.Bytes
		bytes[m.Kind] += m.Bytes
		switch {
		case m.Made == "":
			continue
		case m.Says == m.Made:
			honest++
		case m.Says != "":
			wrong++
		default:
			silent++
		}
		made++
	}
	for _, x := range mix {
		if got := float64(bytes[x.kind]) / float64(total); got < x.share-0.004 || got > x.share+0.004 {
			t.Errorf("%s has %.4f of the bytes, want %.3f", x.kind, got, x.share)
		}
	}
	t.Logf("%d models, %d bytes; of %d cards %d are right, %d wrong", len(models), total, made, honest, wrong)
	within := func(what string, n int, part float64) {
		if got := float64(n) / float64(made); got < part-0.01 || got > part+0.01 {
			t.Errorf("%.3f of the cards %s, want %.2f", got, what, part)
		}
	}
	within("are right", honest, 0.25)
	within("are wrong", wrong, 0.05)
	within("say nothing, or are missing", silent, 0.70)
}

func TestPlanDiffersBySeed(t *testing.T) {
	a, _ := plan(Config{})
	b, _ := plan(Config{Seed: 1})
	for i := range a {
		if a[i].seed == b[i].seed {
			t.Errorf("%s is drawn alike with another seed", a[i].Name)
		}
	}
	if _, err := Plan(Config{Shrink: 17}); err == nil {
		t.Error("a hub shrunk by 17 is planned")
	}
}

func TestRoundsKeepOrder(t *testing.T) {
	all, err := plan(Config{})
	if err != nil {
		t.Fatal(err)
	}
	for rounds := 0; len(all) > 0; rounds++ {
		n := ready(all)
		if n == 0 || rounds > 20 {
			t.Fatalf("round %d writes %d of %d models", rounds, n, len(all))
		}
		for _, m := range all[:n] {
			if slices.Contains(all[:n], m.made) {
				t.Fatalf("%s and %s are written at the same time", m.Name, m.made.Name)
			}
		}
		all = all[n:]
	}
}
