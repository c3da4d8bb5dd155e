package node_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/node"
)

// A node has a base and a fine-tune of it, its peer the fine-tune alone, in
// another form. Whatever is damaged, the fine-tune is mended, and what is not is
// named, as the base's, by this verify and by the next. With -full every block is
// damaged in turn: minutes.
func TestRepairOfWhatPeersLack(t *testing.T) {
	base, tuned := models(t)[0][0], models(t)[0][1]
	dir, saved := t.TempDir(), t.TempDir()
	a, b := startIn(t, dir), start(t)
	add(t, a, base, "")
	add(t, a, tuned, "")
	add(t, b, tuned, "none")
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(saved, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	all := sections(t, filepath.Join(dir, "packs", "000001.car"))
	if testing.Short() {
		t.Skip("waits for peers that do not answer")
	}
	if !*full {
		all = slices.DeleteFunc(all, func(s section) bool { return s.size < 100_000 && s.codec != cid.DagProtobuf })
		all = []section{all[0], all[len(all)-1]} // a chunk of the base, and the root
	}
	for _, s := range all {
		if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(saved))); err != nil {
			t.Fatal(err)
		}
		damage(t, filepath.Join(dir, "packs", "000001.car"), s.offset+s.size/2)
		a := startIn(t, dir, b)
		v := call[node.VerifyResult](t, a, "verify", nil)
		if len(v.Corrupt) == 0 {
			t.Errorf("damage at %+v was not found", s)
		}
		want := len(v.Corrupt) - v.Repaired
		v = call[node.VerifyResult](t, a, "verify", nil)
		if len(v.Corrupt) != want || v.Repaired != 0 {
			t.Errorf("damage at %+v: %d blocks were not repaired, but the next verify says %+v", s, want, v.Corrupt)
		}
		for _, d := range v.Corrupt {
			if !slices.Contains(d.Models, filepath.Base(base)) {
				t.Errorf("damage at %+v: %s is left, of %q, not of the base", s, d.CID, d.Models)
			}
		}
		out := filepath.Join(t.TempDir(), "out")
		get(t, a, filepath.Base(tuned), out)
		sameTree(t, out, tuned)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Where the root is damaged, nothing leads from the model to its tensors. Those that
// lost a recipe are set aside all the same: adding the model again makes it whole,
// as verify promises, and does not find them here.
func TestAddAgainAfterDamage(t *testing.T) {
	model := modelDir(t, map[string][]byte{"a.safetensors": oneTensor(weights(5, 3<<20)), "b.safetensors": oneTensor(weights(6, 1<<20))})
	dir := t.TempDir()
	n := startIn(t, dir)
	named(t, n, model, "m")
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	pack := filepath.Join(dir, "packs", "000001.car")
	for _, s := range sections(t, pack) {
		if s.codec != cid.Raw {
			damage(t, pack, s.offset+s.size/2)
		}
	}
	n = startIn(t, dir)
	if res := call[node.LsResult](t, n, "ls", nil); len(res.Models) != 1 {
		t.Errorf("models listed: %+v", res.Models)
	}
	v := call[node.VerifyResult](t, n, "verify", nil)
	if left := len(v.Corrupt) - v.Repaired; left < 3 {
		t.Errorf("%d blocks are damaged, want the root, and two recipes or more: %+v", left, v.Corrupt)
	}
	named(t, n, model, "m")
	if v := call[node.VerifyResult](t, n, "verify", nil); len(v.Corrupt) > 0 {
		t.Errorf("after adding it again: %+v", v.Corrupt)
	}
	wantModel(t, n, "m", model)
}

// A section is where a block lies in a pack.
type section struct {
	offset, size int64
	codec        uint64
}

// sections lists the blocks of the pack at path that have bytes.
func sections(t *testing.T, path string) []section {
	t.Helper()
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := dag.NewCARReader(bytes.NewReader(whole))
	_, _ = r.Header() // it is read over, and refused: the root of a pack is a placeholder
	var out []section
	at := 0
	for {
		b, err := r.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		at += bytes.Index(whole[at:], b.RawData())
		if n := len(b.RawData()); n > 0 {
			out = append(out, section{int64(at), int64(n), b.Cid().Type()})
			at += n
		}
	}
}

// damage flips a bit of the file at path.
func damage(t *testing.T, path string, offset int64) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, flip(data, int(offset)), 0o600); err != nil {
		t.Fatal(err)
	}
}
