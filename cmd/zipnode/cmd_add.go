package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zipnode/zipnode/node"
)

func (a *app) addCmd() *cobra.Command {
	var req node.AddRequest
	cmd := &cobra.Command{
		Use:   "add DIR|FILE",
		Short: "Store a model",
		Long: `Stores the files of a directory, or one file, and keeps them. A tensor that the
store has already takes no space again; a new one is stored as its difference
from the best base that is here. Prints the CID by which others get the model.

Hidden files are part of a model; .git, .cache and empty directories are not.`,
		Example: "  zipnode add ./llama-tuned --name me/llama-tuned@v1\n  zipnode add model.gguf --base llama",
		Args:    exactly("a directory or a file"),
		RunE: a.run(func(ctx context.Context, args []string) error {
			if err := completeAdd(&req, args[0]); err != nil {
				return err
			}
			var r node.AddResult
			if err := a.call(ctx, "add", req, &r); err != nil {
				return err
			}
			a.noteReplaced(r.Name, r.Replaced)
			a.noteOdd(r.Odd)
			if models, ok := snapshotsIn(args[0]); ok {
				a.note("%s is of a Hugging Face cache: the models in it are %s", plain(args[0]), plain(models))
			}
			return a.print(r, []string{r.CID}, func(w io.Writer) { printAdd(w, &r) })
		}),
	}
	f := cmd.Flags()
	f.StringVar(&req.Name, "name", "", "call it this (default: the last part of the path, or what a Hugging Face cache says)")
	f.StringVar(&req.Base, "base", "", "store it against this CID or name, or none (default: whichever is best)")
	f.BoolVar(&req.NoPin, "no-pin", false, "let gc free it")
	return cmd
}

// noteReplaced says which model name meant before, unless old is "".
func (a *app) noteReplaced(name, old string) {
	if old != "" {
		a.note("%s meant %s before; that model is kept and goes by its CID ('zipnode rm %s' lets it go)", plain(name), old, old)
	}
}

// noteOdd says which files may not be what the user thinks that they are: the
// model is kept, but the download may have ended early.
func (a *app) noteOdd(odd []node.OddFile) {
	for i, f := range odd {
		if i == 5 {
			a.note("and %s more", count(len(odd)-i, "odd file"))
			return
		}
		a.note("%s is %s: it is kept as it is, byte for byte", plain(f.Path), f.What)
	}
}

func completeAdd(req *node.AddRequest, path string) error {
	abs, err := absPath(path)
	if err != nil {
		return err
	}
	if _, err := os.Stat(path); err != nil {
		return lookError(err)
	}
	req.Path = abs
	if req.Base != "" && req.Base != "none" {
		if err := checkRef(req.Base); err != nil {
			return usagef("--base: %w", err)
		}
	}
	if req.Name != "" {
		return checkName(req.Name)
	}
	req.Name = defaultName(abs)
	if err := checkName(req.Name); err != nil {
		return usagef("%w: give another with --name", err)
	}
	return nil
}

// defaultName returns what the model at path is called where --name does not say:
// the last part of path, or what the hub calls it that a Hugging Face cache has a
// snapshot from, whose own name is a commit's hash.
func defaultName(path string) string {
	snapshots := filepath.Dir(path)
	repo, ok := strings.CutPrefix(filepath.Base(filepath.Dir(snapshots)), "models--")
	if ok && filepath.Base(snapshots) == "snapshots" {
		return strings.ReplaceAll(repo, "--", "/")
	}
	return filepath.Base(path)
}

// snapshotsIn returns a pattern of the models in dir, if it is a repository of a
// Hugging Face cache, which is none itself.
func snapshotsIn(dir string) (string, bool) {
	for _, part := range []string{"blobs", "snapshots"} {
		if info, err := os.Stat(filepath.Join(dir, part)); err != nil || !info.IsDir() {
			return "", false
		}
	}
	return filepath.Join(dir, "snapshots", "*"), true
}

// lookError gives err, of looking at a path that the user named, its code.
func lookError(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok && errors.Is(err, fs.ErrNotExist) {
		return node.WithCode(node.CodeNotFound, fmt.Errorf("there is no file or directory %s", path.Path))
	}
	if errors.Is(err, fs.ErrPermission) {
		return node.WithCode(node.CodeDenied, err)
	}
	return err
}

func printAdd(w io.Writer, r *node.AddResult) {
	fmt.Fprintf(w, "added %s\n", plain(r.Name))
	t := table{}
	t.add("  cid", r.CID)
	t.add("  files", fmt.Sprintf("%d, %s", r.Files, size(r.Bytes)))
	t.add("  tensors", fmt.Sprintf("%d: %d here before, %d new, of these %d as deltas",
		r.Tensors, r.Tensors-r.TensorsNew, r.TensorsNew, r.TensorsDelta))
	t.add("  stored", instead(r.StoredNew, r.Bytes))
	t.add("  time", took(r.Seconds))
	t.write(w)
}
