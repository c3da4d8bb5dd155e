package node

import (
	"context"
	"errors"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// choose picks the cheapest way of every unit that is not here, bases included,
// and returns the units to fetch, bases first, and their cost in bytes.
func (p *planner) choose(ctx context.Context) ([]*unit, int64, error) {
	if err := p.askBases(ctx); err != nil {
		return nil, 0, err
	}
	ch := chooser{p: p, state: map[*unit]int{}}
	for _, u := range p.order {
		if err := ch.visit(ctx, u, 0); err != nil {
			return nil, 0, err
		}
	}
	total := int64(0)
	need := ch.needed(p.order)
	for _, u := range need {
		total += u.cost
	}
	return need, total, nil
}

// maxBaseDepth bounds how far a plan follows bases of bases.
const maxBaseDepth = 32

type chooser struct {
	p     *planner
	state map[*unit]int
}

const (
	choosing = iota + 1
	chosen
)

// visit chooses u's recipe. Costs of bases count in full for each: a plan that
// shares one is cheaper than it looks, never dearer.
func (ch *chooser) visit(ctx context.Context, u *unit, depth int) error {
	if u.here || ch.state[u] == chosen {
		return nil
	}
	ch.state[u] = choosing
	defer func() { ch.state[u] = chosen }()
	best, bestCost := -1, u.c.Size // the leaves themselves
	if u.local {
		bestCost = 0
	}
	var bestBases []*unit
	for i := range u.offers {
		cost, bases, err := ch.weigh(ctx, u, &u.offers[i], depth)
		if err != nil {
			return err
		}
		if cost >= 0 && (best < 0 && cost <= bestCost || cost < bestCost) {
			best, bestCost, bestBases = i, cost, bases
		}
	}
	u.recipe, u.block, u.bases, u.cost, u.sum, u.held = nil, nil, nil, bestCost, bestCost, 0
	if best >= 0 {
		o := u.offers[best]
		u.recipe, u.block, u.bases, u.cost, u.held = o.recipe, o.block, bestBases, o.cost, o.held
	}
	return nil
}

// weigh returns what fetching u by o costs, with the bases that are not here,
// or -1 where it cannot be done.
func (ch *chooser) weigh(ctx context.Context, u *unit, o *offer, depth int) (int64, []*unit, error) {
	p := ch.p
	if p.trust.not(o.block.Cid(), o.from) {
		return -1, nil, nil
	}
	o.cost, o.held = 0, 0
	leaf := int64(0)
	if err := p.fetchPages(ctx, o.recipe.Chunks.Pages()); err != nil {
		return -1, nil, ctx.Err() // another peer's recipe may be whole
	}
	for e, err := range o.recipe.Chunks.All(ctx, p) {
		if err != nil {
			p.src.Drop(o.from, err)
			return -1, nil, ctx.Err()
		}
		here, err := p.n.store.HasReal(e.Chunk)
		if err != nil {
			return -1, nil, err
		}
		if here {
			o.held += int64(dag.LeafSize(o.recipe.Size, leaf))
		} else {
			o.cost += int64(e.Length)
		}
		leaf++
	}
	cost := o.cost
	var bases []*unit
	for _, b := range o.recipe.Bases {
		base, err := ch.base(ctx, b, depth)
		if err != nil || base == nil {
			return -1, nil, err
		}
		if base.here {
			continue
		}
		if cost += base.sum; cost > 1<<60 {
			return -1, nil, nil
		}
		bases = append(bases, base)
	}
	return cost, bases, nil
}

// errPages says that weighing a recipe would take more pages than a plan may
// fetch.
var errPages = errors.New("a recipe of too many pages")

// fetchPages brings the pages of a recipe here, unless they are too many for the
// model.
func (p *planner) fetchPages(ctx context.Context, cs []cid.Cid) error {
	if p.pages += len(cs); int64(p.pages) > fewPages+16*(p.size>>33) && len(cs) > 0 {
		p.pages -= len(cs)
		return errPages
	}
	return p.fetchMany(ctx, cs)
}

// base returns the unit of a base, chosen, or nil where it cannot be had. Whoever
// offers a recipe has its bases, and recipes of them: a base that nobody has a
// recipe of is not looked for as leaves.
func (ch *chooser) base(ctx context.Context, b dag.Base, depth int) (*unit, error) {
	base := ch.p.units[b.Of]
	if base == nil && ch.p.src == nil { // askBases did not come by
		var err error
		if base, err = ch.p.unit(ctx, dag.Child{CID: b.Of, Size: -1}); err != nil {
			return nil, nil // no CID of a tensor
		}
	}
	switch {
	case base == nil || depth >= maxBaseDepth:
		return nil, nil
	case base.here:
		return base, nil
	case ch.state[base] == choosing:
		return nil, nil // a circle of bases
	case base.lost || len(base.offers) == 0 && !base.local && len(base.places) == 0:
		return nil, nil
	}
	if err := ch.p.settleSize(ctx, base); err != nil {
		if base.lost = true; ctx.Err() == nil {
			ch.p.trust.withheld(base.offers)
		}
		return nil, ctx.Err()
	}
	if err := ch.visit(ctx, base, depth+1); err != nil {
		return nil, err
	}
	if base.recipe == nil && !base.local && len(base.places) == 0 {
		return nil, nil // none of its recipes will do
	}
	return base, nil
}

// needed returns the units that are fetched for us, each once, bases first.
func (ch *chooser) needed(us []*unit) []*unit {
	var out []*unit
	seen := map[*unit]bool{}
	var visit func(*unit)
	visit = func(u *unit) {
		if u.here || seen[u] {
			return
		}
		seen[u] = true
		for _, b := range u.bases {
			visit(b)
		}
		out = append(out, u)
	}
	for _, u := range us {
		visit(u)
	}
	return out
}
