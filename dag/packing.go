package dag

import (
	"bytes"
	"fmt"
	"strings"
	"unicode/utf8"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
)

// MaxPath is the most bytes of a file's path in a model.
const MaxPath = 4096

// A Packing is one way to carry a whole model: a node that holds everything
// under its CID can rebuild the model without any other.
type Packing struct {
	Of      cid.Cid       // the model
	Nodes   List[cid.Cid] // every interior UnixFS node, under the raw codec, so that a pin keeps it and does not descend
	Files   List[FileSum]
	Recipes List[cid.Cid] // bases first; of each tensor, each plain file, each base they need
}

// A FileSum is the sha256 of a whole file: the Hub's LFS oid.
type FileSum struct {
	Path   string
	SHA256 [32]byte
}

// A PackingWriter builds a packing of any length in bounded memory: emit gets
// every block, the root last.
type PackingWriter struct {
	nodes   listWriter[cid.Cid]
	files   listWriter[FileSum]
	recipes listWriter[cid.Cid]
	emit    func(blocks.Block) error
}

// NewPackingWriter returns a writer that hands finished blocks to emit.
func NewPackingWriter(emit func(blocks.Block) error) *PackingWriter {
	return &PackingWriter{
		nodes:   listWriter[cid.Cid]{kind: &nodeKind, emit: emit},
		files:   listWriter[FileSum]{kind: &fileKind, emit: emit},
		recipes: listWriter[cid.Cid]{kind: &recipeKind, emit: emit},
		emit:    emit,
	}
}

// Node adds an interior UnixFS node.
func (w *PackingWriter) Node(c cid.Cid) error { return w.nodes.add(AsRaw(c)) }

// File adds a file.
func (w *PackingWriter) File(f FileSum) error { return w.files.add(f) }

// Recipe adds the recipe c. The caller adds those of bases first.
func (w *PackingWriter) Recipe(c cid.Cid) error { return w.recipes.add(c) }

// Finish emits the packing of model and returns its CID.
func (w *PackingWriter) Finish(model cid.Cid) (cid.Cid, error) {
	p := Packing{Of: model}
	var err error
	if p.Nodes, err = w.nodes.finish(); err != nil {
		return cid.Undef, err
	}
	if p.Files, err = w.files.finish(); err != nil {
		return cid.Undef, err
	}
	if p.Recipes, err = w.recipes.finish(); err != nil {
		return cid.Undef, err
	}
	data := p.encode()
	if len(data) > MaxBlock {
		return cid.Undef, fmt.Errorf("packing of %d bytes, more than a block holds", len(data))
	}
	c := CBOR(data)
	b, err := blocks.NewBlockWithCid(data, c)
	if err != nil {
		return cid.Undef, err
	}
	return c, w.emit(b)
}

func (p *Packing) encode() []byte {
	b := appendHead(nil, majorMap, 5)
	b = appendUint(appendText(b, "v"), Version)
	b = appendBytes(appendText(b, "of"), p.Of.Bytes())
	b = appendList(appendText(b, "files"), p.Files)
	b = appendList(appendText(b, "nodes"), p.Nodes)
	return appendList(appendText(b, "recipes"), p.Recipes)
}

// DecodePacking parses block b, whose hash was checked before. It returns a
// *CorruptError for anything but a canonical packing of this version.
func DecodePacking(b blocks.Block) (*Packing, error) {
	rd := &cborReader{b: b.RawData()}
	p := &Packing{}
	pairs := rd.mapHead(maxKeys)
	rd.version()
	if pairs != 5 {
		rd.fail("a packing of %d keys", pairs)
	}
	rd.key("of")
	p.Of = rd.rawCID()
	rd.key("files")
	p.Files = readList(rd, &fileKind)
	rd.key("nodes")
	p.Nodes = readList(rd, &nodeKind)
	rd.key("recipes")
	p.Recipes = readList(rd, &recipeKind)
	if rd.err == nil && p.Of.Type() != cid.DagProtobuf {
		rd.fail("a model that is no directory")
	}
	err := rd.end()
	if err == nil && !bytes.Equal(p.encode(), b.RawData()) {
		err = errCBOR
	}
	if err != nil {
		return nil, &CorruptError{CID: b.Cid(), Reason: "not a packing: " + err.Error(), err: rd.newer}
	}
	return p, nil
}

// AsRaw returns c's multihash under the raw codec.
func AsRaw(c cid.Cid) cid.Cid { return cid.NewCidV1(cid.Raw, c.Hash()) }

// CheckPath returns an error unless path is one that a model may hold: relative,
// slash-separated, clean, at most 32 directories deep, and with no part that
// could leave its directory.
func CheckPath(path string) error {
	if path == "" || len(path) > MaxPath {
		return fmt.Errorf("a path of %d bytes", len(path))
	}
	if n := strings.Count(path, "/"); n > maxDepth {
		return fmt.Errorf("a path of %d directories, more than %d", n, maxDepth)
	}
	for part := range strings.SplitSeq(path, "/") {
		if err := CheckName(part); err != nil {
			return err
		}
	}
	return nil
}

// CheckName returns an error unless name can stand for one file or directory
// inside another on every system that zipnode runs on.
func CheckName(name string) error {
	switch {
	case name == "" || name == "." || name == "..":
		return fmt.Errorf("the file name %q, which names no file", name)
	case len(name) > 255:
		return fmt.Errorf("a file name of %d bytes, more than 255", len(name))
	case strings.ContainsAny(name, "/\\\x00"):
		return fmt.Errorf("the file name %q has a character that parts or ends names on some systems", name)
	case !utf8.ValidString(name):
		return fmt.Errorf("the file name %q is not UTF-8", name)
	}
	return nil
}
