package node

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ipfs/go-cid"
)

const maxName = 255 // bytes

// CheckName returns an error unless name may name a model: "llama", or
// "org/name@revision".
func CheckName(name string) error {
	if _, err := cid.Decode(name); err == nil {
		return usagef("the name %q is a CID: choose one that is not", name)
	}
	bad := ""
	switch {
	case name == "":
		bad = "is empty"
	case len(name) > maxName:
		bad = "is longer than 255 bytes"
	case !utf8.ValidString(name):
		bad = "is not UTF-8"
	case strings.HasPrefix(name, "-"):
		bad = "begins with a dash"
	case strings.TrimSpace(name) != name:
		bad = "begins or ends with a space"
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		bad = "has a character that does not print"
	case strings.Contains(name, `\`):
		bad = "has a backslash"
	}
	for part := range strings.SplitSeq(name, "/") {
		if bad == "" && (part == "" || part == "." || part == "..") {
			bad = "has an empty or dotted part"
		}
	}
	if bad != "" {
		return usagef("the name %q %s", name, bad)
	}
	return nil
}
