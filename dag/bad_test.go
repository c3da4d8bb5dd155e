package dag_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"encoding/hex"
	"runtime"
	"slices"
	"strings"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"

	"github.com/zipnode/zipnode/dag"
)

// The bytes of dag-cbor, written without the code under test, so that they can
// be wrong in any way.

func head(major byte, n uint64) []byte {
	switch {
	case n < 24:
		return []byte{major<<5 | byte(n)}
	case n < 1<<8:
		return wide(major, n, 1)
	case n < 1<<16:
		return wide(major, n, 2)
	case n < 1<<32:
		return wide(major, n, 4)
	}
	return wide(major, n, 8)
}

// wide writes a head whose number takes width bytes, needed or not.
func wide(major byte, n uint64, width int) []byte {
	info := map[int]byte{1: 24, 2: 25, 4: 26, 8: 27}[width]
	return append([]byte{major<<5 | info}, binary.BigEndian.AppendUint64(nil, n)[8-width:]...)
}

func num(n uint64) []byte  { return head(0, n) }
func str(b []byte) []byte  { return slices.Concat(head(2, uint64(len(b))), b) }
func text(s string) []byte { return slices.Concat(head(3, uint64(len(s))), []byte(s)) }
func list(items ...[]byte) []byte {
	return slices.Concat(head(4, uint64(len(items))), slices.Concat(items...))
}
func link(c cid.Cid) []byte { return slices.Concat(head(6, 42), str(append([]byte{0}, c.Bytes()...))) }
func ref(c cid.Cid) []byte  { return str(c.Bytes()) }

// fields is a map before it is written.
type fields []field

type field struct {
	key   string
	value []byte
}

func (f fields) encode() []byte {
	b := head(5, uint64(len(f)))
	for _, kv := range f {
		b = slices.Concat(b, text(kv.key), kv.value)
	}
	return b
}

// with returns f with another value of key, in its place by length, then bytes.
func (f fields) with(key string, value []byte) fields {
	f = f.without(key)
	f = append(f, field{key, value})
	slices.SortStableFunc(f, func(a, b field) int {
		return cmp.Or(cmp.Compare(len(a.key), len(b.key)), strings.Compare(a.key, b.key))
	})
	return f
}

func (f fields) without(key string) fields {
	return slices.DeleteFunc(slices.Clone(f), func(kv field) bool { return kv.key == key })
}

var (
	aTensor  = dag.Raw([]byte("tensor"))
	aBase    = dag.Raw([]byte("base"))
	aChunk   = dag.Raw([]byte("chunk"))
	aNode    = cid.NewCidV1(cid.DagProtobuf, aTensor.Hash())
	aPage    = dag.CBOR([]byte("page"))
	aV0      = cid.NewCidV0(aTensor.Hash())
	aSHA512  = sumOf(mh.SHA2_512, -1)
	aShort   = sumOf(mh.SHA2_256, 20)
	anInline = cid.NewCidV1(cid.Raw, must(mh.Sum([]byte("tiny"), mh.IDENTITY, -1)))
	aJSON    = cid.NewCidV1(cid.DagJSON, aTensor.Hash())

	goodEntry  = list(link(aChunk), num(300))
	goodRecipe = fields{
		{"v", num(1)}, {"of", ref(aTensor)}, {"size", num(4096)}, {"bases", list()}, {"dtype", text("BF16")}, {"chunks", list(goodEntry)},
	}
	goodBase    = fields{{"of", ref(aBase)}, {"dtype", text("BF16")}}
	goodPacking = fields{
		{"v", num(1)}, {"of", ref(aNode)}, {"files", list(goodFile)}, {"nodes", list(link(aTensor))}, {"recipes", list(link(aPage))},
	}
	goodFile = list(text("a/b"), str(make([]byte, 32)))
)

func sumOf(code uint64, length int) cid.Cid {
	return cid.NewCidV1(cid.Raw, must(mh.Sum([]byte("x"), code, length)))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func span(dst, src, count uint64) []byte { return list(num(dst), num(src), num(count)) }

func withMap(spans ...[]byte) []byte {
	return goodRecipe.with("bases", list(goodBase.with("map", list(spans...)).encode())).encode()
}

func paged(count uint64, pages ...cid.Cid) []byte {
	var links [][]byte
	for _, p := range pages {
		links = append(links, link(p))
	}
	return fields{{"count", num(count)}, {"pages", list(links...)}}.encode()
}

type badCase struct {
	what string
	data []byte
}

// anyMap are mistakes of dag-cbor that any map can have; good is one.
func anyMap(good fields) []badCase {
	whole := good.encode()
	swapped := slices.Clone(good)
	swapped[1], swapped[2] = swapped[2], swapped[1]
	twice := slices.Insert(slices.Clone(good), 1, good[1])
	return []badCase{
		{"nothing", nil},
		{"a map cut short", whole[:len(whole)-1]},
		{"only its head", whole[:1]},
		{"a byte behind it", append(slices.Clone(whole), 0)},
		{"twice the same", slices.Concat(whole, whole)},
		{"a list", list(whole)},
		{"a map of indefinite length", slices.Concat([]byte{0xbf}, whole[1:], []byte{0xff})},
		{"a head longer than it needs to be", slices.Concat(wide(5, uint64(len(good)), 1), whole[1:])},
		{"a head of eight bytes", slices.Concat(wide(5, uint64(len(good)), 8), whole[1:])},
		{"a reserved head", slices.Concat([]byte{5<<5 | 28}, whole[1:])},
		{"keys out of order", swapped.encode()},
		{"a key twice", twice.encode()},
		{"a key that is unknown", append(slices.Clone(good), field{"unknown", num(1)}).encode()},
		{"a key in bytes", slices.Concat(head(5, uint64(len(good))), str([]byte("v")), whole[3:])},
		{"a key of indefinite length", slices.Concat(head(5, uint64(len(good))), []byte{0x7f, 0x61, 'v', 0xff}, whole[3:])},
		{"no version", good.without("v").encode()},
		{"version 0", good.with("v", num(0)).encode()},
		{"version 2", good.with("v", num(2)).encode()},
		{"a version longer than it needs to be", good.with("v", wide(0, 1, 1)).encode()},
		{"a negative version", good.with("v", head(1, 0)).encode()},
		{"a version in floating point", good.with("v", []byte{0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0}).encode()},
		{"a null", good.with("v", []byte{0xf6}).encode()},
		{"no of", good.without("of").encode()},
		{"of a link", good.with("of", link(aTensor)).encode()},
		{"of an empty string", good.with("of", str(nil)).encode()},
		{"of a CIDv0", good.with("of", ref(aV0)).encode()},
		{"of another hash", good.with("of", ref(aSHA512)).encode()},
		{"of a shortened hash", good.with("of", ref(aShort)).encode()},
		{"of an identity hash", good.with("of", ref(anInline)).encode()},
		{"of another codec", good.with("of", ref(aJSON)).encode()},
		{"of dag-cbor", good.with("of", ref(aPage)).encode()},
		{"of a CID with bytes behind it", good.with("of", str(append(aTensor.Bytes(), 0))).encode()},
		{"a map of 2^60 pairs", slices.Concat(head(5, 1<<60), whole[1:])},
		{"of 2^60 bytes", good.with("of", head(2, 1<<60)).encode()},
	}
}

// anyList are mistakes that the list under key can have; one is a good entry,
// and page whether a page would be a block of its own.
func anyList(good fields, key string, one []byte) []badCase {
	with := func(v []byte) []byte { return good.with(key, v).encode() }
	pages := fields{{"count", num(1)}, {"pages", list(link(aPage))}}
	var many [][]byte
	for range 600_000 / len(one) {
		many = append(many, one)
	}
	return []badCase{
		{key + ": none", good.without(key).encode()},
		{key + ": a number", with(num(1))},
		{key + ": of indefinite length", with(slices.Concat([]byte{0x9f}, one, []byte{0xff}))},
		{key + ": a head longer than it needs to be", with(slices.Concat(wide(4, 1, 1), one))},
		{key + ": fewer than it says", with(slices.Concat(head(4, 2), one))},
		{key + ": 2^60 entries", with(slices.Concat(head(4, 1<<60), one))},
		{key + ": 2^32 entries", with(slices.Concat(head(4, 1<<32), one))},
		{key + ": 60000 entries in 100 bytes", with(slices.Concat(head(4, 60_000), one))},
		{key + ": inline, and too long for it", with(list(many...))},
		{key + ": no pages", with(paged(1))},
		{key + ": no count", with(pages.without("count").encode())},
		{key + ": count behind pages", with(fields{pages[1], pages[0]}.encode())},
		{key + ": a third key", with(append(slices.Clone(pages), field{"total", num(1)}).encode())},
		{key + ": fewer entries than pages", with(paged(1, aPage, aPage))},
		{key + ": more entries than fit its pages", with(paged(8193, aPage))},
		{key + ": 2^63 entries", with(paged(1<<63, aPage))},
		{key + ": 2^60 pages", with(slices.Concat(head(5, 2), text("count"), num(1<<60), text("pages"), head(4, 1<<60)))},
		{key + ": a page that is raw", with(paged(1, aChunk))},
		{key + ": a page that is a CIDv0", with(paged(1, aV0))},
	}
}

func badRecipes() []badCase {
	chunks := func(entries ...[]byte) []byte { return goodRecipe.with("chunks", list(entries...)).encode() }
	base := func(b fields) []byte { return goodRecipe.with("bases", list(b.encode())).encode() }
	side := func(b []byte) []byte { return goodRecipe.with("side", b).encode() }
	nine := slices.Repeat([][]byte{goodBase.encode()}, 9)
	spans := make([][]byte, 8193)
	for i := range spans {
		spans[i] = span(uint64(i), 0, 1)
	}
	return slices.Concat(anyMap(goodRecipe), anyList(goodRecipe, "chunks", goodEntry), []badCase{
		{"no size", goodRecipe.without("size").encode()},
		{"size 0 with a chunk", goodRecipe.with("size", num(0)).encode()},
		{"size 0 without chunks", goodRecipe.with("size", num(0)).with("chunks", list()).encode()},
		{"no chunks", chunks()},
		{"two chunks for one leaf", chunks(goodEntry, goodEntry)},
		{"one chunk for two leaves", goodRecipe.with("of", ref(aNode)).with("size", num(1<<20+1)).encode()},
		{"a size of 2^63", goodRecipe.with("size", num(1<<63)).encode()},
		{"a size of 2^63-1", goodRecipe.with("of", ref(aNode)).with("size", num(1<<63-1)).encode()},
		{"a page for fewer leaves", goodRecipe.with("of", ref(aNode)).with("size", num(5000<<20)).with("chunks", paged(5001, aPage)).encode()},
		{"a tensor of one leaf that is no leaf", goodRecipe.with("of", ref(aNode)).encode()},
		{"a tensor of two leaves that is a leaf", goodRecipe.with("size", num(1<<20+1)).with("chunks", list(goodEntry, goodEntry)).encode()},
		{"an entry that is a link", chunks(link(aChunk))},
		{"an entry of three", chunks(list(link(aChunk), num(300), num(1)))},
		{"an entry of one", chunks(list(link(aChunk)))},
		{"an entry of indefinite length", chunks(slices.Concat([]byte{0x9f}, goodEntry[1:], []byte{0xff}))},
		{"an entry the other way round", chunks(list(num(300), link(aChunk)))},
		{"a chunk of 0 bytes", chunks(list(link(aChunk), num(0)))},
		{"a chunk longer than a block", chunks(list(link(aChunk), num(dag.MaxBlock+1)))},
		{"a chunk of 2^63 bytes", chunks(list(link(aChunk), num(1<<63)))},
		{"a chunk whose length is longer than it needs to be", chunks(list(link(aChunk), wide(0, 300, 4)))},
		{"a chunk that is dag-pb", chunks(list(link(aNode), num(300)))},
		{"a chunk that is dag-cbor", chunks(list(link(aPage), num(300)))},
		{"a chunk of another codec", chunks(list(link(aJSON), num(300)))},
		{"a chunk that is a CIDv0", chunks(list(link(aV0), num(300)))},
		{"a chunk of another hash", chunks(list(link(aSHA512), num(300)))},
		{"a chunk that is its own bytes", chunks(list(link(anInline), num(4)))},
		{"a chunk that is no link", chunks(list(ref(aChunk), num(300)))},
		{"a link of another tag", chunks(list(slices.Concat(head(6, 43), str(append([]byte{0}, aChunk.Bytes()...))), num(300)))},
		{"a link whose tag is longer than it needs to be", chunks(list(slices.Concat(wide(6, 42, 2), str(append([]byte{0}, aChunk.Bytes()...))), num(300)))},
		{"a link in text", chunks(list(slices.Concat(head(6, 42), text(aChunk.String())), num(300)))},
		{"a link without its prefix", chunks(list(slices.Concat(head(6, 42), str(aChunk.Bytes())), num(300)))},
		{"a link of another prefix", chunks(list(slices.Concat(head(6, 42), str(append([]byte{1}, aChunk.Bytes()...))), num(300)))},
		{"a link with bytes behind it", chunks(list(slices.Concat(head(6, 42), str(slices.Concat([]byte{0}, aChunk.Bytes(), []byte{0}))), num(300)))},
		{"an empty link", chunks(list(slices.Concat(head(6, 42), str(nil)), num(300)))},
		{"no bases", goodRecipe.without("bases").encode()},
		{"bases in pages", goodRecipe.with("bases", paged(1, aPage)).encode()},
		{"nine bases", goodRecipe.with("bases", list(nine...)).encode()},
		{"a base that is the tensor itself", base(goodBase.with("of", ref(aTensor)))},
		{"a base that is dag-cbor", base(goodBase.with("of", ref(aPage)))},
		{"a base that is a CIDv0", base(goodBase.with("of", ref(aV0)))},
		{"a base that is a link", base(goodBase.with("of", link(aBase)))},
		{"a base without dtype", base(goodBase.without("dtype"))},
		{"a base of an empty dtype", base(goodBase.with("dtype", text("")))},
		{"a base with another key", base(goodBase.with("src", num(1)))},
		{"a base with its keys out of order", base(fields{goodBase[1], goodBase[0]})},
		{"a base that is a list", goodRecipe.with("bases", list(list(ref(aBase), text("BF16")))).encode()},
		{"an empty map", base(goodBase.with("map", list()))},
		{"a span of two", withMap(list(num(0), num(0)))},
		{"a span of four", withMap(list(num(0), num(0), num(1), num(1)))},
		{"a span of nothing", withMap(span(0, 0, 0))},
		{"spans that overlap", withMap(span(0, 0, 10), span(9, 0, 1))},
		{"spans out of order", withMap(span(10, 0, 10), span(0, 0, 10))},
		{"a span beyond the tensor", withMap(span(0, 0, 8*4096+1))},
		{"a span that begins beyond the tensor", withMap(span(8*4096, 0, 1))},
		{"a span of 2^63-1", withMap(span(0, 0, 1<<63-1))},
		{"a span from 2^60", withMap(span(0, 1<<60, 1))},
		{"a span to 2^63", withMap(span(1<<63, 0, 1))},
		{"8193 spans", withMap(spans...)},
		{"8193 spans over two bases", goodRecipe.with("size", num(1<<20)).with("bases", list(
			goodBase.with("map", list(spans[:4097]...)).encode(), goodBase.with("map", list(spans[:4096]...)).encode())).encode()},
		{"no dtype", goodRecipe.without("dtype").encode()},
		{"an empty dtype", goodRecipe.with("dtype", text("")).encode()},
		{"a dtype in bytes", goodRecipe.with("dtype", str([]byte("BF16"))).encode()},
		{"a dtype of 65 bytes", goodRecipe.with("dtype", text(strings.Repeat("x", 65))).encode()},
		{"a dtype of 2^60 bytes", goodRecipe.with("dtype", head(3, 1<<60)).encode()},
		{"a dtype that is not UTF-8", goodRecipe.with("dtype", text("\xff")).encode()},
		{"a dtype of indefinite length", goodRecipe.with("dtype", slices.Concat([]byte{0x7f}, text("BF16"), []byte{0xff})).encode()},
		{"a side that is no link", side(ref(aChunk))},
		{"a side that is dag-cbor", side(link(aPage))},
		{"a side that is null", side([]byte{0xf6})},
		{"a packing", goodPacking.encode()},
		{"a page", list(goodEntry)},
	})
}

func badPackings() []badCase {
	with := func(key string, v []byte) []byte { return goodPacking.with(key, v).encode() }
	file := func(path string, sum []byte) []byte { return with("files", list(list(text(path), sum))) }
	sum := str(make([]byte, 32))
	return slices.Concat(anyMap(goodPacking),
		anyList(goodPacking, "files", goodFile), anyList(goodPacking, "nodes", link(aTensor)), anyList(goodPacking, "recipes", link(aPage)),
		[]badCase{
			{"of a raw block", with("of", ref(aTensor))},
			{"a node under dag-pb: a pin would descend", with("nodes", list(link(aNode)))},
			{"a node under dag-cbor", with("nodes", list(link(aPage)))},
			{"a node that is no link", with("nodes", list(ref(aTensor)))},
			{"a node that is a CIDv0", with("nodes", list(link(aV0)))},
			{"a recipe under raw", with("recipes", list(link(aTensor)))},
			{"a recipe of another hash", with("recipes", list(link(aSHA512)))},
			{"a file of one", with("files", list(list(text("a"))))},
			{"a file of three", with("files", list(list(text("a"), sum, num(1))))},
			{"a file that is a map", with("files", list(fields{{"path", text("a")}, {"sha256", sum}}.encode()))},
			{"a sha256 of 31 bytes", file("a", str(make([]byte, 31)))},
			{"a sha256 of 33 bytes", file("a", str(make([]byte, 33)))},
			{"a sha256 in text", file("a", text(strings.Repeat("a", 32)))},
			{"an empty path", file("", sum)},
			{"a path that climbs", file("a/../../b", sum)},
			{"an absolute path", file("/etc/passwd", sum)},
			{"a path with an empty part", file("a//b", sum)},
			{"a path with a backslash", file(`a\b`, sum)},
			{"a path with a NUL", file("a\x00b", sum)},
			{"a path that is not UTF-8", file("a\xff", sum)},
			{"a path of 4097 bytes", file(strings.Repeat("a/", 2048)+"a", sum)},
			{"a path of 33 directories", file(strings.Repeat("a/", 33)+"a", sum)},
			{"a name of 256 bytes", file(strings.Repeat("a", 256), sum)},
			{"a path of 2^60 bytes", with("files", list(slices.Concat(head(4, 2), head(3, 1<<60))))},
			{"a recipe", goodRecipe.encode()},
		})
}

// badPages are pages of a recipe's list that says they hold two entries.
func badPages() []badCase {
	return []badCase{
		{"nothing", nil},
		{"an empty page", list()},
		{"one entry too few", list(goodEntry)},
		{"one entry too many", list(goodEntry, goodEntry, goodEntry)},
		{"a map", fields{{"chunks", list(goodEntry, goodEntry)}}.encode()},
		{"links", list(link(aChunk), link(aChunk))},
		{"bytes behind it", append(list(goodEntry, goodEntry), 0)},
		{"of indefinite length", slices.Concat([]byte{0x9f}, goodEntry, goodEntry, []byte{0xff})},
		{"8193 entries", slices.Concat(head(4, 8193), bytes.Repeat(goodEntry, 8193))},
		{"2^60 entries", slices.Concat(head(4, 1<<60), goodEntry)},
	}
}

// corruptOnly checks that decoding the block gives a *CorruptError, and that
// what it declares is not allocated before it is there.
func corruptOnly(t *testing.T, kind string, tc badCase, decode func(blocks.Block) error) {
	t.Helper()
	b := must(blocks.NewBlockWithCid(tc.data, dag.CBOR(tc.data)))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := decode(b)
	runtime.ReadMemStats(&after)
	if !isCorrupt(err) {
		t.Errorf("%s, %s: %v, want *CorruptError", kind, tc.what, err)
	}
	if n := after.TotalAlloc - before.TotalAlloc; n > 2<<20+64*uint64(len(tc.data)) {
		t.Errorf("%s, %s: %d bytes allocated for %d of input", kind, tc.what, n, len(tc.data))
	}
}

func TestBadBlocks(t *testing.T) {
	if _, err := dag.DecodeRecipe(must(blocks.NewBlockWithCid(goodRecipe.encode(), dag.CBOR(goodRecipe.encode())))); err != nil {
		t.Fatalf("the good recipe: %v", err)
	}
	if _, err := dag.DecodePacking(must(blocks.NewBlockWithCid(goodPacking.encode(), dag.CBOR(goodPacking.encode())))); err != nil {
		t.Fatalf("the good packing: %v", err)
	}
	for _, good := range [][]byte{withMap(span(0, 0, 1)), withMap(span(0, 9, 10), span(10, 0, 8*4096-10)), goodRecipe.with("bases", list(slices.Repeat([][]byte{goodBase.encode()}, 8)...)).encode()} {
		if _, err := dag.DecodeRecipe(must(blocks.NewBlockWithCid(good, dag.CBOR(good)))); err != nil {
			t.Errorf("a good recipe: %v", err)
		}
	}
	for _, tc := range badRecipes() {
		corruptOnly(t, "recipe", tc, func(b blocks.Block) error { _, err := dag.DecodeRecipe(b); return err })
	}
	for _, tc := range badPackings() {
		corruptOnly(t, "packing", tc, func(b blocks.Block) error { _, err := dag.DecodePacking(b); return err })
	}
	for _, tc := range badPages() {
		corruptOnly(t, "page", tc, func(b blocks.Block) error {
			r := pagedRecipe(t, 2, b.Cid())
			for _, err := range r.Chunks.All(t.Context(), blockMap{b.Cid(): b}) {
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
}

// pagedRecipe returns a recipe of n leaves whose entries lie in pages.
func pagedRecipe(t *testing.T, n uint64, pages ...cid.Cid) *dag.Recipe {
	t.Helper()
	data := goodRecipe.with("of", ref(aNode)).with("size", num(n<<20)).with("chunks", paged(n, pages...)).encode()
	r, err := dag.DecodeRecipe(must(blocks.NewBlockWithCid(data, dag.CBOR(data))))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// badVec is a bad block for readers in other languages; the long ones are left
// out.
type badVec struct {
	Kind  string `json:"kind"`
	What  string `json:"what"`
	Bytes string `json:"bytes"`
}

func TestBadVectors(t *testing.T) {
	var out []badVec
	for kind, cases := range map[string][]badCase{"recipe": badRecipes(), "packing": badPackings()} {
		for _, tc := range cases {
			if len(tc.data) <= 2000 {
				out = append(out, badVec{kind, tc.what, hex.EncodeToString(tc.data)})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b badVec) int { return strings.Compare(a.Kind, b.Kind) })
	goldenJSON(t, "bad.json", out)
}

// A page in the middle that is not full moves what follows: Page and Slice
// refuse it, though the sum is right.
func TestPageNotFull(t *testing.T) {
	m := blockMap{}
	page := func(n int) cid.Cid {
		data := slices.Concat(head(4, uint64(n)), bytes.Repeat(goodEntry, n))
		if err := m.emit(must(blocks.NewBlockWithCid(data, dag.CBOR(data)))); err != nil {
			t.Fatal(err)
		}
		return dag.CBOR(data)
	}
	r := pagedRecipe(t, 8193, page(1), page(8192))
	if _, err := r.Chunks.Page(t.Context(), m, 0); !isCorrupt(err) {
		t.Errorf("Page of one entry before a full one: %v, want *CorruptError", err)
	}
	if _, err := r.Chunks.Slice(t.Context(), m, 5, 3); !isCorrupt(err) {
		t.Errorf("Slice over it: %v, want *CorruptError", err)
	}
	good := pagedRecipe(t, 8193, page(8192), page(1))
	if got, err := good.Chunks.Slice(t.Context(), m, 8190, 3); err != nil || len(got) != 3 {
		t.Errorf("Slice over two pages: %d entries, %v, want 3", len(got), err)
	}
	for _, at := range [][2]int64{{-1, 1}, {0, -1}, {8193, 1}, {8190, 4}} {
		if _, err := good.Chunks.Slice(t.Context(), m, at[0], int(at[1])); err == nil {
			t.Errorf("Slice(%d, %d) of 8193 entries succeeds", at[0], at[1])
		}
	}
	if _, err := good.Chunks.Page(t.Context(), m, 2); err == nil {
		t.Error("page 2 of two")
	}
	if _, err := good.Chunks.Page(context.Background(), blockMap{}, 0); err == nil {
		t.Error("a page that nobody has")
	}
}
