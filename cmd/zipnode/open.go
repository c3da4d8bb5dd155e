package main

import (
	"context"

	"github.com/zipnode/zipnode/node"
)

func openNode(ctx context.Context, cfg node.Config) (owner, error) {
	limitMemory()
	n, err := node.Open(ctx, cfg)
	if err != nil {
		return nil, err // not n: a nil *node.Node would be no nil owner
	}
	return n, nil
}

func initStore(dir string) error { return node.Init(dir) }
