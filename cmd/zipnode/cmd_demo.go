package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/testmodels"
)

func (a *app) demoCmd() *cobra.Command {
	var models string
	var keep bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show all of it on this machine: two nodes, a base and its fine-tunes",
		Long: `Starts two nodes on this machine, in temporary directories. Adds a base model and
its fine-tunes at one; fetches the base and fine-tunes at the other, by CID;
compares each byte. The models are small cuts of real ones, or your own.`,
		Example: "  zipnode demo\n  zipnode demo --models ~/models   # each directory in it is a model",
		Args:    exactly(),
		RunE: a.run(func(ctx context.Context, _ []string) (err error) {
			dir, err := os.MkdirTemp("", "zipnode-demo-")
			if err != nil {
				return err
			}
			defer func() {
				if keep {
					a.say("everything is kept in %s", dir)
				} else {
					err = errors.Join(err, os.RemoveAll(dir))
				}
			}()
			if models == "" {
				models = filepath.Join(dir, "models")
				if err := testmodels.Write(models); err != nil {
					return err
				}
			}
			return a.demo(ctx, dir, models)
		}),
	}
	cmd.Flags().StringVar(&models, "models", "", "use the models in this `directory`, one in each directory")
	cmd.Flags().BoolVar(&keep, "keep", false, "keep the nodes' directories")
	return cmd
}

// A demo is one run of it, and what it found, for --json.
type demo struct {
	Models  []node.AddResult `json:"models"`
	Gets    []node.GetResult `json:"gets"`
	Bytes   int64            `json:"bytes"`   // of all models, as files
	Stored  int64            `json:"stored"`  // by the first node
	Fetched int64            `json:"fetched"` // by the second
	Copies  int64            `json:"copies"`  // what plain copies would have fetched
	Files   int              `json:"files_checked"`
	Checked int64            `json:"bytes_checked"`

	out  io.Writer
	bold func(string) string
	dir  string
}

func (a *app) demo(ctx context.Context, dir, models string) error {
	d := &demo{out: io.Discard, bold: a.style("1"), dir: dir}
	if !a.json && !a.quiet {
		d.out = a.stdout
	}
	paths, err := demoModels(models)
	if err != nil {
		return err
	}
	if err := d.nodes(ctx, paths); err != nil {
		return err
	}
	var ids []string
	for _, m := range d.Models {
		ids = append(ids, m.CID)
	}
	return a.print(d, ids, d.summary)
}

// style returns what sets text in the terminal's style code, on a terminal.
func (a *app) style(code string) func(string) string {
	if !terminal(a.stdout) || os.Getenv("NO_COLOR") != "" {
		return func(s string) string { return s }
	}
	return func(s string) string { return "\x1b[" + code + "m" + s + "\x1b[0m" }
}

func (d *demo) heading(format string, args ...any) {
	fmt.Fprintf(d.out, "\n%s\n", d.bold(fmt.Sprintf(format, args...)))
}

func (d *demo) sayf(format string, args ...any) { fmt.Fprintf(d.out, "   "+format+"\n", args...) }

// nodes starts both nodes, and shows all there is to show with them.
func (d *demo) nodes(ctx context.Context, models []string) (err error) {
	d.heading("1. Two nodes on this machine, A and B. B knows A's address and nothing else.")
	nodeA, err := startNode(ctx, filepath.Join(d.dir, "a"))
	if err != nil {
		return fmt.Errorf("start node A: %w", err)
	}
	defer func() { err = errors.Join(err, nodeA.stop()) }()
	nodeB, err := startNode(ctx, filepath.Join(d.dir, "b"), "--bootstrap", nodeA.Addrs[0])
	if err != nil {
		return fmt.Errorf("start node B: %w", err)
	}
	defer func() { err = errors.Join(err, nodeB.stop()) }()
	d.sayf("A is %s", nodeA.ID)
	d.sayf("B is %s", nodeB.ID)
	if err := d.add(ctx, nodeA, models); err != nil {
		return err
	}
	which, err := d.choose(ctx, nodeA)
	if err != nil {
		return err
	}
	return d.fetch(ctx, nodeB, models, which)
}

func (d *demo) add(ctx context.Context, n *child, models []string) error {
	d.heading("2. A stores %s. A tensor it has takes no space again; one like it, the difference.", count(len(models), "model"))
	t := table{right: "  rr"}
	t.add("   MODEL", "TENSORS", "AS FILES", "STORED")
	for _, path := range models {
		var r node.AddResult
		if err := n.run(ctx, &r, "add", path); err != nil {
			return fmt.Errorf("add %s at node A: %w", path, err)
		}
		d.Models = append(d.Models, r)
		d.Bytes += r.Bytes
		d.Stored += r.StoredNew
		t.add("   "+r.Name, tensorsOf(&r), size(r.Bytes), size(r.StoredNew))
	}
	t.add("   together", "", size(d.Bytes), size(d.Stored))
	t.write(d.out)
	for _, r := range d.Models {
		d.sayf("%s is %s", plain(r.Name), r.CID)
	}
	d.sayf("Plain copies would take %s; A takes %s.", size(d.Bytes), instead(d.Stored, d.Bytes))
	return nil
}

// tensorsOf says how the tensors of an added model are stored.
func tensorsOf(r *node.AddResult) string {
	return fmt.Sprintf("%d: %d whole, %d as deltas, %d here before",
		r.Tensors, r.TensorsNew-r.TensorsDelta, r.TensorsDelta, r.Tensors-r.TensorsNew)
}

// choose returns which models are worth fetching: those that are deltas for the
// most part, after their bases. Where none is a delta, it is the first two.
func (d *demo) choose(ctx context.Context, n *child) ([]int, error) {
	tuned := mostDeltas(d.Models, 3)
	if len(tuned) == 0 {
		return []int{0, 1}[:min(2, len(d.Models))], nil
	}
	which := slices.Clone(tuned)
	for _, i := range tuned {
		var r node.ShowResult
		if err := n.run(ctx, &r, "show", d.Models[i].CID); err != nil {
			return nil, fmt.Errorf("look at %s at node A: %w", d.Models[i].Name, err)
		}
		base := baseOf(&r)
		if j := slices.IndexFunc(d.Models, func(m node.AddResult) bool { return m.Name == base }); j >= 0 {
			which = append(which, j)
		}
	}
	slices.Sort(which) // a base was added before what is stored against it
	return slices.Compact(which), nil
}

// fetch gets the models of which, and the last one again.
func (d *demo) fetch(ctx context.Context, n *child, models []string, which []int) error {
	d.heading("3. B fetches by CID, and each file is compared with the original.")
	for _, i := range which {
		r, err := d.get(ctx, n, i, "out-"+d.Models[i].Name)
		if err != nil {
			return err
		}
		d.Fetched += r.Fetched
		d.Copies += r.Bytes
		if err := d.compare(models[i], r); err != nil {
			return err
		}
		d.sayf("%-14s %s. Every byte is right.", plain(d.Models[i].Name), fetchedOf(r))
	}
	d.heading("4. B writes the last one once more, elsewhere.")
	last := which[len(which)-1]
	r, err := d.get(ctx, n, last, "again-"+d.Models[last].Name)
	if err != nil {
		return err
	}
	if err := d.compare(models[last], r); err != nil {
		return err
	}
	d.sayf("%-14s fetched %s: B has it all.", plain(d.Models[last].Name), size(r.Fetched))
	return nil
}

// fetchedOf says what a get moved.
func fetchedOf(r *node.GetResult) string {
	if r.Fetched == 0 {
		return fmt.Sprintf("fetched nothing: B had all %s; %s", size(r.Bytes), took(r.Seconds))
	}
	return fmt.Sprintf("fetched %s of %s from %s; %s needed no fetch; %s",
		size(r.Fetched), size(r.Bytes), count(r.Peers, "peer"), size(r.Reused), took(r.Seconds))
}

func (d *demo) get(ctx context.Context, n *child, i int, out string) (*node.GetResult, error) {
	var r node.GetResult
	m := d.Models[i]
	if err := n.run(ctx, &r, "get", m.CID, "-o", filepath.Join(d.dir, out)); err != nil {
		return nil, fmt.Errorf("fetch %s at node B: %w", m.Name, err)
	}
	d.Gets = append(d.Gets, r)
	return &r, nil
}

// compare checks what get wrote against the original, byte by byte.
func (d *demo) compare(original string, r *node.GetResult) error {
	files, n, err := compareTrees(r.Out, original)
	d.Files += files
	d.Checked += n
	if err == nil && n != r.Bytes {
		err = fmt.Errorf("%s holds %d bytes, not the %d of the model", r.Out, n, r.Bytes)
	}
	if err != nil {
		return node.WithCode(node.CodeIntegrity, err)
	}
	return nil
}

func (d *demo) summary(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n", d.bold("In short"))
	t := table{}
	t.add("   stored at A", size(d.Stored), "instead of "+size(d.Bytes), compared(d.Stored, d.Bytes))
	t.add("   fetched by B", size(d.Fetched), "instead of "+size(d.Copies), compared(d.Fetched, d.Copies))
	t.add("   checked", count(d.Files, "file"), size(d.Checked), "each byte equal to the original")
	t.write(w)
	fmt.Fprintln(w, "\n   Your own models: zipnode demo --models DIR. For good: zipnode add DIR && zipnode serve.")
}

// nodeStart is how long a node may take until it is ready.
const nodeStart = time.Minute
