package node_test

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ipfs/boxo/ipld/merkledag"
	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/node"
)

// node puts a UnixFS node of typ into s, right or wrong: sizes are those of the
// children that a file's node claims.
func (s *shelf) node(t *testing.T, typ byte, content []byte, sizes []uint64, links ...ipld.Link) cid.Cid {
	t.Helper()
	data := []byte{0x08, typ}
	if content != nil {
		data = append(binary.AppendUvarint(append(data, 0x12), uint64(len(content))), content...)
	}
	if typ == unixFile {
		total := uint64(0)
		for _, n := range sizes {
			total += n
		}
		data = binary.AppendUvarint(append(data, 0x18), total)
		for _, n := range sizes {
			data = binary.AppendUvarint(append(data, 0x20), n)
		}
	}
	n := merkledag.NodeWithData(data)
	if err := n.SetCidBuilder(uio.UnixFS_v1_2025.CidBuilder()); err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		if err := n.AddRawLink(l.Name, &l); err != nil {
			t.Fatal(err)
		}
	}
	s.put(n)
	return n.Cid()
}

const (
	unixDir     = 1
	unixFile    = 2
	unixSymlink = 4
)

func (s *shelf) leaf(t *testing.T, data []byte) cid.Cid {
	t.Helper()
	b, err := blocks.NewBlockWithCid(data, dag.Raw(data))
	if err != nil {
		t.Fatal(err)
	}
	s.put(b)
	return b.Cid()
}

// dir is a directory of one entry.
func (s *shelf) dir(t *testing.T, name string, c cid.Cid) cid.Cid {
	t.Helper()
	return s.node(t, unixDir, nil, nil, ipld.Link{Name: name, Cid: c, Size: 1})
}

// wide is a file of depth levels of nodes, each of 1,024 links to the one below,
// around leaf: a dozen blocks say that it has 2^60 bytes and more parts than
// there is time for.
func (s *shelf) wide(t *testing.T, leaf cid.Cid, size uint64, depth int) cid.Cid {
	t.Helper()
	c := leaf
	for range depth {
		sizes, links := make([]uint64, 1024), make([]ipld.Link, 1024)
		for i := range links {
			sizes[i], links[i] = size, ipld.Link{Cid: c, Size: 1}
		}
		c = s.node(t, unixFile, nil, sizes, links...)
		size *= 1024
	}
	return c
}

// hostileModels are directories that no add makes.
var hostileModels = []struct {
	name string
	make func(t *testing.T, s *shelf) cid.Cid
}{
	{"a name that climbs", func(t *testing.T, s *shelf) cid.Cid {
		return s.dir(t, "..", s.dir(t, "escaped", s.leaf(t, []byte("evil"))))
	}},
	{"a name with slashes", func(t *testing.T, s *shelf) cid.Cid { return s.dir(t, "../escaped", s.leaf(t, []byte("evil"))) }},
	{"an absolute name", func(t *testing.T, s *shelf) cid.Cid { return s.dir(t, "/tmp/escaped", s.leaf(t, []byte("evil"))) }},
	{"a name with a backslash", func(t *testing.T, s *shelf) cid.Cid { return s.dir(t, `..\escaped`, s.leaf(t, []byte("evil"))) }},
	{"a symlink", func(t *testing.T, s *shelf) cid.Cid {
		return s.dir(t, "l", s.node(t, unixSymlink, []byte("../escaped"), nil))
	}},
	{"a file and a directory of one name", func(t *testing.T, s *shelf) cid.Cid {
		leaf := s.leaf(t, []byte("evil"))
		return s.node(t, unixDir, nil, nil, ipld.Link{Name: "a", Cid: leaf}, ipld.Link{Name: "a", Cid: s.dir(t, "b", leaf)})
	}},
	{"a name in get's temporaries", func(t *testing.T, s *shelf) cid.Cid {
		return s.dir(t, ".zipnode-partial", s.dir(t, "000001.part", s.leaf(t, []byte("evil"))))
	}},
	{"a child of no bytes", func(t *testing.T, s *shelf) cid.Cid {
		return s.dir(t, "f", s.node(t, unixFile, nil, []uint64{0}, ipld.Link{Cid: dag.EmptyFile}))
	}},
	{"nodes forty deep", func(t *testing.T, s *shelf) cid.Cid {
		c := s.leaf(t, []byte("deep"))
		for range 40 {
			c = s.node(t, unixFile, nil, []uint64{4}, ipld.Link{Cid: c, Size: 4})
		}
		return s.dir(t, "f", c)
	}},
	{"directories forty deep", func(t *testing.T, s *shelf) cid.Cid {
		c := s.leaf(t, []byte("deep"))
		for range 40 {
			c = s.dir(t, "d", c)
		}
		return c
	}},
	{"a file of 2^55 bytes in a few blocks", func(t *testing.T, s *shelf) cid.Cid {
		return s.dir(t, "f", s.wide(t, s.leaf(t, []byte("12345678901234567890123456789012")), 32, 5))
	}},
	{"sizes that do not add up", func(t *testing.T, s *shelf) cid.Cid {
		inner := s.node(t, unixFile, nil, []uint64{4}, ipld.Link{Cid: s.leaf(t, []byte("four")), Size: 4})
		return s.dir(t, "f", s.node(t, unixFile, nil, []uint64{5, 1}, ipld.Link{Cid: inner, Size: 5}, ipld.Link{Cid: s.leaf(t, []byte("1")), Size: 1}))
	}},
	{"a directory that nobody has the inside of", func(t *testing.T, s *shelf) cid.Cid {
		return s.dir(t, "d", cid.NewCidV1(cid.DagProtobuf, dag.Raw([]byte("nowhere")).Hash()))
	}},
	{"a file that is dag-cbor", func(t *testing.T, s *shelf) cid.Cid {
		return s.dir(t, "f", cid.NewCidV1(cid.DagCBOR, dag.Raw([]byte("no file")).Hash()))
	}},
}

// A model that was made to harm is refused, and nothing is written outside the
// directory that was asked for.
func TestHostileModels(t *testing.T) {
	for _, tc := range hostileModels {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := &shelf{blocks: map[string]blocks.Block{}}
			root := tc.make(t, s)
			n := start(t)
			meet(t, n, s.host(t))
			room := t.TempDir()
			out := filepath.Join(room, "in", "out")
			began := time.Now()
			for _, seed := range []bool{false, true} {
				var err error
				peak := heapPeak(func() {
					if seed {
						_, err = try[node.SeedResult](t, n, "seed", node.SeedRequest{Ref: root.String()})
					} else {
						_, err = try[node.GetResult](t, n, "get", node.GetRequest{Ref: root.String(), Out: out})
					}
				})
				t.Logf("%v; heap %d MiB", err, peak>>20)
				switch c := code(err); c {
				case node.CodeIntegrity, node.CodeNoProvider:
				case node.CodeDisk: // it is as large as it says, as far as anyone can know
					if !strings.Contains(tc.name, "2^55") || seed {
						t.Errorf("%v has code %q", err, c)
					}
				default:
					t.Errorf("%v has code %q", err, c)
				}
				if peak > 256<<20 {
					t.Errorf("heap of %d MiB", peak>>20)
				}
			}
			if took := time.Since(began); took > 5*time.Minute { // a second or two, but for the race detector on a busy machine
				t.Errorf("it took %v", took)
			}
			err := filepath.WalkDir(room, func(p string, _ os.DirEntry, err error) error {
				if strings.Contains(p, "escaped") {
					t.Errorf("%s was written", p)
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// Links in the directory that a get writes to lead nobody out of it.
func TestLinksInTarget(t *testing.T) {
	n := start(t)
	dir := modelDir(t, map[string][]byte{"sub/f": []byte("new"), "g": []byte("new")})
	res := named(t, n, dir, "m")
	for what, prepare := range map[string]func(out, victim string) error{
		"a directory of the model is a link out": func(out, victim string) error {
			return os.Symlink(victim, filepath.Join(out, "sub"))
		},
		"a file of the model is a link out": func(out, victim string) error {
			return os.Symlink(filepath.Join(victim, "f"), filepath.Join(out, "g"))
		},
		"the temporaries are a link out": func(out, victim string) error {
			return os.Symlink(victim, filepath.Join(out, ".zipnode-partial"))
		},
		"the temporaries are a link to what is beside them": func(out, victim string) error {
			if err := os.WriteFile(filepath.Join(out, "mine"), nil, 0o600); err != nil {
				return err
			}
			long := time.Now().Add(-48 * time.Hour)
			return errors.Join(os.Symlink(".", filepath.Join(out, ".zipnode-partial")), os.Chtimes(filepath.Join(out, "mine"), long, long))
		},
	} {
		t.Run(what, func(t *testing.T) {
			room := t.TempDir()
			out, victim := filepath.Join(room, "out"), filepath.Join(room, "victim")
			for _, d := range []string{out, victim} {
				if err := os.Mkdir(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(victim, "f"), []byte("old"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := prepare(out, victim); err != nil {
				t.Skip("no symlinks here")
			}
			_, err := try[node.GetResult](t, n, "get", node.GetRequest{Ref: res.CID, Out: out, Force: true})
			t.Logf("%v", err)
			entries, readErr := os.ReadDir(victim)
			if readErr != nil || len(entries) != 1 {
				t.Errorf("%d entries outside (%v)", len(entries), readErr)
			}
			if b, readErr := os.ReadFile(filepath.Join(victim, "f")); readErr != nil || string(b) != "old" {
				t.Errorf("the file outside is %q (%v)", b, readErr)
			}
			if _, err := os.Lstat(filepath.Join(out, "mine")); strings.Contains(what, "beside") && err != nil {
				t.Error(err)
			}
		})
	}
}

// add follows no link out of the model's directory.
func TestLinksInModel(t *testing.T) {
	n := start(t)
	room := t.TempDir()
	secret := filepath.Join(room, "secret")
	if err := os.WriteFile(secret, []byte("key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for what, target := range map[string]string{
		"an absolute link": secret, "a relative link": "../secret", "a link to itself": "l",
		"a link to a directory above": "..", "a link to nothing": "nowhere",
	} {
		dir := modelDir(t, map[string][]byte{"w.bin": []byte("w")})
		if strings.HasPrefix(target, "../") {
			dir = filepath.Join(room, strings.ReplaceAll(what, " ", "-"))
			if err := os.Mkdir(dir, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink(target, filepath.Join(dir, "l")); err != nil {
			t.Skip("no symlinks here")
		}
		res, err := try[node.AddResult](t, n, "add", node.AddRequest{Path: dir, Name: "m"})
		if code(err) != node.CodeUsage || !strings.Contains(err.Error(), `"l" is`) {
			t.Errorf("%s: %+v, %v", what, res, err)
		}
	}
}
