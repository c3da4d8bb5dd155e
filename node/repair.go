package node

import (
	"context"
	"errors"
	"maps"
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

// A repairer brings back damaged blocks, or what needs them.
type repairer struct {
	n      *Node
	report func(Progress)
	models []namedModel     // that need one of blocks
	blocks []cid.Cid        // damaged
	left   map[cid.Cid]bool // of blocks, those that are not here after the run and that a model needs; under the raw codec
	alone  bool             // no peer was met
}

// A namedModel is a pinned model, and the damaged blocks that it needs, under
// the raw codec.
type namedModel struct {
	c       cid.Cid
	name    string
	needs   map[cid.Cid]bool
	tensors []cid.Cid // its own
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

func (n *Node) newRepairer(ctx context.Context, damage []store.Damage, report func(Progress)) (*repairer, error) {
	r := &repairer{n: n, report: report, left: map[cid.Cid]bool{}}
	want := map[cid.Cid]bool{}
	for _, d := range damage {
		if d.CID.Defined() {
			r.blocks = append(r.blocks, d.CID)
			want[dag.AsRaw(d.CID)] = true
		}
	}
	var err error
	r.models, err = n.needing(ctx, want)
	return r, err
}

// needing returns the pinned models that need a block of want, under the raw codec.
func (n *Node) needing(ctx context.Context, want map[cid.Cid]bool) ([]namedModel, error) {
	if len(want) == 0 {
		return nil, nil
	}
	models, err := n.models()
	if err != nil {
		return nil, err
	}
	var out []namedModel
	for _, m := range models {
		f := needFinder{n: n, want: want}
		if err := f.find(ctx, m.c); err != nil {
			return nil, err
		}
		if m.needs, m.tensors = f.found, f.own; len(m.needs) > 0 {
			out = append(out, m)
		}
	}
	return out, nil
}

// run mends what it can, and then looks what is left.
func (r *repairer) run(ctx context.Context) error {
	if len(r.blocks) == 0 {
		return nil
	}
	if r.alone = !r.peers(ctx); !r.alone {
		if err := r.sameBlocks(ctx); err != nil {
			return err
		}
	}
	// All tensors are set aside before one is fetched: what is fetched must not
	// be built on what is damaged.
	for _, m := range r.models {
		if _, err := r.n.store.SetAside(ctx, m.tensors...); err != nil {
			return err
		}
	}
	if err := r.n.store.SuspendBroken(ctx); err != nil { // also those of a model whose root is gone
		return err
	}
	for _, m := range r.models {
		if err := r.model(ctx, m); err != nil {
			return err
		}
	}
	if err := r.n.store.DropBroken(ctx); err != nil {
		return err
	}
	return r.look(ctx)
}

// look notes which blocks are not here, and needed still.
func (r *repairer) look(ctx context.Context) error {
	gone := map[cid.Cid]bool{}
	for _, c := range r.blocks {
		here, err := r.n.store.HasReal(c)
		if err != nil {
			return err
		}
		if !here {
			gone[dag.AsRaw(c)] = true
		}
	}
	if len(gone) == 0 {
		return nil
	}
	for _, m := range r.models {
		f := needFinder{n: r.n, want: gone}
		if err := f.find(ctx, m.c); err != nil {
			return err
		}
		maps.Copy(r.left, f.found)
	}
	return nil
}

// lines says what became of damage. Where all that is left are blocks that are
// missing, and that no model needs, it leaves these out: they are what the index says
// of models that were added again, or are gone.
func (r *repairer) lines(damage []store.Damage) ([]Damage, error) {
	all, needed := []Damage{}, []Damage{}
	left := false
	for _, d := range damage {
		line, err := r.line(d)
		if err != nil {
			return nil, err
		}
		all = append(all, line)
		if line.Repaired || len(line.Models) > 0 || !d.Missing() {
			needed = append(needed, line)
			left = left || !line.Repaired
		}
	}
	if !left {
		return needed, nil
	}
	return all, nil
}

// line says what became of d.
func (r *repairer) line(d store.Damage) (Damage, error) {
	// Bytes of no block are mended: their pack was written anew without them.
	line := Damage{Where: d.Where, Reason: d.Reason, Repaired: !d.CID.Defined()}
	if !d.CID.Defined() {
		return line, nil
	}
	line.CID = d.CID.String()
	raw := dag.AsRaw(d.CID)
	for _, m := range r.models {
		if m.needs[raw] {
			line.Models = append(line.Models, m.name)
		}
	}
	if len(line.Models) > 0 {
		line.Repaired = !r.left[raw]
		return line, nil
	}
	here, err := r.n.store.HasReal(d.CID)
	line.Repaired = here
	return line, err
}

// peers waits for a first peer, if there can be one, and tells whether there is.
func (r *repairer) peers(ctx context.Context) bool {
	host, err := r.n.network(ctx)
	if err != nil {
		return false
	}
	until := time.Now().Add(meetPeers)
	if len(host.Peers()) == 0 {
		r.report(Progress{Stage: "look for peers"})
	}
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
				return r.n.store.Put(ctx, b)
			})
		}
		return g.Wait()
	})
}

// model fetches again, in whatever form peers have them, the tensors of m that
// cannot be rebuilt, and makes its packing anew. What fails stays set aside.
func (r *repairer) model(ctx context.Context, m namedModel) error {
	var lost []cid.Cid
	for _, c := range m.tensors {
		_, ok, err := r.n.store.Tensor(c)
		if err != nil {
			return err
		}
		if !ok {
			lost = append(lost, c)
		}
	}
	err := r.refetch(ctx, m.c, lost)
	if err != nil && len(lost) > 1 && ctx.Err() == nil {
		// One that nobody has must not keep the others away.
		err = nil
		for _, c := range lost {
			err = errors.Join(err, r.refetch(ctx, m.c, []cid.Cid{c}))
		}
	}
	if err == nil {
		err = r.repack(ctx, m)
	}
	if err != nil {
		r.n.log.Info("a model was not mended", "model", m.c, "err", err)
	}
	return ctx.Err()
}

func (r *repairer) refetch(ctx context.Context, model cid.Cid, tensors []cid.Cid) error {
	if len(tensors) == 0 {
		return nil
	}
	lease, err := r.n.store.NewLease()
	if err != nil {
		return err
	}
	defer lease.Release()
	g := &getting{n: r.n, lease: lease, report: r.report, trust: newDistrust(), only: tensors}
	if r.alone { // to look for peers again, tensor by tensor, would take minutes
		return g.run(ctx, nil)
	}
	return r.n.withPeers(ctx, model.String(), g.run)
}

// repack makes the packing of m anew, if it has one: the old one names a recipe
// that is no more, or was itself the damage.
func (r *repairer) repack(ctx context.Context, m namedModel) error {
	have, ok, err := r.n.store.Model(m.c)
	if err != nil || !ok || have.Packing == "" {
		return err
	}
	have.Packing = ""
	if err := r.n.store.Apply(store.Change{Models: []store.Model{have}}); err != nil {
		return err
	}
	_, err = r.n.packingOf(ctx, m.c)
	return err
}
