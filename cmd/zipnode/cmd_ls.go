package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zipnode/zipnode/node"
)

func (a *app) lsCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "ls",
		Short: "List the models that are here",
		Long: `Lists the models of the store. STORED counts what a model's tensors take, shared
ones in full; what the whole store takes is in 'zipnode status'.`,
		Args: exactly(),
		RunE: a.run(func(ctx context.Context, _ []string) error {
			var r node.LsResult
			if err := a.call(ctx, "ls", nil, &r); err != nil {
				return err
			}
			var ids []string
			t := table{right: "  rrrr"}
			t.add("NAME", "CID", "FILES", "SIZE", "STORED", "SAVED", "KEPT")
			for _, m := range r.Models {
				ids = append(ids, m.CID)
				t.add(cmpName(m.Name, "-"), m.CID, fmt.Sprint(m.Files), size(m.Bytes), size(m.Stored), saved(m.Stored, m.Bytes), kept(m))
			}
			return a.print(r, ids, func(w io.Writer) {
				if len(r.Models) == 0 {
					fmt.Fprintln(w, "no models here yet: 'zipnode add DIR' or 'zipnode get CID'")
					return
				}
				t.write(w)
				sayNameless(w, r.Models)
			})
		}),
	}
}

// sayNameless explains models that are kept without a name: those that another
// took the name of, most likely.
func sayNameless(w io.Writer, models []node.ModelLine) {
	n := 0
	for _, m := range models {
		if m.Name == "" && m.Pinned {
			n++
		}
	}
	if n > 0 {
		fmt.Fprintf(w, "\n%s kept without a name: by its CID, 'zipnode rm CID' lets one go\n", count(n, "model"))
	}
}

func kept(m node.ModelLine) string {
	says := yes(m.Pinned)
	if m.Partial {
		says += ", some files"
	}
	if m.Damaged {
		says += ", damaged"
	}
	return says
}

func (a *app) showCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "show CID|NAME",
		Short: "Tell what a model is made of",
		Long: `Tells what files and tensors a model has, and how each tensor is stored: the
bytes that it takes, those that rebuilding it reads (its own, and those of what it
is a difference from, and so on), and how many others are differences from it.`,
		Example: "  zipnode show my-model\n  zipnode show my-model --json | jq '.file_list[].path'",
		Args:    exactly(refWords), ValidArgsFunction: a.completeRef,
		RunE: a.run(func(ctx context.Context, args []string) error {
			if err := checkRef(args[0]); err != nil {
				return err
			}
			var r node.ShowResult
			if err := a.call(ctx, "show", node.RefRequest{Ref: args[0]}, &r); err != nil {
				return err
			}
			return a.print(r, []string{r.CID}, func(w io.Writer) { printShow(w, &r) })
		}),
	}
}

func printShow(w io.Writer, r *node.ShowResult) {
	t := table{}
	t.add("name", cmpName(r.Name, "none: it goes by its CID"))
	t.add("cid", r.CID)
	t.add("packing", cmpName(r.Packing, "-"))
	t.add("size", fmt.Sprintf("%s in %s", size(r.Bytes), count(r.Files, "file")))
	t.add("stored", instead(r.Stored, r.Bytes))
	t.add("kept", kept(r.ModelLine))
	if !r.Added.IsZero() {
		t.add("added", r.Added.Local().Format("2006-01-02 15:04"))
	}
	t.write(w)
	for _, f := range r.FileList {
		fmt.Fprintf(w, "\n%s  %s, stored %s  %s\n", plain(f.Path), size(f.Bytes), size(f.Stored), plain(f.Format))
		t := table{right: "   rrrr"}
		if len(f.Tensors) > 0 {
			t.add("  TENSOR", "DTYPE", "SHAPE", "SIZE", "STORED", "READS", "DELTAS", "DELTA OF")
		}
		for _, x := range f.Tensors {
			t.add("  "+x.Name, x.DType, shape(x.Shape), size(x.Bytes), size(x.Stored), size(x.Reads), fmt.Sprint(x.Deltas), deltaOf(&x))
		}
		t.write(w)
	}
}

// deltaOf says what a tensor is stored against.
func deltaOf(x *node.ShowTensor) string {
	base := cmpName(x.BaseOf, cmpName(x.Base, "-"))
	if x.More > 0 {
		base += fmt.Sprintf(" and %d more", x.More)
	}
	return base
}

// shape returns "384x1536", and "scalar" for the empty one.
func shape(dims []uint64) string {
	if len(dims) == 0 {
		return "scalar"
	}
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(dims), "[]"), " ", "x")
}

func (a *app) rmCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "rm CID|NAME",
		Short: "Forget a model; gc frees it",
		Long: `Takes a name away, and stops keeping the model unless another name means it. No
byte is freed before 'zipnode gc' runs; what other models are stored as
differences from stays.`,
		Example: "  zipnode rm my-model && zipnode gc",
		Args:    exactly(refWords), ValidArgsFunction: a.completeRef,
		RunE: a.run(func(ctx context.Context, args []string) error {
			if err := checkRef(args[0]); err != nil {
				return err
			}
			var r node.RmResult
			if err := a.call(ctx, "rm", node.RefRequest{Ref: args[0]}, &r); err != nil {
				return err
			}
			return a.print(r, []string{r.CID}, func(w io.Writer) {
				printRm(w, &r)
			})
		}),
	}
}

func printRm(w io.Writer, r *node.RmResult) {
	fmt.Fprintf(w, "removed %s: 'zipnode gc' frees what nothing else keeps\n", plain(cmpName(r.Name, r.CID)))
	if r.Bases == 0 {
		return
	}
	what := fmt.Sprintf("%s of it stay, %s: other models are stored as differences from them", count(r.Bases, "tensor"), size(r.BaseBytes))
	if r.Reencode {
		fmt.Fprintf(w, "%s. Without them those would take only about %s more: 'zipnode repack' stores them so, and then gc frees these\n", what, size(r.Without))
	} else {
		fmt.Fprintf(w, "%s, and would take about %s more without\n", what, size(r.Without))
	}
}
