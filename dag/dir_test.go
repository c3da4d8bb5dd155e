package dag_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/ipfs/boxo/ipld/merkledag"
	mdtest "github.com/ipfs/boxo/ipld/merkledag/test"
	ft "github.com/ipfs/boxo/ipld/unixfs"
	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"

	"github.com/zipnode/zipnode/dag"
)

func readDir(t *testing.T, m blockMap, root cid.Cid) (map[string]cid.Cid, error) {
	t.Helper()
	files := map[string]cid.Cid{}
	for f, err := range dag.Files(t.Context(), m, root, nil) {
		if err != nil {
			return nil, err
		}
		files[f.Path] = f.CID
	}
	return files, nil
}

func TestDirIsBoxos(t *testing.T) {
	for _, n := range []int{0, 1, 3, 3000, 10_000} {
		m := blockMap{}
		files := map[string]dag.Child{}
		serv := mdtest.Mock()
		dir, err := uio.NewDirectory(serv, uio.WithCidBuilder(uio.UnixFS_v1_2025.CidBuilder()))
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]cid.Cid{}
		for i := range n {
			name := fmt.Sprintf("model-%05d-of-%05d.safetensors", i, n)
			data := []byte(name)
			files[name] = dag.Leaf(data)
			want[name] = dag.Raw(data)
			if err := dir.AddChild(t.Context(), name, merkledag.NewRawNode(data)); err != nil {
				t.Fatal(err)
			}
		}
		node, err := dir.GetNode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := dag.BuildDir(t.Context(), files, m.emit)
		if err != nil {
			t.Fatal(err)
		}
		if got.CID != node.Cid() {
			t.Errorf("directory of %d files = %s, boxo's %s", n, got.CID, node.Cid())
		}
		back, err := readDir(t, m, got.CID)
		if err != nil {
			t.Fatal(err)
		}
		if !maps.Equal(back, want) {
			t.Errorf("directory of %d files comes back with %d", n, len(back))
		}
	}
}

func TestDirNested(t *testing.T) {
	m := blockMap{}
	files := map[string]dag.Child{}
	for _, p := range []string{"a", "b/c", "b/d/e", ".hidden", "b/d/ü"} {
		files[p] = dag.Leaf([]byte(p))
	}
	got, err := dag.BuildDir(t.Context(), files, m.emit)
	if err != nil {
		t.Fatal(err)
	}
	back, err := readDir(t, m, got.CID)
	if err != nil {
		t.Fatal(err)
	}
	if g, w := slices.Sorted(maps.Keys(back)), slices.Sorted(maps.Keys(files)); !slices.Equal(g, w) {
		t.Errorf("files %q, want %q", g, w)
	}
}

func TestBuildDirRefuses(t *testing.T) {
	leaf := dag.Leaf([]byte("x"))
	for _, tc := range []struct {
		what  string
		paths []string
	}{
		{"a path out of the directory", []string{"../x"}},
		{"an absolute path", []string{"/x"}},
		{"an empty name", []string{"a//b"}},
		{"a file that is a directory too", []string{"a", "a/b"}},
	} {
		files := map[string]dag.Child{}
		for _, p := range tc.paths {
			files[p] = leaf
		}
		if _, err := dag.BuildDir(t.Context(), files, blockMap{}.emit); err == nil {
			t.Errorf("%s: built", tc.what)
		}
	}
}

// A directory that a hostile peer made.
func TestFilesRefuses(t *testing.T) {
	leaf := dag.Raw([]byte("x"))
	for _, tc := range []struct {
		what  string
		names []string
		typ   func() *ft.FSNode
	}{
		{"a name that climbs", []string{".."}, nil},
		{"a name with a slash", []string{"a/b"}, nil},
		{"a name with a backslash", []string{`a\b`}, nil},
		{"an empty name", []string{""}, nil},
		{"one name twice", []string{"a", "a"}, nil},
		{"a symlink for a directory", nil, func() *ft.FSNode { n := ft.NewFSNode(ft.TSymlink); n.SetData([]byte("/etc")); return n }},
	} {
		fs := ft.NewFSNode(ft.TDirectory)
		if tc.typ != nil {
			fs = tc.typ()
		}
		data, err := fs.GetBytes()
		if err != nil {
			t.Fatal(err)
		}
		n := merkledag.NodeWithData(data)
		n.SetCidBuilder(uio.UnixFS_v1_2025.CidBuilder())
		for _, name := range tc.names {
			n.AddRawLink(name, &ipld.Link{Cid: leaf, Size: 1})
		}
		if _, err := readDir(t, blockMap{n.Cid(): n}, n.Cid()); !isCorrupt(err) {
			t.Errorf("%s: %v, want *CorruptError", tc.what, err)
		}
	}
}
