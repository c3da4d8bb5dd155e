package dag_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/layout"
	"github.com/zipnode/zipnode/tensor/tensortest"
)

var update = flag.Bool("update", false, "rewrite testdata, and the dump in docs/format.md")

// golden compares got with the file name of testdata, and rewrites that with
// -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(got, want) {
		return
	}
	t.Errorf("%s: identity or format changed; CIDs are for ever, so that is a mistake unless only cases were added: then rerun with -update:\n%s", path, firstDifference(string(got), string(want)))
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return fmt.Sprintf("line %d\ngot  %.200s\nwant %.200s", i+1, g[i], w[i])
		}
	}
	return "one is longer"
}

func goldenJSON(t *testing.T, name string, v any) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "\t")
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	golden(t, name, b.Bytes())
}

// vectors are for readers in other languages too.
type vectors struct {
	About       []string    `json:"about"`
	Files       []fileVec   `json:"files"`
	Directories []dirVec    `json:"directories"`
	Recipes     []recipeVec `json:"recipes"`
	Packings    []packVec   `json:"packings"`
}

var about = []string{
	"Bytes are in hexadecimal. Blocks of more than 2000 bytes are given by CID and length alone.",
	"pattern(n) is n bytes of the generator x = x*1664525 + 1013904223 mod 2^32 from x = 1: before each byte x moves on, and the byte is its highest 8 bits.",
	"files: parts are the sizes of a file's extents, in order, cut from pattern(their sum); each is cut into leaves of so many bytes, grouped, and the file groups the extents that are not empty.",
	"directories: each file is pattern(its size) in one leaf. Those with a count hold that many files, of which number i is called by the %05d of i and \".bin\", and has its name as its bytes.",
	"recipes: those with a count have that many chunks; number i is the raw block of i in decimal, said to be of 524288 bytes.",
	"packings: those with a count have that many nodes, files and recipes; node i is the raw block of i in decimal, file i the %05d of i and \".bin\" with the sha256 of i in decimal, recipe i the dag-cbor block of i in decimal.",
}

type blockVec struct {
	CID    string `json:"cid"`
	Length int    `json:"length"`
	Bytes  string `json:"bytes,omitempty"`
}

func vecOf(b blocks.Block) blockVec {
	v := blockVec{CID: b.Cid().String(), Length: len(b.RawData())}
	if v.Length <= 2000 {
		v.Bytes = hex.EncodeToString(b.RawData())
	}
	return v
}

// A recorder keeps the blocks that a builder emits, in order.
type recorder struct{ out []blockVec }

func (r *recorder) emit(b blocks.Block) error {
	r.out = append(r.out, vecOf(b))
	return nil
}

type fileVec struct {
	Name    string     `json:"name"`
	Leaf    int        `json:"leaf"`
	Parts   []int      `json:"parts"`
	CID     string     `json:"cid"`
	Size    int64      `json:"size"`
	DagSize uint64     `json:"dag_size"`
	Nodes   []blockVec `json:"nodes"`
}

func fileVectors(t testing.TB) []fileVec {
	list := []fileVec{
		{Name: "empty", Leaf: 1 << 20},
		{Name: "one byte", Leaf: 1 << 20, Parts: []int{1}},
		{Name: "one leaf", Leaf: 1 << 20, Parts: []int{1 << 20}},
		{Name: "one leaf and a byte", Leaf: 1 << 20, Parts: []int{1<<20 + 1}},
		{Name: "several leaves", Leaf: 1 << 20, Parts: []int{3<<20 + 17}},
		{Name: "uneven extents", Leaf: 1 << 20, Parts: []int{119, 8, 12}},
		{Name: "empty extents have no child", Leaf: 1 << 20, Parts: []int{0, 100, 0, 8, 0, 0, 3, 0}},
		{Name: "only empty extents", Leaf: 1 << 20, Parts: []int{0, 0}},
		{Name: "a lone child is the file", Leaf: 1 << 20, Parts: []int{0, 40, 0}},
		{Name: "a lone tensor is the file", Leaf: 16, Parts: []int{0, 40, 0}},
		{Name: "a tensor of several leaves nests", Leaf: 1 << 20, Parts: []int{3, 2<<20 + 1, 5, 1 << 20}},
		{Name: "1024 children", Leaf: 1, Parts: []int{1024}},
		{Name: "1025 children", Leaf: 1, Parts: []int{1025}},
		{Name: "1025 children nest", Leaf: 1, Parts: []int{2, 1025, 1}},
	}
	for i := range list {
		v := &list[i]
		total := 0
		for _, n := range v.Parts {
			total += n
		}
		rec := &recorder{out: []blockVec{}}
		c := joinParts(t, rec.emit, tensortest.Pattern(total), v.Leaf, v.Parts)
		v.CID, v.Size, v.DagSize, v.Nodes = c.CID.String(), c.Size, c.DagSize, rec.out
		v.Parts = append([]int{}, v.Parts...)
	}
	return list
}

// joinParts builds a file of the given parts of data.
func joinParts(t testing.TB, emit func(blocks.Block) error, data []byte, leaf int, parts []int) dag.Child {
	t.Helper()
	file := dag.NewFileBuilder(emit)
	for _, n := range parts {
		part := dag.NewFileBuilder(emit)
		for rest := data[:n]; len(rest) > 0; rest = rest[min(leaf, len(rest)):] {
			if err := part.Add(dag.Leaf(rest[:min(leaf, len(rest))])); err != nil {
				t.Fatal(err)
			}
		}
		c, err := part.Finish()
		if err == nil {
			err = file.Add(c)
		}
		if err != nil {
			t.Fatal(err)
		}
		data = data[n:]
	}
	c, err := file.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type dirVec struct {
	Name    string         `json:"name"`
	Files   map[string]int `json:"files,omitempty"`
	Count   int            `json:"count,omitempty"`
	CID     string         `json:"cid"`
	DagSize uint64         `json:"dag_size"`
	Nodes   []blockVec     `json:"nodes"`
}

func dirVectors(t *testing.T) []dirVec {
	list := []dirVec{
		{Name: "empty"},
		{Name: "one file", Files: map[string]int{"model.safetensors": 100}},
		{Name: "links go by their names' bytes", Files: map[string]int{"b": 1, "a": 2, "B": 3, "ab": 4, ".a": 0, "ü": 5}},
		{Name: "nested", Files: map[string]int{"a/b/c": 1, "a/b/d": 2, "a/e": 3, "f": 4, "z/c": 1}},
		{Name: "the last that is not sharded", Count: 4946},
		{Name: "the first that is sharded", Count: 4947},
		{Name: "shards of shards", Count: 20_000},
	}
	for i := range list {
		v := &list[i]
		files := map[string]dag.Child{}
		for path, n := range v.Files {
			files[path] = dag.Leaf(tensortest.Pattern(n))
		}
		for i := range v.Count {
			name := fmt.Sprintf("%05d.bin", i)
			files[name] = dag.Leaf([]byte(name))
		}
		rec := &recorder{}
		c, err := dag.BuildDir(t.Context(), files, rec.emit)
		if err != nil {
			t.Fatal(err)
		}
		v.CID, v.DagSize, v.Nodes = c.CID.String(), c.DagSize, rec.out
		if len(v.Nodes) > 100 { // the root stands for the rest
			v.Nodes = v.Nodes[len(v.Nodes)-1:]
		}
	}
	return list
}

type baseVec struct {
	Of    string     `json:"of"`
	DType string     `json:"dtype"`
	Map   [][3]int64 `json:"map,omitempty"`
}

type entryVec struct {
	Chunk  string `json:"chunk"`
	Length int    `json:"length"`
}

type recipeVec struct {
	Name   string     `json:"name"`
	Of     string     `json:"of"`
	Size   int64      `json:"size"`
	DType  string     `json:"dtype"`
	Bases  []baseVec  `json:"bases"`
	Side   string     `json:"side,omitempty"`
	Chunks []entryVec `json:"chunks,omitempty"`
	Count  int        `json:"count,omitempty"`
	CID    string     `json:"cid"`
	Blocks []blockVec `json:"blocks"`
}

func rawCID(s string) string { return dag.Raw([]byte(s)).String() }
func nodeCID(s string) string {
	return cid.NewCidV1(cid.DagProtobuf, dag.Raw([]byte(s)).Hash()).String()
}

func recipeVectors(t testing.TB) []recipeVec {
	one := []entryVec{{rawCID("chunk"), 300}}
	list := []recipeVec{
		{Name: "stand-alone", Of: rawCID("tensor"), Size: 4096, DType: "BF16", Chunks: one},
		{Name: "the leaf is its own chunk", Of: rawCID("tensor"), Size: 6, DType: "opaque", Chunks: []entryVec{{rawCID("tensor"), 6}}},
		{Name: "one base", Of: rawCID("tensor"), Size: 4096, DType: "BF16", Bases: []baseVec{{Of: rawCID("base"), DType: "BF16"}}, Chunks: one},
		{Name: "two bases, one with spans", Of: rawCID("tensor"), Size: 4096, DType: "F16", Bases: []baseVec{
			{Of: nodeCID("base"), DType: "BF16", Map: [][3]int64{{0, 100_000, 1000}, {1000, 0, 24}, {2000, 1 << 33, 48}}},
			{Of: rawCID("base"), DType: "F16"},
		}, Chunks: one},
		{Name: "a side block", Of: rawCID("tensor"), Size: 4096, DType: "Q4_K", Side: rawCID("side"), Chunks: one},
		{Name: "three leaves", Of: nodeCID("tensor"), Size: 2<<20 + 1, DType: "F32", Chunks: []entryVec{
			{rawCID("chunk 0"), 23}, {rawCID("chunk 1"), 1 << 20}, {rawCID("chunk 2"), 1},
		}},
		{Name: "a dtype that nobody knows", Of: rawCID("tensor"), Size: 1, DType: "Ω7", Chunks: []entryVec{{rawCID("chunk"), 1}}},
		{Name: "the most chunks that lie inline", Of: nodeCID("tensor"), Size: 5577 << 20, DType: "BF16", Count: 5577},
		{Name: "the fewest chunks that lie in a page", Of: nodeCID("tensor"), Size: 5578 << 20, DType: "BF16", Count: 5578},
		{Name: "a full page", Of: nodeCID("tensor"), Size: 8192 << 20, DType: "BF16", Count: 8192},
		{Name: "a full page and one more", Of: nodeCID("tensor"), Size: 8192<<20 + 1, DType: "BF16", Count: 8193},
		{Name: "three pages, bases and a side block", Of: nodeCID("tensor"), Size: 20_000 << 20, DType: "BF16", Count: 20_000,
			Side: rawCID("side"), Bases: []baseVec{{Of: nodeCID("base"), DType: "BF16"}, {Of: nodeCID("other base"), DType: "BF16"}}},
	}
	for i := range list {
		v := &list[i]
		if v.Bases == nil {
			v.Bases = []baseVec{}
		}
		rec := &recorder{}
		b, err := dag.EncodeRecipe(v.recipe(t), v.entries(t), rec.emit)
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		v.CID, v.Blocks = b.Cid().String(), append(rec.out, vecOf(b))
	}
	return list
}

func (v *recipeVec) recipe(t testing.TB) *dag.Recipe {
	r := &dag.Recipe{Of: decodeCID(t, v.Of), Size: v.Size, DType: tensor.DType(v.DType)}
	for _, b := range v.Bases {
		base := dag.Base{Of: decodeCID(t, b.Of), DType: tensor.DType(b.DType)}
		for _, m := range b.Map {
			base.Map = append(base.Map, dag.Span{Dst: m[0], Src: m[1], Count: m[2]})
		}
		r.Bases = append(r.Bases, base)
	}
	if v.Side != "" {
		r.Side = decodeCID(t, v.Side)
	}
	return r
}

func (v *recipeVec) entries(t testing.TB) func(func(dag.Entry) bool) {
	return func(yield func(dag.Entry) bool) {
		for _, e := range v.Chunks {
			if !yield(dag.Entry{Chunk: decodeCID(t, e.Chunk), Length: e.Length}) {
				return
			}
		}
		for i := range v.Count {
			if !yield(dag.Entry{Chunk: dag.Raw(fmt.Append(nil, i)), Length: 1 << 19}) {
				return
			}
		}
	}
}

func decodeCID(t testing.TB, s string) cid.Cid {
	t.Helper()
	c, err := cid.Decode(s)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

type sumVec struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

type packVec struct {
	Name    string     `json:"name"`
	Of      string     `json:"of"`
	Nodes   []string   `json:"nodes,omitempty"`
	Files   []sumVec   `json:"files,omitempty"`
	Recipes []string   `json:"recipes,omitempty"`
	Count   int        `json:"count,omitempty"`
	CID     string     `json:"cid"`
	Blocks  []blockVec `json:"blocks"`
}

func packVectors(t testing.TB) []packVec {
	sum := hex.EncodeToString(dag.Raw([]byte("file")).Hash()[2:])
	list := []packVec{
		{Name: "small", Of: nodeCID("model"), Nodes: []string{rawCID("model"), rawCID("file")},
			Files: []sumVec{{"a/ü.safetensors", sum}, {"config.json", sum}}, Recipes: []string{dag.CBOR([]byte("base")).String(), dag.CBOR([]byte("tensor")).String()}},
		{Name: "nothing but a root", Of: nodeCID("model"), Nodes: []string{rawCID("model")}},
		{Name: "paged", Of: nodeCID("model"), Count: 10_000},
	}
	for i := range list {
		v := &list[i]
		rec := &recorder{}
		w := dag.NewPackingWriter(rec.emit)
		v.write(t, w)
		c, err := w.Finish(decodeCID(t, v.Of))
		if err != nil {
			t.Fatal(err)
		}
		v.CID, v.Blocks = c.String(), rec.out
	}
	return list
}

func (v *packVec) write(t testing.TB, w *dag.PackingWriter) {
	check := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range v.Nodes {
		check(w.Node(decodeCID(t, c)))
	}
	for _, f := range v.Files {
		h, err := hex.DecodeString(f.SHA256)
		check(err)
		check(w.File(dag.FileSum{Path: f.Path, SHA256: [32]byte(h)}))
	}
	for _, c := range v.Recipes {
		check(w.Recipe(decodeCID(t, c)))
	}
	for i := range v.Count {
		number := fmt.Append(nil, i)
		check(w.Node(dag.Raw(number)))
		check(w.File(dag.FileSum{Path: fmt.Sprintf("%05d.bin", i), SHA256: [32]byte(dag.Raw(number).Hash()[2:])}))
		check(w.Recipe(dag.CBOR(number)))
	}
}

func TestVectors(t *testing.T) {
	goldenJSON(t, "vectors.json", vectors{
		About: about, Files: fileVectors(t), Directories: dirVectors(t), Recipes: recipeVectors(t), Packings: packVectors(t),
	})
}

// cut builds the file that data is, as add does: its extents, each in leaves of
// 1 MiB. Every block goes to m.
func cut(t testing.TB, m blockMap, data []byte) dag.Child {
	t.Helper()
	lay, err := layout.Of(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	var parts []int
	for e := range lay.Extents.All() {
		parts = append(parts, int(e.Size))
		for rest := data[e.Offset:][:e.Size]; len(rest) > 0; rest = rest[min(dag.MaxLeaf, len(rest)):] {
			m.leaf(rest[:min(dag.MaxLeaf, len(rest))])
		}
	}
	m.leaf(nil)
	return joinParts(t, m.emit, data, dag.MaxLeaf, parts)
}

func (m blockMap) leaf(data []byte) cid.Cid {
	b, err := blocks.NewBlockWithCid(data, dag.Raw(data))
	if err != nil {
		panic(err)
	}
	m[b.Cid()] = b
	return b.Cid()
}

// model is the directory of all of tensortest's files.
func model(t testing.TB, m blockMap) (files map[string]dag.Child, root dag.Child) {
	t.Helper()
	files = map[string]dag.Child{}
	for _, f := range tensortest.Files() {
		c := cut(t, m, f.Data)
		if c.Size != int64(len(f.Data)) {
			t.Errorf("%s: file of %d bytes, want %d", f.Name, c.Size, len(f.Data))
		}
		files[f.Name] = c
	}
	root, err := dag.BuildDir(t.Context(), files, m.emit)
	if err != nil {
		t.Fatal(err)
	}
	return files, root
}

// TestModelCIDs guards identity end to end: where good and malformed files are
// cut, and what the file and the model of them are called.
func TestModelCIDs(t *testing.T) {
	files, root := model(t, blockMap{})
	out := struct {
		Model string            `json:"model"`
		Files map[string]string `json:"files"`
	}{root.CID.String(), map[string]string{}}
	for name, c := range files {
		out.Files[name] = c.CID.String()
	}
	goldenJSON(t, "cids.json", out)
	if root.Size != sizeOf(files) {
		t.Errorf("model of %d bytes, want %d", root.Size, sizeOf(files))
	}
}

func sizeOf(files map[string]dag.Child) int64 {
	n := int64(0)
	for _, c := range files {
		n += c.Size
	}
	return n
}

// Files are told in the order of the directory's nodes, whatever the order in
// which they were given.
func TestFilesInOrder(t *testing.T) {
	m := blockMap{}
	_, root := model(t, m)
	var paths []string
	visited := 0
	for f, err := range dag.Files(t.Context(), m, root.CID, func(blocks.Block) error { visited++; return nil }) {
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, f.Path)
	}
	if !slices.IsSorted(paths) || len(paths) != len(tensortest.Files()) {
		t.Errorf("%d files, want %d in order", len(paths), len(tensortest.Files()))
	}
	if visited != 5 { // the root and the directory of each format
		t.Errorf("%d directory nodes visited, want 5", visited)
	}
}
