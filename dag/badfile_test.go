package dag_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/ipfs/boxo/ipld/merkledag"
	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"

	"github.com/zipnode/zipnode/dag"
)

// The types of UnixFS.
const (
	typeRaw       = 0
	typeDirectory = 1
	typeFile      = 2
	typeSymlink   = 4
	typeShard     = 5
)

// A rawNode is a UnixFS node before it is written, right or wrong.
type rawNode struct {
	typ      byte
	data     []byte
	fileSize *uint64
	parts    []uint64
	links    []ipld.Link
	fanout   *uint64
}

func (n rawNode) build(t testing.TB) *merkledag.ProtoNode {
	t.Helper()
	data := []byte{0x08, n.typ}
	if n.data != nil {
		data = append(binary.AppendUvarint(append(data, 0x12), uint64(len(n.data))), n.data...)
	}
	if n.fileSize != nil {
		data = binary.AppendUvarint(append(data, 0x18), *n.fileSize)
	}
	for _, p := range n.parts {
		data = binary.AppendUvarint(append(data, 0x20), p)
	}
	if n.fanout != nil { // of a shard; 0x22 is murmur3
		data = binary.AppendUvarint(append(data, 0x28, 0x22, 0x30), *n.fanout)
	}
	out := merkledag.NodeWithData(data)
	if err := out.SetCidBuilder(uio.UnixFS_v1_2025.CidBuilder()); err != nil {
		t.Fatal(err)
	}
	for _, l := range n.links {
		if err := out.AddRawLink(l.Name, &l); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// fileOf is a file's node of the given parts, each a link to c.
func fileOf(c cid.Cid, parts ...uint64) rawNode {
	n := rawNode{typ: typeFile, parts: parts, fileSize: new(uint64)}
	for _, p := range parts {
		*n.fileSize += p
		n.links = append(n.links, ipld.Link{Cid: c, Size: p & (1<<40 - 1)})
	}
	return n
}

func badFileNodes() map[string]rawNode {
	with := func(n rawNode, change func(*rawNode)) rawNode { change(&n); return n }
	leaf := aChunk
	return map[string]rawNode{
		"no children":                fileOf(leaf),
		"an empty child":             fileOf(leaf, 5, 0, 5),
		"sizes that do not add up":   with(fileOf(leaf, 5, 5), func(n *rawNode) { n.fileSize = new(uint64(11)) }),
		"no size":                    with(fileOf(leaf, 5, 5), func(n *rawNode) { n.fileSize = nil }),
		"sizes that overflow":        with(fileOf(aNode, 1<<63, 1<<63), func(n *rawNode) { n.fileSize = new(uint64) }),
		"a child of 2^61 bytes":      fileOf(aNode, 1<<61),
		"children of 2^60 and 1":     fileOf(aNode, 1<<60, 1),
		"a leaf over 1 MiB":          fileOf(leaf, dag.MaxLeaf+1),
		"more links than sizes":      with(fileOf(leaf, 5, 5), func(n *rawNode) { n.links = append(n.links, ipld.Link{Cid: leaf}) }),
		"more sizes than links":      with(fileOf(leaf, 5, 5), func(n *rawNode) { n.links = n.links[:1] }),
		"bytes of its own":           with(fileOf(leaf, 5), func(n *rawNode) { n.data, n.fileSize = []byte("hello"), new(uint64(10)) }),
		"only bytes of its own":      {typ: typeFile, data: []byte("hello"), fileSize: new(uint64(5))},
		"UnixFS's raw type":          with(fileOf(leaf, 5), func(n *rawNode) { n.typ = typeRaw }),
		"a directory":                {typ: typeDirectory},
		"a symlink":                  {typ: typeSymlink, data: []byte("/etc/passwd")},
		"a link to dag-cbor":         fileOf(aPage, 5),
		"a link to a CIDv0":          fileOf(aV0, 5),
		"a link to another hash":     fileOf(aSHA512, 5),
		"a link to an identity hash": fileOf(anInline, 4),
		"a link to dag-json":         fileOf(aJSON, 5),
		"1025 children":              fileOf(leaf, manyOnes(1025)...),
		"a size of all ones":         with(fileOf(leaf, 1), func(n *rawNode) { n.parts[0], n.fileSize = 1<<64-1, new(uint64(1<<64-1)) }),
	}
}

func manyOnes(n int) []uint64 {
	out := make([]uint64, n)
	for i := range out {
		out[i] = 1
	}
	return out
}

func TestDecodeFileRefuses(t *testing.T) {
	if n, err := dag.DecodeFile(fileOf(aChunk, 5, dag.MaxLeaf).build(t), -1); err != nil || n.Size != dag.MaxLeaf+5 {
		t.Fatalf("a good node: %v, %v", n, err)
	}
	if _, err := dag.DecodeFile(fileOf(aChunk, 5, 5).build(t), 11); !isCorrupt(err) {
		t.Errorf("a node of another size than expected: %v, want *CorruptError", err)
	}
	for what, n := range badFileNodes() {
		b := n.build(t)
		if got, err := dag.DecodeFile(b, -1); !isCorrupt(err) {
			t.Errorf("%s: %+v, %v, want *CorruptError", what, got, err)
		}
	}
	m := blockMap{}
	c := m.leaf([]byte("tensor"))
	if _, err := dag.DecodeFile(m[c], -1); !isCorrupt(err) {
		t.Errorf("a leaf: %v, want *CorruptError", err)
	}
}

// A chain of nodes with one child each is as deep as one likes; the walk ends
// it. (A circle cannot be made: a node would have to know its own hash.)
func TestFileTooDeep(t *testing.T) {
	m := blockMap{}
	c := m.leaf([]byte("tensor"))
	for depth := 1; depth <= 40; depth++ {
		n := fileOf(c, 6).build(t)
		m[n.Cid()] = n
		c = n.Cid()
		_, walk := leavesOf(t, m, c, 6)
		_, read := dag.NewReader(t.Context(), m, c, 6).ReadAt(make([]byte, 6), 0)
		if depth <= 32 && (walk != nil || read != nil) {
			t.Errorf("%d deep: %v, %v", depth, walk, read)
		}
		if depth > 32 && (!isCorrupt(walk) || !isCorrupt(read)) {
			t.Errorf("%d deep: %v, %v, want *CorruptError", depth, walk, read)
		}
		if _, ok, err := dag.NewReader(t.Context(), m, c, 6).Part(1, 2); ok || err != nil {
			t.Errorf("part of a chain %d deep: %v, %v", depth, ok, err)
		}
	}
}

// Sizes that lie about what is below are met where they lie.
func TestFileThatLies(t *testing.T) {
	m := blockMap{}
	leaf := m.leaf([]byte("tensor"))
	inner := fileOf(leaf, 6).build(t)
	m[inner.Cid()] = inner
	outer := fileOf(inner.Cid(), 7).build(t)
	m[outer.Cid()] = outer
	if _, err := leavesOf(t, m, outer.Cid(), 7); !isCorrupt(err) {
		t.Errorf("a node that overstates its child: %v, want *CorruptError", err)
	}
	short := fileOf(leaf, 7).build(t)
	m[short.Cid()] = short
	if _, err := dag.NewReader(t.Context(), m, short.Cid(), 7).ReadAt(make([]byte, 7), 0); !isCorrupt(err) {
		t.Errorf("a node that overstates its leaf: %v, want *CorruptError", err)
	}
}

func TestLinksRefuses(t *testing.T) {
	for what, c := range map[string]cid.Cid{"a CIDv0": aV0, "another hash": aSHA512, "dag-json": aJSON} {
		if _, err := dag.Links(fileOf(c, 5).build(t)); !isCorrupt(err) {
			t.Errorf("a node that links to %s: %v, want *CorruptError", what, err)
		}
	}
	m := blockMap{}
	if _, err := dag.Links(m[m.leaf([]byte("x"))]); !isCorrupt(err) {
		t.Errorf("a leaf: %v, want *CorruptError", err)
	}
	got, err := dag.Links(fileOf(aChunk, 5, 6).build(t))
	if err != nil || len(got) != 2 || got[1] != aChunk {
		t.Errorf("Links = %s, %v", got, err)
	}
}

func dirOf(names ...string) rawNode {
	n := rawNode{typ: typeDirectory}
	for _, name := range names {
		n.links = append(n.links, ipld.Link{Name: name, Cid: aChunk, Size: 1})
	}
	return n
}

func shardOf(links ...ipld.Link) rawNode {
	return rawNode{typ: typeShard, fanout: new(uint64(256)), data: []byte{1}, links: links}
}

// Directories that a hostile peer made: shards, depth, kinds of entries.
func TestFilesRefusesNodes(t *testing.T) {
	one := ipld.Link{Name: "00a", Cid: aChunk, Size: 1}
	with := func(n rawNode, change func(*rawNode)) rawNode { change(&n); return n }
	for _, tc := range []struct {
		what  string
		under []rawNode // each is linked from the next; the last from root
		root  func(last cid.Cid) rawNode
	}{
		{"a file", nil, func(cid.Cid) rawNode { return fileOf(aChunk, 5) }},
		{"a raw block", nil, func(cid.Cid) rawNode { return rawNode{typ: typeRaw} }},
		{"a shard of fanout 3", nil, func(cid.Cid) rawNode { return with(shardOf(one), func(n *rawNode) { n.fanout = new(uint64(3)) }) }},
		{"a shard of fanout 4", nil, func(cid.Cid) rawNode { return with(shardOf(one), func(n *rawNode) { n.fanout = new(uint64(4)) }) }},
		{"a shard of fanout 2048", nil, func(cid.Cid) rawNode { return with(shardOf(one), func(n *rawNode) { n.fanout = new(uint64(2048)) }) }},
		{"a shard's entry without prefix", nil, func(cid.Cid) rawNode { return shardOf(ipld.Link{Name: "0", Cid: aChunk}) }},
		{"a shard with one name twice", nil, func(cid.Cid) rawNode { return shardOf(one, ipld.Link{Name: "01a", Cid: aChunk}) }},
		{"two shards with one name", []rawNode{shardOf(one)}, func(c cid.Cid) rawNode {
			return shardOf(ipld.Link{Name: "00", Cid: c}, ipld.Link{Name: "01", Cid: c})
		}},
		{"a name both in a shard and above it", []rawNode{shardOf(one)}, func(c cid.Cid) rawNode {
			return shardOf(ipld.Link{Name: "00", Cid: c}, ipld.Link{Name: "01a", Cid: aChunk})
		}},
		{"a directory in a shard's place", []rawNode{dirOf("a")}, func(c cid.Cid) rawNode { return shardOf(ipld.Link{Name: "00", Cid: c}) }},
		{"an entry in dag-cbor", nil, func(cid.Cid) rawNode {
			return rawNode{typ: typeDirectory, links: []ipld.Link{{Name: "a", Cid: aPage}}}
		}},
		{"an entry that is a CIDv0", nil, func(cid.Cid) rawNode {
			return rawNode{typ: typeDirectory, links: []ipld.Link{{Name: "a", Cid: aV0}}}
		}},
		{"an entry that is a symlink", []rawNode{{typ: typeSymlink, data: []byte("/etc")}}, func(c cid.Cid) rawNode {
			return rawNode{typ: typeDirectory, links: []ipld.Link{{Name: "a", Cid: c}}}
		}},
		{"a name that is not UTF-8", nil, func(cid.Cid) rawNode { return dirOf("a\xff") }},
		{"a name of 256 bytes", nil, func(cid.Cid) rawNode { return dirOf(strings.Repeat("a", 256)) }},
		{"a name with a NUL", nil, func(cid.Cid) rawNode { return dirOf("a\x00") }},
		{"a dot", nil, func(cid.Cid) rawNode { return dirOf(".") }},
	} {
		m := blockMap{}
		last := cid.Undef
		for _, n := range tc.under {
			b := n.build(t)
			m[b.Cid()] = b
			last = b.Cid()
		}
		b := tc.root(last).build(t)
		m[b.Cid()] = b
		if files, err := readDir(t, m, b.Cid()); !isCorrupt(err) {
			t.Errorf("%s: %v, %v, want *CorruptError", tc.what, files, err)
		}
	}
}

// chain nests directories, each called a, around one file.
func chain(t *testing.T, m blockMap, depth int, shard bool) cid.Cid {
	t.Helper()
	b := dirOf("f").build(t)
	m[b.Cid()] = b
	for range depth {
		n := rawNode{typ: typeDirectory, links: []ipld.Link{{Name: "a", Cid: b.Cid()}}}
		if shard {
			n = shardOf(ipld.Link{Name: "00", Cid: b.Cid()})
		}
		b = n.build(t)
		m[b.Cid()] = b
	}
	return b.Cid()
}

func TestFilesTooDeep(t *testing.T) {
	m := blockMap{}
	if files, err := readDir(t, m, chain(t, m, 32, false)); err != nil || len(files) != 1 {
		t.Errorf("32 directories: %v, %v", files, err)
	}
	if _, err := readDir(t, m, chain(t, m, 33, false)); !isCorrupt(err) {
		t.Errorf("33 directories: %v, want *CorruptError", err)
	}
	if _, err := readDir(t, m, chain(t, m, 40, true)); !isCorrupt(err) {
		t.Errorf("40 shards: %v, want *CorruptError", err)
	}
	deep := strings.Repeat("a/", 32) + "f"
	root, err := dag.BuildDir(t.Context(), map[string]dag.Child{deep: dag.Leaf(nil)}, m.emit)
	if err != nil {
		t.Fatal(err)
	}
	if files, err := readDir(t, m, root.CID); err != nil || len(files) != 1 {
		t.Errorf("what BuildDir makes of the deepest path: %v, %v", files, err)
	}
	if _, err := dag.BuildDir(t.Context(), map[string]dag.Child{"a/" + deep: dag.Leaf(nil)}, m.emit); err == nil {
		t.Error("BuildDir makes what Files refuses")
	}
}

// Few blocks can say that there are more files than anyone could list.
func TestFilesTooMany(t *testing.T) {
	if testing.Short() {
		t.Skip("a million files")
	}
	for _, shard := range []bool{false, true} {
		m := blockMap{}
		b := dirOf().build(t)
		m[b.Cid()] = b
		for range 8 {
			n := rawNode{typ: typeDirectory}
			if shard {
				n = shardOf()
			}
			for i := range 64 {
				name := fmt.Sprintf("%02X", i)
				n.links = append(n.links, ipld.Link{Name: name, Cid: b.Cid()})
			}
			b = n.build(t)
			m[b.Cid()] = b
		}
		if _, err := readDir(t, m, b.Cid()); !isCorrupt(err) {
			t.Errorf("64^8 directories (in shards: %v): %v, want *CorruptError", shard, err)
		}
	}
}

func TestFilesPathTooLong(t *testing.T) {
	m := blockMap{}
	b := dirOf("f").build(t)
	m[b.Cid()] = b
	for range 20 {
		b = rawNode{typ: typeDirectory, links: []ipld.Link{{Name: strings.Repeat("a", 250), Cid: b.Cid()}}}.build(t)
		m[b.Cid()] = b
	}
	if _, err := readDir(t, m, b.Cid()); !isCorrupt(err) {
		t.Errorf("a path of 5000 bytes: %v, want *CorruptError", err)
	}
}

// Files stops where its caller does, and passes errors of its source on.
func TestFilesStops(t *testing.T) {
	m := blockMap{}
	c := chain(t, m, 3, false)
	for f, err := range dag.Files(t.Context(), m, c, nil) {
		if err != nil || f.Path != "a/a/a/f" {
			t.Errorf("%q, %v", f.Path, err)
		}
		break
	}
	for _, err := range dag.Files(t.Context(), blockMap{}, c, nil) {
		if !errors.Is(err, dag.ErrNotFound) {
			t.Errorf("a root that is missing: %v, want ErrNotFound", err)
		}
	}
}

func mustLink(name string, b blocks.Block) ipld.Link { return ipld.Link{Name: name, Cid: b.Cid()} }
