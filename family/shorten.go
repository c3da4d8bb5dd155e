package family

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
)

// A plan is an assignment of edges to tensors, with what it costs and reads. It
// is changed by moves, which can be undone.
type plan struct {
	p       *Problem
	in      []int32 // by tensor: its edge, or -1
	cost    int64
	into    adjacency // edges by target, cheapest first
	out     adjacency // edges by base
	several bool      // an edge has more than one base

	reads, work []int64 // bytes that a rebuild of each tensor reads and decodes
	charge      []int64 // what it counts for in its groups
	late        []bool  // it decodes too much
	share, most []int64 // by tensor: its part of a group's budget; what it may decode
	groupsOf    adjacency
	groups      [][]int32
	sum, limit  []int64 // by group: the charges, and how much they may be

	overGroups, overWork int
	log                  []change
}

// A change is what a tensor was before a move.
type change struct {
	tensor, in          int32
	reads, work, charge int64
	late                bool
}

// adjacency is lists of numbers, one after the other.
type adjacency struct{ start, list []int32 }

func (a *adjacency) of(t int32) []int32 { return a.list[a.start[t]:a.start[t+1]] }

// adjacent gathers by key what each calls back with, in order.
func adjacent(keys int, each func(add func(key, item int32))) adjacency {
	a := adjacency{start: make([]int32, keys+1)}
	each(func(key, _ int32) { a.start[key+1]++ })
	for k := range keys {
		a.start[k+1] += a.start[k]
	}
	a.list = make([]int32, a.start[keys])
	next := slices.Clone(a.start)
	each(func(key, item int32) {
		a.list[next[key]] = item
		next[key]++
	})
	return a
}

// newPlan returns the plan with edges in, which have no circle.
func newPlan(p *Problem, in []int32) *plan {
	n := len(in)
	s := &plan{
		p: p, in: alone32(n), reads: slices.Clone(p.Alone), work: slices.Clone(p.Size),
		charge: make([]int64, n), late: make([]bool, n), share: make([]int64, n), most: make([]int64, n),
	}
	s.connect()
	s.allow()
	for t := range n {
		s.cost += p.Alone[t]
		s.charge[t] = min(s.reads[t], s.share[t])
		for _, g := range s.groupsOf.of(int32(t)) {
			s.sum[g] += s.charge[t]
		}
	}
	for t, e := range in {
		if e >= 0 {
			s.move(int32(t), e)
		}
	}
	s.log = s.log[:0]
	return s
}

func (s *plan) connect() {
	n := len(s.p.Alone)
	s.into = adjacent(n, func(add func(key, item int32)) {
		for i := range s.p.Edges {
			if s.p.saves(&s.p.Edges[i]) {
				add(s.p.Edges[i].Target, int32(i))
			}
		}
	})
	for t := range n {
		slices.SortFunc(s.into.of(int32(t)), func(x, y int32) int {
			return cmp.Or(cmp.Compare(s.p.Edges[x].Cost, s.p.Edges[y].Cost), cmp.Compare(x, y))
		})
	}
	s.out = adjacent(n, func(add func(key, item int32)) {
		for i := range s.p.Edges {
			e := &s.p.Edges[i]
			if !s.p.saves(e) {
				continue
			}
			s.several = s.several || len(e.More) > 0
			e.bases(func(b int32, _ float32) { add(b, int32(i)) })
		}
	})
}

// allow sets what tensors and groups may read and decode.
func (s *plan) allow() {
	budget, work := cmp.Or(s.p.Budget, DefaultBudget), cmp.Or(s.p.Work, DefaultWork)
	for t, size := range s.p.Size {
		s.share[t] = scale(size, max(budget, 0))
		s.most[t] = scale(size, work)
	}
	grouped := make([]bool, len(s.share))
	for _, g := range s.p.Groups {
		for _, t := range g {
			grouped[t] = true
		}
	}
	s.groups = slices.Clone(s.p.Groups)
	for t := range grouped {
		if !grouped[t] {
			s.groups = append(s.groups, []int32{int32(t)})
		}
	}
	s.sum, s.limit = make([]int64, len(s.groups)), make([]int64, len(s.groups))
	s.groupsOf = adjacent(len(s.share), func(add func(key, item int32)) {
		for g, list := range s.groups {
			for _, t := range list {
				add(t, int32(g))
			}
		}
	})
	for g, list := range s.groups {
		for _, t := range list {
			s.limit[g] = min(unlimited, s.limit[g]+s.share[t])
		}
	}
}

// scale returns n·by, and at most unlimited.
func scale(n int64, by float64) int64 {
	if x := float64(n) * by; n > 0 && x < unlimited {
		return int64(math.Ceil(x))
	}
	return min(n, 1) * unlimited
}

// over tells whether a budget does not hold.
func (s *plan) over() bool { return s.overGroups+s.overWork > 0 }

// move stores t by edge e, or stand-alone if e is -1.
func (s *plan) move(t, e int32) {
	reads, work, charge, late := s.weigh(t, e)
	s.set(change{t, e, reads, work, charge, late})
	s.refresh(t)
}

// refresh weighs again what needs t, after t changed.
func (s *plan) refresh(t int32) {
	for _, e := range s.out.of(t) {
		w := s.p.Edges[e].Target
		if s.in[w] != e {
			continue
		}
		reads, work, charge, late := s.weigh(w, e)
		if reads != s.reads[w] || work != s.work[w] || charge != s.charge[w] || late != s.late[w] {
			s.set(change{w, e, reads, work, charge, late})
			s.refresh(w)
		}
	}
}

// weigh returns what a rebuild of t by edge e reads and decodes.
func (s *plan) weigh(t, e int32) (reads, work, charge int64, late bool) {
	reads, work = s.p.stored(t, e), s.p.Size[t]
	deep := false
	if e >= 0 {
		s.p.Edges[e].bases(func(b int32, share float32) {
			part := float64(cmp.Or(share, 1))
			reads += scale(s.reads[b], part)
			work += scale(s.work[b], part)
			deep = deep || s.in[b] >= 0
		})
	}
	reads, work = min(reads, unlimited), min(work, unlimited)
	if deep {
		return reads, work, reads, work > s.most[t]
	}
	return reads, work, min(reads, s.share[t]), false
}

// set makes a tensor what c says, and keeps what it was.
func (s *plan) set(c change) {
	t := c.tensor
	s.log = append(s.log, change{t, s.in[t], s.reads[t], s.work[t], s.charge[t], s.late[t]})
	s.put(c)
}

func (s *plan) put(c change) {
	t := c.tensor
	s.cost += s.p.stored(t, c.in) - s.p.stored(t, s.in[t])
	if c.late != s.late[t] {
		s.overWork += map[bool]int{true: 1, false: -1}[c.late]
	}
	if c.charge != s.charge[t] {
		for _, g := range s.groupsOf.of(t) {
			if s.sum[g] > s.limit[g] {
				s.overGroups--
			}
			if s.sum[g] += c.charge - s.charge[t]; s.sum[g] > s.limit[g] {
				s.overGroups++
			}
		}
	}
	s.in[t], s.reads[t], s.work[t], s.charge[t], s.late[t] = c.in, c.reads, c.work, c.charge, c.late
}

// undo takes back the changes since the log was mark long.
func (s *plan) undo(mark int) {
	for len(s.log) > mark {
		c := s.log[len(s.log)-1]
		s.log = s.log[:len(s.log)-1]
		s.put(c)
	}
}

// needs tells whether what edge e is against needs t.
func (s *plan) needs(e, t int32) bool {
	if e < 0 {
		return false
	}
	found := false
	s.p.Edges[e].bases(func(b int32, _ float32) {
		found = found || b == t || s.needs(s.in[b], t)
	})
	return found
}

// exceeds tells whether a budget that t is part of does not hold.
func (s *plan) exceeds(t int32) bool {
	return s.late[t] || slices.ContainsFunc(s.groupsOf.of(t), func(g int32) bool { return s.sum[g] > s.limit[g] })
}

// A step is a move that trades bytes to store for bytes to read.
type step struct {
	tensor, edge int32
	price        float64 // bytes more to store, for each byte less to read
}

// shorten makes every budget hold: group by group, it takes the moves that cost
// least for what they save in reading.
func (s *plan) shorten() {
	for g := range s.groups {
		for s.exceedsGroup(g) {
			if !s.shortenGroup(g) {
				break
			}
		}
	}
	for s.over() { // what one group saved, another may read
		for g, list := range s.groups {
			for _, t := range list {
				if s.exceedsGroup(g) && s.in[t] >= 0 {
					s.move(t, -1)
				}
			}
		}
	}
	s.log = s.log[:0]
}

func (s *plan) exceedsGroup(g int) bool {
	return s.sum[g] > s.limit[g] || slices.ContainsFunc(s.groups[g], func(t int32) bool { return s.late[t] })
}

// shortenGroup makes moves until group g is within its budget or none helps,
// the cheapest first by what it is worth after those before it. It returns false
// if none was made.
func (s *plan) shortenGroup(g int) bool {
	var steps stepHeap
	for _, t := range s.groups[g] {
		for e := range s.options(t) {
			if price, ok := s.priceOf(g, t, e); ok {
				steps = append(steps, step{t, e, price})
			}
		}
	}
	heap.Init(&steps)
	made := false
	for len(steps) > 0 && s.exceedsGroup(g) {
		x := &steps[0]
		price, ok := s.priceOf(g, x.tensor, x.edge)
		switch {
		case !ok || s.in[x.tensor] == x.edge:
			heap.Pop(&steps)
		case price > x.price:
			x.price = price
			heap.Fix(&steps, 0)
		default:
			s.move(x.tensor, x.edge)
			heap.Pop(&steps)
			made = true
		}
	}
	return made
}

// A stepHeap has its cheapest step first.
type stepHeap []step

func (h stepHeap) Len() int           { return len(h) }
func (h stepHeap) Less(i, j int) bool { return h[i].compare(h[j]) < 0 }
func (h stepHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *stepHeap) Push(x any)        { *h = append(*h, x.(step)) }
func (h *stepHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}

func (x step) compare(y step) int {
	return cmp.Or(cmp.Compare(x.price, y.price), cmp.Compare(x.tensor, y.tensor), cmp.Compare(x.edge, y.edge))
}

// options yields the ways to store t other than the present one, cheapest first
// but for stand-alone, which is last.
func (s *plan) options(t int32) func(func(int32) bool) {
	return func(yield func(int32) bool) {
		now := s.in[t]
		for _, e := range s.into.of(t) {
			if e != now && !yield(e) {
				return
			}
		}
		if now >= 0 {
			yield(-1)
		}
	}
}

// priceOf returns what it costs to store t by e, for each byte that group g
// reads or decodes less then, and false if it is no less.
func (s *plan) priceOf(g int, t, e int32) (float64, bool) {
	if s.needs(e, t) {
		return 0, false
	}
	mark, cost, before := len(s.log), s.cost, s.excess(g)
	s.move(t, e)
	saved := before - s.excess(g)
	cost = s.cost - cost
	s.undo(mark)
	return float64(cost) / float64(saved), saved > 0
}

// excess returns by how much group g exceeds what it may read and decode.
func (s *plan) excess(g int) int64 {
	sum := max(0, s.sum[g]-s.limit[g])
	for _, t := range s.groups[g] {
		if s.late[t] {
			sum += s.work[t] - s.most[t]
		}
	}
	return sum
}
