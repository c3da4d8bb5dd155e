package dag_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/tensor"
)

// The worked dump of docs/format.md: one tiny model, every byte of it with its
// meaning. The bytes are put together here by hand, field by field, and then
// compared with what the code makes of the same model, so neither can drift.

// A piece is a field: its bytes and what they mean.
type piece struct {
	bytes []byte
	what  string
}

// again is the meaning of bytes that were shown before: the dump has only their
// first line.
const again = "…, as above"

// A dumped is a run of pieces under a title.
type dumped struct {
	title  string
	pieces []piece
}

func (d dumped) bytes() []byte {
	var out []byte
	for _, p := range d.pieces {
		out = append(out, p.bytes...)
	}
	return out
}

// text writes d, 16 bytes a line, the meaning beside the first.
func (d dumped) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", d.title)
	at := 0
	for _, p := range d.pieces {
		what := "  " + p.what
		for rest := p.bytes; len(rest) > 0; {
			n := min(16, len(rest))
			if p.what == again {
				rest = rest[:n]
			}
			fmt.Fprintf(&b, "%s\n", strings.TrimRight(fmt.Sprintf("  %04x  %-47x%s", at, spaced(rest[:n]), what), " "))
			rest, at, what = rest[n:], at+n, ""
		}
		if p.what == again {
			at += len(p.bytes) - min(16, len(p.bytes))
		}
	}
	return b.String()
}

// spaced prints as hexadecimal with spaces between the bytes.
type spaced []byte

func (s spaced) Format(f fmt.State, _ rune) {
	text := fmt.Sprintf("% x", []byte(s))
	width, _ := f.Width()
	fmt.Fprintf(f, "%-*s", width, text)
}

// fields of dag-cbor and of protobuf, with their meaning.

func cborText(s, what string) piece { return piece{text(s), what} }
func cborCID(c cid.Cid, what string) []piece {
	return []piece{{head(2, uint64(c.ByteLen())), "36 bytes"}, {c.Bytes(), what}}
}

func cborLink(c cid.Cid, what string) []piece {
	return []piece{
		{slices.Concat(head(6, 42), head(2, uint64(c.ByteLen()+1)), []byte{0}), "a link: tag 42, 37 bytes, 0"},
		{c.Bytes(), what},
	}
}

func pbLink(name string, c cid.Cid, size uint64, what string) []piece {
	id := c.Bytes()
	link := slices.Concat([]byte{0x0a, byte(len(id))}, id, []byte{0x12, byte(len(name))}, []byte(name), []byte{0x18}, binary.AppendUvarint(nil, size))
	return []piece{
		{[]byte{0x12, byte(len(link))}, fmt.Sprintf("PBNode.Links: a PBLink of %d bytes", len(link))},
		{[]byte{0x0a, byte(len(id))}, "Hash, 36 bytes"},
		{id, what},
		{slices.Concat([]byte{0x12, byte(len(name))}, []byte(name)), fmt.Sprintf("Name %q", name)},
		{slices.Concat([]byte{0x18}, binary.AppendUvarint(nil, size)), fmt.Sprintf("Tsize %d", size)},
	}
}

// tiny is the model of the dump.
type tiny struct {
	header, a, b, tuned []byte // the leaves; tuned is b after fine-tuning
	chunkA, chunkB      dumped
	chunkTuned          dumped
	recipes             [3]dumped // of header, a, b
	recipeTuned         dumped
	file, dir, packing  dumped
}

func (w *tiny) data() []byte { return slices.Concat(w.header, w.a, w.b) }

func newTiny(t *testing.T) *tiny {
	t.Helper()
	w := &tiny{}
	json := `{"a":{"dtype":"BF16","shape":[8],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[8],"data_offsets":[16,48]}}`
	w.header = append(binary.LittleEndian.AppendUint64(nil, uint64(len(json))), json...)
	for i := range 8 {
		w.a = append(w.a, 0x80, 0x3f) // BF16 1.0
		f := math.Float32bits(1 + float32(i)/8)
		w.b = binary.LittleEndian.AppendUint32(w.b, f)
		w.tuned = binary.LittleEndian.AppendUint32(w.tuned, f^1)
	}
	w.chunks()
	w.recipes[0] = w.recipe("of the header", dag.Raw(w.header), len(w.header), "opaque", dag.Raw(w.header), len(w.header), cid.Undef)
	w.recipes[1] = w.recipe(`of tensor "a"`, dag.Raw(w.a), 16, "BF16", dag.Raw(w.chunkA.bytes()), len(w.chunkA.bytes()), cid.Undef)
	w.recipes[2] = w.recipe(`of tensor "b"`, dag.Raw(w.b), 32, "F32", dag.Raw(w.chunkB.bytes()), len(w.chunkB.bytes()), cid.Undef)
	w.recipeTuned = w.recipe(`of "b" fine-tuned, against "b"`, dag.Raw(w.tuned), 32, "F32", dag.Raw(w.chunkTuned.bytes()), len(w.chunkTuned.bytes()), dag.Raw(w.b))
	w.nodes()
	w.packs()
	return w
}

func (w *tiny) chunks() {
	w.chunkA = dumped{`chunk of tensor "a"`, []piece{
		{[]byte{1}, "frame version 1"},
		{[]byte{2}, "method 2, fill"},
		{[]byte{0x80, 0x3f}, "repeated to the leaf's 16 bytes"},
	}}
	w.chunkB = dumped{`chunk of tensor "b"`, []piece{
		{[]byte{1}, "frame version 1"},
		{[]byte{4}, "method 4, planes"},
		{[]byte{5}, "layout 5, F32; no edges: the leaf is 8 whole elements"},
		{[]byte{1, 0x7f}, "plane 0, the exponents: coding 1, fill, 127"},
		{[]byte{0, 0x00, 0x10, 0x20, 0x30, 0x40, 0x50, 0x60, 0x70}, "plane 1, sign and mantissa's top: coding 0, raw"},
		{[]byte{1, 0}, "plane 2: fill, 0"},
		{[]byte{1, 0}, "plane 3: fill, 0"},
	}}
	w.chunkTuned = dumped{`chunk of "b" fine-tuned: the lowest bit of each element flipped`, []piece{
		{[]byte{1}, "frame version 1"},
		{[]byte{5}, "method 5, bitx"},
		{[]byte{0}, "base 0 of the recipe"},
		{[]byte{5}, "layout 5, F32; no edges"},
		{[]byte{1, 0}, "plane 0 of leaf XOR base: fill, 0"},
		{[]byte{1, 0}, "plane 1: fill, 0"},
		{[]byte{1, 0}, "plane 2: fill, 0"},
		{[]byte{1, 1}, "plane 3: fill, 1"},
	}}
}

func (w *tiny) recipe(what string, of cid.Cid, size int, dtype string, chunk cid.Cid, length int, base cid.Cid) dumped {
	pieces := []piece{{head(5, 6), "a map of 6"}, cborText("v", `"v"`), {num(1), "version 1"}, cborText("of", `"of"`)}
	pieces = append(pieces, cborCID(of, "the tensor, bytes and no link")...)
	pieces = append(pieces, cborText("size", `"size"`), piece{num(uint64(size)), fmt.Sprint(size)}, cborText("bases", `"bases"`))
	if base.Defined() {
		pieces = append(pieces, piece{head(4, 1), "a list of 1"}, piece{head(5, 2), "a map of 2"}, cborText("of", `"of"`))
		pieces = append(pieces, cborCID(base, "the base")...)
		pieces = append(pieces, cborText("dtype", `"dtype"`), cborText(dtype, "of the base"))
	} else {
		pieces = append(pieces, piece{head(4, 0), "none"})
	}
	pieces = append(pieces, cborText("dtype", `"dtype"`), cborText(dtype, fmt.Sprintf("%q", dtype)),
		cborText("chunks", `"chunks"`), piece{head(4, 1), "a list of 1"}, piece{head(4, 2), "a pair"})
	pieces = append(pieces, cborLink(chunk, "the chunk")...)
	pieces = append(pieces, piece{num(uint64(length)), fmt.Sprintf("%d bytes", length)})
	return dumped{"recipe " + what, pieces}
}

func (w *tiny) nodes() {
	leaves := [][]byte{w.header, w.a, w.b}
	what := []string{"the header", `tensor "a"`, `tensor "b"`}
	size := 0
	var sizes []byte
	for i, leaf := range leaves {
		w.file.pieces = append(w.file.pieces, pbLink("", dag.Raw(leaf), uint64(len(leaf)), what[i])...)
		size += len(leaf)
		sizes = append(append(sizes, 0x20), binary.AppendUvarint(nil, uint64(len(leaf)))...)
	}
	total := binary.AppendUvarint(nil, uint64(size))
	w.file.title = "node of the file model.safetensors"
	w.file.pieces = append(w.file.pieces,
		piece{[]byte{0x0a, byte(2 + 1 + len(total) + len(sizes))}, "PBNode.Data: UnixFS"},
		piece{[]byte{0x08, 2}, "Type 2, File"},
		piece{slices.Concat([]byte{0x18}, total), fmt.Sprintf("filesize %d", size)},
		piece{sizes, fmt.Sprintf("blocksizes %d, %d, %d", len(leaves[0]), len(leaves[1]), len(leaves[2]))})
	file := w.file.bytes()
	w.dir = dumped{"node of the directory: the model", append(
		pbLink("model.safetensors", pbCID(file), uint64(size+len(file)), "the file"),
		piece{[]byte{0x0a, 2}, "PBNode.Data: UnixFS"}, piece{[]byte{0x08, 1}, "Type 1, Directory"})}
}

func pbCID(data []byte) cid.Cid { return dagPB(data).Cid() }

func (w *tiny) packs() {
	sum := sha256.Sum256(w.data())
	pieces := []piece{{head(5, 5), "a map of 5"}, cborText("v", `"v"`), {num(1), "version 1"}, cborText("of", `"of"`)}
	pieces = append(pieces, cborCID(pbCID(w.dir.bytes()), "the model, bytes and no link")...)
	pieces = append(pieces, cborText("files", `"files"`), piece{head(4, 1), "a list of 1"}, piece{head(4, 2), "a pair"},
		cborText("model.safetensors", "path"), piece{head(2, 32), "32 bytes"}, piece{sum[:], "sha256 of the file"},
		cborText("nodes", `"nodes"`), piece{head(4, 2), "a list of 2"})
	pieces = append(pieces, cborLink(dag.Raw(w.dir.bytes()), "the directory, under the raw codec")...)
	pieces = append(pieces, cborLink(dag.Raw(w.file.bytes()), "the file, under the raw codec")...)
	pieces = append(pieces, cborText("recipes", `"recipes"`), piece{head(4, 3), "a list of 3"})
	for i, what := range []string{"the header", `"a"`, `"b"`} {
		pieces = append(pieces, cborLink(dag.CBOR(w.recipes[i].bytes()), "recipe of "+what)...)
	}
	w.packing = dumped{"packing", pieces}
}

// blocks returns the blocks in the order in which an add puts them.
func (w *tiny) blocks() []blocks.Block {
	var out []blocks.Block
	add := func(c cid.Cid, data []byte) { out = append(out, must(blocks.NewBlockWithCid(data, c))) }
	for i, chunk := range [][]byte{w.header, w.chunkA.bytes(), w.chunkB.bytes()} {
		add(dag.Raw(chunk), chunk)
		add(dag.CBOR(w.recipes[i].bytes()), w.recipes[i].bytes())
	}
	add(pbCID(w.file.bytes()), w.file.bytes())
	add(pbCID(w.dir.bytes()), w.dir.bytes())
	add(dag.CBOR(w.packing.bytes()), w.packing.bytes())
	return out
}

// pack is the pack file of the blocks; a block's own bytes were shown before.
func (w *tiny) pack() dumped {
	d := dumped{"pack file packs/000001.car", []piece{
		{[]byte{0x19}, "the header's 25 bytes"},
		{[]byte("\xa2eroots\x81"), `a map of 2: "roots", a list of 1`},
		{[]byte("\xd8\x2a\x45\x00\x01\x55\x00\x00"), "a link: the empty identity CID"},
		{[]byte("gversion\x01"), `"version", 1`},
	}}
	what := []string{"the header, its own chunk", "recipe of the header", `chunk of "a"`, `recipe of "a"`, `chunk of "b"`, `recipe of "b"`, "node of the file", "node of the directory", "packing"}
	for i, b := range w.blocks() {
		n := b.Cid().ByteLen() + len(b.RawData())
		d.pieces = append(d.pieces,
			piece{binary.AppendUvarint(nil, uint64(n)), fmt.Sprintf("a section of %d bytes: %s", n, what[i])},
			piece{b.Cid().Bytes(), b.Cid().String()[:12] + "…"},
			piece{b.RawData(), again})
	}
	return d
}

// text is the whole dump. Of the pack it leaves out bytes shown before.
func (w *tiny) text(journal string) string {
	var b strings.Builder
	leaf := func(what string, data []byte, meanings ...piece) {
		d := dumped{fmt.Sprintf("leaf, %s: raw %s", what, dag.Raw(data)), meanings}
		b.WriteString(d.text() + "\n")
	}
	leaf("the header", w.header, piece{w.header[:8], fmt.Sprintf("the header's length, %d", len(w.header)-8)}, piece{w.header[8:], "JSON"})
	leaf(`tensor "a"`, w.a, piece{w.a, "eight times 1.0 in BF16"})
	leaf(`tensor "b"`, w.b, piece{w.b, "1, 1.125, 1.25 … 1.875 in F32"})
	block := func(d dumped, codec string, c cid.Cid) {
		d.title = fmt.Sprintf("%s: %s %s", d.title, codec, c)
		b.WriteString(d.text() + "\n")
	}
	block(w.file, "dag-pb", pbCID(w.file.bytes()))
	block(w.dir, "dag-pb", pbCID(w.dir.bytes()))
	block(w.chunkA, "raw", dag.Raw(w.chunkA.bytes()))
	block(w.chunkB, "raw", dag.Raw(w.chunkB.bytes()))
	for _, r := range w.recipes {
		block(r, "dag-cbor", dag.CBOR(r.bytes()))
	}
	block(w.packing, "dag-cbor", dag.CBOR(w.packing.bytes()))
	for line := range strings.Lines(w.pack().text()) {
		b.WriteString(line)
	}
	fmt.Fprintf(&b, "\njournal\n%s\n", strings.TrimRight(indent(journal), "\n"))
	b.WriteString("\n")
	block(w.chunkTuned, "raw", dag.Raw(w.chunkTuned.bytes()))
	block(w.recipeTuned, "dag-cbor", dag.CBOR(w.recipeTuned.bytes()))
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func indent(s string) string { return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ") }

// What the code makes of the model is what was put together by hand.
func TestWorkedIsMade(t *testing.T) {
	w := newTiny(t)
	m := blockMap{}
	file := cut(t, m, w.data())
	if !bytes.Equal(m[file.CID].RawData(), w.file.bytes()) {
		t.Errorf("file node %x, by hand %x", m[file.CID].RawData(), w.file.bytes())
	}
	root, err := dag.BuildDir(t.Context(), map[string]dag.Child{"model.safetensors": file}, m.emit)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(m[root.CID].RawData(), w.dir.bytes()) {
		t.Errorf("directory %x, by hand %x", m[root.CID].RawData(), w.dir.bytes())
	}
	for _, tc := range []struct {
		chunk dumped
		leaf  []byte
		dtype tensor.DType
		bases []codec.Base
	}{
		{w.chunkA, w.a, "BF16", nil},
		{w.chunkB, w.b, "F32", nil},
		{w.chunkTuned, w.tuned, "F32", []codec.Base{{DType: "F32", Spans: []codec.Span{{At: 0, Data: w.b}}}}},
	} {
		c := codec.Context{DType: tc.dtype, Bases: tc.bases}
		got, err := codec.Decode(nil, tc.chunk.bytes(), len(tc.leaf), c)
		if err != nil || !bytes.Equal(got, tc.leaf) {
			t.Errorf("%s decodes to %x, %v, want %x", tc.chunk.title, got, err, tc.leaf)
		}
		if got, err := codec.Encode(nil, tc.leaf, c); err != nil || !bytes.Equal(got, tc.chunk.bytes()) {
			t.Logf("%s: the encoder of today makes %x (%v)", tc.chunk.title, got, err)
		}
	}
	checkRecipes(t, w, m)
}

func checkRecipes(t *testing.T, w *tiny, m blockMap) {
	t.Helper()
	for _, d := range append(w.recipes[:], w.recipeTuned) {
		r, err := dag.DecodeRecipe(must(blocks.NewBlockWithCid(d.bytes(), dag.CBOR(d.bytes()))))
		if err != nil {
			t.Fatalf("%s: %v", d.title, err)
		}
		entries := must(all(r.Chunks))
		if b, err := dag.EncodeRecipe(r, slices.Values(entries), m.emit); err != nil || !bytes.Equal(b.RawData(), d.bytes()) {
			t.Errorf("%s: %v, %v", d.title, b, err)
		}
	}
	p, err := dag.DecodePacking(must(blocks.NewBlockWithCid(w.packing.bytes(), dag.CBOR(w.packing.bytes()))))
	if err != nil {
		t.Fatal(err)
	}
	if p.Of != pbCID(w.dir.bytes()) || p.Nodes.Len() != 2 || p.Recipes.Len() != 3 {
		t.Errorf("packing of %s with %d nodes and %d recipes", p.Of, p.Nodes.Len(), p.Recipes.Len())
	}
}

// storeTiny puts the model into a store as an add does, and returns the pack
// and the journal.
func storeTiny(t *testing.T, w *tiny) (pack, journal []byte) {
	t.Helper()
	fs := store.Memory()
	s, err := store.Open(t.Context(), store.Config{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	l, err := s.NewLease()
	if err != nil {
		t.Fatal(err)
	}
	leaves := map[cid.Cid][]byte{}
	for i, leaf := range [][]byte{w.header, w.a, w.b} {
		leaves[dag.CBOR(w.recipes[i].bytes())] = leaf
	}
	for _, b := range w.blocks() {
		if leaf, ok := leaves[b.Cid()]; ok {
			err = l.AddRecipe(t.Context(), b, func(yield func(cid.Cid, error) bool) { yield(dag.Raw(leaf), nil) })
		} else {
			_, err = l.Put(t.Context(), b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	root := pbCID(w.dir.bytes())
	err = l.Commit(store.Change{
		Models: []store.Model{{
			CID: root.String(), Packing: dag.CBOR(w.packing.bytes()).String(), Bytes: int64(len(w.data())), Files: 1, Tensors: 2,
			Added: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		}},
		Names: map[string]cid.Cid{"org/tiny": root},
		Pin:   map[cid.Cid]string{root: store.PinModel},
	})
	if err != nil {
		t.Fatal(err)
	}
	for leaf, data := range map[cid.Cid][]byte{dag.Raw(w.a): w.a, dag.Raw(w.b): w.b} {
		if got, err := s.Get(context.Background(), leaf); err != nil || !bytes.Equal(got.RawData(), data) {
			t.Errorf("leaf %s comes out of the store as %v, %v", leaf, got, err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return readAll(t, fs, "packs/000001.car"), readAll(t, fs, "journal")
}

func readAll(t *testing.T, fs store.FS, name string) []byte {
	t.Helper()
	f, err := fs.Append(name)
	if err != nil {
		t.Fatal(err)
	}
	b := make([]byte, must(f.Size()))
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return b
}

const (
	dumpBegin = "<!-- worked dump: made by dag's tests, go test ./dag -run Worked -update -->\n```text\n"
	dumpEnd   = "```\n<!-- end of the worked dump -->\n"
)

// TestWorked compares the dump with testdata/worked.txt and with docs/format.md,
// which quotes it; -update rewrites both.
func TestWorked(t *testing.T) {
	w := newTiny(t)
	pack, journal := storeTiny(t, w)
	if !bytes.Equal(pack, w.pack().bytes()) {
		t.Errorf("the pack is\n%x, by hand\n%x", pack, w.pack().bytes())
	}
	text := w.text(string(journal))
	golden(t, "worked.txt", []byte(text))

	path := filepath.Join("..", "docs", "format.md")
	doc, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(doc), dumpBegin)
	_, after, ok2 := strings.Cut(rest, dumpEnd)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the worked dump", path)
	}
	now := before + dumpBegin + text + dumpEnd + after
	if now == string(doc) {
		return
	}
	if !*update {
		t.Errorf("%s quotes another dump than testdata/worked.txt: rerun with -update", path)
		return
	}
	if err := os.WriteFile(path, []byte(now), 0o644); err != nil {
		t.Fatal(err)
	}
}
