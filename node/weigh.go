package node

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/tensor"
)

const (
	// maxCompared bounds the tensors that one is compared with by sample: half
	// of them those that most others are stored against, half its neighbours, as
	// a run's checkpoints are.
	maxCompared = 64
	// maxTried bounds the bases that a tensor too small for a sample is encoded
	// against.
	maxTried = 8
	// maxEdges bounds the bases of a tensor that a plan may choose from.
	maxEdges = 12
	// maxLooked bounds the samples, or small tensors, that are in memory at once.
	maxLooked = 2048
)

// weighKin sets what every tensor costs in every form that it might have: of
// the one in use the bytes that it takes, of others an estimate, or the bytes
// of a trial where the tensor is small.
func (n *Node) weighKin(ctx context.Context, k *kin) error {
	for i := range k.list {
		r := &k.list[i]
		k.p.Size = append(k.p.Size, r.t.Size)
		k.p.Alone = append(k.p.Alone, r.t.Stored)
		k.now = append(k.now, -1)
		if len(r.t.Bases) > 0 && !r.lost {
			k.p.Alone[i] = never(r)
			var err error
			if k.now[i], err = n.edgeInUse(k, int32(i)); err != nil {
				return err
			}
		}
	}
	for _, a := range k.kinds {
		w := &weighing{n: n, k: k, list: a.list, looked: map[int32]look{}, alone: map[dtypes]*ratio{}, delta: map[dtypes]*ratio{}}
		if err := w.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// never is a cost at which no plan changes how r is stored.
func never(r *relative) int64 { return 1<<44 + r.t.Size }

func (k *kin) addEdge(e family.Edge, by []dag.Base) int32 {
	k.p.Edges = append(k.p.Edges, e)
	k.by = append(k.by, by)
	return int32(len(k.p.Edges) - 1)
}

// edgeInUse adds how tensor i is stored now.
func (n *Node) edgeInUse(k *kin, i int32) (int32, error) {
	r := &k.list[i]
	e := k.edge(i, r.t.Bases, r.t.Stored)
	recipe, err := n.store.Recipe(r.t.Recipe())
	if err := ignoreDamage(err); err != nil {
		return 0, err
	}
	if recipe == nil { // it cannot be encoded so again, and stays so
		r.member = false
		return k.addEdge(e, nil), nil
	}
	at := k.addEdge(e, recipe.Bases)
	k.low[at] = recipe.Side.Defined()
	return at, nil
}

// edge returns that tensor i takes cost bytes as a delta of bases, which are in k.
func (k *kin) edge(i int32, bases []cid.Cid, cost int64) family.Edge {
	e := family.Edge{Target: i, Cost: cost}
	for at, b := range bases {
		j := k.at[b]
		if share := k.part(i, j); at == 0 {
			e.Base, e.Share = j, share
		} else {
			e.More = append(e.More, family.Source{Tensor: j, Share: share})
		}
	}
	return e
}

// part returns how much of tensor j a rebuild of tensor i against it needs.
func (k *kin) part(i, j int32) float32 {
	t, b := &k.list[i].t, &k.list[j].t
	return float32(store.Part(t.Size, t.DType, b.Size, b.DType))
}

// A weighing is of the tensors of one kind.
type weighing struct {
	n       *Node
	k       *kin
	list    []int32
	centres []int32
	looked  map[int32]look

	alone, delta map[dtypes]*ratio
}

// dtypes are those of a tensor and of its base, or its own twice.
type dtypes struct{ target, base tensor.DType }

// A look is what of a tensor tells its costs: its sample, or all of its bytes
// where it is too small for one.
type look struct {
	sample *family.Sample
	data   []byte
}

// A ratio is of real bytes to estimated ones, of tensors of one kind: what an
// estimate errs by, it errs by for all of them.
type ratio struct{ real, guess float64 }

func (r *ratio) add(real, guess int64) {
	r.real += float64(real)
	r.guess += float64(guess)
}

// ratioOf returns the ratio of d, which it makes if it must.
func ratioOf(ratios map[dtypes]*ratio, d dtypes) *ratio {
	if ratios[d] == nil {
		ratios[d] = new(ratio)
	}
	return ratios[d]
}

// of returns guess as the ratio would have it.
func (r *ratio) of(guess int64) int64 {
	if r.real == 0 || r.guess == 0 {
		return guess
	}
	return int64(float64(guess) * min(max(r.real/r.guess, 0.8), 1.25))
}

func (w *weighing) run(ctx context.Context) error {
	w.centre()
	if err := w.compare(ctx); err != nil {
		return err
	}
	for at, i := range w.list {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !w.k.list[i].member {
			continue
		}
		if err := w.tensor(ctx, at, i); err != nil {
			return err
		}
	}
	return nil
}

// centre finds the tensors that most others are stored against now.
func (w *weighing) centre() {
	uses := map[int32]int{}
	for _, i := range w.list {
		for _, b := range w.k.list[i].t.Bases {
			if j, here := w.k.at[b]; here {
				uses[j]++
			}
		}
	}
	w.centres = slices.Clone(w.list)
	slices.SortStableFunc(w.centres, func(a, b int32) int { return uses[b] - uses[a] })
	w.centres = w.centres[:min(len(w.centres), maxCompared/2)]
}

// compare learns what estimates err by, from what is stored.
func (w *weighing) compare(ctx context.Context) error {
	for _, i := range w.list[:min(len(w.list), maxLooked)] {
		r := &w.k.list[i]
		l, err := w.look(ctx, i)
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if l.sample == nil {
			continue
		}
		e := w.k.now[i]
		switch {
		case e < 0:
			ratioOf(w.alone, dtypes{r.t.DType, r.t.DType}).add(r.t.Stored, estimated(l.sample, nil, r.t.Size))
		case len(w.k.by[e]) == 1 && len(w.k.by[e][0].Map) == 0: // else samples do not line up
			j := w.k.p.Edges[e].Base
			b, err := w.look(ctx, j)
			if err != nil {
				return err
			}
			if b.sample == nil {
				continue
			}
			if n := estimated(l.sample, b.sample, r.t.Size); n < r.t.Size {
				ratioOf(w.delta, dtypes{r.t.DType, w.k.list[j].t.DType}).add(r.t.Stored, n)
			}
		}
	}
	return nil
}

// tensor adds the forms that member i, at place at of the list, might have.
func (w *weighing) tensor(ctx context.Context, at int, i int32) error {
	k := w.k
	r := &k.list[i]
	l, err := w.look(ctx, i)
	if err != nil || l.sample == nil && l.data == nil {
		return err // it stays as it is
	}
	if len(r.t.Bases) > 0 {
		n, err := w.cost(r, l, nil, look{})
		if err != nil {
			return err
		}
		k.p.Alone[i] = n
	}
	var edges []family.Edge
	for _, j := range w.candidates(at, l.sample == nil) {
		b := &k.list[j]
		known := len(r.t.Bases) == 1 && r.t.Bases[0] == b.c // the edge in use
		if known || !codec.Castable(b.t.DType, r.t.DType) {
			continue
		}
		other, err := w.look(ctx, j)
		if err != nil {
			return err
		}
		if (other.sample == nil) != (l.sample == nil) || (other.data == nil) != (l.data == nil) {
			continue
		}
		n, err := w.cost(r, l, b, other)
		if err != nil {
			return err
		}
		if n < r.t.Size {
			edges = append(edges, family.Edge{Target: i, Base: j, Cost: n, Share: k.part(i, j)})
		}
	}
	slices.SortStableFunc(edges, func(a, b family.Edge) int { return cmp.Compare(a.Cost, b.Cost) })
	for _, e := range edges[:min(len(edges), maxEdges)] {
		b := &k.list[e.Base]
		k.addEdge(e, []dag.Base{{Of: b.c, DType: b.t.DType}})
	}
	return w.mapped(ctx, i)
}

// candidates returns the tensors that the one at place at is compared with.
func (w *weighing) candidates(at int, small bool) []int32 {
	most := maxCompared
	if small {
		most = maxTried
	}
	out := slices.Clone(w.k.list[w.list[at]].near)
	seen := map[int32]bool{w.list[at]: true}
	for _, i := range out {
		seen[i] = true
	}
	out = slices.DeleteFunc(out, func(i int32) bool { return i == w.list[at] })
	most += len(out)
	add := func(i int32) {
		if !seen[i] && len(out) < most {
			seen[i] = true
			out = append(out, i)
		}
	}
	for _, i := range w.centres[:min(len(w.centres), most/2)] {
		add(i)
	}
	for d := 1; d < len(w.list) && len(out) < most; d++ {
		if at >= d {
			add(w.list[at-d])
		}
		if at+d < len(w.list) {
			add(w.list[at+d])
		}
	}
	return out
}

// look returns what of tensor i tells its costs; nothing where that is lost.
func (w *weighing) look(ctx context.Context, i int32) (look, error) {
	if l, ok := w.looked[i]; ok {
		return l, nil
	}
	if len(w.looked) >= maxLooked {
		clear(w.looked)
	}
	var l look
	r := &w.k.list[i]
	if r.lost {
		return l, nil
	}
	if r.t.Size >= family.MinSize {
		data, err := w.n.store.Sample(r.c)
		if err != nil {
			return l, err
		}
		if s, err := family.Decode(data); err == nil {
			l.sample = &s
		}
	} else {
		data, err := w.n.store.ReadTensor(ctx, r.c, 0, int(r.t.Size))
		if err := ignoreDamage(err); err != nil {
			return l, err
		}
		l.data = bytes.Clone(data)
	}
	w.looked[i] = l
	return l, nil
}

// cost returns what r takes as a delta of b, or stand-alone if b is nil.
func (w *weighing) cost(r *relative, l look, b *relative, other look) (int64, error) {
	switch {
	case l.data != nil && b == nil:
		return tried(r, l.data, nil)
	case l.data != nil:
		base, err := store.BaseOf(r.t.DType, dag.Base{Of: b.c, DType: b.t.DType}, 0, len(l.data), func(off int64, n int) ([]byte, error) {
			off = min(off, int64(len(other.data)))
			return other.data[off:min(off+int64(n), int64(len(other.data)))], nil
		})
		if err != nil {
			return 0, err
		}
		n, err := tried(r, l.data, []codec.Base{base})
		return n + baseCost, err
	case b == nil:
		return ratioOf(w.alone, dtypes{r.t.DType, r.t.DType}).of(estimated(l.sample, nil, r.t.Size)), nil
	}
	return ratioOf(w.delta, dtypes{r.t.DType, b.t.DType}).of(estimated(l.sample, other.sample, r.t.Size)) + baseCost, nil
}

// estimated returns the bytes that the chunks of a tensor of size bytes are
// estimated to take against base, or stand-alone if it is nil.
func estimated(target, base *family.Sample, size int64) int64 {
	units := float64(size) / float64(family.Unit(target.DType()))
	return int64(min(family.Estimate(*target, base)*units/8, 2*float64(size))) // it may be infinite
}

// tried returns the bytes that small tensor r takes against bases.
func tried(r *relative, data []byte, bases []codec.Base) (int64, error) {
	out, err := codec.Encode(nil, data, codec.Context{DType: r.t.DType, Row: r.row, Bases: bases, Level: thorough})
	if errors.Is(err, codec.ErrIncompressible) {
		return r.t.Size, nil
	}
	return int64(len(out)), err
}
