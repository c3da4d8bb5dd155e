package node

import (
	"context"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
)

// pack writes the packing of model, all of which is here, with the sha256 of
// each file.
func (n *Node) pack(ctx context.Context, l *store.Lease, model cid.Cid, sums map[string][32]byte) (cid.Cid, error) {
	p := &packer{
		n: n, w: dag.NewPackingWriter(l.Emit(ctx)),
		written: cidSet{}, visited: cidSet{}, recipes: cidSet{},
	}
	files := dag.Files(ctx, n.store, model, nil)
	if err := p.node(ctx, model); err != nil {
		return cid.Undef, err
	}
	for f, err := range files {
		if err != nil {
			return cid.Undef, err
		}
		sum, ok := sums[f.Path]
		if !ok {
			return cid.Undef, fmt.Errorf("no sha256 of %q", f.Path)
		}
		if err := p.w.File(dag.FileSum{Path: f.Path, SHA256: sum}); err != nil {
			return cid.Undef, err
		}
	}
	return p.w.Finish(model)
}

// A packer walks a model and writes its packing: every interior node, and the
// recipe in use of every tensor, after those of its bases. A node inside one
// tensor may be another tensor, so what was written and what was visited differ.
// A tensor is told by its recipe.
type packer struct {
	n                         *Node
	w                         *dag.PackingWriter
	written, visited, recipes cidSet
}

func (p *packer) write(c cid.Cid) error {
	if !p.written.add(c) {
		return nil
	}
	return p.w.Node(c)
}

// node packs what is under c: a directory, a file, a group of extents, or a
// tensor.
func (p *packer) node(ctx context.Context, c cid.Cid) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t, ok, err := p.n.store.Tensor(c)
	if err != nil {
		return err
	}
	if ok {
		return p.tensor(ctx, c, t)
	}
	if !p.visited.add(c) {
		return nil
	}
	if c.Type() == cid.Raw {
		// The empty file, or a leaf of no tensor: it is carried as it is.
		real, err := p.n.store.HasReal(c)
		if err == nil && !real {
			err = fmt.Errorf("leaf %s: %w", c, dag.ErrNotFound)
		}
		return errors.Join(err, p.write(c))
	}
	links, err := p.links(ctx, c)
	if err != nil {
		return err
	}
	for _, l := range links {
		if err := p.node(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// links writes node c, and returns what it links to.
func (p *packer) links(ctx context.Context, c cid.Cid) ([]cid.Cid, error) {
	b, err := p.n.store.Get(ctx, c)
	if err != nil {
		return nil, err
	}
	if err := p.write(c); err != nil {
		return nil, err
	}
	return dag.Links(b)
}

// tensor packs tensor c: its nodes, by which an importer checks it, and its
// recipe in use, after its bases.
func (p *packer) tensor(ctx context.Context, c cid.Cid, t store.Tensor) error {
	if err := p.interior(ctx, c); err != nil {
		return err
	}
	if !p.recipes.add(t.Recipe()) {
		return nil
	}
	for _, b := range t.Bases {
		if err := p.node(ctx, b); err != nil {
			return err
		}
	}
	return p.w.Recipe(t.Recipe())
}

// interior writes the nodes of a tensor; its leaves are the recipe's to give.
func (p *packer) interior(ctx context.Context, c cid.Cid) error {
	if c.Type() == cid.Raw || p.written.has(c) {
		return nil
	}
	links, err := p.links(ctx, c)
	if err != nil {
		return err
	}
	for _, l := range links {
		if err := p.interior(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// freshPackings makes anew the packings that have recipes which are in use no
// more, and returns how many. What only the old ones kept is garbage then.
func (n *Node) freshPackings(ctx context.Context) (int, error) {
	models, err := n.store.Models()
	if err != nil {
		return 0, err
	}
	made := 0
	for _, m := range models {
		if m.Partial || m.Packing == "" {
			continue
		}
		old, err := cid.Decode(m.Packing)
		if err != nil {
			return made, err
		}
		sums, stale, err := n.stalePacking(ctx, old)
		if err != nil || !stale {
			if err != nil {
				return made, err
			}
			continue
		}
		switch err := n.repackModel(ctx, m, old, sums); {
		case err == nil:
			made++
		case ctx.Err() == nil && ignoreDamage(err) == nil:
			// The old one stays, and keeps what it names.
			n.log.Warn("a packing cannot be made anew", "model", m.CID, "err", err)
		default:
			return made, err
		}
	}
	return made, nil
}

// stalePacking tells whether packing c has a recipe that is not in use, or does
// not read; and returns the sha256 of the model's files, or nil.
func (n *Node) stalePacking(ctx context.Context, c cid.Cid) (sums map[string][32]byte, stale bool, err error) {
	b, err := n.store.Get(ctx, c)
	if err != nil {
		return nil, true, ignoreDamage(err)
	}
	p, err := dag.DecodePacking(b)
	if err != nil {
		return nil, true, ignoreDamage(err)
	}
	for rec, err := range p.Recipes.All(ctx, n.store) {
		used := false
		if err == nil {
			used, err = n.inUse(rec)
		}
		if err != nil {
			return nil, true, ignoreDamage(err)
		}
		if stale = !used; stale {
			break
		}
	}
	if !stale {
		return nil, false, nil
	}
	sums = map[string][32]byte{}
	for f, err := range p.Files.All(ctx, n.store) {
		if err != nil {
			return nil, true, ignoreDamage(err)
		}
		sums[f.Path] = f.SHA256
	}
	return sums, true, nil
}

// inUse tells whether a tensor is rebuilt by recipe rec here.
func (n *Node) inUse(rec cid.Cid) (bool, error) {
	r, err := n.store.Recipe(rec)
	if err != nil {
		return false, err
	}
	t, ok, err := n.store.Tensor(r.Of)
	return ok && t.Recipe().Equals(rec), err
}

// repackModel makes the packing of m anew, and announces it in place of the old.
func (n *Node) repackModel(ctx context.Context, m store.Model, old cid.Cid, sums map[string][32]byte) error {
	model, err := cid.Decode(m.CID)
	if err != nil {
		return err
	}
	l, err := n.store.NewLease()
	if err != nil {
		return err
	}
	defer l.Release()
	if sums == nil {
		if sums, err = n.sums(ctx, model); err != nil {
			return err
		}
	}
	fresh, err := n.pack(ctx, l, model, sums)
	if err != nil {
		return err
	}
	m.Packing = fresh.String()
	if err := l.Commit(store.Change{Models: []store.Model{m}}); err != nil {
		return err
	}
	return n.supersede(ctx, model, old)
}

// supersede announces what belongs to a pinned model now, and the packing old no
// more.
func (n *Node) supersede(ctx context.Context, model, old cid.Cid) error {
	kind, pinned, err := n.pinned(model)
	if err != nil || !pinned || kind != store.PinModel {
		return err
	}
	n.netMu.Lock()
	host, seeder := n.host, n.seeder
	n.netMu.Unlock()
	if host == nil || seeder == nil {
		return nil
	}
	if err := n.announce(ctx, model); err != nil {
		n.log.Warn("announcing a packing failed", "model", model, "err", err)
		return nil
	}
	return host.Unannounce(old)
}
