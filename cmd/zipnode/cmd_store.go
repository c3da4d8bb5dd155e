package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/zipnode/zipnode/node"
)

func (a *app) initCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Make a store",
		Long: `Makes a store in the directory; does nothing if there is one. add, get, seed,
import and serve make one themselves.`,
		Example: "  zipnode init --dir /data/zipnode",
		Args:    exactly(),
		RunE: a.run(func(ctx context.Context, _ []string) error {
			if err := a.initOnce(ctx); err != nil {
				return err
			}
			result := map[string]string{"dir": a.dir}
			return a.print(result, nil, func(w io.Writer) { fmt.Fprintf(w, "store at %s\n", a.dir) })
		}),
	}
}

// initOnce makes the store, unless there is one or another process makes one.
func (a *app) initOnce(ctx context.Context) error {
	for q := a.queue(); !node.Exists(a.dir); {
		err := a.init(a.dir)
		if err == nil || codeOf(err) != node.CodeLocked || q.over() {
			return err
		}
		if err := q.wait(ctx, err); err != nil {
			return err
		}
	}
	return nil
}

func (a *app) verifyCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify [CID|NAME]",
		Short: "Read everything again and check each byte",
		Long: `Reads all blocks of the store, or of one model, decodes them and checks each
against its CID. A damaged block is set aside, and fetched again where a peer has
it. The exit code is 6 when damage is left.`,
		Example: "  zipnode verify\n  zipnode verify my-model --bootstrap /ip4/10.0.0.7/tcp/4011/p2p/12D3KooW...",
		Args:    atMost(1), ValidArgsFunction: a.completeRef,
		RunE: a.run(func(ctx context.Context, args []string) error {
			var req node.RefRequest
			if len(args) > 0 {
				req.Ref = args[0]
				if err := checkRef(req.Ref); err != nil {
					return err
				}
			}
			if err := a.tellDaemon(ctx); err != nil {
				return err
			}
			var r node.VerifyResult
			if err := a.call(ctx, "verify", req, &r); err != nil {
				return err
			}
			return a.printVerify(&r)
		}),
	}
	a.network.dialFlags(cmd.Flags())
	return cmd
}

func leaves(n int) string {
	if n == 1 {
		return "1 decoded leaf"
	}
	return fmt.Sprintf("%d decoded leaves", n)
}

func (a *app) printVerify(r *node.VerifyResult) error {
	var ids []string
	left := 0
	for _, d := range r.Corrupt {
		ids = append(ids, d.CID)
		if !d.Repaired {
			left++
		}
	}
	err := a.print(r, ids, func(w io.Writer) {
		fmt.Fprintf(w, "checked %s and %s, %s, in %s\n",
			count(r.Blocks, "block"), leaves(r.Leaves), size(r.Bytes), took(r.Seconds))
		if len(r.Corrupt) == 0 {
			fmt.Fprintln(w, "all is well")
			return
		}
		t := table{}
		t.add("DAMAGED", "WHERE", "REASON", "REPAIRED")
		for _, d := range r.Corrupt {
			t.add(d.CID, d.Where, d.Reason, yes(d.Repaired))
			for _, m := range d.Models {
				t.add("  needed by " + m)
			}
		}
		t.write(w)
	})
	if err == nil && left > 0 {
		err = node.WithCode(node.CodeIntegrity, fmt.Errorf(
			"%s damaged, and no peer that was found has it: name one that does ('zipnode verify --bootstrap ADDR'), or add the model again",
			count(left, "block")))
	}
	return err
}

func (a *app) gcCmd() *cobra.Command {
	var req node.GCRequest
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Free the space of what no pin keeps",
		Long: `Removes the blocks that no pinned model needs. A base that a pinned fine-tune is
stored against stays, until a repack finds that the fine-tune takes less without.
What an interrupted add or get left stays for a day, for the next try to go on
with; --all frees that too.`,
		Example: "  zipnode rm old-model && zipnode gc\n  zipnode gc --dry-run",
		Args:    exactly(),
		RunE: a.run(func(ctx context.Context, _ []string) error {
			var r node.GCResult
			if err := a.call(ctx, "gc", req, &r); err != nil {
				return err
			}
			return a.print(r, nil, func(w io.Writer) { printGC(w, &r, req.DryRun) })
		}),
	}
	cmd.Flags().BoolVar(&req.DryRun, "dry-run", false, "only tell what would go")
	cmd.Flags().BoolVar(&req.All, "all", false, "also what interrupted adds and gets left")
	return cmd
}

func printGC(w io.Writer, r *node.GCResult, dry bool) {
	switch {
	case r.Blocks == 0 && r.Freed == 0:
		fmt.Fprintf(w, "nothing to free: %s stay\n", count(r.Kept, "block"))
	case dry:
		fmt.Fprintf(w, "would free %s: %s would go, %d stay\n", size(r.Freed), count(r.Blocks, "block"), r.Kept)
	default:
		fmt.Fprintf(w, "freed %s: %s gone, %d left\n", size(r.Freed), count(r.Blocks, "block"), r.Kept)
	}
	if r.Bases > 0 {
		fmt.Fprintf(w, "%s of removed models stay, %s, for kept models are stored as differences from them: 'zipnode repack' stores these without, where that takes less\n",
			count(r.Bases, "tensor"), size(r.BaseBytes))
	}
	if r.Leased > 0 {
		fmt.Fprintf(w, "%s are kept for a day for interrupted work: 'zipnode gc --all' frees them\n", size(r.Leased))
	}
}

func (a *app) pinCmd() *cobra.Command {
	return a.group("pin", "Keep models, or let them go",
		a.pinChange("add", "Keep a model that is here", "kept"),
		a.pinChange("rm", "Stop keeping a model; gc frees it", "no longer kept"),
		a.pinLs())
}

func (a *app) pinChange(verb, short, outcome string) *cobra.Command {
	return &cobra.Command{
		Use:     verb + " CID|NAME",
		Short:   short,
		Example: "  zipnode pin " + verb + " my-model",
		Args:    exactly(refWords), ValidArgsFunction: a.completeRef,
		RunE: a.run(func(ctx context.Context, args []string) error {
			if err := checkRef(args[0]); err != nil {
				return err
			}
			var r node.PinResult
			if err := a.call(ctx, "pin."+verb, node.RefRequest{Ref: args[0]}, &r); err != nil {
				return err
			}
			return a.print(r, pinned(r), func(w io.Writer) { fmt.Fprintf(w, "%s: %s\n", plain(args[0]), outcome) })
		}),
	}
}

func (a *app) pinLs() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List what is kept",
		Args:  exactly(),
		RunE: a.run(func(ctx context.Context, _ []string) error {
			var r node.PinResult
			if err := a.call(ctx, "pin.ls", nil, &r); err != nil {
				return err
			}
			t := table{}
			t.add("CID", "KIND", "NAME")
			for _, p := range r.Pins {
				t.add(p.CID, p.Kind, cmpName(p.Name, "-"))
			}
			return a.print(r, pinned(r), func(w io.Writer) {
				if len(r.Pins) == 0 {
					fmt.Fprintln(w, "nothing is kept yet: 'zipnode add DIR' keeps a model, 'zipnode pin add NAME' one that is here")
					return
				}
				t.write(w)
			})
		}),
	}
}

func pinned(r node.PinResult) []string {
	var ids []string
	for _, p := range r.Pins {
		ids = append(ids, p.CID)
	}
	return ids
}
