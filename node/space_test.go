package node_test

import (
	"path/filepath"
	"testing"

	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/store/storetest"
)

// Add, get, seed and import that do not fit, by the quota or on the disk, end
// with the code of a full disk. What was there stays, gc frees, and then there
// is room.
func TestNoRoom(t *testing.T) {
	small, large := twoTensors(t, weights(1, 80<<10), "small"), twoTensors(t, weights(2, 600<<10), "large")
	fits := twoTensors(t, weights(3, 80<<10), "fits")
	peer := start(t)
	far := add(t, peer, large, "none")
	car := filepath.Join(t.TempDir(), "large.car")
	call[node.ExportResult](t, peer, "export", node.ExportRequest{Ref: far.CID, Path: car})
	for _, limit := range []struct {
		what     string
		quota    int64
		capacity int64
	}{{"quota", 256 << 10, 0}, {"disk", 0, 1 << 20}} {
		t.Run(limit.what, func(t *testing.T) {
			disk := storetest.NewDisk()
			disk.SetCapacity(limit.capacity)
			cfg := node.Config{Network: true, Quota: limit.quota, Bootstrap: call[node.IDResult](t, peer, "id", nil).Addrs}
			n, err := node.Open(t.Context(), cfg.WithDisk(disk))
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := n.Close(); err != nil {
					t.Error(err)
				}
			}()
			named(t, n, small, "small")
			for op, args := range map[string]any{
				"add":    node.AddRequest{Path: large, Name: "large"},
				"get":    node.GetRequest{Ref: far.CID, Out: filepath.Join(t.TempDir(), "out")},
				"seed":   node.SeedRequest{Ref: far.CID},
				"import": node.ImportRequest{Path: car, Name: "large"},
			} {
				if _, err := try[any](t, n, op, args); code(err) != node.CodeDisk {
					t.Errorf("%s without room: %v (%s), want the code %s", op, err, code(err), node.CodeDisk)
				}
				if err := hasOneOf(t, n, names{"small": small}); err != nil {
					t.Errorf("after a failed %s: %v", op, err)
				}
			}
			call[node.RmResult](t, n, "rm", node.RefRequest{Ref: "small"})
			if res := call[node.GCResult](t, n, "gc", node.GCRequest{}); res.Freed == 0 || res.Kept > 0 {
				t.Errorf("gc frees %d bytes and keeps %d blocks", res.Freed, res.Kept)
			}
			named(t, n, fits, "fits")
			if err := hasOneOf(t, n, names{"fits": fits}); err != nil {
				t.Error(err)
			}
		})
	}
}
