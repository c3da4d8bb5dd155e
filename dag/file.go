package dag

import (
	"fmt"

	"github.com/ipfs/boxo/ipld/merkledag"
	ft "github.com/ipfs/boxo/ipld/unixfs"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
	mh "github.com/multiformats/go-multihash"
)

// MaxLinks is the most children of a file's node, as unixfs-v1-2025 has it.
const MaxLinks = 1024

var builder = cid.Prefix{Version: 1, Codec: cid.DagProtobuf, MhType: mh.SHA2_256, MhLength: -1}

// A Child is a file's part: a leaf, a tensor, or a node over such.
type Child struct {
	CID     cid.Cid
	Size    int64  // bytes of the file that it stands for
	DagSize uint64 // bytes of all blocks under it: UnixFS's Tsize
}

// Leaf returns the child that stands for one raw leaf.
func Leaf(data []byte) Child {
	return Child{CID: Raw(data), Size: int64(len(data)), DagSize: uint64(len(data))}
}

// LeafOf is Leaf of size bytes that hash to sum.
func LeafOf(sum [32]byte, size int) Child {
	return Child{CID: named(cid.Raw, sum), Size: int64(size), DagSize: uint64(size)}
}

// EmptyFile is the CID of a file of no bytes: the empty leaf.
var EmptyFile = Raw(nil)

// A FileBuilder groups children left to right, MaxLinks a node, level by level,
// in the memory of one node a level. Children of 1 MiB leaves give the very
// file that boxo's balanced importer gives under unixfs-v1-2025.
type FileBuilder struct {
	emit   func(blocks.Block) error
	levels [][]Child
}

// NewFileBuilder returns a builder that hands each finished node to emit.
func NewFileBuilder(emit func(blocks.Block) error) *FileBuilder {
	return &FileBuilder{emit: emit}
}

// Add appends a child. An empty one is left out.
func (b *FileBuilder) Add(c Child) error {
	if c.Size == 0 {
		return nil
	}
	return b.addAt(0, c)
}

func (b *FileBuilder) addAt(level int, c Child) error {
	if level == len(b.levels) {
		b.levels = append(b.levels, nil)
	}
	if len(b.levels[level]) == MaxLinks {
		if err := b.group(level); err != nil {
			return err
		}
	}
	b.levels[level] = append(b.levels[level], c)
	return nil
}

// group puts the children of level under one node of the next.
func (b *FileBuilder) group(level int) error {
	c, blk, err := fileNode(b.levels[level])
	if err != nil {
		return err
	}
	if err := b.emit(blk); err != nil {
		return err
	}
	b.levels[level] = b.levels[level][:0]
	return b.addAt(level+1, c)
}

// Finish emits the nodes still open and returns the file: a lone child is the
// file itself, and no child at all is [EmptyFile]. The builder is then empty.
func (b *FileBuilder) Finish() (Child, error) {
	defer func() { b.levels = nil }()
	if len(b.levels) == 0 {
		return Child{CID: EmptyFile}, nil
	}
	for level := 0; ; level++ {
		if level == len(b.levels)-1 && len(b.levels[level]) == 1 {
			return b.levels[level][0], nil
		}
		if err := b.group(level); err != nil {
			return Child{}, err
		}
	}
}

func fileNode(children []Child) (Child, blocks.Block, error) {
	fs := ft.NewFSNode(ft.TFile)
	node := new(merkledag.ProtoNode)
	if err := node.SetCidBuilder(builder); err != nil {
		return Child{}, nil, err
	}
	size := int64(0)
	for _, c := range children {
		fs.AddBlockSize(uint64(c.Size))
		size += c.Size
		if err := node.AddRawLink("", &ipld.Link{Size: c.DagSize, Cid: c.CID}); err != nil {
			return Child{}, nil, err
		}
	}
	data, err := fs.GetBytes()
	if err != nil {
		return Child{}, nil, err
	}
	node.SetData(data)
	total, err := node.Size()
	if err != nil {
		return Child{}, nil, err
	}
	return Child{CID: node.Cid(), Size: size, DagSize: total}, node, nil
}

// A Node is an interior node of a file.
type Node struct {
	CID      cid.Cid
	Size     int64
	Children []Child
}

// DecodeFile parses block b, whose hash was checked before, as an interior node
// of a file of size bytes. It returns a *CorruptError for a node that holds
// bytes itself, has an empty child, or whose sizes do not add up. A size below
// zero takes what the node says.
func DecodeFile(b blocks.Block, size int64) (*Node, error) {
	bad := func(format string, args ...any) (*Node, error) {
		return nil, &CorruptError{CID: b.Cid(), Reason: fmt.Sprintf(format, args...)}
	}
	pn, fs, err := decodeUnixFS(b)
	if err != nil {
		return bad("%v", err)
	}
	if fs.Type() != ft.TFile || len(fs.Data()) != 0 {
		return bad("not the interior node of a file")
	}
	links := pn.Links()
	if len(links) == 0 || len(links) > MaxLinks || len(links) != fs.NumChildren() {
		return bad("%d links for %d parts", len(links), fs.NumChildren())
	}
	n := &Node{CID: b.Cid(), Children: make([]Child, len(links))}
	for i, l := range links {
		part := fs.BlockSize(i)
		if err := Supported(l.Cid); err != nil {
			return bad("link %d is %v", i, err)
		}
		leaf := l.Cid.Type() == cid.Raw
		if part == 0 || part > 1<<60 || leaf && part > MaxLeaf || l.Cid.Type() == cid.DagCBOR {
			return bad("part %d of %d bytes", i, part)
		}
		n.Children[i] = Child{CID: l.Cid, Size: int64(part), DagSize: l.Size}
		if n.Size += int64(part); n.Size > 1<<60 {
			return bad("more than 2^60 bytes")
		}
	}
	if uint64(n.Size) != fs.FileSize() || size >= 0 && n.Size != size {
		return bad("its parts have %d bytes, it claims %d, %d were expected", n.Size, fs.FileSize(), size)
	}
	return n, nil
}

func decodeUnixFS(b blocks.Block) (*merkledag.ProtoNode, *ft.FSNode, error) {
	if b.Cid().Type() != cid.DagProtobuf {
		return nil, nil, fmt.Errorf("not a UnixFS node")
	}
	pn, err := merkledag.DecodeProtobuf(b.RawData())
	if err != nil {
		return nil, nil, err
	}
	fs, err := ft.FSNodeFromBytes(pn.Data())
	if err != nil {
		return nil, nil, err
	}
	return pn, fs, nil
}

// Links returns the CIDs that a UnixFS node, of a file or a directory, links
// to, in order.
func Links(b blocks.Block) ([]cid.Cid, error) {
	pn, _, err := decodeUnixFS(b)
	if err != nil {
		return nil, &CorruptError{CID: b.Cid(), Reason: err.Error()}
	}
	out := make([]cid.Cid, 0, len(pn.Links()))
	for _, l := range pn.Links() {
		if err := Supported(l.Cid); err != nil {
			return nil, &CorruptError{CID: b.Cid(), Reason: err.Error()}
		}
		out = append(out, l.Cid)
	}
	return out, nil
}
