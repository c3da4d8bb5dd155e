package node

import (
	"context"
	"errors"
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
	"github.com/zipnode/zipnode/tensor"
)

const (
	// minBase is the least size in bytes of a tensor that is tried against a
	// base: naming the base in a recipe costs most of what a smaller one is.
	minBase = 512
	// baseCost is about what naming a base adds to a recipe, in bytes.
	baseCost = 64
	// maxCandidates bounds the stored tensors that one new tensor is compared
	// with by sample, and maxTrials those it is really encoded against.
	maxCandidates = 64
	maxTrials     = 4
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
	c            cid.Cid
	group, label string
	sample       []byte
}

// A chosenBase is the base that one tensor is encoded against, if any.
type chosenBase struct {
	bases  []dag.Base
	sample []byte // the tensor's own; nil for a small one
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
		for _, p := range f.parts {
			if isTensor(f.format, p.extent) && p.extent.Size > 0 {
				into[p.extent.Name] = append(into[p.extent.Name], p.child.CID)
			}
		}
	}
	return nil
}

// groupOf is the key under which the store keeps tensors that may be bases of
// each other: of one name, dtype and row length.
func groupOf(e tensor.Extent) string {
	row := tensor.Shape{}
	if len(e.Shape) > 1 {
		row = e.Shape[1:]
	}
	return fmt.Sprintf("%s\x00%s\x00%v", e.Name, e.DType, row)
}

// choose returns the base of the tensor that extent e of r is: the one that the
// user named, or else the one that the samples say is cheapest, or none.
func (f *baseFinder) choose(ctx context.Context, r *os.File, e tensor.Extent) (chosenBase, error) {
	var out chosenBase
	if e.Name == "" { // a header, a gap, a plain file
		return out, nil
	}
	var target family.Sample
	if e.Size >= family.MinSize {
		var err error
		if target, err = family.Take(r, e); err != nil {
			return out, err
		}
		out.sample = target.Encode(nil)
	}
	if f.none || e.Size < minBase {
		return out, nil
	}
	found, err := f.usable(e, f.forced[e.Name])
	if err != nil {
		return out, err
	}
	if len(found) > 0 {
		out.bases = found[:1]
		return out, nil
	}
	stored, err := f.n.store.Candidates(groupOf(e), maxCandidates)
	if err != nil {
		return out, err
	}
	if found, err = f.usable(e, append(slices.Clone(f.hinted[e.Name]), stored...)); err != nil || len(found) == 0 {
		return out, err
	}
	best := -1
	if out.sample != nil {
		best, err = f.bySample(target, found)
	} else {
		best, err = f.byTrial(ctx, r, e, found[:min(len(found), maxTrials)])
	}
	if best >= 0 && err == nil {
		out.bases = found[best : best+1]
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
		if ok && t.CanBeBase() && t.DType == e.DType {
			out = append(out, dag.Base{Of: c, DType: t.DType})
		}
	}
	return out, nil
}

// bySample returns the index of the cheapest base by its sample, or -1.
func (f *baseFinder) bySample(target family.Sample, bases []dag.Base) (int, error) {
	samples := make([]*family.Sample, len(bases))
	for i, b := range bases {
		data, err := f.n.store.Sample(b.Of)
		if err != nil {
			return -1, err
		}
		s, err := family.Decode(data)
		if err != nil {
			s = family.Sample{} // shares no run with any: never the cheapest
		}
		samples[i] = &s
	}
	best, _ := family.Choose(target, samples)
	return best, nil
}

// byTrial encodes a small tensor against each base, and returns the index of
// the cheapest, or -1.
func (f *baseFinder) byTrial(ctx context.Context, r *os.File, e tensor.Extent, bases []dag.Base) (int, error) {
	data := make([]byte, e.Size)
	if err := readFull(r, data, e.Offset); err != nil {
		return -1, err
	}
	size := func(b []dag.Base) (int, error) {
		c, err := f.n.codecContext(ctx, e.DType, b, 0, len(data))
		if err != nil {
			return 0, err
		}
		out, err := codec.Encode(nil, data, c)
		if errors.Is(err, codec.ErrIncompressible) {
			return len(data), nil
		}
		return len(out), err
	}
	least, err := size(nil)
	if err != nil {
		return -1, err
	}
	best := -1
	for i := range bases {
		n, err := size(bases[i : i+1])
		if err != nil {
			return -1, err
		}
		if n+baseCost < least {
			best, least = i, n+baseCost
		}
	}
	return best, nil
}

// seen makes tensor c, which is extent e of the file at path, a candidate for
// the tensors of later files.
func (f *baseFinder) seen(c cid.Cid, r *os.File, path string, e tensor.Extent, model string) error {
	cand := candidate{c: c, group: groupOf(e), label: model + "/" + e.Name}
	if e.Size >= family.MinSize {
		old, err := f.n.store.Sample(c)
		if err != nil {
			return err
		}
		if old == nil {
			s, err := family.Take(r, e)
			if err != nil {
				return fmt.Errorf("sample of %q: %w", path, err)
			}
			cand.sample = s.Encode(nil)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.late = append(f.late, cand)
	return nil
}

// endFile makes the tensors of the file that was read candidates.
func (f *baseFinder) endFile() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range f.late {
		if err := f.n.store.PutSample(c.c, c.group, c.label, c.sample); err != nil {
			return err
		}
	}
	f.late = nil
	return nil
}
