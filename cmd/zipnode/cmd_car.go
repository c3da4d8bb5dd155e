package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/zipnode/zipnode/node"
)

func (a *app) exportCmd() *cobra.Command {
	var out string
	var force bool
	cmd := &cobra.Command{
		Use:   "export CID|NAME -o FILE",
		Short: "Write a model as one CAR file",
		Long: `Writes all blocks that rebuild a model, bases among them, to a CAR file. 'zipnode
import' takes it; so does any IPFS tool. FILE may be - for stdout, by way of a
temporary file of the same size. A FILE that is there is replaced only with
--force.`,
		Example: "  zipnode export my-model -o my-model.car",
		Args:    exactly(refWords), ValidArgsFunction: a.completeRef,
		RunE: a.run(func(ctx context.Context, args []string) error {
			switch err := checkRef(args[0]); {
			case err != nil:
				return err
			case out == "":
				return usagef("say where to: -o FILE, or -o - for stdout")
			case out == "-" && a.json:
				return usagef("-o - and --json would both write to stdout")
			case out == "-":
				return a.exportOut(ctx, args[0])
			}
			r, err := a.export(ctx, args[0], out, force)
			if err != nil {
				return err
			}
			return a.print(r, []string{r.CID}, func(w io.Writer) {
				fmt.Fprintf(w, "wrote %s, %s, to %s\n", count(r.Blocks, "block"), size(r.Bytes), plain(r.Path))
			})
		}),
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "write to this `file`")
	cmd.Flags().BoolVar(&force, "force", false, "replace a file that is there")
	return cmd
}

func (a *app) export(ctx context.Context, ref, out string, force bool) (*node.ExportResult, error) {
	path, err := absPath(out)
	if err != nil {
		return nil, err
	}
	if err := checkTarget(path); err != nil {
		return nil, err
	}
	var r node.ExportResult
	return &r, a.call(ctx, "export", node.ExportRequest{Ref: ref, Path: path, Force: force}, &r)
}

// checkTarget returns an error unless a file may be made at path: the node
// would say that something was not found, as if it were the model.
func checkTarget(path string) error {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return usagef("%s is a directory: give the name of a file in it", path)
	}
	switch info, err := os.Stat(filepath.Dir(path)); {
	case errors.Is(err, fs.ErrNotExist):
		return usagef("the directory %s does not exist", filepath.Dir(path))
	case err == nil && !info.IsDir():
		return usagef("%s is no directory", filepath.Dir(path))
	}
	return nil
}

// exportOut writes to stdout: the file is whole before its first byte goes out.
func (a *app) exportOut(ctx context.Context, ref string) (err error) {
	dir, err := os.MkdirTemp("", "zipnode-export-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "model.car")
	if _, err := a.export(ctx, ref, path, false); err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	// At once, where the system lets an open file go: who reads stdout may end before
	// the file does, and this process with it.
	_ = os.RemoveAll(dir)
	_, err = io.Copy(a.stdout, f)
	return err
}

func (a *app) importCmd() *cobra.Command {
	var req node.ImportRequest
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Take the model of a CAR file",
		Long: `Reads a CAR file that 'zipnode export' wrote, checks each byte against the
model's CID, and keeps the model. Needs no network. FILE may be - for stdin, by
way of a temporary file of the same size.`,
		Example: "  zipnode import my-model.car --name my-model\n  zipnode export my-model -o - | ssh elsewhere zipnode import - --name my-model",
		Args:    exactly("a CAR file"),
		RunE: a.run(func(ctx context.Context, args []string) error {
			if req.Name != "" {
				if err := checkName(req.Name); err != nil {
					return err
				}
			}
			r, err := a.importFrom(ctx, args[0], req)
			if err != nil {
				return err
			}
			a.noteReplaced(r.Name, r.Replaced)
			return a.print(r, []string{r.CID}, func(w io.Writer) {
				fmt.Fprintf(w, "imported %s: %s new, %s\n", plain(cmpName(r.Name, r.CID)), count(r.Blocks, "block"), size(r.Bytes))
			})
		}),
	}
	cmd.Flags().StringVar(&req.Name, "name", "", "call it this (default: the file's name without .car)")
	return cmd
}

// importFrom imports the file at path, or stdin.
func (a *app) importFrom(ctx context.Context, path string, req node.ImportRequest) (r *node.ImportResult, err error) {
	if path == "-" {
		if req.Name == "" {
			return nil, usagef("say what to call what comes from stdin: --name")
		}
		dir, err := os.MkdirTemp("", "zipnode-import-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		path = filepath.Join(dir, "stdin.car")
		if err := spool(ctx, path, os.Stdin); err != nil {
			return nil, err
		}
	}
	if req.Path, err = absPath(path); err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, lookError(err)
	}
	r = new(node.ImportResult)
	return r, a.call(ctx, "import", req, r)
}

// spool writes what comes from r to a new file at path, until ctx ends: a read
// that waits for a terminal is left waiting, for the process ends.
func spool(ctx context.Context, path string, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	done := make(chan error, 1)
	go func() {
		_, err := io.Copy(f, r)
		done <- errors.Join(err, f.Close())
	}()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
