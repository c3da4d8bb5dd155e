package family

// arborescence returns the plan of least cost, whatever it reads, among the
// edges with one base: for each tensor an edge, or -1.
//
// It is the algorithm of Chu and Liu, and of Edmonds, with mergeable heaps as
// Tarjan and then Gabow et al. (1986) have it: every tensor takes its cheapest
// edge; a cycle of such edges becomes one tensor, whose edges cost what they
// cost more than the one they would replace.
func (p *Problem) arborescence() []int32 {
	n := int32(len(p.Alone))
	a := &arbor{p: p, root: n, sets: newSets(n + 1), nodes: make([]heapNode, int(n)+len(p.Edges))}
	heaps := a.heaps()
	seen := alone32(int(n) + 1) // the round in which a set was last on the path
	seen[n] = n
	var path, taken []int32 // sets, and the edges that they took
	in := alone32(int(n) + 1)
	var cycles []cycle
	for s := range n {
		path, taken = path[:0], taken[:0]
		u := a.sets.find(s)
		for seen[u] < 0 {
			e := a.pop(heaps, u)
			path, taken = append(path, u), append(taken, e)
			seen[u] = s
			if u = a.sets.find(a.source(e)); seen[u] != s {
				continue
			}
			first := len(path) - 1
			for path[first] != u {
				first--
			}
			cycles = append(cycles, cycle{edges: append([]int32(nil), taken[first:]...), mark: len(a.sets.log)})
			merged := heaps[u]
			for _, w := range path[first+1:] {
				merged = a.merge(merged, heaps[w])
				u = a.sets.join(u, w)
			}
			cycles[len(cycles)-1].set = u
			heaps[u], seen[u] = merged, -1
			path, taken = path[:first], taken[:first]
		}
		for _, e := range taken {
			in[a.sets.find(a.target(e))] = e
		}
	}
	a.unfold(in, cycles)
	for t := range in[:n] {
		if in[t] -= n; in[t] < 0 {
			in[t] = -1
		}
	}
	return in[:n]
}

// arbor numbers the edges: first one for each tensor, from the root, which is
// stand-alone; then those of the problem.
type arbor struct {
	p     *Problem
	root  int32
	sets  *sets
	nodes []heapNode
}

func (a *arbor) target(e int32) int32 {
	if e < a.root {
		return e
	}
	return a.p.Edges[e-a.root].Target
}

func (a *arbor) source(e int32) int32 {
	if e < a.root {
		return a.root
	}
	return a.p.Edges[e-a.root].Base
}

// A cycle is edges whose targets became one set.
type cycle struct {
	set   int32
	mark  int // of the sets' log, before they were joined
	edges []int32
}

// unfold opens the cycles again, the last first: each keeps its edges but the
// one whose target is entered from outside.
func (a *arbor) unfold(in []int32, cycles []cycle) {
	for i := len(cycles) - 1; i >= 0; i-- {
		c := cycles[i]
		a.sets.rollback(c.mark)
		enter := in[c.set]
		for _, e := range c.edges {
			in[a.sets.find(a.target(e))] = e
		}
		in[a.sets.find(a.target(enter))] = enter
	}
}

// A heapNode is an edge in a leftist heap, ordered by cost, then by number.
type heapNode struct {
	cost        int64
	add         int64 // to the costs below, not yet to theirs
	left, right int32 // 0 for none, else the edge and 1
	rank        int32
}

// heaps returns for each tensor the heap of the edges to it.
func (a *arbor) heaps() []int32 {
	list := make([]int32, a.root+1)
	for e := range a.nodes {
		t := a.target(int32(e))
		if int32(e) < a.root {
			a.nodes[e].cost = a.p.Alone[t]
		} else if edge := &a.p.Edges[int32(e)-a.root]; len(edge.More) > 0 || !a.p.saves(edge) {
			continue // a tree has one base each
		} else {
			a.nodes[e].cost = edge.Cost
		}
		a.nodes[e].rank = 1
		list[t] = a.merge(list[t], int32(e)+1)
	}
	return list
}

func (a *arbor) less(x, y int32) bool {
	if c, d := a.nodes[x-1].cost, a.nodes[y-1].cost; c != d {
		return c < d
	}
	return x < y
}

func (a *arbor) merge(x, y int32) int32 {
	if x == 0 || y == 0 {
		return x + y
	}
	if a.less(y, x) {
		x, y = y, x
	}
	a.settle(x)
	node := &a.nodes[x-1]
	node.right = a.merge(node.right, y)
	if a.rank(node.left) < a.rank(node.right) {
		node.left, node.right = node.right, node.left
	}
	node.rank = a.rank(node.right) + 1
	return x
}

func (a *arbor) rank(x int32) int32 {
	if x == 0 {
		return 0
	}
	return a.nodes[x-1].rank
}

// settle hands what is to be added below x one level down.
func (a *arbor) settle(x int32) {
	node := &a.nodes[x-1]
	for _, child := range []int32{node.left, node.right} {
		a.add(child, node.add)
	}
	node.add = 0
}

func (a *arbor) add(x int32, cost int64) {
	if x != 0 {
		a.nodes[x-1].cost += cost
		a.nodes[x-1].add += cost
	}
}

// pop takes the cheapest edge that enters set u from outside, and makes the
// others cost so much less. There always is one: that from the root.
func (a *arbor) pop(heaps []int32, u int32) int32 {
	for {
		x := heaps[u]
		a.settle(x)
		heaps[u] = a.merge(a.nodes[x-1].left, a.nodes[x-1].right)
		if a.sets.find(a.source(x-1)) != u {
			a.add(heaps[u], -a.nodes[x-1].cost)
			return x - 1
		}
	}
}

// sets are disjoint sets that can be taken apart again in reverse order.
type sets struct {
	up  []int32 // negative: a root, of that size
	log []undoJoin
}

type undoJoin struct{ child, size int32 }

func newSets(n int32) *sets { return &sets{up: alone32(int(n))} }

func (s *sets) find(x int32) int32 {
	for s.up[x] >= 0 {
		x = s.up[x]
	}
	return x
}

// join makes one set of the roots x and y and returns its root.
func (s *sets) join(x, y int32) int32 {
	if s.up[x] > s.up[y] { // sizes are negative
		x, y = y, x
	}
	s.log = append(s.log, undoJoin{y, s.up[y]})
	s.up[x] += s.up[y]
	s.up[y] = x
	return x
}

func (s *sets) rollback(mark int) {
	for len(s.log) > mark {
		u := s.log[len(s.log)-1]
		s.log = s.log[:len(s.log)-1]
		s.up[s.up[u.child]] -= u.size
		s.up[u.child] = u.size
	}
}
