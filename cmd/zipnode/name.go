package main

import (
	"strings"
	"unicode/utf8"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/node"
)

// checkRef returns an error for what can be neither CID nor name.
func checkRef(ref string) error {
	if _, err := cid.Decode(ref); err == nil {
		return nil
	}
	return checkName(ref)
}

const maxEcho = 64 // bytes of a name, in a message about it

// checkName is node's, but for what it quotes of a very long name.
func checkName(name string) error {
	err := node.CheckName(name)
	if err == nil || len(name) <= 4*maxEcho {
		return err
	}
	cut := maxEcho
	for !utf8.RuneStart(name[cut]) && cut > maxEcho-utf8.UTFMax {
		cut--
	}
	return usagef("the name that begins with %q is too long: %d bytes, of 255 that it may have", strings.ToValidUTF8(name[:cut], "?"), len(name))
}
