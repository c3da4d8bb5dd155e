package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/zipnode/zipnode/node"
)

func (a *app) repackCmd() *cobra.Command {
	var req node.RepackRequest
	cmd := &cobra.Command{
		Use:   "repack",
		Short: "Choose anew how every tensor is stored",
		Long: `Looks at the tensors of all kept models together, chooses which are stored
stand-alone and which as differences from which, encodes again what gains, and
frees what that replaces. No CID of a model changes, and no model becomes slower
to read than its own size allows.

It works in small batches: others write between them, and one that is interrupted
is gone on with by the next. Worth its time after models came in any order, or
after a base was removed.`,
		Example: "  zipnode repack --dry-run --explain\n  zipnode repack",
		Args:    exactly(),
		RunE: a.run(func(ctx context.Context, _ []string) error {
			var r node.RepackResult
			if err := a.call(ctx, "repack", req, &r); err != nil {
				return err
			}
			if err := a.print(r, nil, func(w io.Writer) { printRepack(w, &r) }); err != nil {
				return err
			}
			return a.leftAsTheyWere(&r)
		}),
	}
	cmd.Flags().BoolVar(&req.DryRun, "dry-run", false, "only tell what would change, by estimates")
	cmd.Flags().BoolVar(&req.Explain, "explain", false, "tell each tensor that changes, and why it gains")
	return cmd
}

func printRepack(w io.Writer, r *node.RepackResult) {
	printChanges(w, r)
	looked := count(r.Tensors, "tensor")
	switch {
	case r.Changed == 0:
		fmt.Fprintf(w, "looked at %s: nothing to gain\n", looked)
	case r.DryRun:
		fmt.Fprintf(w, "looked at %s: %d would be stored in another way (%d stand-alone), %s\n",
			looked, r.Changed, r.Alone, fewer(r.Gain, "about "))
	default:
		fmt.Fprintf(w, "looked at %s: %d are stored in another way (%d stand-alone), %s\n",
			looked, r.Changed, r.Alone, fewer(r.Gain, ""))
	}
	if r.DryRun {
		return
	}
	t := table{}
	t.add("  packs", fmt.Sprintf("%s before, %s after, %d of them rewritten or gone", size(r.Before), size(r.After), r.Packs))
	t.add("  written", fmt.Sprintf("%s, and %s of models", size(r.Written), count(r.Packings, "packing")))
	t.add("  time", took(r.Seconds))
	t.write(w)
	if r.Freeable > 0 {
		fmt.Fprintf(w, "%s of removed models are needed no more: 'zipnode gc' frees %s\n", count(r.Spared, "base"), size(r.Freeable))
	}
	if r.Leased > 0 {
		fmt.Fprintf(w, "%s are kept for a day for interrupted work: 'zipnode gc --all' frees them\n", size(r.Leased))
	}
}

// fewer says how many bytes a repack saves. It may take more, where models read
// too much.
func fewer(gain int64, about string) string {
	if gain < 0 {
		return about + size(-gain) + " more, so that cold reads take no more than they may"
	}
	return about + size(gain) + " less"
}

func printChanges(w io.Writer, r *node.RepackResult) {
	if len(r.Plan) == 0 {
		return
	}
	t := table{right: " rrr"}
	t.add("TENSOR", "SIZE", "STORED", "THEN", "BASE", "THEN")
	for _, l := range r.Plan {
		t.add(l.Name, size(l.Bytes), size(l.Before), size(l.After), cmpName(l.From, "-"), cmpName(l.To, "-"))
	}
	t.write(w)
	if r.PlanCut > 0 {
		fmt.Fprintf(w, "and %d more\n", r.PlanCut)
	}
	fmt.Fprintln(w)
}

// leftAsTheyWere returns an error that says which tensors were not looked at or
// not changed, and what to do; nil when all were.
func (a *app) leftAsTheyWere(r *node.RepackResult) error {
	switch {
	case r.Damaged > 0:
		return node.WithCode(node.CodeIntegrity, fmt.Errorf(
			"%s left as they are, for they or their bases do not read: 'zipnode verify' tells and mends them", count(r.Damaged, "tensor")))
	case r.NoRoom > 0:
		return node.WithCode(node.CodePartial, fmt.Errorf(
			"%s left as they are for want of space: free some, or raise the quota, and repack again", count(r.NoRoom, "tensor")))
	case r.Refused > 0:
		return node.WithCode(node.CodePartial, fmt.Errorf(
			"%s left as they are, for too many bases would stand behind them: repack again", count(r.Refused, "tensor")))
	}
	return nil
}
