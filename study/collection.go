package study

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/tensor"
)

// A collection is what was read.
type collection struct {
	o     *Options
	spill *spill

	mu       sync.Mutex
	models   []*model
	at       map[string]int // of models, by their directories
	paths    paths          // of files with parts that are encoded
	parts    []part         // each once
	known    map[sum128]int32
	groups   map[string][]int32 // of tensors that may be bases of each other
	files    map[sum128]struct{}
	inodes   map[uint64]map[uint64]struct{} // by device
	chunks   *chunkSet
	dtypes   map[string]*Share
	formats  map[string]*Share
	total    int64 // bytes of the files met so far
	passed   int64 // of these, read or recalled
	count    int64 // of files
	bytes    int64 // of these
	again    int64 // bytes of files that were there
	tensors  int64
	held     int64 // bytes of tensors
	dup      int64 // bytes of parts that were there, in files that were not
	cached   int64 // bytes of files that were recalled
	problems []Problem
	more     int // problems beyond maxProblems
	partial  bool
}

type digest [32]byte

// A sum128 is the first half of a digest: memory is of these, and of a billion
// files two have the same by chance once in 10^20 collections.
type sum128 [16]byte

func (d digest) short() sum128 { return sum128(d[:16]) }

// A model is a directory with files of tensors.
type model struct {
	name  string
	dir   string
	bytes int64
	uses  []use
	hints family.Hints
}

// A use is a part of a model.
type use struct {
	part int32
	name string
}

// A part is a tensor, or a run of bytes that is none, each there once. Of many
// small files there are as many parts, so what only tensors have lies elsewhere.
type part struct {
	offset int64
	size   int64
	file   int32 // index of its path
	times  int32 // in all files
	model  int32
	tensor bool
	*features
}

// features are what is known of a part beyond its bytes.
type features struct {
	dtype  tensor.DType
	row    int // elements
	sample place
	layer  string

	near    int32   // the nearest part that was met before; -1 for none
	apart   float64 // bit distance to that
	changed float64 // part of the elements that differ from it
	root    int32   // the part of this name in its family's root that it is a delta of in BitX's way; -1 for none
	same    int32   // of times, those in which it is the root's own
	deltas  int32   // of times, those in which it is a delta of the root's
}

// opaque are the features of all parts that are no tensors and in no model's place
// for one. Nothing writes them.
var opaque = &features{dtype: tensor.Opaque, near: -1, root: -1}

// minSample is the size in bytes from which on a tensor is compared with others.
const minSample = 256

func newCollection(o *Options, s *spill) *collection {
	return &collection{
		o: o, spill: s, at: map[string]int{}, known: map[sum128]int32{}, groups: map[string][]int32{},
		files: map[sum128]struct{}{}, inodes: map[uint64]map[uint64]struct{}{}, chunks: newChunkSet(),
		dtypes: map[string]*Share{}, formats: map[string]*Share{},
	}
}

// read hashes every file under roots, in order, on all cores.
func (c *collection) read(ctx context.Context, roots []string) error {
	cores := runtime.GOMAXPROCS(0)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(cores + 1)
	turns := newTurns()
	var walkErr error
	for _, root := range roots {
		walkErr = walk(root, func(s source) error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if !c.meet(s) {
				return nil
			}
			turn := turns.next()
			g.Go(func() error {
				f := c.file(ctx, s)
				turn.wait() // so that what is first is what is met first, on any number of cores
				defer turn.done()
				if f.err != nil {
					if ctx.Err() != nil {
						return ctx.Err()
					}
					c.problem(s.path, f.err)
					return nil
				}
				return c.keep(root, s, f)
			})
			return nil
		}, c.problem)
		if walkErr != nil {
			break
		}
	}
	return errors.Join(g.Wait(), walkErr)
}

// meet tells whether the file of s is met for the first time.
func (c *collection) meet(s source) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if id, ok := inodeOf(s.info); ok {
		dev := c.inodes[id.dev]
		if dev == nil {
			dev = map[uint64]struct{}{}
			c.inodes[id.dev] = dev
		}
		if _, seen := dev[id.ino]; seen {
			return false
		}
		dev[id.ino] = struct{}{}
	}
	c.total += s.info.Size()
	return true
}

func (c *collection) problem(path string, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.partial = true
	if len(c.problems) == maxProblems {
		c.more++
		return
	}
	if e, ok := errors.AsType[*os.PathError](err); ok {
		err = e.Err
	}
	c.problems = append(c.problems, Problem{path, err.Error()})
}

// keep adds what was read of the file of s. Calls come in the order of files.
func (c *collection) keep(root string, s source, f *readFile) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.count++
	c.bytes += f.size
	c.cached += f.cached
	c.share(c.formats, f.format, f.size)
	whole := f.digest().short()
	_, there := c.files[whole]
	if there {
		c.again += f.size
	}
	c.files[whole] = struct{}{}
	for _, ch := range f.chunks {
		c.chunks.add(ch.hash, int64(ch.size))
	}
	m := -1
	if f.format != "plain" {
		m = c.model(root, s.dir)
		c.models[m].bytes += f.size
	}
	file := int32(-1)
	for i := range f.parts {
		p := &f.parts[i]
		if p.extent.Size == 0 {
			continue
		}
		if p.tensor {
			c.tensors++
			c.held += p.extent.Size
			c.share(c.dtypes, string(p.extent.DType), p.extent.Size)
		}
		k, known := c.known[p.hash.short()]
		if !known {
			if file < 0 {
				file = c.paths.add(s.path)
			}
			var err error
			if k, err = c.fresh(p, file, m); err != nil {
				return err
			}
		} else if !there {
			c.dup += p.extent.Size
		}
		c.parts[k].times++
		if p.tensor && m >= 0 {
			if c.parts[k].features == opaque { // bytes that are no tensor elsewhere
				own := *opaque
				c.parts[k].features = &own
			}
			c.models[m].uses = append(c.models[m].uses, use{k, p.extent.Name})
		}
	}
	return nil
}

func (c *collection) share(in map[string]*Share, name string, size int64) {
	if in[name] == nil {
		in[name] = &Share{Name: name}
	}
	in[name].Count++
	in[name].Bytes += size
}

// fresh adds a part that was not met before.
func (c *collection) fresh(p *readPart, file int32, m int) (int32, error) {
	k := int32(len(c.parts))
	x := part{file: file, offset: p.extent.Offset, size: p.extent.Size, tensor: p.tensor, model: int32(m), features: opaque}
	if row := p.extent.Shape.Row(); p.tensor || p.extent.DType != tensor.Opaque || row != 0 {
		// A copy of the name: it lies among those of all tensors of the file.
		x.features = &features{dtype: tensor.DType(strings.Clone(string(p.extent.DType))), row: row, near: -1, root: -1}
	}
	if p.sample != nil {
		var err error
		if x.sample, err = c.spill.put(p.sample); err != nil {
			return 0, err
		}
		x.layer = layerOf(p.extent.Name)
		group := family.GroupOf(p.extent)
		c.groups[group] = append(c.groups[group], k)
	}
	c.parts = append(c.parts, x)
	c.known[p.hash.short()] = k
	return k, nil
}

// model returns the index of the model in dir.
func (c *collection) model(root, dir string) int {
	if i, ok := c.at[dir]; ok {
		return i
	}
	m := &model{name: nameOf(root, dir), dir: dir}
	m.hint("README.md", m.hints.ReadCard) // the card first: the config may say what it was saved as
	m.hint("config.json", m.hints.ReadConfig)
	c.at[dir] = len(c.models)
	c.models = append(c.models, m)
	return len(c.models) - 1
}

// hint reads what a file of m says of its origin. What does not parse claims
// nothing.
func (m *model) hint(file string, read func(io.Reader) error) {
	if f, err := os.Open(filepath.Join(m.dir, file)); err == nil {
		_ = read(f)
		f.Close()
	}
}

// layerOf returns where in a model a tensor stands: "layers.11" of
// "model.layers.11.mlp.up_proj.weight", its first word if it has no number.
func layerOf(name string) string {
	words := strings.Split(name, ".")
	for i, w := range words {
		if i > 0 && w != "" && strings.Trim(w, "0123456789") == "" {
			return words[i-1] + "." + w
		}
	}
	i := slices.IndexFunc(words, func(w string) bool { return w != "model" && w != "transformer" && w != "bert" })
	return words[max(i, 0)]
}

// digest names a file by what it is made of.
func (f *readFile) digest() digest {
	h := sha256.New()
	for i := range f.parts {
		fmt.Fprintf(h, "%d ", f.parts[i].extent.Size)
		h.Write(f.parts[i].hash[:])
	}
	return digest(h.Sum(nil))
}

// turns lets goroutines that were started in order end in order.
type turns struct{ last chan struct{} }

type turn struct{ before, after chan struct{} }

func newTurns() *turns {
	t := &turns{last: make(chan struct{})}
	close(t.last)
	return t
}

func (t *turns) next() turn {
	u := turn{t.last, make(chan struct{})}
	t.last = u.after
	return u
}

func (t turn) wait() { <-t.before }
func (t turn) done() { close(t.after) }
