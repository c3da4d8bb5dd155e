package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/p2p"
	"github.com/zipnode/zipnode/store"
)

const (
	// meetPeers is how long a repair waits for a first peer, and repairFor
	// bounds the search for one block.
	meetPeers = 5 * time.Second
	repairFor = 30 * time.Second
	// repairsAtOnce bounds the blocks that are looked for side by side.
	repairsAtOnce = 16
)

// Verify reads everything, or what the model req.Ref needs, and mends from peers
// what is damaged: by the same block where a peer has it, else by fetching again
// whatever needs it. What cannot be mended is set aside, so that adding the
// model again, or a later get, does.
func (n *Node) Verify(ctx context.Context, req RefRequest, progress func(Progress)) (VerifyResult, error) {
	start := time.Now()
	var only []cid.Cid
	if req.Ref != "" {
		c, err := n.resolve(ctx, req.Ref)
		if err != nil {
			return VerifyResult{}, err
		}
		if _, ok, err := n.store.Model(c); err != nil || !ok {
			return VerifyResult{}, errors.Join(err, WithCode(CodeNotFound, fmt.Errorf("%s is not here", req.Ref)))
		}
		only = []cid.Cid{c}
	}
	v, err := n.store.Verify(ctx, only, func(done, total int64) {
		progress(Progress{Stage: "verify", Done: done, Total: total})
	})
	if err != nil {
		return VerifyResult{}, err
	}
	res := VerifyResult{Blocks: v.Blocks, Bytes: v.Bytes, Leaves: v.Leaves, Corrupt: []Damage{}}
	r, err := n.newRepairer(ctx, v.Damage, progress)
	if err != nil {
		return res, err
	}
	if err := r.run(ctx); err != nil {
		return res, err
	}
	for _, d := range v.Damage {
		// Bytes of no block are mended: their pack was written anew without them.
		line := Damage{Where: d.Where, Reason: d.Reason, Repaired: !d.CID.Defined()}
		if d.CID.Defined() {
			line.CID = d.CID.String()
			line.Repaired = r.mended[dag.AsRaw(d.CID)]
			for _, m := range r.models {
				if m.needs[dag.AsRaw(d.CID)] {
					line.Models = append(line.Models, m.name)
				}
			}
		}
		if line.Repaired {
			res.Repaired++
		}
		res.Corrupt = append(res.Corrupt, line)
	}
	if err := n.store.Flush(); err != nil {
		return res, err
	}
	res.Seconds = time.Since(start).Seconds()
	return res, ctx.Err()
}

// A namedModel is a pinned model, and the damaged blocks that it needs, under
// the raw codec.
type namedModel struct {
	c     cid.Cid
	name  string
	needs map[cid.Cid]bool
}

// models returns the pinned models, by name where they have one.
func (n *Node) models() ([]namedModel, error) {
	pins, err := n.store.Pins()
	if err != nil {
		return nil, err
	}
	var out []namedModel
	for c := range pins {
		name, err := n.nameOf(c)
		if err != nil {
			return nil, err
		}
		if name == "" {
			name = c.String()
		}
		out = append(out, namedModel{c: c, name: name})
	}
	return out, nil
}

// A needFinder looks for those of some blocks that a model needs.
type needFinder struct {
	n     *Node
	want  map[cid.Cid]bool // under the raw codec
	found map[cid.Cid]bool
	seen  map[cid.Cid]bool
	// tensors are those of the model, bases included.
	tensors []cid.Cid
}

// find walks model.
func (f *needFinder) find(ctx context.Context, model cid.Cid) error {
	f.found, f.seen = map[cid.Cid]bool{}, map[cid.Cid]bool{}
	m, ok, err := f.n.store.Model(model)
	if err != nil {
		return err
	}
	if ok && m.Packing != "" {
		if p, err := cid.Decode(m.Packing); err == nil {
			f.meet(p)
		}
	}
	return f.node(ctx, model)
}

func (f *needFinder) meet(c cid.Cid) {
	if raw := dag.AsRaw(c); f.want[raw] {
		f.found[raw] = true
	}
}

func (f *needFinder) node(ctx context.Context, c cid.Cid) error {
	if f.seen[c] {
		return nil
	}
	f.seen[c] = true
	f.meet(c)
	t, ok, err := f.n.store.Tensor(c)
	if err != nil {
		return err
	}
	if ok {
		f.tensors = append(f.tensors, c)
		if err := f.recipe(ctx, t); err != nil {
			return err
		}
		for _, b := range t.Bases {
			if err := f.node(ctx, b); err != nil {
				return err
			}
		}
	}
	if c.Type() == cid.Raw {
		return nil
	}
	b, err := f.n.store.Get(ctx, c)
	if err != nil {
		return ignoreDamage(err)
	}
	links, err := dag.Links(b)
	if err != nil {
		return err
	}
	for _, l := range links {
		if ok && l.Type() == cid.Raw {
			f.meet(l)
			continue // a leaf of the tensor: the recipe gives it
		}
		if err := f.node(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// recipe looks into the recipe in use of t.
func (f *needFinder) recipe(ctx context.Context, t store.Tensor) error {
	f.meet(t.Recipe())
	r, err := f.n.store.Recipe(t.Recipe())
	if err != nil {
		return ignoreDamage(err)
	}
	if r.Side.Defined() {
		f.meet(r.Side)
	}
	for _, p := range r.Chunks.Pages() {
		f.meet(p)
	}
	for e, err := range r.Chunks.All(ctx, f.n.store) {
		if err != nil {
			return ignoreDamage(err)
		}
		f.meet(e.Chunk)
	}
	return nil
}

// ignoreDamage drops errors that say that a block is missing or damaged: those
// are what is being looked into.
func ignoreDamage(err error) error {
	if _, bad := errors.AsType[*dag.CorruptError](err); bad || isAbsent(err) {
		return nil
	}
	return err
}

// A repairer brings back damaged blocks, or what needs them.
type repairer struct {
	n       *Node
	report  func(Progress)
	models  []namedModel
	tensors map[cid.Cid][]cid.Cid // of each of models
	blocks  []cid.Cid             // damaged

	mu     sync.Mutex
	mended map[cid.Cid]bool // under the raw codec
}

func (n *Node) newRepairer(ctx context.Context, damage []store.Damage, report func(Progress)) (*repairer, error) {
	r := &repairer{n: n, report: report, tensors: map[cid.Cid][]cid.Cid{}, mended: map[cid.Cid]bool{}}
	want := map[cid.Cid]bool{}
	for _, d := range damage {
		if d.CID.Defined() {
			r.blocks = append(r.blocks, d.CID)
			want[dag.AsRaw(d.CID)] = true
		}
	}
	if len(want) == 0 {
		return r, nil
	}
	models, err := n.models()
	if err != nil {
		return nil, err
	}
	for _, m := range models {
		f := needFinder{n: n, want: want}
		if err := f.find(ctx, m.c); err != nil {
			return nil, err
		}
		if m.needs = f.found; len(m.needs) > 0 {
			r.models = append(r.models, m)
			r.tensors[m.c] = f.tensors
		}
	}
	return r, nil
}

// run mends what it can.
func (r *repairer) run(ctx context.Context) error {
	if len(r.blocks) == 0 {
		return nil
	}
	if r.peers(ctx) {
		if err := r.sameBlocks(ctx); err != nil {
			return err
		}
	}
	for _, m := range r.models {
		if err := r.model(ctx, m); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// peers waits for a first peer, if there can be one, and tells whether there is.
func (r *repairer) peers(ctx context.Context) bool {
	host, err := r.n.network(ctx)
	if err != nil {
		return false
	}
	until := time.Now().Add(meetPeers)
	for len(host.Peers()) == 0 && (len(r.n.cfg.Bootstrap) > 0 || r.n.cfg.MDNS) && time.Now().Before(until) {
		select {
		case <-ctx.Done():
			return false
		case <-time.After(50 * time.Millisecond):
		}
	}
	return len(host.Peers()) > 0
}

// sameBlocks fetches the blocks from peers that have them: those that have a
// model that needs them, most likely.
func (r *repairer) sameBlocks(ctx context.Context) error {
	host, err := r.n.network(ctx)
	if err != nil {
		return err
	}
	root := r.blocks[0]
	if len(r.models) > 0 {
		root = r.models[0].c
	}
	return host.WithSession(ctx, root, func(ctx context.Context, s *p2p.Session) error {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(repairsAtOnce)
		for i, c := range r.blocks {
			r.report(Progress{Stage: "repair", Done: int64(i), Total: int64(len(r.blocks)), Unit: "blocks"})
			g.Go(func() error {
				one, cancel := context.WithTimeout(ctx, repairFor)
				defer cancel()
				b, err := s.Get(one, c)
				if err != nil {
					r.n.log.Info("no peer gave a damaged block", "block", c, "err", err)
					return ctx.Err()
				}
				r.mu.Lock()
				r.mended[dag.AsRaw(c)] = true
				r.mu.Unlock()
				return r.n.store.Put(ctx, b)
			})
		}
		return g.Wait()
	})
}

// model fetches again, in whatever form peers have them, the tensors of m that
// are damaged still, and makes its packing anew. What fails stays set aside.
func (r *repairer) model(ctx context.Context, m namedModel) error {
	old := map[cid.Cid]cid.Cid{}
	for _, c := range r.tensors[m.c] {
		t, ok, err := r.n.store.Tensor(c)
		if err != nil {
			return err
		}
		if ok {
			old[c] = t.Recipe()
		}
	}
	aside, err := r.n.store.SetAside(ctx, r.tensors[m.c]...)
	if err != nil {
		return err
	}
	left := false
	for c := range m.needs {
		left = left || !r.mended[c]
	}
	if !left {
		return nil
	}
	if err := r.refetch(ctx, m.c, aside); err != nil {
		r.n.log.Info("a model was not mended", "model", m.c, "err", err)
		return ctx.Err()
	}
	for _, c := range aside {
		if err := r.n.store.DropRecipe(ctx, c, old[c]); err != nil {
			return err
		}
	}
	for c := range m.needs {
		r.mended[c] = true
	}
	return nil
}

func (r *repairer) refetch(ctx context.Context, model cid.Cid, tensors []cid.Cid) error {
	lease, err := r.n.store.NewLease()
	if err != nil {
		return err
	}
	defer lease.Release()
	if len(tensors) > 0 {
		g := &getting{n: r.n, lease: lease, report: r.report, trust: newDistrust(), only: tensors}
		if err := r.n.withPeers(ctx, model.String(), g.run); err != nil {
			return err
		}
	}
	m, ok, err := r.n.store.Model(model)
	if err != nil || !ok || m.Packing == "" {
		return err
	}
	// The old packing names a recipe that is no more, or was itself the damage.
	m.Packing = ""
	if err := r.n.store.Apply(store.Change{Models: []store.Model{m}}); err != nil {
		return err
	}
	_, err = r.n.packingOf(ctx, model)
	return err
}
