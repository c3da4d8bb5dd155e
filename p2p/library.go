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

// A Viewer is a Library that can lend the bytes of a block, which saves an
// allocation of 1 MiB for each block sent.
type Viewer interface {
	// View calls fn with the bytes of block c, which fn must neither change nor
	// keep after it returns. It returns an error wrapping dag.ErrNotFound if the
	// block is not here, and that of fn otherwise.
	View(ctx context.Context, c cid.Cid, fn func([]byte) error) error
}

// A Holder is a Library that can tell what is stored from what it would decode,
// so that only decoding is bounded.
type Holder interface {
	// HasReal reports whether the bytes of c are stored as they are.
	HasReal(c cid.Cid) (bool, error)
}

// stored reports whether c is known to need no decoding.
func stored(lib Library, c cid.Cid) bool {
	if c.Type() != cid.Raw {
		return true // only leaves are decoded
	}
	h, ok := lib.(Holder)
	if !ok {
		return false
	}
	real, err := h.HasReal(c)
	return err == nil && real
}

// view lends the bytes of block c from lib.
func view(ctx context.Context, lib Library, c cid.Cid, fn func([]byte) error) error {
	if v, ok := lib.(Viewer); ok {
		return v.View(ctx, c, fn)
	}
	b, err := lib.Get(ctx, c)
	if err != nil {
		return err
	}
	return fn(b.RawData())
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

// A gate bounds how many leaves are decoded for peers at once: decoding is the
// one costly thing that a peer can ask for with few bytes.
type gate chan struct{}

func newGate() gate { return make(gate, max(2, runtime.GOMAXPROCS(0))) }

// half returns a gate for a part of those who pass g, that leaves the others as
// much room.
func (g gate) half() gate { return make(gate, cap(g)/2) }

// pass calls fn once there is room.
func (g gate) pass(ctx context.Context, fn func() error) error {
	select {
	case g <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-g }()
	return fn()
}

// gated is a blockstore for Bitswap, whose workers would otherwise decode at
// once, and be all that decodes.
type gated struct {
	blockstore.Blockstore
	lib       Library
	own, gate gate
}

func (b gated) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	if stored(b.lib, c) {
		return b.Blockstore.Get(ctx, c)
	}
	var block blocks.Block
	err := b.own.pass(ctx, func() error {
		return b.gate.pass(ctx, func() (err error) {
			block, err = b.Blockstore.Get(ctx, c)
			return err
		})
	})
	return block, err
}
