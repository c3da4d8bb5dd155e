package node

import (
	"context"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/tensor/layout"
)

// maxDependants bounds the deltas of one base that are looked at.
const maxDependants = 4096

// A needFor tells whether tensors are needed: by a pinned model that has them,
// or as the base of one that is.
type needFor struct {
	n     *Node
	owned tensorSet
	known map[cid.Cid]bool
}

func (f *needFor) tensor(ctx context.Context, c cid.Cid) (bool, error) {
	if f.owned.has(c) {
		return true, nil
	}
	if need, ok := f.known[c]; ok {
		return need, nil
	}
	f.known[c] = false // while it is looked at: no base needs itself
	need, err := f.asBase(ctx, c)
	f.known[c] = need
	return need, err
}

// asBase tells whether a tensor that is needed is a delta of c.
func (f *needFor) asBase(ctx context.Context, c cid.Cid) (bool, error) {
	deltas, err := f.n.store.Dependants(c, maxDependants)
	if err != nil {
		return false, err
	}
	for _, d := range deltas {
		if need, err := f.tensor(ctx, d); err != nil || need {
			return need, err
		}
	}
	return false, ctx.Err()
}

// keptBases returns how many tensors stay only because what pinned models have
// is stored against them, and the bytes that they take.
func (n *Node) keptBases(ctx context.Context) (tensors int, bytes int64, err error) {
	owned, err := n.owned(ctx)
	if err != nil {
		return 0, 0, err
	}
	f := &needFor{n: n, owned: owned, known: map[cid.Cid]bool{}}
	err = n.store.Bases(func(c cid.Cid, t store.Tensor) error {
		if owned.has(c) {
			return nil
		}
		need, err := f.asBase(ctx, c)
		if need {
			tensors++
			bytes += t.Stored
		}
		return err
	})
	return tensors, bytes, err
}

// A baseChoice is what becomes of a removed model's tensors that others are
// stored against.
type baseChoice struct {
	tensors int
	bytes   int64 // that they take
	without int64 // that what needs them would take more if they went, by estimate
}

// chooseBases says what is best done with the tensors of model, which no pin
// keeps any more: kept as bases, or what needs them encoded anew.
func (n *Node) chooseBases(ctx context.Context, model cid.Cid) (baseChoice, error) {
	var out baseChoice
	owned, err := n.owned(ctx)
	if err != nil {
		return out, err
	}
	need := &needFor{n: n, owned: owned, known: map[cid.Cid]bool{}}
	k := newKin()
	g := &gathering{n: n, k: k, owned: owned, done: tensorSet{}, groups: map[string]int{}}
	for f, err := range n.modelFiles(ctx, model) {
		if isAbsent(err) {
			continue
		}
		if err != nil {
			return out, err
		}
		for p, err := range f.parts(ctx) {
			if err != nil {
				return out, err
			}
			c := p.child.CID
			if !layout.IsTensor(f.format, p.extent) || p.extent.Size == 0 || owned.has(c) {
				continue
			}
			needed, err := need.asBase(ctx, c)
			if err != nil {
				return out, err
			}
			if needed {
				if err := g.dependants(family.GroupOf(p.extent), c); err != nil {
					return out, err
				}
			}
		}
	}
	if len(k.list) == 0 {
		return out, nil
	}
	if err := g.candidates(ctx); err != nil {
		return out, err
	}
	if err := g.bases(); err != nil {
		return out, err
	}
	if err := n.weighKin(ctx, k); err != nil {
		return out, err
	}
	var together []int32 // one budget for all: which models they are of is not asked
	for i := range k.list {
		if k.list[i].member {
			together = append(together, int32(i))
		}
	}
	k.p.Groups = [][]int32{together}
	return k.without()
}

// dependants adds base c, and what is stored against it, as tensors of group.
func (g *gathering) dependants(group string, c cid.Cid) error {
	deltas, err := g.n.store.Dependants(c, maxDependants)
	if err != nil {
		return err
	}
	for _, d := range append(deltas, c) {
		i, err := g.add(d, !d.Equals(c))
		if err != nil {
			return err
		}
		if i >= 0 {
			g.kind(group, i)
		}
	}
	return nil
}

// without says what the bases that no pinned model has take, and what it would
// take more to store the others without them.
func (k *kin) without() (baseChoice, error) {
	spare := k.spare(k.now)
	out := baseChoice{tensors: len(spare)}
	for i := range spare {
		out.bytes += k.stored(k.now, i)
	}
	p, err := k.solve(spare)
	if err != nil {
		return out, err
	}
	out.without = k.total(p) - (k.total(k.now) - out.bytes)
	return out, nil
}
