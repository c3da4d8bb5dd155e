package dag

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"

	ft "github.com/ipfs/boxo/ipld/unixfs"
	uio "github.com/ipfs/boxo/ipld/unixfs/io"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"
)

const (
	maxDepth = 32           // of directories in a model, of shards in one, and of nodes in a file
	maxFiles = 1 << 20      // of a model
	maxLinks = 2 * maxFiles // of a model's directories: files, directories, shards
)

func init() {
	// Directory building reads these globals. They are boxo's defaults but for
	// the size estimate; no other code of the process may change them.
	uio.UnixFS_v1_2025.ApplyGlobals()
}

// BuildDir returns the directory that holds files, by path, and hands its nodes
// to emit. Its bytes are those of boxo's directories under unixfs-v1-2025,
// sharded when too large for a block.
func BuildDir(ctx context.Context, files map[string]Child, emit func(blocks.Block) error) (Child, error) {
	if len(files) > maxFiles {
		return Child{}, fmt.Errorf("a model of %d files, at most %d", len(files), maxFiles)
	}
	root := &tree{}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if err := CheckPath(path); err != nil {
			return Child{}, err
		}
		if err := root.put(path, files[path]); err != nil {
			return Child{}, fmt.Errorf("%q: %w", path, err)
		}
	}
	return root.build(ctx, emit)
}

// A tree is a directory before it is built.
type tree struct {
	files map[string]Child
	dirs  map[string]*tree
}

func (t *tree) put(path string, c Child) error {
	name, rest, nested := strings.Cut(path, "/")
	_, isFile := t.files[name]
	_, isDir := t.dirs[name]
	if isFile || isDir && !nested {
		return errors.New("named twice, or a file and a directory")
	}
	if !nested {
		if t.files == nil {
			t.files = map[string]Child{}
		}
		t.files[name] = c
		return nil
	}
	if !isDir {
		if t.dirs == nil {
			t.dirs = map[string]*tree{}
		}
		t.dirs[name] = &tree{}
	}
	return t.dirs[name].put(rest, c)
}

func (t *tree) build(ctx context.Context, emit func(blocks.Block) error) (Child, error) {
	children := maps.Clone(t.files)
	if children == nil {
		children = map[string]Child{}
	}
	for _, name := range slices.Sorted(maps.Keys(t.dirs)) {
		c, err := t.dirs[name].build(ctx, emit)
		if err != nil {
			return Child{}, err
		}
		children[name] = c
	}
	sink := &sink{nodes: map[cid.Cid]ipld.Node{}}
	dir, err := uio.NewDirectory(sink, uio.WithCidBuilder(builder))
	if err != nil {
		return Child{}, err
	}
	total := int64(0)
	for _, name := range slices.Sorted(maps.Keys(children)) {
		c := children[name]
		total += c.Size
		if err := dir.AddChild(ctx, name, stub{c}); err != nil {
			return Child{}, err
		}
	}
	node, err := dir.GetNode()
	if err != nil {
		return Child{}, err
	}
	if err := sink.emit(node, emit); err != nil {
		return Child{}, err
	}
	size, err := node.Size()
	return Child{CID: node.Cid(), Size: total, DagSize: size}, err
}

// A stub stands for a child that is built already: boxo's directories ask only
// for its CID and size.
type stub struct{ c Child }

func (s stub) Cid() cid.Cid                                       { return s.c.CID }
func (s stub) Size() (uint64, error)                              { return s.c.DagSize, nil }
func (s stub) RawData() []byte                                    { return nil }
func (s stub) String() string                                     { return s.c.CID.String() }
func (s stub) Loggable() map[string]any                           { return nil }
func (s stub) Resolve([]string) (any, []string, error)            { return nil, nil, errStub }
func (s stub) Tree(string, int) []string                          { return nil }
func (s stub) ResolveLink([]string) (*ipld.Link, []string, error) { return nil, nil, errStub }
func (s stub) Copy() ipld.Node                                    { return s }
func (s stub) Links() []*ipld.Link                                { return nil }
func (s stub) Stat() (*ipld.NodeStat, error)                      { return nil, errStub }

var errStub = errors.New("dag: a directory's child is opened while it is built")

// A sink keeps the nodes of a directory being built. Only what the finished
// root reaches is handed on: a directory that grows leaves old forms behind.
type sink struct{ nodes map[cid.Cid]ipld.Node }

func (s *sink) Add(_ context.Context, n ipld.Node) error {
	if _, ok := n.(stub); !ok {
		s.nodes[n.Cid()] = n
	}
	return nil
}

func (s *sink) AddMany(ctx context.Context, ns []ipld.Node) error {
	for _, n := range ns {
		if err := s.Add(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

func (s *sink) Get(_ context.Context, c cid.Cid) (ipld.Node, error) {
	if n, ok := s.nodes[c]; ok {
		return n, nil
	}
	return nil, ipld.ErrNotFound{Cid: c}
}

func (s *sink) GetMany(ctx context.Context, cs []cid.Cid) <-chan *ipld.NodeOption {
	out := make(chan *ipld.NodeOption, len(cs))
	for _, c := range cs {
		n, err := s.Get(ctx, c)
		out <- &ipld.NodeOption{Node: n, Err: err}
	}
	close(out)
	return out
}

func (s *sink) Remove(context.Context, cid.Cid) error       { return nil }
func (s *sink) RemoveMany(context.Context, []cid.Cid) error { return nil }

func (s *sink) emit(n ipld.Node, emit func(blocks.Block) error) error {
	if len(n.RawData()) > MaxBlock {
		return fmt.Errorf("a directory node of %d bytes, more than a block holds", len(n.RawData()))
	}
	for _, l := range n.Links() {
		if child, ok := s.nodes[l.Cid]; ok {
			if err := s.emit(child, emit); err != nil {
				return err
			}
		}
	}
	return emit(n)
}

// A File is a file of a model.
type File struct {
	Path string
	CID  cid.Cid
}

// Files yields the files under root, a directory, in the order of its nodes,
// with every directory node it read given to visit (nil for none). It ends with
// an error when a node cannot be had, is no directory, names a file that could
// leave the directory, or when there is more than a model may hold.
func Files(ctx context.Context, g Getter, root cid.Cid, visit func(blocks.Block) error) iter.Seq2[File, error] {
	return func(yield func(File, error) bool) {
		w := dirWalk{g: g, visit: visit, yield: yield}
		if err := w.dir(ctx, root, "", 0); err != nil && !errors.Is(err, errStop) {
			yield(File{}, err)
		}
	}
}

var errStop = errors.New("stop")

type dirWalk struct {
	g     Getter
	visit func(blocks.Block) error
	yield func(File, error) bool
	links int // seen so far
}

// dir walks the directory named c.
func (w *dirWalk) dir(ctx context.Context, c cid.Cid, prefix string, depth int) error {
	if depth > maxDepth {
		return &CorruptError{CID: c, Reason: fmt.Sprintf("directories more than %d deep", maxDepth)}
	}
	return w.node(ctx, c, &openDir{prefix: prefix, depth: depth, names: map[string]bool{}}, 0)
}

// An openDir is one directory being walked, however many shards it has.
type openDir struct {
	prefix string // of the paths of its entries
	depth  int
	names  map[string]bool // met so far
}

// node walks a directory's node or, at a level above 0, a shard under it.
func (w *dirWalk) node(ctx context.Context, c cid.Cid, d *openDir, level int) error {
	bad := func(format string, args ...any) error {
		return &CorruptError{CID: c, Reason: fmt.Sprintf(format, args...)}
	}
	if level > maxDepth {
		return bad("shards more than %d deep", maxDepth)
	}
	b, err := w.g.Get(ctx, c)
	if err != nil {
		return err
	}
	pn, fs, err := decodeUnixFS(b)
	if err != nil {
		return bad("%v", err)
	}
	skip := 0 // hexadecimal digits before each name in a shard
	switch fs.Type() {
	case ft.TDirectory:
		if level > 0 {
			return bad("a directory where a shard belongs")
		}
	case ft.THAMTShard:
		if f := fs.Fanout(); f < 8 || f > 1024 || f&(f-1) != 0 {
			return bad("a shard of fanout %d", f)
		}
		skip = len(fmt.Sprintf("%X", fs.Fanout()-1))
	default:
		return bad("not a directory")
	}
	if w.visit != nil {
		if err := w.visit(b); err != nil {
			return err
		}
	}
	for _, l := range pn.Links() {
		if w.links++; w.links > maxLinks {
			return bad("a model of more than %d entries", maxLinks)
		}
		if err := Supported(l.Cid); err != nil {
			return err
		}
		if len(l.Name) < skip {
			return bad("a shard's entry without its prefix")
		}
		if skip > 0 && len(l.Name) == skip {
			if err := w.node(ctx, l.Cid, d, level+1); err != nil {
				return err
			}
			continue
		}
		name := l.Name[skip:]
		if err := CheckName(name); err != nil {
			return bad("%v", err)
		}
		if d.names[name] {
			return bad("two entries named %q", name)
		}
		d.names[name] = true
		if err := w.entry(ctx, l, d.prefix+name, d.depth); err != nil {
			return err
		}
	}
	return nil
}

func (w *dirWalk) entry(ctx context.Context, l *ipld.Link, path string, depth int) error {
	if len(path) > MaxPath {
		return &CorruptError{CID: l.Cid, Reason: "a path too long"}
	}
	if l.Cid.Type() == cid.DagProtobuf {
		b, err := w.g.Get(ctx, l.Cid)
		if err != nil {
			return err
		}
		_, fs, err := decodeUnixFS(b)
		if err != nil {
			return &CorruptError{CID: l.Cid, Reason: err.Error()}
		}
		switch fs.Type() {
		case ft.TDirectory, ft.THAMTShard:
			return w.dir(ctx, l.Cid, path+"/", depth+1)
		case ft.TFile:
		default:
			return &CorruptError{CID: l.Cid, Reason: fmt.Sprintf("%q is neither file nor directory", path)}
		}
	} else if l.Cid.Type() != cid.Raw {
		return &CorruptError{CID: l.Cid, Reason: fmt.Sprintf("%q is neither file nor directory", path)}
	}
	if !w.yield(File{Path: path, CID: l.Cid}, nil) {
		return errStop
	}
	return nil
}

var _ ipld.DAGService = (*sink)(nil)
var _ ipld.Node = stub{}
