//go:build unix

package node_test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/zipnode/zipnode/node"
)

// An import of a pipe that nobody writes to, or no more, ends when whoever asked
// for it goes: it has the turn to write.
func TestImportOfSilentPipe(t *testing.T) {
	n := start(t)
	pipe := filepath.Join(t.TempDir(), "m.car")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Skip("no pipes here: ", err)
	}
	req, err := json.Marshal(node.ImportRequest{Path: pipe})
	if err != nil {
		t.Fatal(err)
	}
	for _, written := range []bool{false, true} {
		if written { // one end, as a writer that has stopped
			w, err := os.OpenFile(pipe, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer w.Close()
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		ended := make(chan error, 1)
		go func() {
			_, err := n.Call(ctx, "import", req, time.Second, nil)
			ended <- err
		}()
		select {
		case err := <-ended:
			if err == nil {
				t.Error("nothing was imported")
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("import does not end, a writer: %v", written)
		}
	}
	named(t, n, modelDir(t, map[string][]byte{"f": []byte("f")}), "m")
}
