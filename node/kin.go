package node

import (
	"context"
	"slices"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/tensor/layout"
)

// maxKin bounds the tensors that are planned at once, but for the last model's.
const maxKin = 8 << 10

// A kin is tensors that may be bases of each other, what their bases in use
// need beside, and what each would cost in each form.
type kin struct {
	list []relative
	at   map[cid.Cid]int32
	now  []int32 // by tensor, the edge in use, or -1 for stand-alone
	p    family.Problem
	by   [][]dag.Base // by edge, the bases to encode against

	side map[int32][]byte // by edge, the side block to encode with, while it is tried
	low  map[int32]bool   // edges with a side block

	kinds  []kind
	margin float64 // share of a budget that plans leave
	lost   int     // tensors left out because they, a base, or their model does not read
}

func newKin() *kin {
	return &kin{at: map[cid.Cid]int32{}, side: map[int32][]byte{}, low: map[int32]bool{}, margin: leastMargin}
}

// A relative is one tensor of a kin. A member may be encoded anew. What is none
// stays as it is: it is a base in use, or may become a base.
type relative struct {
	c      cid.Cid
	t      store.Tensor
	row    int // elements of a row; 0 if that is not known
	member bool
	owned  bool // a pinned model has it; else it is here as a base only
	lost   bool // a base of it is not here: nothing can be said of it
	near   []int32
	mapped []dag.Base // that have rows of it, where near ones save little
}

func (r *relative) form() form { return form{dtype: r.t.DType, row: r.row} }

// A kind is the tensors of a kin that are of one group: see [family.GroupOf].
type kind struct {
	group string
	list  []int32
}

// gatherKin prepares to plan the tensors of models that are here, large enough
// to have a base, and not in done. owned are the tensors of pinned models.
func (n *Node) gatherKin(ctx context.Context, models []pinnedModel, owned, done tensorSet) (*kin, error) {
	k := newKin()
	g := &gathering{n: n, k: k, owned: owned, done: done, groups: map[string]int{}}
	for _, m := range models {
		if err := g.model(ctx, m.c); err != nil {
			if err := ignoreDamage(err); err != nil {
				return nil, err
			}
			k.lost += m.tensors
		}
	}
	if err := g.candidates(ctx); err != nil {
		return nil, err
	}
	if err := g.bases(); err != nil {
		return nil, err
	}
	return k, n.weighKin(ctx, k)
}

type gathering struct {
	n           *Node
	k           *kin
	owned, done tensorSet
	groups      map[string]int // place in k.kinds
	spans       int            // of row maps
}

// add adds tensor c unless it is there, and returns its place, or -1 if it is
// not here.
func (g *gathering) add(c cid.Cid, member bool) (int32, error) {
	if i, ok := g.k.at[c]; ok {
		return i, nil
	}
	t, ok, err := g.n.store.Tensor(c)
	if err != nil || !ok {
		return -1, err
	}
	i := int32(len(g.k.list))
	g.k.at[c] = i
	g.k.list = append(g.k.list, relative{c: c, t: t, member: member && !g.done.has(c), owned: g.owned.has(c)})
	return i, nil
}

// model adds the tensors of model m. What is not here of it is passed over.
func (g *gathering) model(ctx context.Context, m cid.Cid) error {
	var tensors []int32
	for f, err := range dag.Files(ctx, g.n.store, m, nil) {
		if err != nil {
			return err
		}
		mf, err := g.n.modelFile(ctx, f)
		if err != nil {
			if err := ignoreDamage(err); err != nil {
				return err
			}
			continue
		}
		for p, err := range mf.parts(ctx) {
			if err != nil {
				return err
			}
			if !layout.IsTensor(mf.format, p.extent) || p.extent.Size < minBase {
				continue
			}
			i, err := g.add(p.child.CID, true)
			if err != nil {
				return err
			}
			if i >= 0 {
				tensors = append(tensors, i)
				g.k.list[i].row = p.extent.Shape.Row()
				g.kind(family.GroupOf(p.extent), i)
			}
		}
	}
	g.k.p.Groups = append(g.k.p.Groups, tensors)
	return nil
}

func (g *gathering) kind(group string, i int32) {
	at, ok := g.groups[group]
	if !ok {
		at = len(g.k.kinds)
		g.groups[group] = at
		g.k.kinds = append(g.k.kinds, kind{group: group})
	}
	g.k.kinds[at].list = append(g.k.kinds[at].list, i)
}

// candidates looks in the whole store for what may be a base of each member.
// Tensors of pinned models alone may: others may go any time.
func (g *gathering) candidates(ctx context.Context) error {
	for at := range g.k.kinds {
		a := &g.k.kinds[at]
		for _, i := range a.list { // as it is now: it grows
			if err := ctx.Err(); err != nil {
				return err
			}
			found, err := g.found(ctx, a.group, i)
			if err != nil {
				return err
			}
			for _, c := range found {
				if _, ok := g.k.at[c]; !ok && !g.owned.has(c) {
					continue
				}
				j, err := g.add(c, false)
				if err != nil {
					return err
				}
				if j >= 0 {
					g.k.list[i].near = append(g.k.list[i].near, j)
				}
			}
		}
	}
	return nil
}

// found returns the stored tensors of group that are nearest to tensor i; some,
// where it is too small for a sample.
func (g *gathering) found(ctx context.Context, group string, i int32) ([]cid.Cid, error) {
	r := &g.k.list[i]
	if !r.member {
		return nil, nil
	}
	var out []cid.Cid
	if r.t.Size < family.MinSize {
		cs, err := g.n.store.Candidates(group, cid.Undef, maxTried)
		for _, c := range cs {
			out = append(out, c.Tensor)
		}
		return out, err
	}
	data, err := g.n.store.Sample(r.c)
	if err != nil {
		return nil, err
	}
	s, err := family.Decode(data)
	if err != nil {
		return nil, nil // it was lost: the tensor stays as it is
	}
	like, err := g.n.nearest(&s, group)
	if err != nil {
		return nil, err
	}
	others := slices.DeleteFunc(like.found, func(c near) bool { return c.c == r.c })
	for _, c := range others {
		out = append(out, c.c)
	}
	return out, g.mapRows(ctx, i, &s, others)
}

// bases adds what the tensors so far are stored against, and so on.
func (g *gathering) bases() error {
	for i := 0; i < len(g.k.list); i++ { // the list grows
		for _, b := range g.k.list[i].t.Bases {
			j, err := g.add(b, false)
			if err != nil {
				return err
			}
			if j < 0 { // set aside as damaged
				r := &g.k.list[i]
				r.member, r.lost = false, true
				g.k.lost++
			}
		}
	}
	return nil
}

// label returns what a person would call tensor c: its label, or its CID.
func (n *Node) label(c cid.Cid) (string, error) {
	label, err := n.store.Label(c)
	if label == "" {
		label = c.String()
	}
	return label, err
}
