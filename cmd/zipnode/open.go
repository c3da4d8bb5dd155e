package main

import (
	"context"

	"github.com/zipnode/zipnode/node"
)

// openRelaxed is openNode of a process that is this program's alone: a node that is on
// the network may be started anew.
func openRelaxed(ctx context.Context, cfg node.Config) (owner, error) {
	if cfg.Network && ctx.Err() == nil {
		relaxTimers()
	}
	return openNode(ctx, cfg)
}

func openNode(ctx context.Context, cfg node.Config) (owner, error) {
	limitMemory()
	n, err := node.Open(ctx, cfg)
	if err != nil {
		return nil, err // not n: a nil *node.Node would be no nil owner
	}
	return n, nil
}

func initStore(dir string) error { return node.Init(dir) }
