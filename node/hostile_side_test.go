package node_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/node"
	"github.com/zipnode/zipnode/tensor"
)

// A lowRankLie is what the liars of TestLowRankLiars make theirs of: an honest recipe
// of low rank, its side block, and the files' tensors.
type lowRankLie struct {
	s            *shelf
	recipe       *dag.Recipe
	entries      []dag.Entry
	side         []byte
	target, base []byte
}

// put gives the liar a raw block, and returns its CID.
func (l *lowRankLie) put(t *testing.T, data []byte) cid.Cid {
	t.Helper()
	b, err := blocks.NewBlockWithCid(data, dag.Raw(data))
	if err != nil {
		t.Fatal(err)
	}
	l.s.put(b)
	return b.Cid()
}

// tell makes a recipe with this side block the only one that the liar has of the tensor.
func (l *lowRankLie) tell(t *testing.T, side cid.Cid) {
	t.Helper()
	r := *l.recipe
	r.Side = side
	l.s.recipes[r.Of] = []blocks.Block{l.s.forged(t, r, l.entries)}
}

// changed returns the side block with byte at made to.
func (l *lowRankLie) changed(at int, to byte) []byte {
	b := bytes.Clone(l.side)
	b[at] = to
	return b
}

// leaf returns what a chunk of the first leaf says when element i of it is another.
func (l *lowRankLie) leaf(t *testing.T, i int) []byte {
	t.Helper()
	leaf := flip(l.target[:dag.MaxLeaf], 2*i)
	chunk, err := codec.Encode(nil, leaf, codec.Context{
		DType: tensor.BF16, Row: mergedColumns, Level: codec.Best, Side: l.side,
		Bases: []codec.Base{{DType: tensor.BF16, Spans: []codec.Span{{Data: l.base[:dag.MaxLeaf]}}}},
	})
	if err != nil || len(chunk) > 2*l.entries[0].Length {
		t.Fatalf("a lie of %d bytes, the truth has %d: %v", len(chunk), l.entries[0].Length, err)
	}
	return chunk
}

// lowRankLies are side blocks for a recipe whose chunks need another, and chunks for
// the right one. Each returns the side block's CID. A get waits some seconds for a block
// that nobody has: also when the liar is alone, so that only some are tried.
var lowRankLies = []struct {
	name  string
	alone bool // tried too
	bend  func(t *testing.T, l *lowRankLie) cid.Cid
}{
	{"that nobody has", true, func(_ *testing.T, _ *lowRankLie) cid.Cid { return dag.Raw([]byte("nowhere")) }},
	{"of no bytes", false, func(t *testing.T, l *lowRankLie) cid.Cid { return l.put(t, nil) }},
	{"of garbage", true, func(t *testing.T, l *lowRankLie) cid.Cid { return l.put(t, weights(5, 1<<20)) }},
	{"cut short", false, func(t *testing.T, l *lowRankLie) cid.Cid { return l.put(t, l.side[:len(l.side)/2]) }},
	{"of a newer kind", false, func(t *testing.T, l *lowRankLie) cid.Cid { return l.put(t, l.changed(0, 2)) }},
	{"of another rank", false, func(t *testing.T, l *lowRankLie) cid.Cid { return l.put(t, l.changed(1, l.side[1]+1)) }},
	{"of another scale", false, func(t *testing.T, l *lowRankLie) cid.Cid { return l.put(t, l.changed(2, l.side[2]-1)) }},
	{"of too many columns", false, func(t *testing.T, l *lowRankLie) cid.Cid {
		many := binary.AppendUvarint(bytes.Clone(l.side[:3]), 1<<40)
		return l.put(t, append(many, l.side[5:]...))
	}},
	{"of factors that are too large", false, func(t *testing.T, l *lowRankLie) cid.Cid { return l.put(t, l.changed(5, 14)) }},
	{"of another shape", false, func(t *testing.T, l *lowRankLie) cid.Cid {
		// Right for the same bytes in rows of half as many.
		side := codec.LowRank(l.target, l.base, tensor.BF16, mergedColumns/2, int64(len(l.target)), int64(len(l.target)))
		if side == nil {
			t.Fatal("no side block for other rows")
		}
		return l.put(t, side)
	}},
	{"by which a chunk decodes to other bytes", false, func(t *testing.T, l *lowRankLie) cid.Cid {
		chunk := l.leaf(t, 1000)
		l.entries[0] = dag.Entry{Chunk: l.put(t, chunk), Length: len(chunk)}
		return l.put(t, l.side)
	}},
}

// Recipes of low rank whose side blocks are wrong, or whose chunks are: they look
// cheaper than what the honest node has, and so are tried first.
func TestLowRankLiars(t *testing.T) {
	base, target := mergedPair(t)
	repacked := start(t)
	named(t, repacked, base, "base")
	named(t, repacked, target, "merged")
	repack(t, repacked, node.RepackRequest{})
	honest := start(t)
	named(t, honest, base, "base")
	res := named(t, honest, target, "merged")
	for _, tc := range lowRankLies {
		// Has get meet the lie, and checks that it did.
		lie := func(t *testing.T, get func(s *shelf)) {
			l := lowRankLieOf(t, repacked, base, target)
			side := tc.bend(t, l)
			l.tell(t, side)
			var tried atomic.Int32
			l.s.onAsked = func(c cid.Cid) {
				if c.Equals(side) {
					tried.Add(1)
				}
			}
			get(l.s)
			if tried.Load() == 0 {
				t.Error("the liar's side block was not asked for: this tests nothing")
			}
		}
		// One after the other: the next would meet this one's liar.
		t.Run(tc.name+"/beside an honest peer", func(t *testing.T) {
			if tc.name == "that nobody has" && testing.Short() {
				t.Skip("waits for a peer")
			}
			lie(t, func(s *shelf) { besideHonest(t, honest, s, res.CID, target, false) })
		})
		if testing.Short() || !tc.alone {
			continue
		}
		t.Run(tc.name+"/alone", func(t *testing.T) {
			t.Parallel()
			lie(t, func(s *shelf) { alone(t, s, res.CID, false) })
		})
	}
}

// lowRankLieOf returns the parts of n's model "merged" for a liar to bend.
func lowRankLieOf(t *testing.T, n *node.Node, base, target string) *lowRankLie {
	t.Helper()
	l := &lowRankLie{s: exported(t, n, "merged")}
	for _, list := range l.s.recipes {
		r, err := dag.DecodeRecipe(list[0])
		if err != nil {
			t.Fatal(err)
		}
		if r.Side.Defined() {
			l.recipe = r
		}
	}
	if l.recipe == nil {
		t.Fatal("no recipe of low rank")
	}
	entries, err := l.recipe.Chunks.Slice(t.Context(), l.s, 0, int(l.recipe.Chunks.Len()))
	if err != nil {
		t.Fatal(err)
	}
	side, err := l.s.Get(t.Context(), l.recipe.Side)
	if err != nil {
		t.Fatal(err)
	}
	l.entries, l.side = slices.Clone(entries), side.RawData()
	l.target, l.base = lastBytes(t, target, l.recipe.Size), lastBytes(t, base, l.recipe.Size)
	return l
}

// lastBytes returns the only tensor, of so many bytes, of the model in dir.
func lastBytes(t *testing.T, dir string, size int64) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, "model.safetensors"))
	if err != nil || int64(len(data)) < size {
		t.Fatal(errors.Join(err, errors.New("no tensor")))
	}
	return data[int64(len(data))-size:]
}
