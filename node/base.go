package node

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/layout"
)

const (
	// minBase is the least size in bytes of a tensor that is tried against a
	// base: naming the base in a recipe costs most of what a smaller one is.
	minBase = 512
	// baseCost is about what naming a base adds to a recipe, in bytes.
	baseCost = 64
	// maxTrials bounds the stored tensors that one new tensor is really encoded
	// against, but for tiny ones, of which maxTrialBytes are.
	maxTrials     = 4
	maxTrialBytes = 64 << 10
)

// A baseFinder chooses the base of each tensor of one add.
type baseFinder struct {
	n    *Node
	none bool
	// By tensor name: of the model that the user named, and of those that the
	// model's own files hint at.
	forced, hinted map[string][]cid.Cid

	mu   sync.Mutex
	late []candidate // of the file being read: no base of each other
}

type candidate struct {
	c  cid.Cid
	of store.Sampled
}

// A chosenBase is the base that one tensor is encoded against, if any.
type chosenBase struct {
	bases []dag.Base
	under cid.Cid // the tensor that it is like, a base or not; Undef for none
}

// newBaseFinder prepares for an add of files: base is "", "none", or a model.
func (n *Node) newBaseFinder(ctx context.Context, base string, files []sourceFile) (*baseFinder, error) {
	f := &baseFinder{n: n, none: base == "none", forced: map[string][]cid.Cid{}, hinted: map[string][]cid.Cid{}}
	if base != "" && !f.none {
		c, err := n.resolve(ctx, base)
		if err != nil {
			return nil, fmt.Errorf("base %w", err)
		}
		if err := n.tensorsByName(ctx, c, f.forced); err != nil {
			return nil, fmt.Errorf("base %s: %w", base, err)
		}
	}
	if base != "" {
		return f, nil
	}
	for _, hint := range readHints(files).Bases {
		c, ok, err := n.hintedModel(hint)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if err := n.tensorsByName(ctx, c, f.hinted); err != nil {
			n.log.Info("a hinted base cannot be read", "hint", hint, "err", err)
		}
	}
	return f, nil
}

// readHints reads what the model's own files say of its base. What does not
// parse says nothing.
func readHints(files []sourceFile) family.Hints {
	var h family.Hints
	for _, f := range files {
		read := map[string]func(*os.File) error{
			"README.md":   func(r *os.File) error { return h.ReadCard(r) },
			"config.json": func(r *os.File) error { return h.ReadConfig(r) },
		}[f.path]
		if read == nil {
			continue
		}
		if r, err := os.Open(f.real); err == nil {
			_ = read(r) // a card that does not parse is no reason to refuse a model
			r.Close()
		}
	}
	return h
}

// hintedModel returns the model that a hint such as "org/name" means: of that
// very name, or else of the same last part.
func (n *Node) hintedModel(hint string) (cid.Cid, bool, error) {
	if c, ok, err := n.store.Name(hint); ok || err != nil {
		return c, ok, err
	}
	names, err := n.store.Names()
	if err != nil {
		return cid.Undef, false, err
	}
	last := func(s string) string {
		s, _, _ = strings.Cut(path.Base(strings.ReplaceAll(s, "\\", "/")), "@")
		return strings.ToLower(s)
	}
	var found []string
	for name := range names {
		if last(name) == last(hint) {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return cid.Undef, false, nil
	}
	return names[slices.Min(found)], true, nil
}

// tensorsByName adds to into the tensors of model c.
func (n *Node) tensorsByName(ctx context.Context, c cid.Cid, into map[string][]cid.Cid) error {
	for f, err := range n.modelFiles(ctx, c) {
		if err != nil {
			return err
		}
		for p, err := range f.parts(ctx) {
			if err != nil {
				return err
			}
			if layout.IsTensor(f.format, p.extent) && p.extent.Size > 0 {
				into[p.extent.Name] = append(into[p.extent.Name], p.child.CID)
			}
		}
	}
	return nil
}

// choose returns the base of the tensor that extent e of r is: the one that the
// user named, or else the one that the samples say is cheapest, or none.
func (f *baseFinder) choose(ctx context.Context, r *os.File, e tensor.Extent) (chosenBase, error) {
	var out chosenBase
	if f.none || e.Name == "" || e.Size < minBase { // no base wanted; a header, a gap, a plain file; tiny
		return out, nil
	}
	forced, err := f.usable(e, f.forced[e.Name])
	if err != nil || len(forced) > 0 {
		out.bases = forced[:min(1, len(forced))]
		return out, err
	}
	if e.Size < family.MinSize {
		out.bases, err = f.byTrial(ctx, r, e)
	} else {
		out, err = f.bySample(ctx, r, e)
	}
	return out, err
}

// usable returns those of cs that e may be encoded against, each once.
func (f *baseFinder) usable(e tensor.Extent, cs []cid.Cid) ([]dag.Base, error) {
	var out []dag.Base
	seen := map[cid.Cid]bool{}
	for _, c := range cs {
		if seen[c] {
			continue
		}
		seen[c] = true
		t, ok, err := f.n.store.Tensor(c)
		if err != nil {
			return nil, err
		}
		if !ok || !t.CanBeBase() || !codec.Castable(t.DType, e.DType) {
			continue
		}
		b := dag.Base{Of: c, DType: t.DType}
		if ok, err = f.n.store.Usable(e.Size, e.DType, []dag.Base{b}); err != nil {
			return nil, err
		} else if ok {
			out = append(out, b)
		}
	}
	return out, nil
}

// poor is the share of its stand-alone size from which on a delta is taken to
// have the wrong base: then rows are looked for under other names.
const poor = 0.8

// bySample returns the cheapest base of a tensor of which samples are kept:
// among those of its name, of whatever model, and where none is near, among all
// that have rows of it.
func (f *baseFinder) bySample(ctx context.Context, r *os.File, e tensor.Extent) (chosenBase, error) {
	target, err := family.Take(r, e)
	if err != nil {
		return chosenBase{}, err
	}
	s, err := f.n.nearest(&target, family.GroupOf(e))
	if err != nil {
		return chosenBase{}, err
	}
	if err := f.addHinted(&s, &target, e); err != nil {
		return chosenBase{}, err
	}
	alone := family.Estimate(target, nil)
	out := chosenBase{under: s.under(alone)}
	best := alone
	if out.bases, best, err = f.cheapest(ctx, r, e, s.found, alone); err != nil {
		return out, err
	}
	if best < poor*alone {
		return out, nil
	}
	bases, err := f.byRows(ctx, r, e, &target, func(cid.Cid) bool { return true })
	if len(bases) == 0 || err != nil {
		return out, err
	}
	if ok, err := f.affords(e, bases, alone); !ok || err != nil {
		return out, err
	}
	own, delta, err := f.worth(ctx, r, e, bases)
	if err == nil && family.Saves(float64(delta), float64(own)*min(1, best/max(alone, 1e-9))) {
		out.bases = bases
	}
	return out, err
}

// addHinted adds to s the tensors that hints name: behind others that cost the
// same, so that a hint can only give more to choose from.
func (f *baseFinder) addHinted(s *search, target *family.Sample, e tensor.Extent) error {
	var cs []store.Candidate
	for _, c := range f.hinted[e.Name] {
		data, err := f.n.store.Sample(c)
		if err != nil {
			return err
		}
		cs = append(cs, store.Candidate{Tensor: c, Sample: data})
	}
	s.found = append(s.found, estimates(target, glance(target, cs))...)
	slices.SortStableFunc(s.found, func(a, b near) int { return cmp.Compare(a.bits, b.bits) })
	return nil
}

// byTrial encodes a small tensor against stored ones of its name, and returns
// the cheapest, as a list, or none.
func (f *baseFinder) byTrial(ctx context.Context, r *os.File, e tensor.Extent) ([]dag.Base, error) {
	stored, err := f.n.store.Candidates(family.GroupOf(e), cid.Undef, maxSiblings)
	if err != nil {
		return nil, err
	}
	var list []cid.Cid
	for _, c := range stored {
		list = append(list, c.Tensor)
	}
	bases, err := f.usable(e, append(list, f.hinted[e.Name]...))
	if err != nil || len(bases) == 0 {
		return nil, err
	}
	data := make([]byte, e.Size)
	if err := readFull(r, data, e.Offset); err != nil {
		return nil, err
	}
	least, err := f.encoded(ctx, e, nil, 0, data)
	if err != nil {
		return nil, err
	}
	best := -1
	for i := range bases[:min(len(bases), max(maxTrials, maxTrialBytes/len(data)))] {
		if ok, err := f.affords(e, bases[i:i+1], 0); !ok || err != nil {
			if err != nil {
				return nil, err
			}
			continue
		}
		n, err := f.encoded(ctx, e, bases[i:i+1], 0, data)
		if err != nil {
			return nil, err
		}
		if n+baseCost < least {
			best, least = i, n+baseCost
		}
	}
	if best < 0 {
		return nil, nil
	}
	return bases[best : best+1], nil
}

// seen makes tensor c, which is extent e of the file at path, a candidate for
// the tensors of later files, under another that it is like. A small one, of
// which there may be many, becomes one in endFile.
func (f *baseFinder) seen(c cid.Cid, r *os.File, path string, e tensor.Extent, model string, rows []family.Row, under cid.Cid) error {
	if e.Size < family.MinSize {
		return nil
	}
	cand := candidate{c: c, of: store.Sampled{Group: family.GroupOf(e), Under: under, Label: model + "/" + e.Name, Rows: family.Telling(rows, tellingKept)}}
	s, err := family.Take(r, e)
	if err != nil {
		return fmt.Errorf("sample of %q: %w", path, err)
	}
	sampleTo(&cand.of, &s)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.late = append(f.late, cand)
	return nil
}

// sampleTo adds sample s to what is kept of its tensor.
func sampleTo(of *store.Sampled, s *family.Sample) {
	sketch := s.Sketch()
	of.Data, of.Sketch = s.Encode(nil), sketch.Encode(nil)
}

// endFile makes the tensors of the file that was read, and is in the store as mf,
// candidates.
func (f *baseFinder) endFile(ctx context.Context, mf modelFile, model string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	slices.SortFunc(f.late, func(a, b candidate) int { return strings.Compare(a.of.Label, b.of.Label) }) // not as workers finished
	for _, c := range f.late {
		if err := f.n.store.PutSample(c.c, c.of); err != nil {
			return err
		}
	}
	f.late = nil
	for p, err := range mf.parts(ctx) {
		if err != nil {
			return err
		}
		e := p.extent
		if !layout.IsTensor(mf.format, e) || e.Size == 0 || e.Size >= family.MinSize {
			continue
		}
		if err := f.n.store.PutSample(p.child.CID, store.Sampled{Group: family.GroupOf(e), Label: model + "/" + e.Name}); err != nil {
			return err
		}
	}
	return nil
}
