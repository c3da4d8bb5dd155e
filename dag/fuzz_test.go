package dag_test

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"

	"github.com/zipnode/zipnode/dag"
)

// addEncodings seeds f with good encodings and with the bad ones of a kind.
func addEncodings(f *testing.F, bad []badCase) {
	for _, data := range encodings(f) {
		if len(data) < 10_000 {
			f.Add(data)
		}
	}
	for _, tc := range bad {
		if len(tc.data) < 10_000 {
			f.Add(tc.data)
		}
	}
}

// FuzzDecodeRecipe: what is read as a recipe is dag-cbor to others, and
// encodes to the same bytes.
func FuzzDecodeRecipe(f *testing.F) {
	addEncodings(f, badRecipes())
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := dag.DecodeRecipe(must(blocks.NewBlockWithCid(data, dag.CBOR(data))))
		if err != nil {
			if !isCorrupt(err) {
				t.Fatalf("%v, want *CorruptError", err)
			}
			return
		}
		if err := primeSame(data); err != nil {
			t.Fatal(err)
		}
		if len(r.Chunks.Pages()) > 0 {
			return
		}
		entries, err := all(r.Chunks)
		if err != nil || int64(len(entries)) != dag.Leaves(r.Size) {
			t.Fatalf("%d entries, %v, want %d", len(entries), err, dag.Leaves(r.Size))
		}
		back, err := dag.EncodeRecipe(r, slices.Values(entries), blockMap{}.emit)
		if err != nil || !bytes.Equal(back.RawData(), data) {
			t.Fatalf("encodes to %x, %v", back.RawData(), err)
		}
	})
}

// all returns the entries of a list that lies inline.
func all[T any](l dag.List[T]) (out []T, err error) {
	for e, err := range l.All(context.Background(), blockMap{}) {
		if err != nil {
			return out, err
		}
		out = append(out, e)
	}
	return out, nil
}

// FuzzDecodePacking: as of recipes; and no path leads out of the model.
func FuzzDecodePacking(f *testing.F) {
	addEncodings(f, badPackings())
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := dag.DecodePacking(must(blocks.NewBlockWithCid(data, dag.CBOR(data))))
		if err != nil {
			if !isCorrupt(err) {
				t.Fatalf("%v, want *CorruptError", err)
			}
			return
		}
		if err := primeSame(data); err != nil {
			t.Fatal(err)
		}
		if len(p.Nodes.Pages())+len(p.Files.Pages())+len(p.Recipes.Pages()) > 0 {
			return
		}
		m := blockMap{}
		w := dag.NewPackingWriter(m.emit)
		for c := range p.Nodes.All(t.Context(), m) {
			err = errors.Join(err, w.Node(c))
		}
		for sum := range p.Files.All(t.Context(), m) {
			err = errors.Join(err, dag.CheckPath(sum.Path), w.File(sum))
		}
		for c := range p.Recipes.All(t.Context(), m) {
			err = errors.Join(err, w.Recipe(c))
		}
		c, ferr := w.Finish(p.Of)
		if err = errors.Join(err, ferr); err != nil || c != dag.CBOR(data) {
			t.Fatalf("encodes to %s, %v", c, err)
		}
	})
}

// FuzzDecodeFile: what is read as a file's node is written again to a node of
// the same parts; and, where it was written as we write, to the same bytes.
func FuzzDecodeFile(f *testing.F) {
	for _, v := range fileVectors(f) {
		for _, b := range v.Nodes {
			if b.Bytes != "" {
				f.Add(must(hex.DecodeString(b.Bytes)))
			}
		}
	}
	for _, n := range badFileNodes() {
		f.Add(n.build(f).RawData())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		b := dagPB(data)
		n, err := dag.DecodeFile(b, -1)
		if err != nil {
			if !isCorrupt(err) {
				t.Fatalf("%v, want *CorruptError", err)
			}
			return
		}
		m := blockMap{}
		w := dag.NewFileBuilder(m.emit)
		total := int64(0)
		for _, c := range n.Children {
			total += c.Size
			if err := w.Add(c); err != nil {
				t.Fatal(err)
			}
		}
		if total != n.Size {
			t.Fatalf("parts of %d bytes in a node of %d", total, n.Size)
		}
		if len(n.Children) == 1 {
			return // a lone child is the file
		}
		again, err := w.Finish()
		if err != nil {
			if strings.Contains(err.Error(), "Tsize") {
				return // no writer could have meant a Tsize beyond 2^63
			}
			t.Fatal(err)
		}
		back, err := dag.DecodeFile(m[again.CID], n.Size)
		if err != nil || !slices.Equal(back.Children, n.Children) {
			t.Fatalf("written again: %v, %v", back, err)
		}
		links, err := dag.Links(b)
		if err != nil || len(links) != len(n.Children) {
			t.Fatalf("%d links, %v, want %d", len(links), err, len(n.Children))
		}
	})
}

// dagPB returns data as a dag-pb block.
func dagPB(data []byte) blocks.Block {
	c := cid.NewCidV1(cid.DagProtobuf, must(mh.Sum(data, mh.SHA2_256, -1)))
	return must(blocks.NewBlockWithCid(data, c))
}

// FuzzFiles: no directory names a file that could leave it, or names one twice.
func FuzzFiles(f *testing.F) {
	shard := shardOf()
	for _, n := range []rawNode{dirOf("a", "b"), dirOf(".."), dirOf("a/b"), dirOf("a", "a"), shard} {
		f.Add(n.build(f).RawData(), dirOf("a").build(f).RawData())
	}
	f.Fuzz(func(t *testing.T, data, inner []byte) {
		m := blockMap{}
		leaf := m.leaf([]byte("tensor"))
		in, out := dagPB(inner), dagPB(data)
		m[in.Cid()], m[out.Cid()] = in, out
		// Links of a made-up node lead nowhere; a second root has good ones.
		n := shardOf(mustLink("00", in), mustLink("01a", m[leaf]))
		both := n.build(t)
		m[both.Cid()] = both
		for _, root := range []cid.Cid{out.Cid(), in.Cid(), both.Cid()} {
			seen := map[string]bool{}
			for file, err := range dag.Files(t.Context(), m, root, nil) {
				if err != nil {
					if !isCorrupt(err) && !errors.Is(err, dag.ErrNotFound) {
						t.Fatalf("%v, want *CorruptError", err)
					}
					break
				}
				if err := dag.CheckPath(file.Path); err != nil || seen[file.Path] {
					t.Fatalf("file %q: %v, twice: %v", file.Path, err, seen[file.Path])
				}
				seen[file.Path] = true
			}
		}
	})
}

// FuzzCARReader: what reads to its end reads the same by other code, and is
// written again to the same bytes.
func FuzzCARReader(f *testing.F) {
	block := must(blocks.NewBlockWithCid([]byte("tensor"), aTensor))
	f.Add(writeCAR(aPage, block, block))
	f.Add(writeCAR(aPage))
	f.Add(writeCAR(aTensor, must(blocks.NewBlockWithCid(nil, dag.EmptyFile))))
	f.Add([]byte("\x0a\xa1gversion\x02"))
	f.Fuzz(func(t *testing.T, data []byte) {
		roots, list, err := readCAR(bytes.NewReader(data))
		if err != nil {
			if !isCorrupt(err) {
				t.Fatalf("%v, want *CorruptError", err)
			}
			return
		}
		others, same, err := plainCAR(data)
		if err != nil || !slices.Equal(others, roots) || len(same) != len(list) {
			t.Fatalf("another reader: roots %s, %d blocks, %v, want %s and %d", others, len(same), err, roots, len(list))
		}
		if len(roots) == 1 && !bytes.Equal(writeCAR(roots[0], list...), data) {
			t.Fatalf("is written again to other bytes")
		}
	})
}
