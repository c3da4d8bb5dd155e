package family_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/zipnode/zipnode/family"
)

// randomProblem has n tensors of about one size, and edges between most pairs:
// some that save much, some little.
func randomProblem(r *rand.Rand, n int, several bool) *family.Problem {
	p := &family.Problem{}
	for range n {
		size := int64(900 + r.IntN(200))
		p.Size = append(p.Size, size)
		p.Alone = append(p.Alone, size*int64(55+r.IntN(20))/100)
	}
	for t := range int32(n) {
		for b := range int32(n) {
			if t == b || r.IntN(4) == 0 {
				continue
			}
			e := family.Edge{Target: t, Base: b, Cost: p.Alone[t] * int64(r.IntN(100)) / 100}
			if several && r.IntN(6) == 0 {
				if more := int32(r.IntN(n)); more != t && more != b {
					e.More = []family.Source{{Tensor: more, Share: 0.5}}
					e.Cost /= 2
				}
			}
			p.Edges = append(p.Edges, e)
		}
	}
	return p
}

// reads returns what a rebuild of each tensor reads and decodes, and whether
// its bases are stand-alone; ok is false where tensors need themselves.
func reads(p *family.Problem, plan []int32) (read, work []float64, shallow []bool, ok bool) {
	n := len(plan)
	read, work, shallow = make([]float64, n), make([]float64, n), make([]bool, n)
	state := make([]int, n)
	var visit func(t int32) bool
	visit = func(t int32) bool {
		if state[t] > 0 {
			return state[t] == 2
		}
		state[t] = 1
		read[t], work[t], shallow[t] = float64(p.Alone[t]), float64(p.Size[t]), true
		if plan[t] >= 0 {
			e := p.Edges[plan[t]]
			read[t] = float64(e.Cost)
			for _, s := range append([]family.Source{{Tensor: e.Base, Share: e.Share}}, e.More...) {
				if !visit(s.Tensor) {
					return false
				}
				share := float64(s.Share)
				if share == 0 {
					share = 1
				}
				read[t] += math.Ceil(share * read[s.Tensor])
				work[t] += math.Ceil(share * work[s.Tensor])
				shallow[t] = shallow[t] && plan[s.Tensor] < 0
			}
		}
		state[t] = 2
		return true
	}
	for t := range plan {
		if !visit(int32(t)) {
			return nil, nil, nil, false
		}
	}
	return read, work, shallow, true
}

// allowed tells whether plan has no circle and every budget holds, as the
// documentation of Problem says it.
func allowed(p *family.Problem, plan []int32) bool {
	read, work, shallow, ok := reads(p, plan)
	if !ok {
		return false
	}
	budget := p.Budget
	switch {
	case budget == 0:
		budget = family.DefaultBudget
	case budget < 0:
		budget = 0
	}
	groups := slices.Clone(p.Groups)
	for t := range plan {
		if !slices.ContainsFunc(p.Groups, func(g []int32) bool { return slices.Contains(g, int32(t)) }) {
			groups = append(groups, []int32{int32(t)})
		}
		if !shallow[t] && work[t] > math.Ceil(family.DefaultWork*float64(p.Size[t])) {
			return false
		}
	}
	for _, g := range groups {
		sum, limit := 0.0, 0.0
		for _, t := range g {
			own := math.Ceil(budget * float64(p.Size[t]))
			limit += own
			if shallow[t] {
				sum += min(read[t], own)
			} else {
				sum += read[t]
			}
		}
		if sum > limit {
			return false
		}
	}
	return true
}

// optimum tries every plan.
func optimum(p *family.Problem) int64 {
	n := len(p.Alone)
	into := make([][]int32, n)
	for t := range into {
		into[t] = []int32{-1}
	}
	for i, e := range p.Edges {
		into[e.Target] = append(into[e.Target], int32(i))
	}
	least := int64(math.MaxInt64)
	plan := make([]int32, n)
	var choose func(t int, cost int64)
	choose = func(t int, cost int64) {
		if cost >= least {
			return
		}
		if t == n {
			if allowed(p, plan) {
				least = cost
			}
			return
		}
		for _, e := range into[t] {
			plan[t] = e
			if e < 0 {
				choose(t+1, cost+p.Alone[t])
			} else {
				choose(t+1, cost+p.Edges[e].Cost)
			}
		}
	}
	choose(0, 0)
	return least
}

// Plans are compared with the best of all on problems small enough to try every
// plan: without a budget they are the best, with one they are close.
func TestSolveAgainstOptimum(t *testing.T) {
	for _, tc := range []struct {
		name    string
		budget  float64
		several bool
		groups  [][]int32
		mean    float64 // most that plans may exceed the optimum by, on average
	}{
		{"no budget", math.Inf(1), false, nil, 0},
		{"depth one", family.DepthOne, false, nil, 0.01},
		{"default", 0, false, nil, 0.01},
		{"0.8", 0.8, false, nil, 0.01},
		{"1.5", 1.5, false, nil, 0.01},
		{"default, models", 0, false, [][]int32{{0, 1, 2}, {2, 3}, {4, 5}}, 0.02},
		{"no budget, several bases", math.Inf(1), true, nil, 0.02},
		{"default, several bases", 0, true, nil, 0.02},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			sum, worst, exact := 0.0, 0.0, 0
			const cases = 60
			for range cases {
				p := randomProblem(r, 6, tc.several)
				p.Budget, p.Groups = tc.budget, tc.groups
				plan, err := p.Solve()
				if err != nil {
					t.Fatal(err)
				}
				if !allowed(p, plan) {
					t.Fatalf("plan %v of %+v is not allowed", plan, p)
				}
				best := optimum(p)
				gap := float64(p.Cost(plan)-best) / float64(best)
				if gap < 0 {
					t.Fatalf("plan %v costs %d, less than the optimum %d", plan, p.Cost(plan), best)
				}
				if gap == 0 {
					exact++
				}
				sum += gap
				worst = max(worst, gap)
			}
			t.Logf("above the optimum: mean %.2f %%, worst %.2f %%; %d of %d exact", 100*sum/cases, 100*worst, exact, cases)
			if sum/cases > tc.mean {
				t.Errorf("on average %.2f %% above the optimum, at most %.2f %%", 100*sum/cases, 100*tc.mean)
			}
		})
	}
}

// A problem of a store: models of families of 50, each tensor with edges to its
// namesakes in the same family.
func storeProblem(models, tensors, edges int) *family.Problem {
	r := rand.New(rand.NewPCG(3, 4))
	p := &family.Problem{}
	for m := range models {
		var group []int32
		for range tensors {
			group = append(group, int32(len(p.Size)))
			p.Size = append(p.Size, 1<<20)
			p.Alone = append(p.Alone, 700_000)
		}
		p.Groups = append(p.Groups, group)
		for t := range tensors {
			for range edges {
				if b := m/50*50 + r.IntN(50); b != m && b < models {
					p.Edges = append(p.Edges, family.Edge{
						Target: int32(m*tensors + t), Base: int32(b*tensors + t), Cost: int64(20_000 + r.IntN(400_000)),
					})
				}
			}
		}
	}
	return p
}

func TestSolveIsDeterministic(t *testing.T) {
	p := storeProblem(20, 10, 8)
	first, err := p.Solve()
	if err != nil {
		t.Fatal(err)
	}
	again, _ := p.Solve()
	if !slices.Equal(first, again) {
		t.Error("equal problems have different plans")
	}
	if !allowed(p, first) {
		t.Error("a budget does not hold")
	}
}

func TestSolveRefuses(t *testing.T) {
	for name, p := range map[string]family.Problem{
		"sizes":          {Alone: []int64{1}},
		"negative":       {Alone: []int64{-1}, Size: []int64{1}},
		"target":         {Alone: []int64{1}, Size: []int64{1}, Edges: []family.Edge{{Target: 1}}},
		"own base":       {Alone: []int64{1}, Size: []int64{1}, Edges: []family.Edge{{}}},
		"share":          {Alone: []int64{1, 1}, Size: []int64{1, 1}, Edges: []family.Edge{{Base: 1, Share: 2}}},
		"not a number":   {Alone: []int64{1, 1}, Size: []int64{1, 1}, Edges: []family.Edge{{Base: 1, Share: float32(math.NaN())}}},
		"another's base": {Alone: []int64{1, 1}, Size: []int64{1, 1}, Edges: []family.Edge{{Base: 1, More: []family.Source{{Tensor: 2}}}}},
		"group":          {Alone: []int64{1}, Size: []int64{1}, Groups: [][]int32{{1}}},
	} {
		if plan, err := p.Solve(); err == nil {
			t.Errorf("%s: plan %v, want an error", name, plan)
		}
	}
}

func BenchmarkSolve(b *testing.B) {
	for _, models := range []int{10, 100, 1000} {
		p := storeProblem(models, 100, 16)
		b.Run(fmt.Sprintf("%d tensors", len(p.Size)), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Solve(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A stack is best a delta of its parts here, but each part, looked at alone, of
// the stack.
func TestSolveTurnsStack(t *testing.T) {
	p := family.Problem{Alone: []int64{6000, 2000, 2000, 2000}, Size: []int64{9000, 3000, 3000, 3000}}
	for part := range int32(3) {
		p.Edges = append(p.Edges, family.Edge{Target: part + 1, Base: 0, Cost: 20, Share: 0.01})
	}
	p.Edges = append(p.Edges, family.Edge{Target: 0, Base: 1, Cost: 50, More: []family.Source{{Tensor: 2}, {Tensor: 3}}})
	p.Groups = [][]int32{{0}, {1, 2, 3}}
	got, err := p.Solve()
	if want := []int32{3, -1, -1, -1}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Solve = %v, %v, of %d bytes, want %v", got, err, p.Cost(got), want)
	}
}
