package main

import (
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/node"
)

// checkRef returns an error for what can be neither CID nor name.
func checkRef(ref string) error {
	if _, err := cid.Decode(ref); err == nil {
		return nil
	}
	return node.CheckName(ref)
}
