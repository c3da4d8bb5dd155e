package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/store"
)

// An add that is interrupted when all bytes are read, and its tensors and packing
// are still to be noted, which takes half a minute where they are many, does not go
// on to the end.
func TestAddInterruptedLate(t *testing.T) {
	n := start(t)
	args, err := json.Marshal(node.AddRequest{Path: modelDir(t, map[string][]byte{"a.safetensors": oneTensor(weights(1, 1<<10))})})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err = n.Call(ctx, "add", args, time.Second, func(p any) {
		if p := p.(node.Progress); p.Stage == "add" && p.Done == p.Total {
			cancel()
		}
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("add = %v, want that it was canceled", err)
	}
	if ls := call[node.LsResult](t, n, "ls", nil); len(ls.Models) > 0 {
		t.Errorf("an add that was interrupted left %+v", ls.Models)
	}
}

// A tensor that can be rebuilt here, and whose node is not here, does not keep a
// seed from its end.
func TestSeedBringsNodesOfTensors(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	model, res, tensor := oneTensorIn(t, from, to, weights(3, 2*dag.MaxLeaf))
	copyTensor(t, openStore(t, from), openStore(t, to), tensor)

	n := startIn(t, to, startIn(t, from))
	if got := call[node.SeedResult](t, n, "seed", node.SeedRequest{Ref: res.CID}); got.Fetched > 8<<10 {
		t.Errorf("%d bytes were fetched for the nodes of a tensor", got.Fetched)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	wantModel(t, startIn(t, to), res.CID, model)
}

// copyTensor copies a tensor between stores, without its nodes, and closes them.
func copyTensor(t *testing.T, from, to *store.Store, tensor cid.Cid) {
	t.Helper()
	defer closeStores(t, from, to)
	l, err := to.NewLease()
	if err != nil {
		t.Fatal(err)
	}
	known, _, err := from.Tensor(tensor)
	if err != nil {
		t.Fatal(err)
	}
	r, err := from.Recipe(known.Recipe())
	if err != nil {
		t.Fatal(err)
	}
	copyBlock := func(c cid.Cid) blocks.Block {
		b, err := from.Get(t.Context(), c)
		if err == nil {
			_, err = l.Put(t.Context(), b)
		}
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for e, err := range r.Chunks.All(t.Context(), from) {
		if err != nil {
			t.Fatal(err)
		}
		copyBlock(e.Chunk)
	}
	err = l.AddRecipe(t.Context(), copyBlock(known.Recipe()), dag.LeavesOf(t.Context(), from, tensor, known.Size))
	if err == nil {
		err = l.Commit(store.Change{})
	}
	if err != nil {
		t.Fatal(err)
	}
}
