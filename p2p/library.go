package p2p

import (
	"context"
	"fmt"
	"runtime"

	blockstore "github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// A Library is what a host serves. Its methods may be called by many goroutines
// at once.
type Library interface {
	// Get returns any block: one that is stored, or a leaf decoded on demand.
	dag.Getter
	// Has reports whether Get would find the block. It never decodes.
	Has(ctx context.Context, c cid.Cid) (bool, error)
	// Recipes returns recipe blocks that rebuild the tensor, the one in use
	// first, at most 8; none, and no error, when it knows none.
	Recipes(ctx context.Context, tensor cid.Cid) ([]blocks.Block, error)
	// Entries returns the chunks of a recipe from number first, at most n,
	// fewer at its end. It returns an error wrapping dag.ErrNotFound when the
	// recipe is not here.
	Entries(ctx context.Context, recipe cid.Cid, first, n int) ([]dag.Entry, error)
}

// noLibrary serves nothing.
type noLibrary struct{}

func (noLibrary) Get(_ context.Context, c cid.Cid) (blocks.Block, error) {
	return nil, fmt.Errorf("block %s: %w", c, dag.ErrNotFound)
}
func (noLibrary) Has(context.Context, cid.Cid) (bool, error) { return false, nil }
func (noLibrary) Recipes(context.Context, cid.Cid) ([]blocks.Block, error) {
	return nil, nil
}
func (noLibrary) Entries(_ context.Context, c cid.Cid, _, _ int) ([]dag.Entry, error) {
	return nil, fmt.Errorf("recipe %s: %w", c, dag.ErrNotFound)
}

// A gate bounds how many raw blocks are read for peers at once: each may be a
// leaf that must be decoded, and decoding is the one costly thing a peer can
// ask for with few bytes.
type gate chan struct{}

func newGate() gate { return make(gate, runtime.GOMAXPROCS(0)) }

// pass calls fn, for a raw block once there is room.
func (g gate) pass(ctx context.Context, c cid.Cid, fn func() error) error {
	if c.Type() != cid.Raw {
		return fn()
	}
	select {
	case g <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-g }()
	return fn()
}

// gated is a blockstore for Bitswap, whose 128 workers would otherwise decode
// at once.
type gated struct {
	blockstore.Blockstore
	gate gate
}

func (b gated) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	var block blocks.Block
	err := b.gate.pass(ctx, c, func() (err error) {
		block, err = b.Blockstore.Get(ctx, c)
		return err
	})
	return block, err
}
