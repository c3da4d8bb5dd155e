package node_test

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/zipnode/zipnode/node"
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
