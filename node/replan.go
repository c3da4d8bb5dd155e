package node

import (
	"cmp"
	"fmt"
	"iter"
	"slices"

	"github.com/zipnode/zipnode/family"
)

const (
	// gainShare is what a change must save by the plan, of the bytes that what it
	// changes takes now, to be tried; and realShare what it must really save, once
	// it was encoded, to be kept.
	gainShare = 0.01
	realShare = gainShare / 4
	// minGain is the least saving in bytes that a change is made for. A recipe
	// takes about as much.
	minGain = 256
)

// A replan is how a kin would be stored: for each tensor an edge, or -1 for
// stand-alone.
type replan []int32

// leastMargin is how much of a budget a plan leaves for what estimates err by. It
// is doubled when that was too little: see [repacking.kin].
const leastMargin = 0.02

// plan returns how k is best stored: as now, but for what gains, or reads more
// than it may.
func (k *kin) plan() (replan, error) {
	best, err := k.solve(nil)
	if err != nil {
		return nil, err
	}
	// A base that no pinned model has is kept only if that costs less than to
	// store without it what needs it.
	if spare := k.spare(best); len(spare) > 0 {
		without, err := k.solve(spare)
		if err != nil {
			return nil, err
		}
		if drop := k.cheaper(spare, best, without); len(drop) > 0 {
			p, err := k.solve(drop)
			if err != nil {
				return nil, err
			}
			if k.total(p) < k.total(best) {
				best = p
			}
		}
	}
	k.settle(best, gainShare)
	return best, nil
}

// cheaper returns those of spare whose kind, all that is linked with them by
// possible bases, costs less without than with them.
func (k *kin) cheaper(spare map[int32]bool, with, without replan) map[int32]bool {
	kinds := newSets(len(k.list))
	for i := range k.p.Edges {
		for b := range basesOf(&k.p.Edges[i]) {
			kinds.join(b, k.p.Edges[i].Target)
		}
	}
	saved := map[int32]int64{}
	for _, side := range []struct {
		p    replan
		sign int64
	}{{with, 1}, {without, -1}} {
		for i, need := range k.needed(side.p) {
			if need {
				saved[kinds.find(int32(i))] += side.sign * k.stored(side.p, int32(i))
			}
		}
	}
	out := map[int32]bool{}
	for i := range spare {
		if saved[kinds.find(i)] > 0 {
			out[i] = true
		}
	}
	return out
}

// sets are disjoint sets of numbers.
type sets []int32

func newSets(n int) sets {
	s := make(sets, n)
	for i := range s {
		s[i] = int32(i)
	}
	return s
}

func (s sets) find(i int32) int32 {
	for s[i] != i {
		s[i] = s[s[i]]
		i = s[i]
	}
	return i
}

func (s sets) join(i, j int32) { s[s.find(i)] = s.find(j) }

// solve returns the plan of least cost without the bases of drop.
func (k *kin) solve(drop map[int32]bool) (replan, error) {
	p := k.problem()
	var kept []int32 // by edge of p, that of k.p
	if len(drop) > 0 {
		p.Edges = nil
		for i, e := range k.p.Edges {
			if !k.uses(e, drop) {
				p.Edges, kept = append(p.Edges, e), append(kept, int32(i))
			}
		}
	}
	out, err := p.Solve()
	if err != nil {
		return nil, fmt.Errorf("plan %d tensors: %w", len(k.list), err)
	}
	out = out[:len(k.list)]
	if kept != nil {
		for i, e := range out {
			if e >= 0 {
				out[i] = kept[e]
			}
		}
	}
	return out, nil
}

// problem returns k.p with a margin below the budget, in which what stays as it
// is has no budget: it is in a group with one more tensor, as large as it takes.
func (k *kin) problem() family.Problem {
	p := k.p
	p.Budget = k.budget() * (1 - k.margin)
	p.Work = family.DefaultWork
	work := k.work()
	others := []int32{int32(len(k.list))}
	const room = 1 << 50
	for i := range k.list {
		if !k.list[i].member {
			others = append(others, int32(i))
			p.Work = max(p.Work, work[i])
		}
	}
	p.Size = append(slices.Clip(p.Size), room)
	p.Alone = append(slices.Clip(p.Alone), 0)
	p.Groups = append(slices.Clip(p.Groups), others)
	return p
}

// work returns the bytes that a cold rebuild of each tensor decodes now, for
// each byte of its own.
func (k *kin) work() []float64 {
	decodes := make([]int64, len(k.list))
	var visit func(i int32) int64
	visit = func(i int32) int64 {
		if decodes[i] == 0 {
			decodes[i] = k.p.Size[i] // no base in use needs what it is used by
			if k.now[i] >= 0 {
				n := k.p.Size[i]
				for b, share := range basesOf(&k.p.Edges[k.now[i]]) {
					n += int64(float64(share) * float64(visit(b)))
				}
				decodes[i] = n
			}
		}
		return decodes[i]
	}
	out := make([]float64, len(k.list))
	for i := range k.list {
		out[i] = float64(visit(int32(i))) / float64(max(1, k.p.Size[i]))
	}
	return out
}

// uses tells whether a base of e is in drop. What stays as it is, keeps its
// bases.
func (k *kin) uses(e family.Edge, drop map[int32]bool) bool {
	used := false
	for b := range basesOf(&e) {
		used = used || drop[b]
	}
	return used && k.list[e.Target].member
}

// basesOf yields the bases of e, with how much of each a rebuild needs.
func basesOf(e *family.Edge) iter.Seq2[int32, float32] {
	return func(yield func(int32, float32) bool) {
		if !yield(e.Base, e.Share) {
			return
		}
		for _, s := range e.More {
			if !yield(s.Tensor, s.Share) {
				return
			}
		}
	}
}

// stored returns the bytes of tensor i by p.
func (k *kin) stored(p replan, i int32) int64 {
	if p[i] < 0 {
		return k.p.Alone[i]
	}
	return k.p.Edges[p[i]].Cost
}

// needed tells which tensors pinned models need by p: their own, and bases.
func (k *kin) needed(p replan) []bool {
	need := make([]bool, len(k.list))
	var next []int32
	for i := range k.list {
		if k.list[i].owned {
			next = append(next, int32(i))
		}
	}
	for len(next) > 0 {
		i := next[len(next)-1]
		next = next[:len(next)-1]
		if need[i] {
			continue
		}
		need[i] = true
		if p[i] >= 0 {
			for b := range basesOf(&k.p.Edges[p[i]]) {
				next = append(next, b)
			}
		}
	}
	return need
}

// total returns the bytes of all that pinned models need.
func (k *kin) total(p replan) int64 {
	sum := int64(0)
	for i, need := range k.needed(p) {
		if need {
			sum += k.stored(p, int32(i))
		}
	}
	return sum
}

// spare returns the bases that p needs and no pinned model has.
func (k *kin) spare(p replan) map[int32]bool {
	out := map[int32]bool{}
	for i, need := range k.needed(p) {
		if need && !k.list[i].owned {
			out[int32(i)] = true
		}
	}
	return out
}

// changes returns the tensors that p stores in another way than now, bases
// before what needs them. What nobody needs is left as it is.
func (k *kin) changes(p replan) []int32 {
	need := k.needed(p)
	var out []int32
	seen := make([]bool, len(k.list))
	var visit func(i int32)
	visit = func(i int32) {
		if seen[i] {
			return
		}
		seen[i] = true
		if p[i] >= 0 {
			for b := range basesOf(&k.p.Edges[p[i]]) {
				visit(b)
			}
		}
		if need[i] && p[i] != k.now[i] && k.list[i].member {
			out = append(out, i)
		}
	}
	for i := range k.list {
		visit(int32(i))
	}
	return out
}

// worth returns the bytes that storing the tensors of changes in another way
// must save.
func (k *kin) worth(changes []int32, share float64) int64 {
	sum := int64(0)
	for _, i := range changes {
		sum += k.stored(k.now, i)
	}
	return max(minGain, int64(share*float64(sum)))
}

// settle takes back what saves less than share, where p stays right without:
// first changes that hang together, as two tensors that change places, then
// single ones.
func (k *kin) settle(p replan, share float64) {
	changes := k.changes(p)
	for _, group := range k.tied(p, changes) {
		k.takeBack(p, group, share)
	}
	for _, i := range slices.Backward(k.changes(p)) { // what others need last
		k.takeBack(p, []int32{i}, share)
	}
}

// takeBack stores the tensors of group as now, unless p takes more then by what
// they are worth, or reads more beyond what it may.
func (k *kin) takeBack(p replan, group []int32, share float64) {
	if k.saved(p, group) >= k.worth(group, share) {
		return
	}
	was := slices.Clone(p)
	for _, i := range group {
		p[i] = k.now[i]
	}
	if excess, ok := k.excess(p); ok {
		if least, _ := k.excess(was); excess <= least {
			return
		}
	}
	copy(p, was)
}

// saved returns how many bytes less p takes than with the tensors of group
// stored as now.
func (k *kin) saved(p replan, group []int32) int64 {
	sum := int64(0)
	for _, i := range group {
		sum += k.stored(k.now, i) - k.stored(p, i)
	}
	if k.allOwned(p, group) && k.allOwned(k.now, group) {
		return sum
	}
	other := slices.Clone(p) // then bases may be needed, or no more
	for _, i := range group {
		other[i] = k.now[i]
	}
	return k.total(other) - k.total(p)
}

// allOwned tells whether pinned models have the tensors of group, and their
// bases by p.
func (k *kin) allOwned(p replan, group []int32) bool {
	for _, i := range group {
		if !k.list[i].owned {
			return false
		}
		if p[i] < 0 {
			continue
		}
		for b := range basesOf(&k.p.Edges[p[i]]) {
			if !k.list[b].owned {
				return false
			}
		}
	}
	return true
}

// tied returns changes in groups: a change and those of its bases, by now and
// by p, belong together. Within a group bases go first.
func (k *kin) tied(p replan, changes []int32) [][]int32 {
	ties := newSets(len(k.list))
	changed := make([]bool, len(k.list))
	for _, i := range changes {
		changed[i] = true
	}
	for _, i := range changes {
		for _, e := range []int32{p[i], k.now[i]} {
			if e < 0 {
				continue
			}
			for b := range basesOf(&k.p.Edges[e]) {
				if changed[b] {
					ties.join(b, i)
				}
			}
		}
	}
	var out [][]int32
	at := map[int32]int{}
	for _, i := range changes {
		first := ties.find(i)
		if _, ok := at[first]; !ok {
			at[first] = len(out)
			out = append(out, nil)
		}
		out[at[first]] = append(out[at[first]], i)
	}
	return out
}

// excess returns the bytes that cold rebuilds of models read by p beyond what
// they may, and false if p has a circle.
func (k *kin) excess(p replan) (int64, bool) {
	reads, deep, ok := k.reads(p)
	if !ok {
		return 0, false
	}
	sum := int64(0)
	for _, tensors := range k.p.Groups {
		sum += max(0, k.beyond(tensors, reads, deep))
	}
	return sum, true
}

// beyond returns the bytes that a rebuild of tensors together reads beyond what
// it may. What is stand-alone, or a delta of what is, may always be read: it
// counts for its share at most.
func (k *kin) beyond(tensors []int32, reads []int64, deep []bool) int64 {
	sum := int64(0)
	for _, i := range tensors {
		share := k.share(i)
		if deep[i] {
			sum += reads[i] - share
		} else {
			sum += min(0, reads[i]-share)
		}
	}
	return sum
}

// share returns the bytes that a rebuild of tensor i may read.
func (k *kin) share(i int32) int64 { return int64(k.budget() * float64(k.p.Size[i])) }

// over returns the tensor that reads most beyond its share, in a model whose
// rebuild reads more than it may by p, or -1.
func (k *kin) over(p replan) int32 {
	reads, deep, ok := k.reads(p)
	if !ok {
		return -1
	}
	for _, tensors := range k.p.Groups {
		if k.beyond(tensors, reads, deep) <= 0 {
			continue
		}
		worst, most := int32(-1), int64(0)
		for _, i := range tensors {
			if n := reads[i] - k.share(i); deep[i] && k.list[i].member && n > most {
				worst, most = i, n
			}
		}
		if worst >= 0 {
			return worst
		}
	}
	return -1
}

// reads returns the bytes that a cold rebuild of each tensor reads by p, and
// whether a base of it is a delta itself. It is false if p has a circle.
func (k *kin) reads(p replan) (reads []int64, deep []bool, ok bool) {
	const open, unknown = -2, -1
	reads, deep = slices.Repeat([]int64{unknown}, len(p)), make([]bool, len(p))
	var visit func(i int32) bool
	visit = func(i int32) bool {
		if reads[i] != unknown {
			return reads[i] != open
		}
		reads[i] = open
		n := k.stored(p, i)
		if p[i] >= 0 {
			for b, share := range basesOf(&k.p.Edges[p[i]]) {
				if !visit(b) {
					return false
				}
				n += int64(float64(share) * float64(reads[b]))
				deep[i] = deep[i] || p[b] >= 0
			}
		}
		reads[i] = n
		return true
	}
	for i := range p {
		if !visit(int32(i)) {
			return nil, nil, false
		}
	}
	return reads, deep, true
}

// budget returns the bytes that a cold rebuild may read for each of its own.
func (k *kin) budget() float64 {
	return cmp.Or(k.p.Budget, family.DefaultBudget)
}
