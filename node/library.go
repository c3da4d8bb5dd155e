package node

import (
	"context"
	"fmt"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/p2p"
)

var (
	_ p2p.Library = library{}
	_ p2p.Viewer  = library{}
	_ p2p.Holder  = library{}
)

// library is the node as peers may use it.
type library struct{ n *Node }

func (l library) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	return l.n.store.Get(ctx, c)
}

// View lends a block whose bytes lie in a pack, so that serving copies nothing.
func (l library) View(ctx context.Context, c cid.Cid, fn func([]byte) error) error {
	return l.n.store.View(ctx, c, fn)
}

// HasReal tells peers' requests for stored bytes from those that must decode.
func (l library) HasReal(c cid.Cid) (bool, error) { return l.n.store.HasReal(c) }

func (l library) Has(ctx context.Context, c cid.Cid) (bool, error) { return l.n.store.Has(ctx, c) }

// Recipes returns the recipes that rebuild a tensor here, the one in use first.
func (l library) Recipes(ctx context.Context, tensor cid.Cid) ([]blocks.Block, error) {
	const most = 8
	cs, err := l.n.store.Recipes(tensor, most)
	if err != nil {
		return nil, err
	}
	var out []blocks.Block
	for _, c := range cs {
		b, err := l.n.store.Get(ctx, c)
		if isAbsent(err) {
			continue // collected meanwhile
		}
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// Entries returns chunks [first, first+n) of a recipe, fewer at its end.
func (l library) Entries(ctx context.Context, recipe cid.Cid, first, n int) ([]dag.Entry, error) {
	r, err := l.n.store.Recipe(recipe)
	if err != nil {
		return nil, err
	}
	if first < 0 || n < 0 {
		return nil, fmt.Errorf("entries from %d, %d of them", first, n)
	}
	from := min(int64(first), r.Chunks.Len())
	return r.Chunks.Slice(ctx, l.n.store, from, int(min(int64(n), r.Chunks.Len()-from)))
}
