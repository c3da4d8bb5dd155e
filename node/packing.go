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
		written: map[cid.Cid]bool{}, visited: map[cid.Cid]bool{}, recipes: map[cid.Cid]bool{},
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
type packer struct {
	n                         *Node
	w                         *dag.PackingWriter
	written, visited, recipes map[cid.Cid]bool
}

func (p *packer) write(c cid.Cid) error {
	if p.written[c] {
		return nil
	}
	p.written[c] = true
	return p.w.Node(c)
}

// node packs what is under c: a directory, a file, a group of extents, or a
// tensor.
func (p *packer) node(ctx context.Context, c cid.Cid) error {
	if p.visited[c] {
		return nil
	}
	p.visited[c] = true
	t, ok, err := p.n.store.Tensor(c)
	if err != nil {
		return err
	}
	if ok {
		return p.tensor(ctx, c, t)
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
	for _, b := range t.Bases {
		if err := p.node(ctx, b); err != nil {
			return err
		}
	}
	if p.recipes[t.Recipe()] {
		return nil
	}
	p.recipes[t.Recipe()] = true
	return p.w.Recipe(t.Recipe())
}

// interior writes the nodes of a tensor; its leaves are the recipe's to give.
func (p *packer) interior(ctx context.Context, c cid.Cid) error {
	if c.Type() == cid.Raw || p.written[c] {
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
