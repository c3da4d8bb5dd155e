package main

import (
	"context"
	"errors"

	"github.com/zipnode/zipnode/node"
)

// haveNode is false until a node can be opened.
const haveNode = false

var errNoNode = errors.New("this build has no node yet")

func openNode(context.Context, node.Config) (owner, error) { return nil, errNoNode }

func initStore(string) error { return errNoNode }
