package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"path/filepath"

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
		Args: cobra.ExactArgs(1), ValidArgsFunction: a.completeRef,
		RunE: a.run(func(ctx context.Context, args []string) error {
			req.Ref = args[0]
			if err := completeGet(&req); err != nil {
				return err
			}
			a.bootstrapDaemon(ctx)
			var r node.GetResult
			if err := a.call(ctx, "get", req, &r); err != nil {
				return err
			}
			return a.print(r, []string{r.CID}, func(w io.Writer) { printGet(w, &r, req.DryRun) })
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
		if _, err := path.Match(glob, ""); err != nil || glob == "" {
			return usagef("%q is no pattern that --include or --exclude takes", glob)
		}
	}
	if req.Out == "" {
		req.Out = filepath.FromSlash(req.Ref)
	}
	out, err := filepath.Abs(req.Out)
	req.Out = out
	return err
}

// bootstrapDaemon tells a daemon of the peers that --bootstrap names. A node
// that this process opens learns of them by its Config.
func (a *app) bootstrapDaemon(ctx context.Context) {
	if len(a.network.bootstrap) == 0 {
		return
	}
	c, err := gateway.Dial(ctx, a.dir)
	if err != nil {
		return // own, or the next Dial, will tell
	}
	defer c.Close()
	if !c.Info().Daemon {
		return // it will be gone when this command's turn comes
	}
	for _, addr := range a.network.bootstrap {
		err := c.Call(ctx, "peers.connect", node.ConnectRequest{Addr: addr}, 0, nil, nil)
		if err != nil && ctx.Err() == nil {
			a.say("can't connect to %s: %s", addr, oneLine(err.Error()))
		}
	}
}

func printGet(w io.Writer, r *node.GetResult, dry bool) {
	if dry {
		t := table{right: " rr"}
		t.add("FILE", "SIZE", "FETCH", "WHY")
		for _, f := range r.Files {
			t.add(f.Path, size(f.Bytes), size(f.Fetch), f.Why)
		}
		t.write(w)
		fmt.Fprintf(w, "would fetch %s for %s (%s saved)\n", size(r.Fetched), size(r.Bytes), saved(r.Fetched, r.Bytes))
		return
	}
	fmt.Fprintf(w, "wrote %s to %s\n", size(r.Bytes), plain(r.Out))
	t := table{}
	t.add("  cid", r.CID)
	t.add("  fetched", fmt.Sprintf("%s from %s, %s saved", size(r.Fetched), count(r.Peers, "peer"), saved(r.Fetched, r.Bytes)))
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
		Args:    cobra.ExactArgs(1), ValidArgsFunction: a.completeRef,
		RunE: a.run(func(ctx context.Context, args []string) error {
			req.Ref = args[0]
			err := checkRef(req.Ref)
			if err == nil && req.Name != "" {
				err = node.CheckName(req.Name)
			}
			if err != nil {
				return err
			}
			a.bootstrapDaemon(ctx)
			var r node.SeedResult
			if err := a.call(ctx, "seed", req, &r); err != nil {
				return err
			}
			if a.embedded && !a.quiet {
				a.say("it is offered while a daemon runs: start 'zipnode serve'")
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
	t.add("  fetched", fmt.Sprintf("%s from %s", size(r.Fetched), count(r.Peers, "peer")))
	t.add("  time", took(r.Seconds))
	t.write(w)
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
