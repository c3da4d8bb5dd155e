package arch_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/zipnode/zipnode/"

// arrows says, room by room, which other rooms it may import. Packages of one
// room import each other freely.
var arrows = map[string][]string{
	"tensor":      {},
	"codec":       {"tensor"},
	"family":      {"tensor", "codec"},
	"dag":         {"tensor"},
	"store":       {"tensor", "codec", "dag"},
	"p2p":         {"dag"},
	"replication": {"dag"},
	"node":        {"tensor", "codec", "family", "dag", "store", "p2p", "replication"},
	"gateway":     {"tensor", "dag"},
	"study":       {"tensor", "codec", "family"},
	"cmd":         {"node", "gateway", "study", "testmodels"},
	"simulations": {"tensor", "study", "node", "testmodels"},
	"testmodels":  {},
	"internal":    {},
}

type pkg struct {
	ImportPath string
	Doc        string
	Imports    []string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Doc,Imports", "../../...").Output()
	if err != nil {
		t.Fatal(err)
	}
	var all []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// room returns the first part of a package's path in the module.
func room(path string) string {
	r, _, _ := strings.Cut(strings.TrimPrefix(path, module), "/")
	return r
}

func TestArrows(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range packages(t) {
		from := room(p.ImportPath)
		may, ok := arrows[from]
		if !ok {
			t.Errorf("%s is a room that arrows does not know: add a line for it", from)
		}
		seen[from] = true
		for _, imp := range p.Imports {
			if !strings.HasPrefix(imp, module) {
				continue
			}
			if to := room(imp); to != from && !slices.Contains(may, to) {
				t.Errorf("%s imports %s: %s may import %q only", p.ImportPath, imp, from, may)
			}
		}
	}
	for from := range arrows {
		if !seen[from] {
			t.Errorf("arrows has a line for %s, which is no room", from)
		}
	}
}

func TestPackageDocs(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.Doc) < 20 {
			t.Errorf("%s has no package doc: say what it does, and what it does not know", p.ImportPath)
		}
	}
}
