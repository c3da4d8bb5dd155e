package study

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/zipnode/zipnode/testmodels"
)

// data returns directories of models: the small family, and the larger data where
// it is.
func data(t *testing.T) []string {
	t.Helper()
	small := t.TempDir()
	if err := testmodels.Write(small); err != nil {
		t.Fatal(err)
	}
	large := os.Getenv("ZIPNODE_TEST_DATA")
	if large == "" {
		large = filepath.Join("..", "..", "shared", "data")
	}
	if _, err := os.Stat(large); err != nil || testing.Short() {
		return []string{small}
	}
	return []string{small, large}
}

func analyze(t *testing.T, o Options, roots ...string) *Report {
	t.Helper()
	r, err := Analyze(t.Context(), roots, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func stored(t *testing.T, r *Report, way string) int64 {
	t.Helper()
	i := slices.IndexFunc(r.Ways, func(w Way) bool { return w.Name == way })
	if i < 0 {
		t.Fatalf("no way %q in %+v", way, r.Ways)
	}
	return r.Ways[i].Stored
}

// What is estimated is what encoding everything gives, to three hundredths; and
// every way that finds more stores less.
func TestEstimates(t *testing.T) {
	for _, dir := range data(t) {
		guess, exact := analyze(t, Options{}, dir), analyze(t, Options{Exact: true}, dir)
		for _, w := range exact.Ways {
			g := stored(t, guess, w.Name)
			t.Logf("%s: %s: %d, estimated %d (%+.2f %%)", filepath.Base(dir), w.Name, w.Stored, g, 100*(float64(g)/float64(w.Stored)-1))
			if math.Abs(float64(g)/float64(w.Stored)-1) > 0.03 {
				t.Errorf("%s: %s: %d, estimated %d", dir, w.Name, w.Stored, g)
			}
			if w.Error != 0 {
				t.Errorf("%s is exact, but for %v", w.Name, w.Error)
			}
		}
		for _, pair := range [][2]string{{TensorDedup, FileDedup}, {Zstd, FileDedup}, {ZipNN, Zstd}, {BitX, ZipNN}, {ZipLLM, BitX}} {
			if stored(t, exact, pair[0]) > stored(t, exact, pair[1]) {
				t.Errorf("%s: %s takes more than %s: %+v", dir, pair[0], pair[1], exact.Ways)
			}
		}
		if z := stored(t, guess, Zipnode); z >= stored(t, guess, ZipLLM) {
			t.Errorf("%s: zipnode is not ahead: %+v", dir, guess.Ways)
		}
	}
}

func TestSameTwice(t *testing.T) {
	dir := data(t)[0]
	a, b := analyze(t, Options{}, dir), analyze(t, Options{}, dir)
	if fmt.Sprint(a.Ways, a.Families, a.Layers, a.Duplicates) != fmt.Sprint(b.Ways, b.Families, b.Layers, b.Duplicates) {
		t.Errorf("two runs differ:\n%+v\n%+v", a, b)
	}
}

func TestWays(t *testing.T) {
	r := analyze(t, Options{Exact: true, Ways: []string{FileDedup}}, data(t)[0])
	if len(r.Ways) != 1 || len(r.Duplicates) != 1 || r.Duplicates[0].By != "file" {
		t.Errorf("asked for one way: %+v, %+v", r.Ways, r.Duplicates)
	}
}

// A card that lies is contradicted, one that tells the truth is not.
func TestFamilies(t *testing.T) {
	dir := data(t)[0]
	card := func(model, base string) {
		write(t, filepath.Join(dir, model, "README.md"), []byte("---\nbase_model: "+base+"\n---\n"))
	}
	write(t, filepath.Join(dir, "other", "model.safetensors"), safetensors("w", bytesOf(3, 1<<18)))
	card("finetune", "someone/other")
	card("lora-merged", "someone/base")
	r := analyze(t, Options{}, dir)
	if len(r.Families) != 2 || len(r.Families[0].Members) != 3 {
		t.Fatalf("families %+v", r.Families)
	}
	for _, m := range r.Families[0].Members {
		if got, want := m.Contradiction != "", m.Name == "finetune"; got != want {
			t.Errorf("%s: contradiction %q", m.Name, m.Contradiction)
		}
		if m.Under >= 0 && m.Distance <= 0 {
			t.Errorf("%s is %v bits from what it is under", m.Name, m.Distance)
		}
	}
	if len(r.Matrix.Names) != 4 {
		t.Errorf("matrix of %q", r.Matrix.Names)
	}
	if len(r.Layers) == 0 || len(r.Fields) == 0 {
		t.Errorf("no layers or fields: %+v, %+v", r.Layers, r.Fields)
	}
}

// A blob of a Hugging Face cache counts once, under the repository's name.
func TestHubCache(t *testing.T) {
	dir := t.TempDir()
	repo := filepath.Join(dir, "models--org--name")
	blob := safetensors("w", bytesOf(1, 1<<17))
	write(t, filepath.Join(repo, "blobs", "abc"), blob)
	write(t, filepath.Join(repo, "refs", "main"), []byte("0123456789abcdef"))
	for _, rev := range []string{"0123456789abcdef", "fedcba9876543210"} {
		link := filepath.Join(repo, "snapshots", rev, "model.safetensors")
		if err := errors.Join(os.MkdirAll(filepath.Dir(link), 0o755), os.Symlink("../../blobs/abc", link)); err != nil {
			t.Fatal(err)
		}
	}
	r := analyze(t, Options{}, dir)
	if r.Files != 1 || r.Bytes != int64(len(blob)) || r.Models != 1 {
		t.Errorf("%d files, %d bytes, %d models; want one of each, of %d bytes", r.Files, r.Bytes, r.Models, len(blob))
	}
	if name := r.Families[0].Members[0].Name; name != "org/name@01234567" {
		t.Errorf("it is called %q", name)
	}
}

func TestOddInput(t *testing.T) {
	t.Run("nothing", func(t *testing.T) {
		r := analyze(t, Options{}, t.TempDir())
		if r.Files != 0 || r.Partial {
			t.Errorf("%+v", r)
		}
	})
	t.Run("no directory", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "f")
		write(t, file, nil)
		for _, root := range []string{file, file + "-that-is-not"} {
			if _, err := Analyze(t.Context(), []string{root}, Options{}); err == nil || !strings.Contains(err.Error(), root) {
				t.Errorf("%s: %v", root, err)
			}
		}
	})
	t.Run("broken", func(t *testing.T) {
		dir := t.TempDir()
		whole := safetensors("w", bytesOf(1, 1<<17))
		write(t, filepath.Join(dir, "a", "model.safetensors"), whole)
		write(t, filepath.Join(dir, "b", "model.safetensors"), whole[:len(whole)/2])
		write(t, filepath.Join(dir, "c", "empty.safetensors"), nil)
		if err := os.Symlink("nowhere", filepath.Join(dir, "c", "link")); err != nil {
			t.Fatal(err)
		}
		r := analyze(t, Options{}, dir)
		if !r.Partial || len(r.Problems) != 1 || !strings.HasSuffix(r.Problems[0].Path, "link") {
			t.Errorf("problems %+v", r.Problems)
		}
		if r.Files != 3 { // what is cut short is a file of bytes
			t.Errorf("%d files", r.Files)
		}
	})
	t.Run("small files", func(t *testing.T) {
		dir := t.TempDir()
		n := 2000
		for i := range n {
			write(t, filepath.Join(dir, fmt.Sprint(i%20), fmt.Sprint(i)), fmt.Appendf(nil, "%d", i%1000))
		}
		r := analyze(t, Options{}, dir)
		if r.Files != int64(n) || r.Duplicates[0].Unique != 1000 || r.Models != 0 {
			t.Errorf("%d files, %+v, %d models", r.Files, r.Duplicates, r.Models)
		}
	})
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Analyze(ctx, []string{data(t)[0]}, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("interrupted: %v", err)
	}
}

// What the cache has is not read again; what is spoilt in it is.
func TestCache(t *testing.T) {
	dir, cache := data(t)[0], t.TempDir()
	first := analyze(t, Options{Cache: cache}, dir)
	again := analyze(t, Options{Cache: cache}, dir)
	if first.Cached != 0 || again.Cached == 0 {
		t.Errorf("%d bytes were cached, then %d", first.Cached, again.Cached)
	}
	if fmt.Sprint(first.Ways, first.Duplicates) != fmt.Sprint(again.Ways, again.Duplicates) {
		t.Errorf("with the cache: %+v, without: %+v", again.Ways, first.Ways)
	}
	entries, err := os.ReadDir(cache)
	if err != nil || len(entries) == 0 {
		t.Fatal(entries, err)
	}
	for _, e := range entries {
		path := filepath.Join(cache, e.Name())
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data[len(data)/2] ^= 1
		write(t, path, data)
	}
	if r := analyze(t, Options{Cache: cache}, dir); r.Cached != 0 || fmt.Sprint(r.Ways) != fmt.Sprint(first.Ways) {
		t.Errorf("%d bytes from a spoilt cache, %+v", r.Cached, r.Ways)
	}
	for _, e := range entries {
		write(t, filepath.Join(cache, e.Name()), []byte(cacheMagic))
	}
	if r := analyze(t, Options{Cache: cache}, dir); r.Cached != 0 {
		t.Errorf("%d bytes from an empty cache", r.Cached)
	}
}

// A set that holds a part of the chunks says about what one of all would.
func TestThinned(t *testing.T) {
	all, part := newChunkSet(), newChunkSet()
	part.shift = 4
	for i := range uint64(200_000) {
		var h [16]byte
		binary.LittleEndian.PutUint64(h[:], i%120_000*0x9e3779b97f4a7c15)
		binary.BigEndian.PutUint32(h[8:], uint32(i))
		x := h
		copy(h[8:], make([]byte, 8))
		h[0], h[1], h[2], h[3] = x[3], x[4], x[5], x[6]
		all.add(h, 100)
		part.add(h, 100)
	}
	for _, pair := range [][2]int64{{all.count, part.of(part.count)}, {all.again, part.of(part.again)}, {int64(len(all.seen)), part.of(int64(len(part.seen)))}} {
		if ratio := float64(pair[1]) / float64(pair[0]); math.Abs(ratio-1) > 0.05 {
			t.Errorf("%d of all, %d from a sixteenth", pair[0], pair[1])
		}
	}
	seen := len(all.seen)
	all.thin()
	if got := all.of(int64(len(all.seen))); math.Abs(float64(got)/float64(seen)-1) > 0.05 {
		t.Errorf("%d chunks, %d after thinning", seen, got)
	}
}

func TestLayerOf(t *testing.T) {
	for name, want := range map[string]string{
		"model.layers.11.mlp.up_proj.weight": "layers.11", "bert.embeddings.word.weight": "embeddings",
		"w": "w", "": "", "h.0.attn": "h.0", "0.1": "0.1", "model": "model",
	} {
		if got := layerOf(name); got != want {
			t.Errorf("layerOf(%q) = %q, want %q", name, got, want)
		}
	}
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o644)); err != nil {
		t.Fatal(err)
	}
}

// safetensors returns a file of one tensor of U8.
func safetensors(name string, data []byte) []byte {
	head := fmt.Sprintf(`{%q:{"dtype":"U8","shape":[%d],"data_offsets":[0,%d]}}`, name, len(data), len(data))
	head += strings.Repeat(" ", (8-len(head)%8)%8)
	return append(append(binary.LittleEndian.AppendUint64(nil, uint64(len(head))), head...), data...)
}

// bytesOf returns n bytes that seed alone decides.
func bytesOf(seed uint64, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		seed ^= seed << 13
		seed ^= seed >> 7
		seed ^= seed << 17
		out[i] = byte(seed >> 32)
	}
	return out
}
