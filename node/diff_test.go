package node_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/tensor/tensortest"
)

// A tensor is known by its name; what of it moved is counted to the element.
func TestDiff(t *testing.T) {
	n := start(t)
	w := weights(1, 3<<20)
	moved := append([]byte{}, w...)
	for i := range 1000 { // 1000 elements of the second leaf, and one of the third
		moved[1<<20+200*i] ^= 1
	}
	moved[len(moved)-1] ^= 1
	header := func(first, second, third string) string {
		return `{"` + first + `":{"dtype":"BF16","shape":[1536,1024],"data_offsets":[0,3145728]},` +
			`"` + second + `":{"dtype":"BF16","shape":[512],"data_offsets":[3145728,3146752]},` +
			`"` + third + `":{"dtype":"BF16","shape":[4,128],"data_offsets":[3146752,3147776]}}`
	}
	small, other := weights(2, 1024), weights(3, 1024)
	a := modelDir(t, map[string][]byte{
		"model.safetensors": tensortest.Safetensors(header("w", "same", "gone"), append(append(append([]byte{}, w...), small...), other...)),
		"config.json":       []byte("{}"), "old.txt": []byte("old"),
	})
	b := modelDir(t, map[string][]byte{
		"model.safetensors": tensortest.Safetensors(header("w", "same", "new"), append(append(append([]byte{}, moved...), small...), other...)),
		"config.json":       []byte("{ }"), "new.txt": []byte("new"),
	})
	named(t, n, a, "a")
	cid := named(t, n, b, "b").CID
	got := call[node.DiffResult](t, n, "diff", node.DiffRequest{A: "a", B: cid})
	if got.A.Name != "a" || got.B.CID != cid || got.B.Name != "b" {
		t.Errorf("compared %+v with %+v", got.A, got.B)
	}
	if got.Same != 1 || got.Delta != 1 || got.OnlyA != 1 || got.OnlyB != 1 || got.Shape != 0 || got.SameBytes != 1024 {
		t.Errorf("totals %+v", got)
	}
	kinds := map[string]string{}
	for _, x := range got.Tensors {
		kinds[x.Name] = x.Kind
		if x.Name != "w" {
			continue
		}
		if x.Changed != 1001 || x.Elements != 3<<19 || x.Share != 1001/float64(3<<19) {
			t.Errorf("%d of %d elements changed, share %v, want 1001 of %d", x.Changed, x.Elements, x.Share, 3<<19)
		}
		if x.Bits != 8*float64(x.Encoded)/float64(x.Elements) || x.Bits <= 0 || x.Bits > 1 {
			t.Errorf("%v bits an element, %d bytes", x.Bits, x.Encoded)
		}
	}
	want := map[string]string{"w": node.DiffDelta, "same": node.DiffSame, "gone": node.DiffOnlyA, "new": node.DiffOnlyB}
	for name, kind := range want {
		if kinds[name] != kind {
			t.Errorf("%s is %q, want %q", name, kinds[name], kind)
		}
	}
	files := map[string]string{}
	for _, f := range got.Files {
		files[f.Path] = f.Kind
	}
	if len(files) != 3 || files["config.json"] != "differs" || files["old.txt"] != node.DiffOnlyA || files["new.txt"] != node.DiffOnlyB {
		t.Errorf("files %v", files)
	}
	if same := call[node.DiffResult](t, n, "diff", node.DiffRequest{A: "b", B: "b"}); same.Same != 3 || same.Delta != 0 || len(same.Files) != 0 {
		t.Errorf("a model beside itself: %+v", same)
	}
	for _, ref := range []node.DiffRequest{{A: "a", B: "nobody"}, {A: "bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi", B: "b"}} {
		if _, err := try[node.DiffResult](t, n, "diff", ref); code(err) != node.CodeNotFound {
			t.Errorf("diff %+v: %v, want not_found", ref, err)
		}
	}
}

// A tensor of another shape or dtype is not compared element by element.
func TestDiffShape(t *testing.T) {
	n := start(t)
	f32 := make([]byte, 2048)
	for i := range 512 {
		binary.LittleEndian.PutUint32(f32[4*i:], math.Float32bits(float32(i)))
	}
	grown := `{"w":{"dtype":"BF16","shape":[8,128],"data_offsets":[0,2048]}}`
	wide := `{"w":{"dtype":"F32","shape":[4,128],"data_offsets":[0,2048]}}`
	plain := `{"w":{"dtype":"BF16","shape":[4,128],"data_offsets":[0,1024]}}`
	named(t, n, modelDir(t, map[string][]byte{"m.safetensors": tensortest.Safetensors(plain, weights(1, 1024))}), "plain")
	for name, file := range map[string][]byte{"grown": tensortest.Safetensors(grown, weights(1, 2048)), "wide": tensortest.Safetensors(wide, f32)} {
		named(t, n, modelDir(t, map[string][]byte{"m.safetensors": file}), name)
		got := call[node.DiffResult](t, n, "diff", node.DiffRequest{A: "plain", B: name})
		if got.Shape != 1 || got.Delta+got.Same != 0 || got.Tensors[0].WasDType != "BF16" || len(got.Tensors[0].WasShape) != 2 {
			t.Errorf("plain and %s: %+v", name, got)
		}
	}
}
