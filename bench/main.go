// Command bench compares zipnode's codec with others, on the models of a
// directory and on generated tensors: bytes stored, and speed of one thread in
// CPU time. See README.md.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/zipnode/zipnode/bench/generate"
	"github.com/zipnode/zipnode/bench/models"
)

type options struct {
	models string
	pairs  []string
	only   string
	rounds int
	size   int // MiB
	json   bool
}

func main() {
	var o options
	flag.StringVar(&o.models, "models", "", "directory of models, a folder each; default $ZIPNODE_TEST_DATA, else ../../shared/data, else ../testmodels")
	flag.Func("pair", "measure only `target:base`, names of two models; may be given again (default: as cards and names say)", func(s string) error {
		o.pairs = append(o.pairs, s)
		return nil
	})
	flag.StringVar(&o.only, "only", "", "measure only cases with this in their name")
	flag.IntVar(&o.rounds, "rounds", 5, "how often each method codes each case; the best time counts")
	flag.IntVar(&o.size, "size", 24, "MiB of each generated case; 0 for none")
	flag.BoolVar(&o.json, "json", false, "print JSON")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	if o.rounds < 1 || o.size < 0 || flag.NArg() > 0 {
		return fmt.Errorf("want -rounds of 1 or more, -size of 0 or more, and no arguments")
	}
	subjects, files, err := findSubjects(o)
	if err != nil {
		return err
	}
	all, free, err := methods()
	if err != nil {
		return err
	}
	defer free()
	b := &bench{methods: all, rounds: o.rounds}
	r := &report{Machine: machine(), Rounds: o.rounds, Files: files}
	for _, m := range all {
		r.Methods = append(r.Methods, m.name())
	}
	single()
	for _, s := range subjects {
		progress(s.name)
		x, err := b.run(s)
		if err != nil {
			return err
		}
		if x.Tensors > 0 {
			r.Results = append(r.Results, x)
		}
	}
	progress("")
	r.Outside = float64(b.process-b.thread) / float64(b.thread)
	if o.json {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(r)
	}
	r.write(os.Stdout)
	return nil
}

// findSubjects returns what there is to measure: pairs, models alone, generated
// cases; and the files that they are from.
func findSubjects(o options) (all []subject, files []fileHash, err error) {
	dir, err := modelDir(o.models)
	if err != nil {
		return nil, nil, err
	}
	found, err := models.Read(dir)
	if err != nil {
		return nil, nil, err
	}
	pairs, err := findPairs(found, o.pairs)
	if err != nil {
		return nil, nil, err
	}
	keep := func(s subject) bool {
		ok := strings.Contains(s.name, o.only)
		if ok {
			all = append(all, s)
		}
		return ok
	}
	used := map[*models.Model]bool{}
	for _, p := range pairs {
		if keep(pairSubject(p)) {
			used[p.Target], used[p.Base] = true, true
		}
	}
	if len(o.pairs) == 0 {
		for _, m := range found {
			if keep(aloneSubject(m)) {
				used[m] = true
			}
		}
		for _, c := range generate.Cases() {
			if o.size > 0 {
				keep(generated(c, o.size<<20))
			}
		}
	}
	if len(all) == 0 {
		return nil, nil, fmt.Errorf("no case has %q in its name", o.only)
	}
	for _, m := range found {
		for _, f := range m.Files {
			if used[m] {
				files = append(files, fileHash{f.Path, f.SHA256})
			}
		}
	}
	return all, files, nil
}

func findPairs(found []*models.Model, specs []string) ([]models.Pair, error) {
	if len(specs) == 0 {
		return models.Pairs(found)
	}
	var pairs []models.Pair
	for _, spec := range specs {
		p, err := models.Find(found, spec)
		if err != nil {
			return nil, err
		}
		pairs = append(pairs, p)
	}
	return pairs, nil
}

// modelDir returns dir, or where models are if it is empty.
func modelDir(dir string) (string, error) {
	if dir != "" {
		return filepath.Clean(dir), nil
	}
	for _, dir := range []string{os.Getenv("ZIPNODE_TEST_DATA"), filepath.Join("..", "..", "shared", "data"), filepath.Join("..", "testmodels")} {
		if _, err := os.Stat(dir); err == nil {
			return dir, nil
		}
	}
	return "", fmt.Errorf("no models: name their directory with -models")
}

// progress shows what is being measured, if anyone looks.
func progress(name string) {
	if info, err := os.Stderr.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
		fmt.Fprintf(os.Stderr, "\r\x1b[K%s", name)
	}
}
