package node

import (
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// ownNames begin the names of what a store's directory holds.
var ownNames = []string{"api.sock", "config.toml", "format", "index", "journal", "key", "lock", "network", "packs", "reserve", "samples"}

// checkEmpty returns an error if dir holds other files than a store's: one made
// among a model's files would be hard to part from them. What the system puts
// there is no matter, nor what a crash left of a store.
func checkEmpty(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		name := e.Name()
		own := slices.ContainsFunc(ownNames, func(own string) bool {
			rest, ok := strings.CutPrefix(name, own)
			return ok && (rest == "" || rest[0] == '.')
		})
		if !own && !strings.HasPrefix(name, ".") && name != "lost+found" {
			return usagef("%s is no store, and holds other files, as %q: give a directory that is empty or not there", dir, name)
		}
	}
	return err
}
