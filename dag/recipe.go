package dag

import (
	"bytes"
	"context"
	"fmt"
	"iter"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/tensor"
)

// Version is that of recipes and packings.
const Version = 1

const (
	maxKeys  = 64 // of a map: those of a newer version may be more than ours
	maxDType = 64
	maxBases = 8    // of one recipe
	maxSpans = 8192 // of one recipe, over all its bases

	// maxElems bounds the numbers of spans: a recipe's pages name at most 2^26
	// leaves, and an element has at least one bit.
	maxElems = 8 * MaxLeaf * maxPages * pageEntries
)

// A Recipe is one way to rebuild a tensor from base tensors and chunks. Any
// recipe of a tensor will do: every leaf it gives is checked against the
// tensor's leaf CIDs, so none has to be trusted.
type Recipe struct {
	Of     cid.Cid // the tensor
	Size   int64   // its decoded bytes
	DType  tensor.DType
	Bases  []Base
	Side   cid.Cid // what all chunks share; Undef for none
	Chunks List[Entry]
}

// A Base is a tensor that a recipe's chunks are coded against.
type Base struct {
	Of    cid.Cid
	DType tensor.DType
	Map   []Span // none: the same element offsets
}

// A Span says that Count elements from Dst of the tensor line up with those
// from Src of the base.
type Span struct{ Dst, Src, Count int64 }

// An Entry names the chunk of one leaf. A chunk with the leaf's own CID is the
// leaf itself, without a frame.
type Entry struct {
	Chunk  cid.Cid
	Length int // of the chunk, in bytes
}

// Leaves returns how many leaves a tensor of size bytes has.
func Leaves(size int64) int64 { return (size + MaxLeaf - 1) / MaxLeaf }

// LeafSize returns the decoded bytes of leaf i of a tensor of size bytes.
func LeafSize(size, i int64) int { return int(min(MaxLeaf, size-i*MaxLeaf)) }

// tensorCodec returns the codec of the CID of a tensor of size bytes: one of a
// single leaf is the leaf.
func tensorCodec(size int64) uint64 {
	if size <= MaxLeaf {
		return cid.Raw
	}
	return cid.DagProtobuf
}

// EncodeRecipe returns the block of r with the given entries, and calls emit
// with each page, before, when they are too many for one block. It sets
// r.Chunks.
func EncodeRecipe(r *Recipe, entries iter.Seq[Entry], emit func(blocks.Block) error) (blocks.Block, error) {
	w := listWriter[Entry]{kind: &entryKind, emit: emit}
	for e := range entries {
		if err := w.add(e); err != nil {
			return nil, err
		}
	}
	l, err := w.finish()
	if err != nil {
		return nil, err
	}
	if l.Len() != Leaves(r.Size) {
		return nil, fmt.Errorf("recipe of %d chunks for a tensor of %d bytes", l.Len(), r.Size)
	}
	r.Chunks = l
	data := r.encode()
	if len(data) > MaxBlock {
		return nil, fmt.Errorf("recipe of %d bytes, more than a block holds", len(data))
	}
	return blocks.NewBlockWithCid(data, CBOR(data))
}

// encode writes the map's keys in canonical order: by length, then by byte.
func (r *Recipe) encode() []byte {
	pairs := uint64(6)
	if r.Side.Defined() {
		pairs++
	}
	b := appendHead(nil, majorMap, pairs)
	b = appendUint(appendText(b, "v"), Version)
	b = appendBytes(appendText(b, "of"), r.Of.Bytes())
	if r.Side.Defined() {
		b = appendLink(appendText(b, "side"), r.Side)
	}
	b = appendUint(appendText(b, "size"), r.Size)
	b = appendHead(appendText(b, "bases"), majorList, uint64(len(r.Bases)))
	for _, base := range r.Bases {
		b = base.append(b)
	}
	b = appendText(appendText(b, "dtype"), string(r.DType))
	return appendList(appendText(b, "chunks"), r.Chunks)
}

func (s Base) append(b []byte) []byte {
	if len(s.Map) == 0 {
		b = appendHead(b, majorMap, 2)
	} else {
		b = appendHead(b, majorMap, 3)
	}
	b = appendBytes(appendText(b, "of"), s.Of.Bytes())
	if len(s.Map) > 0 {
		b = appendHead(appendText(b, "map"), majorList, uint64(len(s.Map)))
		for _, m := range s.Map {
			b = appendUint(appendUint(appendUint(appendHead(b, majorList, 3), m.Dst), m.Src), m.Count)
		}
	}
	return appendText(appendText(b, "dtype"), string(s.DType))
}

// DecodeRecipe parses block b, whose hash was checked before. It returns a
// *CorruptError for anything but a canonical recipe of this version.
func DecodeRecipe(b blocks.Block) (*Recipe, error) {
	rd := &cborReader{b: b.RawData()}
	r := &Recipe{}
	pairs := rd.mapHead(maxKeys)
	rd.version()
	rd.key("of")
	r.Of = rd.rawCID()
	if pairs == 7 {
		rd.key("side")
		r.Side = rd.link()
	} else if pairs != 6 {
		rd.fail("a recipe of %d keys", pairs)
	}
	rd.key("size")
	r.Size = rd.uint()
	rd.key("bases")
	spans := 0
	for range rd.list(maxBases) {
		base := readBase(rd, maxSpans-spans)
		spans += len(base.Map)
		r.Bases = append(r.Bases, base)
	}
	rd.key("dtype")
	r.DType = tensor.DType(rd.text(maxDType))
	rd.key("chunks")
	r.Chunks = readList(rd, &entryKind)
	err := rd.end()
	if err == nil {
		err = r.check()
	}
	if err == nil && !bytes.Equal(r.encode(), b.RawData()) {
		err = errCBOR
	}
	if err != nil {
		return nil, &CorruptError{CID: b.Cid(), Reason: "not a recipe: " + err.Error(), err: rd.newer}
	}
	return r, nil
}

func (r *cborReader) version() {
	r.key("v")
	if v := r.uint(); r.err == nil && v != Version {
		if v > Version {
			r.newer = ErrNewer
		}
		r.fail("version %d, this zipnode reads %d", v, Version)
	}
}

func readBase(rd *cborReader, spans int) Base {
	var b Base
	pairs := rd.mapHead(3)
	rd.key("of")
	b.Of = rd.rawCID()
	if pairs == 3 {
		rd.key("map")
		n := rd.list(spans)
		if n == 0 {
			rd.fail("an empty map of spans")
		}
		for range n {
			if rd.list(3) != 3 {
				rd.fail("a span that is no triple")
			}
			b.Map = append(b.Map, Span{rd.uint(), rd.uint(), rd.uint()})
			if rd.err != nil {
				return b
			}
		}
	} else if pairs != 2 {
		rd.fail("a base of %d keys", pairs)
	}
	rd.key("dtype")
	b.DType = tensor.DType(rd.text(maxDType))
	return b
}

// check tests what the encoding alone does not: that chunks, size and spans fit
// together. Bases are tested against their own sizes where they are read.
func (r *Recipe) check() error {
	if r.Size <= 0 || r.Chunks.Len() != Leaves(r.Size) {
		return fmt.Errorf("%d chunks for %d bytes", r.Chunks.Len(), r.Size)
	}
	if r.Of.Type() != tensorCodec(r.Size) {
		return fmt.Errorf("a tensor of %d bytes under codec 0x%x", r.Size, r.Of.Type())
	}
	if r.Side.Defined() && r.Side.Type() != cid.Raw {
		return fmt.Errorf("a side block under codec 0x%x", r.Side.Type())
	}
	if r.DType == "" {
		return fmt.Errorf("no dtype")
	}
	for _, b := range r.Bases {
		if b.Of.Equals(r.Of) {
			return fmt.Errorf("a tensor that is its own base")
		}
		if b.Of.Type() == cid.DagCBOR {
			return fmt.Errorf("a base that is no tensor")
		}
		if b.DType == "" {
			return fmt.Errorf("a base without dtype")
		}
		end := int64(0)
		for _, s := range b.Map {
			if s.Count <= 0 || s.Dst < end || s.Dst > 8*r.Size || s.Count > 8*r.Size-s.Dst || s.Src > maxElems {
				return fmt.Errorf("spans out of order or of range")
			}
			end = s.Dst + s.Count
		}
	}
	return nil
}

// StoredBytes returns the sum of r's chunk lengths; pages come from g.
func (r *Recipe) StoredBytes(ctx context.Context, g Getter) (int64, error) {
	n := int64(0)
	if r.Side.Defined() {
		side, err := g.Get(ctx, r.Side)
		if err != nil {
			return 0, err
		}
		n += int64(len(side.RawData()))
	}
	for e, err := range r.Chunks.All(ctx, g) {
		if err != nil {
			return 0, err
		}
		n += int64(e.Length)
	}
	return n, nil
}
