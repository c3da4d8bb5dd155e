package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/zipnode/zipnode/node"
)

func (a *app) diffCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "diff CID|NAME CID|NAME",
		Short: "Tell what one model has otherwise than another",
		Long: `Compares two models that are here, tensor by tensor of one name: how many elements
changed, and how many bits each takes in the second model's difference from the
first. Tensors of the same bytes are counted; --json lists them too.`,
		Example: "  zipnode diff base my-tuned\n  zipnode diff base my-tuned --json | jq '.tensors[] | select(.share > 0.5).name'",
		Args:    exactly(refWords, "another model to compare it with"), ValidArgsFunction: a.completePair,
		RunE: a.run(func(ctx context.Context, args []string) error {
			for _, ref := range args {
				if err := checkRef(ref); err != nil {
					return err
				}
			}
			var r node.DiffResult
			if err := a.call(ctx, "diff", node.DiffRequest{A: args[0], B: args[1]}, &r); err != nil {
				return err
			}
			return a.print(r, []string{r.A.CID, r.B.CID}, func(w io.Writer) { printDiff(w, &r) })
		}),
	}
}

func printDiff(w io.Writer, r *node.DiffResult) {
	a, b := cmpName(r.A.Name, r.A.CID), cmpName(r.B.Name, r.B.CID)
	t := table{right: "   r"}
	differ := slices.DeleteFunc(slices.Clone(r.Tensors), func(x node.DiffTensor) bool { return x.Kind == node.DiffSame })
	if len(differ) > 0 {
		t.add("TENSOR", "DTYPE", "SHAPE", "SIZE", "DIFFERENCE")
	}
	for _, x := range differ {
		t.add(x.Name, x.DType, shape(x.Shape), size(x.Bytes), difference(&x, a, b))
	}
	t.write(w)
	for i, f := range r.Files {
		if i == 0 && len(differ) > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s: %s\n", plain(f.Path), onlyIn(f.Kind, a, b))
	}
	if len(differ)+len(r.Files) > 0 {
		fmt.Fprintln(w)
	}
	t = table{}
	t.add("same", fmt.Sprintf("%s, %s", count(r.Same, "tensor"), size(r.SameBytes)))
	if r.Delta > 0 {
		t.add("differ", fmt.Sprintf("%s, %s: %s of their elements changed; as differences %s, %.2f bits an element",
			count(r.Delta, "tensor"), size(r.DeltaBytes), portion(r.Changed, r.Elements), size(r.Encoded),
			8*float64(r.Encoded)/float64(max(r.Elements, 1))))
	}
	if r.Shape > 0 {
		t.add("other shape", count(r.Shape, "tensor"))
	}
	if r.OnlyA > 0 {
		t.add("only in "+a, count(r.OnlyA, "tensor"))
	}
	if r.OnlyB > 0 {
		t.add("only in "+b, count(r.OnlyB, "tensor"))
	}
	t.write(w)
}

// difference says how a tensor of b is otherwise than a's.
func difference(x *node.DiffTensor, a, b string) string {
	switch x.Kind {
	case node.DiffDelta:
		return fmt.Sprintf("%s changed, %.2f bits an element, %s", portion(x.Changed, x.Elements), x.Bits, size(x.Encoded))
	case node.DiffShape:
		return fmt.Sprintf("%s %s in %s", x.WasDType, shape(x.WasShape), a)
	}
	return onlyIn(x.Kind, a, b)
}

func onlyIn(kind, a, b string) string {
	switch kind {
	case node.DiffOnlyA:
		return "only in " + plain(a)
	case node.DiffOnlyB:
		return "only in " + plain(b)
	}
	return kind
}

// portion returns part of whole as "12.3%", and "0.0%" only where it is none.
func portion(part, whole int64) string {
	share := 100 * float64(part) / float64(max(whole, 1))
	if part > 0 && share < 0.05 {
		return "<0.1%"
	}
	return fmt.Sprintf("%.1f%%", share)
}
