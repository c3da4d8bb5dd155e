package main

import (
	"context"
	"errors"

	"github.com/zipnode/zipnode/node"
)

func openNode(context.Context, node.Config) (owner, error) {
	return nil, errors.New("this build has no node yet")
}

func initStore(string) error { return errors.New("this build has no node yet") }
