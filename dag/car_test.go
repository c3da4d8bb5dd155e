package dag_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"
	"testing/iotest"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	cidlink "github.com/ipld/go-ipld-prime/linking/cid"

	"github.com/zipnode/zipnode/dag"
)

// writeCAR writes a CARv1 file of the blocks in order.
func writeCAR(root cid.Cid, list ...blocks.Block) []byte {
	out := dag.CARHeader(root)
	for _, b := range list {
		out = append(out, dag.CARSection(b.Cid(), len(b.RawData()))...)
		out = append(out, b.RawData()...)
	}
	return out
}

// plainCAR reads a CARv1 file as https://ipld.io/specs/transport/car/carv1/
// says, with no code of ours.
func plainCAR(data []byte) (roots []cid.Cid, list []blocks.Block, err error) {
	in := bytes.NewReader(data)
	next := func() ([]byte, error) {
		n, err := binary.ReadUvarint(in)
		if err != nil {
			return nil, err
		}
		if n > uint64(in.Len()) {
			return nil, io.ErrUnexpectedEOF
		}
		b := make([]byte, n)
		_, err = io.ReadFull(in, b)
		return b, err
	}
	h, err := next()
	if err != nil {
		return nil, nil, err
	}
	n, err := primeDecode(h)
	if err != nil {
		return nil, nil, err
	}
	if v, err := n.LookupByString("version"); err != nil || must(v.AsInt()) != 1 {
		return nil, nil, fmt.Errorf("version: %v", err)
	}
	rs, err := n.LookupByString("roots")
	if err != nil {
		return nil, nil, err
	}
	for it := rs.ListIterator(); !it.Done(); {
		_, v, err := it.Next()
		if err != nil {
			return nil, nil, err
		}
		roots = append(roots, must(v.AsLink()).(cidlink.Link).Cid)
	}
	for in.Len() > 0 {
		b, err := next()
		if err != nil {
			return nil, nil, err
		}
		width, c, err := cid.CidFromBytes(b)
		if err != nil {
			return nil, nil, err
		}
		if again, err := c.Prefix().Sum(b[width:]); err != nil || !again.Equals(c) {
			return nil, nil, fmt.Errorf("%s has other bytes", c)
		}
		list = append(list, must(blocks.NewBlockWithCid(b[width:], c)))
	}
	return roots, list, nil
}

func readCAR(r io.Reader) (roots []cid.Cid, list []blocks.Block, err error) {
	in := dag.NewCARReader(r)
	if roots, err = in.Header(); err != nil {
		return nil, nil, err
	}
	for {
		b, err := in.Next()
		if err == io.EOF {
			return roots, list, nil
		}
		if err != nil {
			return roots, list, err
		}
		list = append(list, b)
	}
}

// A packing, its recipes and their chunks as CAR: another reader finds the same
// blocks, and every link of a dag-cbor block leads to one of them.
func TestCARHoldsItsClosure(t *testing.T) {
	m := blockMap{}
	var list []blocks.Block
	emit := func(b blocks.Block) error { list = append(list, b); return m.emit(b) }
	w := dag.NewPackingWriter(emit)
	for i := range 3 {
		data := noise(100 + i)
		chunk := must(blocks.NewBlockWithCid(data, dag.Raw(data)))
		if err := emit(chunk); err != nil {
			t.Fatal(err)
		}
		r := &dag.Recipe{Of: dag.Raw(data), Size: int64(len(data)), DType: "opaque"}
		b, err := dag.EncodeRecipe(r, slices.Values([]dag.Entry{{Chunk: chunk.Cid(), Length: len(data)}}), emit)
		if err == nil {
			err = errors.Join(emit(b), w.Recipe(b.Cid()), w.File(dag.FileSum{Path: fmt.Sprint(i)}))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, err := dag.BuildDir(t.Context(), map[string]dag.Child{"0": dag.Leaf(noise(100))}, func(b blocks.Block) error {
		raw := must(blocks.NewBlockWithCid(b.RawData(), dag.AsRaw(b.Cid())))
		return errors.Join(emit(raw), w.Node(raw.Cid()))
	})
	if err != nil {
		t.Fatal(err)
	}
	root, err := w.Finish(dir.CID)
	if err != nil {
		t.Fatal(err)
	}
	car := writeCAR(root, list...)
	roots, got, err := plainCAR(car)
	if err != nil || len(roots) != 1 || roots[0] != root || len(got) != len(list) {
		t.Fatalf("another reader: roots %s, %d blocks, %v, want %s and %d", roots, len(got), err, root, len(list))
	}
	for i, b := range got {
		if b.Cid() != list[i].Cid() || !bytes.Equal(b.RawData(), list[i].RawData()) {
			t.Errorf("block %d is %s, want %s", i, b.Cid(), list[i].Cid())
		}
		if b.Cid().Type() != cid.DagCBOR {
			continue
		}
		for _, l := range primeLinks(t, b.RawData()) {
			if _, ok := m[l]; !ok {
				t.Errorf("%s links to %s, which is not here", b.Cid(), l)
			}
		}
	}
	roots, own, err := readCAR(iotest.OneByteReader(bytes.NewReader(car)))
	if err != nil || len(roots) != 1 || roots[0] != root || len(own) != len(list) {
		t.Errorf("CARReader: roots %s, %d blocks, %v", roots, len(own), err)
	}
}

func TestCARReaderRefuses(t *testing.T) {
	block := must(blocks.NewBlockWithCid([]byte("tensor"), aTensor))
	car := writeCAR(aPage, block, block)
	headLen := len(dag.CARHeader(aPage))
	section := car[headLen : headLen+(len(car)-headLen)/2]
	header := func(b []byte) []byte { return slices.Concat(binary.AppendUvarint(nil, uint64(len(b))), b) }
	roots := func(cs ...cid.Cid) fields {
		var links [][]byte
		for _, c := range cs {
			links = append(links, link(c))
		}
		return fields{{"roots", list(links...)}, {"version", num(1)}}
	}
	if _, _, err := readCAR(bytes.NewReader(header(roots(aPage, aTensor).encode()))); err != nil {
		t.Errorf("two roots: %v", err)
	}
	if _, _, err := readCAR(bytes.NewReader(header(roots().encode()))); err != nil {
		t.Errorf("no roots: %v", err)
	}
	if _, got, err := readCAR(bytes.NewReader(writeCAR(aPage, must(blocks.NewBlockWithCid(nil, dag.EmptyFile))))); err != nil || len(got) != 1 {
		t.Errorf("an empty block: %d, %v", len(got), err)
	}
	bad := func(with []byte) []byte { return slices.Concat(car[:headLen], with) }
	cidAnd := func(c cid.Cid, data string) []byte {
		return slices.Concat(binary.AppendUvarint(nil, uint64(c.ByteLen()+len(data))), c.Bytes(), []byte(data))
	}
	for _, tc := range []badCase{
		{"nothing", nil},
		{"a header of no bytes", []byte{0}},
		{"a header of 2^60 bytes", binary.AppendUvarint(nil, 1<<60)},
		{"a header over 64 KiB", slices.Concat(binary.AppendUvarint(nil, 1<<16+1), make([]byte, 1<<16+1))},
		{"a header cut short", car[:headLen-1]},
		{"a length that never ends", bytes.Repeat([]byte{0xff}, 11)},
		{"a length longer than it needs to be", slices.Concat([]byte{car[0] | 0x80, 0}, car[1:])},
		{"version 2", header(roots(aPage).with("version", num(2)).encode())},
		{"no roots at all", header(roots().without("roots").encode())},
		{"65 roots", header(roots(slices.Repeat([]cid.Cid{aPage}, 65)...).encode())},
		{"a root that is a CIDv0", header(roots(aV0).encode())},
		{"a header with another key", header(append(roots(aPage), field{"x", num(1)}).encode())},
		{"CARv2's pragma", []byte("\x0a\xa1gversion\x02")},
		{"bytes behind the header", header(append(roots(aPage).encode(), 0))},
		{"a section cut in its length", append(slices.Clone(car), 0x80)},
		{"a section cut in its CID", car[:headLen+5]},
		{"a section cut in its bytes", car[:len(car)-1]},
		{"a section without room for a CID", bad([]byte{3, 1, 2, 3})},
		{"a section of no bytes", bad([]byte{0})},
		{"a section of 2^60 bytes", bad(binary.AppendUvarint(nil, 1<<60))},
		{"a section over a block", bad(binary.AppendUvarint(nil, dag.MaxBlock+37))},
		{"a section whose length is longer than it needs to be", bad(slices.Concat([]byte{section[0] | 0x80, 0}, section[1:]))},
		{"other bytes", bad(cidAnd(aTensor, "tensos"))},
		{"a CIDv0", bad(cidAnd(aV0, "tensor"))},
		{"another hash", bad(cidAnd(aSHA512, "x"))},
		{"an identity hash", bad(cidAnd(anInline, "tinytinytinytinytinytinytinytiny"))},
		{"another codec", bad(cidAnd(aJSON, "tensor"))},
	} {
		corruptOnly(t, "CAR", badCase{tc.what, tc.data}, func(b blocks.Block) error {
			_, _, err := readCAR(bytes.NewReader(b.RawData()))
			return err
		})
	}
	errDisk := errors.New("disk")
	for n := range len(car) {
		_, _, err := readCAR(io.MultiReader(bytes.NewReader(car[:n]), iotest.ErrReader(errDisk)))
		if !errors.Is(err, errDisk) && !isCorrupt(err) {
			t.Errorf("a disk that fails at byte %d: %v", n, err)
		}
	}
}
