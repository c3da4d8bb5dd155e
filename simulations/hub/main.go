// Command hub writes a hub of models in small, stores it in each known way, and
// prints the table of ZipLLM's study of it: what each way saves, how fast it
// is, the metadata that it needs and the memory that it takes.
//
//	go run ./simulations/hub -dir DIR
//
// Each way has a process of its own that reads all files and does nothing else,
// so its time and its memory are its own. DIR keeps the hub (2.4 GB), what was
// measured (results.json), and the plots. A second run measures anew, or with
// -only some of the ways, and takes the hub that is there. See docs/study.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/zipnode/zipnode/simulations/hub/generate"
)

type options struct {
	dir    string
	models string // of another collection; "" for the hub in dir
	hub    generate.Config
	only   string // methods, with commas between
	pass   string // one method, to be done in this process
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var o options
	flag.StringVar(&o.dir, "dir", "", "`directory` of the hub, of what is measured and of the plots; required")
	flag.StringVar(&o.models, "models", "", "measure the models in this `directory`, a directory each, in place of a hub")
	flag.IntVar(&o.hub.Shrink, "shrink", 1, "divide the widths of the hub's models by `n`, from 1 to 16")
	flag.Uint64Var(&o.hub.Seed, "seed", 0, "`number` that the hub is drawn from")
	flag.StringVar(&o.only, "only", "", "measure only these `methods`, with commas between: "+strings.Join(methodNames(), ","))
	flag.StringVar(&o.pass, "pass", "", "measure one `method` in this process, and print what it came to as JSON")
	flag.Parse()
	if err := run(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "hub:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options, stdout io.Writer) error {
	if o.dir == "" || flag.NArg() > 0 {
		return errors.New("want -dir DIR, and no arguments")
	}
	if o.models == "" {
		o.models = filepath.Join(o.dir, "models")
	}
	if o.pass != "" {
		return pass(ctx, o, stdout)
	}
	methods, err := chosen(o.only)
	if err != nil {
		return err
	}
	if o.models == filepath.Join(o.dir, "models") {
		if err := prepare(ctx, o.dir, o.hub); err != nil {
			return err
		}
	}
	name := filepath.Join(o.dir, "results.json")
	r, err := load(name, o.models, o.hub)
	if err != nil {
		return err
	}
	for _, m := range methods {
		fmt.Fprintf(os.Stderr, "%s …\n", m.what)
		x, err := measure(ctx, o, m)
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		r.put(x)
		if err := r.save(name); err != nil {
			return err
		}
	}
	r.write(stdout)
	return r.plot(o.dir)
}
