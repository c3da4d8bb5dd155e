package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/zipnode/zipnode/gateway"
	"github.com/zipnode/zipnode/node"
)

func (a *app) getCmd() *cobra.Command {
	var req node.GetRequest
	cmd := &cobra.Command{
		Use:   "get CID|NAME",
		Short: "Fetch a model and write its files",
		Long: `Writes the model's files into a directory. What the store has is not fetched; of
the rest, the cheapest form is. Each byte is checked against the CID. A file that
is there and equal is kept; one that differs is replaced only with --force.

An interrupted get goes on where it ended.`,
		Example: `  zipnode get bafybei... -o ./llama
  zipnode get llama --include '*.json' --dry-run`,
		Args: exactly(refWords), ValidArgsFunction: a.completeRef,
		RunE: a.run(func(ctx context.Context, args []string) error {
			req.Ref = args[0]
			if err := completeGet(&req); err != nil {
				return err
			}
			if err := a.tellDaemon(ctx); err != nil {
				return err
			}
			var before snapshot
			if !req.DryRun {
				before = snapshotOf(req.Out)
			}
			var r node.GetResult
			if err := a.call(ctx, "get", req, &r); err != nil {
				return err
			}
			return a.print(r, []string{r.CID}, func(w io.Writer) {
				switch {
				case req.DryRun:
					printPlan(w, &r)
				case r.Fetched == 0 && r.Reused == r.Bytes && before.equal(snapshotOf(req.Out)):
					fmt.Fprintf(w, "all files are in %s already, %s: nothing written\n", plain(r.Out), size(r.Bytes))
				default:
					printGet(w, &r)
				}
			})
		}),
	}
	f := cmd.Flags()
	f.StringVarP(&req.Out, "output", "o", "", "write into this directory (default ./NAME or ./CID)")
	f.StringArrayVar(&req.Include, "include", nil, "only files that match this `glob`")
	f.StringArrayVar(&req.Exclude, "exclude", nil, "no files that match this `glob`")
	f.BoolVar(&req.Force, "force", false, "replace files that differ")
	f.BoolVar(&req.DryRun, "dry-run", false, "only tell what would be fetched, and why")
	a.network.dialFlags(f)
	return cmd
}

func completeGet(req *node.GetRequest) error {
	if err := checkRef(req.Ref); err != nil {
		return err
	}
	for _, glob := range append(req.Include, req.Exclude...) {
		if _, err := path.Match(glob, ""); err != nil || glob == "" || !utf8.ValidString(glob) {
			return usagef("%q is no pattern that --include or --exclude takes", glob)
		}
	}
	if req.Out == "" {
		req.Out = filepath.FromSlash(req.Ref)
	}
	if req.Out == "-" {
		return usagef("get writes files into a directory, not to stdout: name it with -o")
	}
	out, err := absPath(req.Out)
	req.Out = out
	return err
}

// tellDaemon tells a daemon of the peers that --bootstrap names, and the user
// of the flags that are of no use with one. A node that this process opens
// learns of them by its Config.
func (a *app) tellDaemon(ctx context.Context) error {
	if err := checkAddrs(a.network.bootstrap, true); err != nil {
		return usagef("%s: %w", a.source("bootstrap"), err)
	}
	own := a.ownNetwork()
	if len(a.network.bootstrap)+len(own) == 0 {
		return nil
	}
	c, err := gateway.Dial(ctx, a.dir)
	if err != nil {
		return nil // own, or the next Dial, will tell
	}
	defer c.Close()
	if !c.Info().Daemon {
		return nil // it will be gone when this command's turn comes
	}
	if len(own) > 0 {
		a.note("a daemon runs for %s, and its own network is used: %s has no effect", a.dir, strings.Join(own, ", "))
	}
	for _, addr := range a.network.bootstrap {
		err := c.Call(ctx, "peers.connect", node.ConnectRequest{Addr: addr}, 0, nil, nil)
		if err != nil && ctx.Err() == nil {
			a.say("can't connect to %s: %s", addr, oneLine(err.Error()))
		}
	}
	return nil
}

// ownNetwork returns the flags that say how this process's own node would find
// peers. Those of the environment may be meant for another command.
func (a *app) ownNetwork() []string {
	var flags []string
	if a.network.public && a.given["public"] == "" {
		flags = append(flags, "--public")
	}
	if a.network.noMDNS && a.given["no-mdns"] == "" {
		flags = append(flags, "--no-mdns")
	}
	return flags
}

func printPlan(w io.Writer, r *node.GetResult) {
	t := table{right: " rr"}
	t.add("FILE", "SIZE", "FETCH", "WHY")
	for _, f := range r.Files {
		t.add(f.Path, size(f.Bytes), size(f.Fetch), f.Why)
	}
	t.write(w)
	if r.Fetched == 0 {
		fmt.Fprintf(w, "would fetch nothing: all of %s is here\n", size(r.Bytes))
		return
	}
	says := fmt.Sprintf("would fetch %s for %s of files", size(r.Fetched), size(r.Bytes))
	if than := compared(r.Fetched, r.Bytes); than != "" {
		says += ": " + than
	}
	fmt.Fprintln(w, says)
}

func printGet(w io.Writer, r *node.GetResult) {
	fmt.Fprintf(w, "wrote %s to %s\n", size(r.Bytes), plain(r.Out))
	t := table{}
	t.add("  cid", r.CID)
	t.add("  fetched", fetched(r.Fetched, r.Bytes, r.Peers))
	t.add("  reused", size(r.Reused))
	t.add("  time", took(r.Seconds))
	t.write(w)
}

func (a *app) seedCmd() *cobra.Command {
	var req node.SeedRequest
	cmd := &cobra.Command{
		Use:     "seed CID|NAME",
		Short:   "Fetch a model, keep it and offer it",
		Long:    "Fetches what is missing of a model, keeps it, and announces it to others for as\nlong as a daemon ('zipnode serve') runs.",
		Example: "  zipnode seed bafybei... --name llama",
		Args:    exactly(refWords), ValidArgsFunction: a.completeRef,
		RunE: a.run(func(ctx context.Context, args []string) error {
			req.Ref = args[0]
			err := checkRef(req.Ref)
			if err == nil && req.Name != "" {
				err = checkName(req.Name)
			}
			if err != nil {
				return err
			}
			if err := a.tellDaemon(ctx); err != nil {
				return err
			}
			var r node.SeedResult
			if err := a.call(ctx, "seed", req, &r); err != nil {
				return err
			}
			a.noteReplaced(req.Name, r.Replaced)
			if a.embedded {
				a.note("it is offered while a daemon runs: start 'zipnode serve'")
			}
			return a.print(r, []string{r.CID}, func(w io.Writer) { printSeed(w, &r) })
		}),
	}
	cmd.Flags().StringVar(&req.Name, "name", "", "call it this")
	a.network.dialFlags(cmd.Flags())
	return cmd
}

func printSeed(w io.Writer, r *node.SeedResult) {
	fmt.Fprintf(w, "seeding %s\n", plain(cmpName(r.Name, r.CID)))
	t := table{}
	t.add("  cid", r.CID)
	t.add("  size", size(r.Bytes))
	t.add("  fetched", fetched(r.Fetched, r.Bytes, r.Peers))
	t.add("  time", took(r.Seconds))
	t.write(w)
}

// fetched says what n bytes, fetched for whole, are.
func fetched(n, whole int64, peers int) string {
	if n == 0 {
		return "nothing: all of it was here"
	}
	s := size(n) + " from " + count(peers, "peer")
	if more := compared(n, whole); more != "" {
		s += ", " + more
	}
	return s
}

func cmpName(name, cid string) string {
	if name != "" {
		return name
	}
	return cid
}

// completeRef completes names and CIDs of models, if a zipnode answers at once.
func (a *app) completeRef(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 || errors.Join(a.environment(cmd.Flags()), a.findDir()) != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	a.wait, a.progress = 0, "none"
	var r node.LsResult
	if err := a.call(cmd.Context(), "ls", nil, &r); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var refs []string
	for _, m := range r.Models {
		refs = append(refs, cmpName(m.Name, m.CID))
	}
	return refs, cobra.ShellCompDirectiveNoFileComp
}

// completePair completes the first two arguments.
func (a *app) completePair(cmd *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 1 {
		args = nil
	}
	return a.completeRef(cmd, args, prefix)
}
