package dag_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// A randomFile is a file of random extents, cut in small leaves.
type randomFile struct {
	m     blockMap
	data  []byte
	parts []int
	root  dag.Child
}

func newRandomFile(t *testing.T, r *rand.Rand) randomFile {
	t.Helper()
	f := randomFile{m: blockMap{}}
	leaf := 1 + r.IntN(9)
	for range 1 + r.IntN(40) {
		n := r.IntN(30)
		if r.IntN(10) == 0 {
			n = leaf * (1020 + r.IntN(20)) // around the most links of a node
		}
		f.parts = append(f.parts, n)
		for range n {
			f.data = append(f.data, byte(r.Uint32()))
		}
	}
	rest := f.data
	for _, n := range f.parts {
		for part := rest[:n]; len(part) > 0; part = part[min(leaf, len(part)):] {
			f.m.leaf(part[:min(leaf, len(part))])
		}
		rest = rest[n:]
	}
	f.m.leaf(nil)
	f.root = joinParts(t, f.m.emit, f.data, leaf, f.parts)
	return f
}

func TestReaderAgainstBytes(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 1))
		f := newRandomFile(t, r)
		in := dag.NewReader(t.Context(), f.m, f.root.CID, f.root.Size)
		for range 200 {
			off := r.IntN(len(f.data) + 2)
			got := make([]byte, r.IntN(100))
			n, err := in.ReadAt(got, int64(off))
			want := f.data[min(off, len(f.data)):]
			want = want[:min(len(want), len(got))]
			if !bytes.Equal(got[:n], want) || (err == io.EOF) != (n < len(got)) || err != nil && err != io.EOF {
				t.Fatalf("seed %d: ReadAt(%d bytes, %d) = %d, %v, want %d", seed, len(got), off, n, err, len(want))
			}
		}
		if len(f.data) < 1000 { // it reads byte by byte
			if err := iotest.TestReader(io.NewSectionReader(in, 0, f.root.Size), f.data); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
		}
		if size, err := dag.FileSize(t.Context(), f.m, f.root.CID); err != nil || size != f.root.Size {
			t.Errorf("seed %d: FileSize = %d, %v, want %d", seed, size, err, f.root.Size)
		}
	}
}

// Every extent of a file is a part of it, and what is no part is not found; a
// part that is found has the right bytes, whatever cut it.
func TestPart(t *testing.T) {
	for seed := range uint64(10) {
		r := rand.New(rand.NewPCG(seed, 2))
		f := newRandomFile(t, r)
		in := dag.NewReader(t.Context(), f.m, f.root.CID, f.root.Size)
		off := 0
		for i, n := range f.parts {
			if n > 0 {
				c, ok, err := in.Part(int64(off), int64(n))
				if err != nil || !ok {
					t.Fatalf("seed %d: extent %d is not found: %v", seed, i, err)
				}
				checkPart(t, f, c, off, n)
			}
			off += n
		}
		for range 300 {
			off, n := r.IntN(len(f.data)+3), r.IntN(40)
			c, ok, err := in.Part(int64(off), int64(n))
			if err != nil {
				t.Fatalf("seed %d: Part(%d, %d): %v", seed, off, n, err)
			}
			if ok {
				checkPart(t, f, c, off, n)
			}
		}
	}
}

// The last part of a file of one more than a node holds is alone under a node,
// which has the same bytes: the part is found, and not that.
func TestLonePart(t *testing.T) {
	m := blockMap{}
	b := dag.NewFileBuilder(m.emit)
	for i := range dag.MaxLinks + 1 {
		data := fmt.Appendf(nil, "%08d", i)
		if err := errors.Join(b.Add(dag.Leaf(data))); err != nil {
			t.Fatal(err)
		}
	}
	file, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	in := dag.NewReader(t.Context(), m, file.CID, file.Size)
	for _, i := range []int64{0, 1, dag.MaxLinks - 1, dag.MaxLinks} {
		want := dag.Raw(fmt.Appendf(nil, "%08d", i))
		if c, ok, err := in.Part(8*i, 8); err != nil || !ok || !c.CID.Equals(want) {
			t.Errorf("Part %d = %s, %v, %v, want %s", i, c.CID, ok, err, want)
		}
	}
	if c, ok, err := in.Part(0, file.Size); err != nil || !ok || !c.CID.Equals(file.CID) {
		t.Errorf("Part of the whole = %s, %v, %v, want %s", c.CID, ok, err, file.CID)
	}
}

func checkPart(t *testing.T, f randomFile, c dag.Child, off, n int) {
	t.Helper()
	got := make([]byte, n)
	if _, err := dag.NewReader(t.Context(), f.m, c.CID, c.Size).ReadAt(got, 0); err != nil || !bytes.Equal(got, f.data[off:off+n]) {
		t.Errorf("part %d+%d is %s, of other bytes (%v)", off, n, c.CID, err)
	}
}

// broken is a Getter that has lost one block, or swapped its bytes.
type broken struct {
	blockMap
	at  cid.Cid
	as  []byte
	err error
}

func (b broken) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	if c.Equals(b.at) && b.err != nil {
		return nil, b.err
	}
	if c.Equals(b.at) {
		return blocks.NewBlockWithCid(b.as, c)
	}
	return b.blockMap.Get(ctx, c)
}

func TestReaderOfBadBlocks(t *testing.T) {
	m := blockMap{}
	data := noise(100)
	for off := 0; off < 100; off += 10 {
		m.leaf(data[off : off+10])
	}
	root := joinParts(t, m.emit, data, 10, []int{30, 70})
	third := dag.Raw(data[20:30])
	errDisk := errors.New("disk")
	read := func(g dag.Getter) error {
		_, err := dag.NewReader(t.Context(), g, root.CID, root.Size).ReadAt(make([]byte, 100), 0)
		return err
	}
	if err := read(broken{blockMap: m, at: third, err: errDisk}); !errors.Is(err, errDisk) {
		t.Errorf("a disk's error: %v", err)
	}
	if err := read(broken{blockMap: m, at: third, as: data[:9]}); !isCorrupt(err) {
		t.Errorf("a leaf too short: %v, want *CorruptError", err)
	}
	if err := read(broken{blockMap: m, at: third, as: data[:11]}); !isCorrupt(err) {
		t.Errorf("a leaf too long: %v, want *CorruptError", err)
	}
	if err := read(broken{blockMap: m, at: root.CID, as: []byte("no node")}); !isCorrupt(err) {
		t.Errorf("a root that is no node: %v, want *CorruptError", err)
	}
	if _, err := dag.NewReader(t.Context(), m, root.CID, root.Size+1).ReadAt(make([]byte, 1), 0); !isCorrupt(err) {
		t.Errorf("a file of another size: %v, want *CorruptError", err)
	}
	if _, err := dag.NewReader(t.Context(), m, root.CID, root.Size).ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("a negative offset: no error")
	}
	if n, err := dag.NewReader(t.Context(), m, dag.EmptyFile, 0).ReadAt(make([]byte, 1), 0); n != 0 || err != io.EOF {
		t.Errorf("the empty file: %d, %v, want EOF", n, err)
	}
}

// LeavesOf takes tensors, whose leaves are all full but the last; files of any
// other shape it refuses.
func TestLeavesOf(t *testing.T) {
	const mib = 1 << 20
	data := noise(5 * mib)
	for _, tc := range []struct {
		what  string
		leaf  int
		parts []int
		size  int // that the recipe says; 0: the file's
		want  int // leaves; -1: refused
	}{
		{"one byte", mib, []int{1}, 0, 1},
		{"one leaf", mib, []int{mib}, 0, 1},
		{"one leaf and a byte", mib, []int{mib + 1}, 0, 2},
		{"five leaves", mib, []int{5 * mib}, 0, 5},
		{"two tensors that end with full leaves", mib, []int{2 * mib, 2*mib + 5}, 0, 5},
		{"empty", mib, []int{0}, 0, -1},
		{"leaves of half a MiB", mib / 2, []int{2 * mib}, 0, -1},
		{"extents of a file", mib, []int{100, 2 * mib}, 0, -1},
		{"a short leaf in the middle", mib, []int{mib + 1, mib}, 0, -1},
		{"said to be longer", mib, []int{3 * mib}, 3*mib + 1, -1},
		{"said to be shorter", mib, []int{3 * mib}, 3*mib - 1, -1},
		{"said to be one leaf", mib, []int{2 * mib}, mib, -1},
		{"one leaf, said to be two", mib, []int{mib}, 2 * mib, -1},
		{"said to be empty", mib, []int{1}, -1, -1},
	} {
		m := blockMap{}
		root := joinParts(t, m.emit, data, tc.leaf, tc.parts)
		size := root.Size
		switch {
		case tc.size < 0:
			size = 0
		case tc.size > 0:
			size = int64(tc.size)
		}
		got, err := leavesOf(t, m, root.CID, size)
		if tc.want < 0 {
			if !isCorrupt(err) {
				t.Errorf("%s: %d leaves, %v, want *CorruptError", tc.what, len(got), err)
			}
			continue
		}
		if err != nil || len(got) != tc.want {
			t.Errorf("%s: %d leaves, %v, want %d", tc.what, len(got), err, tc.want)
			continue
		}
		for i, c := range got {
			off := i * mib
			if want := dag.Raw(data[off : off+dag.LeafSize(root.Size, int64(i))]); c != want {
				t.Errorf("%s: leaf %d = %s, want %s", tc.what, i, c, want)
			}
		}
	}
}

func leavesOf(t *testing.T, g dag.Getter, c cid.Cid, size int64) (out []cid.Cid, err error) {
	t.Helper()
	for leaf, err := range dag.LeavesOf(t.Context(), g, c, size) {
		if err != nil {
			return out, err
		}
		out = append(out, leaf)
	}
	return out, nil
}

// It stops where its caller does, and asks for nothing more.
func TestLeavesOfStops(t *testing.T) {
	m := blockMap{}
	b := dag.NewFileBuilder(m.emit)
	leaf := dag.Child{CID: aTensor, Size: dag.MaxLeaf, DagSize: dag.MaxLeaf}
	for range 5000 {
		if err := b.Add(leaf); err != nil {
			t.Fatal(err)
		}
	}
	root := must(b.Finish())
	asked := 0
	g := counting{m, &asked}
	n := 0
	for _, err := range dag.LeavesOf(t.Context(), g, root.CID, root.Size) {
		if err != nil {
			t.Fatal(err)
		}
		if n++; n == 3 {
			break
		}
	}
	if asked != 2 {
		t.Errorf("%d nodes asked for, want the root and its first child", asked)
	}
	delete(m, root.CID)
	if _, err := leavesOf(t, m, root.CID, root.Size); !errors.Is(err, dag.ErrNotFound) {
		t.Errorf("a root that is missing: %v, want ErrNotFound", err)
	}
}

type counting struct {
	blockMap
	n *int
}

func (g counting) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	*g.n++
	return g.blockMap.Get(ctx, c)
}

// A Sizer spares fetching a leaf; nodes say their size themselves.
func TestFileSizeBySizer(t *testing.T) {
	asked := 0
	g := sizer{counting{blockMap{}, &asked}}
	if n, err := dag.FileSize(t.Context(), g, aTensor); n != 7 || err != nil || asked != 0 {
		t.Errorf("FileSize = %d, %v after %d fetches, want 7 after none", n, err, asked)
	}
	if _, err := dag.FileSize(t.Context(), g, aNode); !errors.Is(err, dag.ErrNotFound) {
		t.Errorf("of a node that is missing: %v, want ErrNotFound", err)
	}
}

type sizer struct{ counting }

func (sizer) GetSize(context.Context, cid.Cid) (int, error) { return 7, nil }

func TestCheck(t *testing.T) {
	data := []byte("tensor")
	if err := dag.Check(aTensor, data); err != nil {
		t.Error(err)
	}
	if err := dag.Check(aNode, data); err != nil {
		t.Errorf("under another codec: %v", err)
	}
	for _, tc := range []struct {
		what string
		c    cid.Cid
		data []byte
	}{
		{"other bytes", aTensor, []byte("tensos")},
		{"no bytes", aTensor, nil},
		{"no CID", cid.Undef, data},
		{"a CIDv0", aV0, data},
		{"another codec", aJSON, data},
		{"another hash", aSHA512, []byte("x")},
		{"a shortened hash", aShort, []byte("x")},
		{"an identity hash", anInline, []byte("tiny")},
		{"too long for a block", dag.Raw(make([]byte, dag.MaxBlock+1)), make([]byte, dag.MaxBlock+1)},
	} {
		err := dag.Check(tc.c, tc.data)
		if !isCorrupt(err) || err.Error() == "" {
			t.Errorf("%s: %v, want *CorruptError", tc.what, err)
		}
	}
	bad := &dag.CorruptError{CID: aTensor, From: "packs/000001.car", Reason: "why"}
	if got, want := bad.Error(), fmt.Sprintf("block %s from packs/000001.car is corrupt: why", aTensor); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
