package main

import (
	"context"

	"github.com/zipnode/zipnode/node"
)

func openNode(ctx context.Context, cfg node.Config) (owner, error) { return node.Open(ctx, cfg) }

func initStore(dir string) error { return node.Init(dir) }
