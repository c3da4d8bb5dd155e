package dag_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/ipfs/boxo/files"
	"github.com/ipfs/boxo/ipld/merkledag"
	mdtest "github.com/ipfs/boxo/ipld/merkledag/test"
	unixfile "github.com/ipfs/boxo/ipld/unixfs/file"
	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	"github.com/ipfs/go-cid"
	"github.com/ipld/go-ipld-prime/codec/dagcbor"
	"github.com/ipld/go-ipld-prime/datamodel"
	cidlink "github.com/ipld/go-ipld-prime/linking/cid"
	"github.com/ipld/go-ipld-prime/node/basicnode"
	"github.com/ipld/go-ipld-prime/traversal"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/tensor/tensortest"
)

// primeDecode decodes dag-cbor by a decoder that is not ours.
func primeDecode(data []byte) (datamodel.Node, error) {
	nb := basicnode.Prototype.Any.NewBuilder()
	opts := dagcbor.DecodeOptions{AllowLinks: true}
	if err := opts.Decode(nb, bytes.NewReader(data)); err != nil {
		return nil, err
	}
	return nb.Build(), nil
}

// primeSame returns an error unless go-ipld-prime reads data as dag-cbor, and
// writes the same bytes for it.
func primeSame(data []byte) error {
	n, err := primeDecode(data)
	if err != nil {
		return err
	}
	var back bytes.Buffer
	if err := dagcbor.Encode(n, &back); err != nil {
		return err
	}
	if !bytes.Equal(back.Bytes(), data) {
		return fmt.Errorf("go-ipld-prime encodes %x", back.Bytes())
	}
	return nil
}

// encodings returns blocks of recipes and packings, and of their pages.
func encodings(t testing.TB) map[string][]byte {
	out := map[string][]byte{}
	add := func(name string, list []blockVec, blocks map[string][]byte) {
		for i, b := range list {
			if data, ok := blocks[b.CID]; ok {
				out[fmt.Sprintf("%s, block %d", name, i)] = data
			}
		}
	}
	for _, v := range recipeVectors(t) {
		m := blockMap{}
		b, err := dag.EncodeRecipe(v.recipe(t), v.entries(t), m.emit)
		if err != nil {
			t.Fatal(err)
		}
		m[b.Cid()] = b
		add(v.Name, v.Blocks, m.bytes())
	}
	for _, v := range packVectors(t) {
		m := blockMap{}
		w := dag.NewPackingWriter(m.emit)
		v.write(t, w)
		if _, err := w.Finish(decodeCID(t, v.Of)); err != nil {
			t.Fatal(err)
		}
		add(v.Name, v.Blocks, m.bytes())
	}
	return out
}

func (m blockMap) bytes() map[string][]byte {
	out := map[string][]byte{}
	for c, b := range m {
		out[c.String()] = b.RawData()
	}
	return out
}

// What is written here is the dag-cbor that others write: every block decodes
// and encodes again to the same bytes, and its links are the ones meant.
func TestEncodingsAreDagCBOR(t *testing.T) {
	all := encodings(t)
	if len(all) < 20 {
		t.Errorf("%d blocks", len(all))
	}
	for name, data := range all {
		if err := primeSame(data); err != nil {
			t.Errorf("%s: %v\n%.200s", name, err, hex.EncodeToString(data))
		}
	}
}

// A pin of a packing keeps what its links name: nodes and chunks as raw blocks,
// recipes and pages, and never the model itself, which is bytes and no link.
func TestLinksOfPacking(t *testing.T) {
	data := goodPacking.encode()
	if got, want := primeLinks(t, data), []cid.Cid{aTensor, aPage}; !slices.Equal(got, want) {
		t.Errorf("links of a packing %s, want %s", got, want)
	}
	data = goodRecipe.with("bases", list(goodBase.encode())).with("side", link(aBase)).encode()
	if got, want := primeLinks(t, data), []cid.Cid{aBase, aChunk}; !slices.Equal(got, want) {
		t.Errorf("links of a recipe %s, want %s: its base is no link", got, want)
	}
}

func primeLinks(t *testing.T, data []byte) []cid.Cid {
	t.Helper()
	n, err := primeDecode(data)
	if err != nil {
		t.Fatal(err)
	}
	links, err := traversal.SelectLinks(n)
	if err != nil {
		t.Fatal(err)
	}
	var out []cid.Cid
	for _, l := range links {
		out = append(out, l.(cidlink.Link).Cid)
	}
	return out
}

// boxo's own reader gives back every file, good or malformed, whole and from
// any offset on: any tool of IPFS can read a model.
func TestBoxoReadsModel(t *testing.T) {
	m := blockMap{}
	cids, root := model(t, m)
	serv := mdtest.Mock()
	for c, b := range m {
		if c.Type() == cid.Raw {
			n, err := merkledag.NewRawNodeWPrefix(b.RawData(), c.Prefix())
			if err == nil {
				err = serv.Add(t.Context(), n)
			}
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		n, err := merkledag.DecodeProtobufBlock(b)
		if err == nil {
			err = serv.Add(t.Context(), n)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range tensortest.Files() {
		n, err := serv.Get(t.Context(), cids[f.Name].CID)
		if err != nil {
			t.Fatal(err)
		}
		r, err := uio.NewDagReader(t.Context(), n, serv)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, f.Data) {
			t.Errorf("%s: boxo reads %d bytes, %v, want %d", f.Name, len(got), err, len(f.Data))
		}
		if _, err := r.Seek(int64(len(f.Data)/3), io.SeekStart); err != nil {
			t.Fatal(err)
		}
		got, err = io.ReadAll(r)
		if err != nil || !bytes.Equal(got, f.Data[len(f.Data)/3:]) {
			t.Errorf("%s: boxo reads %d bytes from a third on, %v", f.Name, len(got), err)
		}
	}
	n, err := serv.Get(t.Context(), root.CID)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := unixfile.NewUnixfsFile(t.Context(), serv, n)
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	err = files.Walk(dir, func(path string, n files.Node) error {
		if _, ok := n.(files.File); ok {
			count++
		}
		return nil
	})
	if err != nil || count != len(cids) {
		t.Errorf("boxo finds %d files, %v, want %d", count, err, len(cids))
	}
}
