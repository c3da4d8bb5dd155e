package node

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"io"
	"slices"
	"strings"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/tensor/layout"
)

const (
	// maxTelling is how many tensors of a model are compared with others'. Which
	// ones, their names alone decide, so that models which share names share
	// some of those.
	maxTelling = 24
	// maxSampled bounds the models whose samples are in memory at once.
	maxSampled = 128
)

// Family parts the models that are here into families by how many bits of their
// tensors differ, and says where that contradicts what their cards claim.
func (n *Node) Family(ctx context.Context, _ none, progress func(Progress)) (FamilyResult, error) {
	models, err := n.store.Models()
	if err != nil {
		return FamilyResult{}, err
	}
	f := &families{n: n, samples: map[int]family.Model{}}
	for i, m := range models {
		k, err := n.kindred(ctx, m)
		if err != nil {
			return FamilyResult{}, err
		}
		f.models = append(f.models, k)
		progress(Progress{Stage: "read", Name: k.name, Done: int64(i + 1), Total: int64(len(models)), Unit: "models"})
	}
	if err := f.claims(ctx); err != nil {
		return FamilyResult{}, err
	}
	pairs, done := len(models)*(len(models)-1)/2, 0
	trees := family.Cluster(len(models), func(i, j int) family.Relation {
		done++
		progress(Progress{Stage: "compare", Done: int64(done), Total: int64(pairs), Unit: "pairs"})
		return f.relate(ctx, i, j)
	})
	if err := cmp.Or(f.err, ctx.Err()); err != nil {
		return FamilyResult{}, err
	}
	res := FamilyResult{Families: []FamilyTree{}}
	for _, t := range trees {
		res.Families = append(res.Families, f.tree(ctx, t))
	}
	return res, f.err
}

// families is one part of models under way.
type families struct {
	n       *Node
	models  []*kindred
	samples map[int]family.Model
	err     error // the first of relate
}

// A kindred is a model as its family is looked for.
type kindred struct {
	c       cid.Cid
	name    string
	bytes   int64
	telling map[string]cid.Cid // by name, the tensors that are compared
	hints   family.Hints
	claim   string // the base that it claims, as it calls it
	of      int    // the model that this means, or -1
}

// kindred reads what model m is compared by, and what it says of itself.
func (n *Node) kindred(ctx context.Context, m store.Model) (*kindred, error) {
	c, err := cid.Decode(m.CID)
	if err != nil {
		return nil, err
	}
	k := &kindred{c: c, bytes: m.Bytes, of: -1, telling: map[string]cid.Cid{}}
	if k.name, err = n.nameOf(c); err != nil {
		return nil, err
	}
	for f, err := range dag.Files(ctx, n.store, c, nil) {
		if err != nil {
			return nil, err
		}
		err := n.kindredFile(ctx, k, f)
		if err := ignoreDamage(err); err != nil {
			return nil, err
		}
	}
	names := make([]string, 0, len(k.telling))
	for name := range k.telling {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(hashOf(a), hashOf(b)), strings.Compare(a, b))
	})
	for _, name := range names[min(len(names), maxTelling):] {
		delete(k.telling, name)
	}
	return k, nil
}

func hashOf(s string) uint64 {
	h := fnv.New64a()
	io.WriteString(h, s) // it returns no error
	return h.Sum64()
}

// maxHintFile bounds the bytes of a file that is read for what it claims.
const maxHintFile = 1 << 20

func (n *Node) kindredFile(ctx context.Context, k *kindred, f dag.File) error {
	mf, err := n.modelFile(ctx, f)
	if err != nil {
		return err
	}
	for p, err := range mf.parts(ctx) {
		if err != nil {
			return err
		}
		if layout.IsTensor(mf.format, p.extent) && p.extent.Size >= family.MinSize {
			k.telling[p.extent.Name] = p.child.CID
		}
	}
	read := map[string]func(io.Reader) error{"README.md": k.hints.ReadCard, "config.json": k.hints.ReadConfig}[f.Path]
	if read == nil || mf.child.Size > maxHintFile {
		return nil
	}
	data, err := io.ReadAll(io.NewSectionReader(dag.NewReader(ctx, n.store, f.CID, mf.child.Size), 0, mf.child.Size))
	if err != nil {
		return err
	}
	_ = read(bytes.NewReader(data)) // what does not parse claims nothing
	return nil
}

// claims finds which models the cards mean.
func (f *families) claims(ctx context.Context) error {
	at := map[cid.Cid]int{}
	for i, k := range f.models {
		at[k.c] = i
	}
	for i, k := range f.models {
		for _, hint := range k.hints.Bases {
			if k.claim == "" {
				k.claim = hint
			}
			c, ok, err := f.n.hintedModel(hint)
			if err != nil {
				return err
			}
			if j, here := at[c]; ok && here && j != i {
				k.claim, k.of = hint, j
				break
			}
		}
	}
	return ctx.Err()
}

// relate compares two models. After an error it relates none.
func (f *families) relate(ctx context.Context, i, j int) family.Relation {
	if f.err == nil {
		f.err = ctx.Err()
	}
	if f.err != nil || !shareNames(f.models[i].telling, f.models[j].telling) {
		return family.Relation{}
	}
	a, err := f.sample(i)
	if err == nil {
		var b family.Model
		if b, err = f.sample(j); err == nil {
			return family.Relate(a, b)
		}
	}
	f.err = err
	return family.Relation{}
}

func shareNames(a, b map[string]cid.Cid) bool {
	for name := range a {
		if _, ok := b[name]; ok {
			return true
		}
	}
	return false
}

// sample returns the samples of model i.
func (f *families) sample(i int) (family.Model, error) {
	if m, ok := f.samples[i]; ok {
		return m, nil
	}
	if len(f.samples) >= maxSampled {
		clear(f.samples)
	}
	m := family.Model{}
	for name, c := range f.models[i].telling {
		data, err := f.n.store.Sample(c)
		if err != nil {
			return nil, err
		}
		if s, err := family.Decode(data); err == nil {
			m[name] = s
		}
	}
	f.samples[i] = m
	return m, nil
}

// tree returns t in words, with what its models claim beside.
func (f *families) tree(ctx context.Context, t family.Tree) FamilyTree {
	var out FamilyTree
	under := map[int]int{}             // the model above
	nearest := map[int]family.Member{} // with Under the nearest, above or below
	near := func(i, j int, d float64) {
		if old, ok := nearest[i]; !ok || d < old.Distance {
			nearest[i] = family.Member{Model: i, Under: j, Distance: d}
		}
	}
	for _, m := range t.Members {
		under[m.Model] = m.Under
		if m.Under >= 0 {
			near(m.Model, m.Under, m.Distance)
			near(m.Under, m.Model, m.Distance)
		}
	}
	for _, m := range t.Members {
		k := f.models[m.Model]
		line := FamilyMember{Name: k.name, CID: k.c.String(), Bytes: k.bytes, Bits: m.Distance, Claim: k.claim, Relation: k.hints.Relation}
		if m.Under >= 0 {
			line.Under = f.models[m.Under].c.String()
		}
		for i := m.Under; i >= 0; i = under[i] {
			line.Depth++
		}
		if k.of >= 0 {
			line.ClaimCID = f.models[k.of].c.String()
			f.judge(ctx, &line, m.Model, under, nearest[m.Model])
		}
		out.Members = append(out.Members, line)
	}
	return out
}

// sameBits is the distance below which two models count as one: a cast and its
// origin differ where the finer dtype has values that the coarser has not.
const sameBits = 0.01

// judge compares what model i claims with what is measured. It may be made from
// whatever is above it in the tree, from what it is nearest to, and from what
// that one claims to be made from: a run's checkpoints are nearer to each other
// than to their base.
func (f *families) judge(ctx context.Context, line *FamilyMember, i int, under map[int]int, nearest family.Member) {
	claimed := f.models[i].of
	line.ClaimBits = f.between(ctx, i, claimed).Distance
	if _, kin := under[claimed]; !kin {
		line.Contradiction = fmt.Sprintf("its card says %s, which it is not related to", f.models[i].claim)
		return
	}
	for above := under[i]; above >= 0; above = under[above] {
		if f.same(ctx, above, claimed) {
			return
		}
	}
	seen := map[int]bool{i: true}
	for y := nearest.Under; y >= 0 && !seen[y]; y = f.models[y].of {
		if seen[y] = true; f.same(ctx, y, claimed) {
			return
		}
	}
	other := f.models[nearest.Under]
	line.Contradiction = fmt.Sprintf("its card says %s, at %.2f bits, but it is nearest to %s, at %.2f bits",
		f.models[i].claim, line.ClaimBits, cmp.Or(other.name, other.c.String()), nearest.Distance)
}

func (f *families) between(ctx context.Context, i, j int) family.Relation {
	return f.relate(ctx, min(i, j), max(i, j))
}

// same tells whether models i and j are one, or one cast.
func (f *families) same(ctx context.Context, i, j int) bool {
	if i == j {
		return true
	}
	r := f.between(ctx, i, j)
	return r.Shared > 0 && r.Distance < sameBits
}
