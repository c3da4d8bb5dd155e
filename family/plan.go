package family

import (
	"fmt"
	"math"
)

const (
	// DefaultBudget is how many stored bytes a cold rebuild may read for each
	// byte that it rebuilds.
	DefaultBudget = 1.0
	// DefaultWork is how many bytes a cold rebuild may decode for each byte
	// that it rebuilds: what bounds its time, where chunks are so small that
	// reading them does not.
	DefaultWork = 8.0
	// DepthOne as a budget allows no base that is itself a delta.
	DepthOne = -1.0
)

// A Problem asks which of n tensors are best stored stand-alone, and which as
// deltas of which.
//
// A cold rebuild of a tensor reads its stored bytes and those of its bases, and
// of theirs. For the tensors of a group together (a model) that may be no more
// than Budget times their decoded size; and none may decode more than Work
// times its size. A tensor that is stand-alone, or whose bases are, is always
// allowed, and counts for no more than its own share of the group's budget: it
// reads less than twice its size, and refusing it would forbid most deltas of
// fp16 and fp32. So every group can be held within its budget.
//
// A base that two tensors of one group share counts twice: the bound is never
// too low.
type Problem struct {
	Alone []int64 // stored bytes of each tensor, stand-alone
	Size  []int64 // its decoded bytes
	Edges []Edge

	// Groups are tensors that are rebuilt together; one may be in several. A
	// tensor that is in none is a group of its own.
	Groups [][]int32

	Budget float64 // 0 means DefaultBudget; DepthOne is the other special value
	Work   float64 // 0 means DefaultWork
}

// An Edge says that Target may be stored as a delta of Base in Cost bytes. One
// that costs no less than stand-alone is never taken.
type Edge struct {
	Target, Base int32
	Cost         int64

	// Share is how much of Base a rebuild of Target needs, from 0 to 1; 0 means
	// all. More are further bases of the same recipe.
	Share float32
	More  []Source
}

// A Source is a base beside an edge's first.
type Source struct {
	Tensor int32
	Share  float32 // as in Edge
}

// bases calls fn with each base of e.
func (e *Edge) bases(fn func(base int32, share float32)) {
	fn(e.Base, e.Share)
	for _, s := range e.More {
		fn(s.Tensor, s.Share)
	}
}

// Solve returns for each tensor the index in p.Edges of the edge that it is
// best stored by, or -1 for stand-alone. No tensor needs itself, and every
// budget holds. Of equal plans the one with lower indices wins, so that equal
// problems have equal plans.
//
// Without a budget the plan is a minimum-cost arborescence, and optimal as long
// as no edge has several bases. With one, that arborescence is shortened where
// it reads too much, then improved, tensor by tensor, as long as that pays. Up to
// 10,000 tensors a plan in which all are stand-alone is improved too, and the
// cheaper of the two returned; beyond, it was never the cheaper. (The exact optimum is NP-hard: at depth one it is
// facility location.) It takes memory linear in edges, and about their number
// times its logarithm in steps.
//
// It returns an error if an index, a cost or a share is out of range.
func (p *Problem) Solve() ([]int32, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	best := newPlan(p, p.arborescence())
	if !best.over() && !best.several {
		return best.in, nil
	}
	best.shorten()
	best.improve()
	if len(best.in) > maxGrown {
		return best.in, nil
	}
	grown := newPlan(p, alone32(len(p.Alone)))
	grown.improve()
	if grown.cost < best.cost {
		best = grown
	}
	return best.in, nil
}

// Cost returns the stored bytes of a plan for p.
func (p *Problem) Cost(plan []int32) int64 {
	sum := int64(0)
	for t := range plan {
		sum += p.stored(int32(t), plan[t])
	}
	return sum
}

// stored returns the bytes of tensor t by edge e, or stand-alone if e is -1.
func (p *Problem) stored(t, e int32) int64 {
	if e < 0 {
		return p.Alone[t]
	}
	return p.Edges[e].Cost
}

// maxGrown is the most tensors for which Solve starts a second time.
const maxGrown = 10_000

// saves tells whether e costs less than stand-alone.
func (p *Problem) saves(e *Edge) bool { return e.Cost < p.Alone[e.Target] }

// unlimited is more than any sum of bytes that is told apart.
const unlimited = math.MaxInt64 / 4

func (p *Problem) check() error {
	n := len(p.Alone)
	if len(p.Size) != n || n > math.MaxInt32 || len(p.Edges) > math.MaxInt32-n {
		return fmt.Errorf("family: a plan of %d tensors, %d sizes, %d edges", n, len(p.Size), len(p.Edges))
	}
	sum := int64(0)
	for t := range n {
		if p.Alone[t] < 0 || p.Size[t] < 0 || p.Alone[t] > unlimited-sum {
			return fmt.Errorf("family: tensor %d takes %d bytes of %d", t, p.Alone[t], p.Size[t])
		}
		sum += p.Alone[t]
	}
	for i := range p.Edges {
		e := &p.Edges[i]
		bad := e.Target < 0 || int(e.Target) >= n || e.Cost < 0 || e.Cost > unlimited
		e.bases(func(b int32, share float32) {
			bad = bad || b < 0 || int(b) >= n || b == e.Target || !(share >= 0 && share <= 1)
		})
		if bad {
			return fmt.Errorf("family: edge %d is out of range: %+v", i, *e)
		}
	}
	for g, list := range p.Groups {
		for _, t := range list {
			if t < 0 || int(t) >= n {
				return fmt.Errorf("family: group %d has tensor %d of %d", g, t, n)
			}
		}
	}
	return nil
}

func alone32(n int) []int32 {
	list := make([]int32, n)
	for i := range list {
		list[i] = -1
	}
	return list
}
