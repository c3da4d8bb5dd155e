package node_test

import (
	"path/filepath"
	"testing"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/store"
)

// openStore opens the store of a node that does not run.
func openStore(t *testing.T, dir string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{FS: store.Dir(dir)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// oneTensorIn adds a model of one tensor to a node in from, and makes an empty one in
// to. Neither runs then.
func oneTensorIn(t *testing.T, from, to string, data []byte) (model string, res node.AddResult, tensor cid.Cid) {
	t.Helper()
	model = modelDir(t, map[string][]byte{"a.safetensors": oneTensor(data)})
	n := startIn(t, from)
	res = named(t, n, model, "m")
	tensor, err := cid.Decode(call[node.ShowResult](t, n, "show", node.RefRequest{Ref: "m"}).FileList[0].Tensors[0].CID)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range []*node.Node{n, startIn(t, to)} {
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return model, res, tensor
}

// A get that was killed left 3 of the 6 chunks of a tensor: what needs no fetch the
// next time is more than nothing, and less than the whole tensor.
func TestReusedOfAResumedGet(t *testing.T) {
	const leaves, kept = 6, 3
	from, to := t.TempDir(), t.TempDir()
	model, res, tensor := oneTensorIn(t, from, to, weights(7, leaves*dag.MaxLeaf))
	copyChunks(t, openStore(t, from), openStore(t, to), tensor, kept)

	out := filepath.Join(t.TempDir(), "out")
	n := startIn(t, to, startIn(t, from))
	plan := call[node.GetResult](t, n, "get", node.GetRequest{Ref: res.CID, Out: out, DryRun: true})
	got := get(t, n, res.CID, out)
	sameTree(t, out, model)
	if want := int64(kept * dag.MaxLeaf); plan.Reused != want || got.Reused != want {
		t.Errorf("%d bytes are said to need no fetch, in a dry run %d, want %d", got.Reused, plan.Reused, want)
	}
}

// copyChunks copies the first most chunks of a tensor between stores, and closes
// them.
func copyChunks(t *testing.T, from, to *store.Store, tensor cid.Cid, most int) {
	t.Helper()
	defer closeStores(t, from, to)
	known, ok, err := from.Tensor(tensor)
	if err != nil || !ok {
		t.Fatalf("no tensor %s: %v", tensor, err)
	}
	r, err := from.Recipe(known.Recipe())
	if err != nil {
		t.Fatal(err)
	}
	for e, err := range r.Chunks.All(t.Context(), from) {
		if err != nil {
			t.Fatal(err)
		}
		if most--; most < 0 {
			return
		}
		b, err := from.Get(t.Context(), e.Chunk)
		if err == nil {
			err = to.Put(t.Context(), b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func closeStores(t *testing.T, stores ...*store.Store) {
	t.Helper()
	for _, s := range stores {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}
