package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/zipnode/zipnode/node"
)

// keep adds every model of a collection to a node of its own under scratch, in
// order, as a person would who has them on disk, and returns what the store is:
// packs, and as metadata all that lies beside them, index and samples. With repack
// it then stores everything anew where that takes less.
func keep(ctx context.Context, models []string, scratch string, repack bool) (out outcome, err error) {
	dir, err := os.MkdirTemp(scratch, "store")
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := node.Init(dir); err != nil {
		return out, err
	}
	n, err := node.Open(ctx, node.Config{Dir: dir})
	if err != nil {
		return out, err
	}
	if err := fill(ctx, n, models, &out); err != nil {
		return out, errors.Join(err, n.Close())
	}
	if repack {
		if _, err := call[node.RepackResult](ctx, n, "repack", node.RepackRequest{}); err != nil {
			return out, errors.Join(err, n.Close())
		}
	}
	st, err := call[node.StatusResult](ctx, n, "status", nil)
	if err := errors.Join(err, n.Close()); err != nil {
		return out, err
	}
	out.Pieces, out.Unique = 0, int64(st.Tensors)
	all, err := treeSize(dir)
	out.Stored, out.Metadata = st.Stored, all-st.Stored
	return out, err
}

func fill(ctx context.Context, n *node.Node, models []string, out *outcome) error {
	for _, dir := range models {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return err
		}
		res, err := call[node.AddResult](ctx, n, "add", node.AddRequest{Path: abs})
		if err != nil {
			return fmt.Errorf("add %s: %w", dir, err)
		}
		out.Bytes += res.Bytes
	}
	return nil
}

// call runs an operation of n.
func call[R any](ctx context.Context, n *node.Node, op string, args any) (R, error) {
	var none R
	raw, err := json.Marshal(args)
	if err != nil {
		return none, err
	}
	if args == nil {
		raw = nil
	}
	res, err := n.Call(ctx, op, raw, time.Minute, nil)
	if err != nil {
		return none, err
	}
	return res.(R), nil
}

// treeSize returns the bytes of the files under dir.
func treeSize(dir string) (int64, error) {
	n := int64(0)
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}
