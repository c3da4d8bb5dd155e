package study

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"os"
	"slices"
	"sync"

	chunkers "github.com/PlakarKorp/go-cdc-chunkers"
	_ "github.com/PlakarKorp/go-cdc-chunkers/chunkers/fastcdc" // registers itself
	"github.com/zeebo/xxh3"

	"github.com/zipnode/zipnode/family"
	"github.com/zipnode/zipnode/tensor"
	"github.com/zipnode/zipnode/tensor/layout"
)

// FastCDC's bounds of a chunk in bytes: 64 KiB on average.
const (
	minChunk  = 16 << 10
	meanChunk = 64 << 10
	maxChunk  = 256 << 10
)

// A readFile is what was learned of a file.
type readFile struct {
	format string
	size   int64
	parts  []readPart
	chunks []chunk
	cached int64 // bytes that were not read
	err    error
}

type readPart struct {
	extent tensor.Extent
	tensor bool
	hash   digest
	sample []byte // encoded; nil: none
}

type chunk struct {
	hash [16]byte
	size int32
}

var errChanged = errors.New("it changed while it was read")

// file reads the file of s, or what the cache has of it.
func (c *collection) file(ctx context.Context, s source) *readFile {
	f, err := os.Open(s.path)
	if err != nil {
		return &readFile{err: err}
	}
	defer f.Close()
	out := &readFile{size: s.info.Size()}
	lay, err := layout.Of(f, out.size)
	if err != nil {
		return &readFile{err: err}
	}
	out.format = lay.Format
	for e := range lay.Extents.All() {
		out.parts = append(out.parts, readPart{extent: e, tensor: layout.IsTensor(lay.Format, e)})
	}
	if c.recall(s, out) {
		out.cached = out.size
		c.advance(out.size)
	} else if out.err = c.hash(ctx, f, out); out.err == nil {
		c.remember(s, out)
	}
	if out.err == nil {
		out.err = sampleParts(f, out.parts)
	}
	if now, err := f.Stat(); out.err == nil && (err != nil || now.Size() != s.info.Size() || !now.ModTime().Equal(s.info.ModTime())) {
		out.err = errors.Join(errChanged, err)
	}
	return out
}

// advance says that n more bytes are done.
func (c *collection) advance(n int64) {
	c.mu.Lock()
	c.passed += n
	done, total := c.passed, c.total
	c.mu.Unlock()
	c.o.progress("read", done, total)
}

var buffers = sync.Pool{New: func() any { b := make([]byte, 4*maxChunk); return &b }}

// hash reads f, and hashes its parts and its chunks.
func (c *collection) hash(ctx context.Context, f *os.File, out *readFile) error {
	if out.size == 0 {
		return nil
	}
	t := &tee{ctx: ctx, r: io.NewSectionReader(f, 0, out.size), parts: out.parts, h: sha256.New(), done: c.advance}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	if !c.o.wants(ChunkDedup) {
		_, err := io.CopyBuffer(io.Discard, struct{ io.Reader }{t}, *buf)
		return errors.Join(err, t.finish())
	}
	cut, err := chunkers.NewChunkerBuffer("fastcdc-v1.0.0", t,
		&chunkers.ChunkerOpts{MinSize: minChunk, NormalSize: meanChunk, MaxSize: maxChunk}, *buf)
	if err != nil {
		return err
	}
	for {
		data, err := cut.Next()
		if len(data) > 0 {
			out.chunks = append(out.chunks, chunk{xxh3.Hash128(data).Bytes(), int32(len(data))})
		}
		if err == io.EOF {
			return t.finish()
		}
		if err != nil {
			return err
		}
	}
}

// A tee reads a file, and hashes each of its parts as they go by. They cover it.
type tee struct {
	ctx   context.Context
	r     io.Reader
	parts []readPart
	at    int   // the part that is hashed
	in    int64 // bytes of it that were
	h     hash.Hash
	done  func(int64)
}

func (t *tee) Read(p []byte) (int, error) {
	if err := t.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := t.r.Read(p)
	t.sum(p[:n])
	t.done(int64(n))
	return n, err
}

func (t *tee) sum(p []byte) {
	for len(p) > 0 && t.at < len(t.parts) {
		n := min(int64(len(p)), t.parts[t.at].extent.Size-t.in)
		t.h.Write(p[:n])
		p, t.in = p[n:], t.in+n
		if t.in == t.parts[t.at].extent.Size {
			t.next()
		}
	}
}

func (t *tee) next() {
	t.h.Sum(t.parts[t.at].hash[:0])
	t.h.Reset()
	t.at, t.in = t.at+1, 0
}

// finish tells whether every part was hashed whole.
func (t *tee) finish() error {
	for t.at < len(t.parts) && t.parts[t.at].extent.Size == t.in {
		t.next()
	}
	if t.at < len(t.parts) {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// readWhole is the size in bytes up to which a tensor is read at once to be
// sampled: a sample is some hundred runs, and as many reads take longer.
const readWhole = 4 << 20

// sampleParts takes a sample of each tensor that is compared with others.
func sampleParts(f *os.File, parts []readPart) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for i := range parts {
		p := &parts[i]
		if !p.tensor || p.extent.Size < minSample {
			continue
		}
		s, err := takeSample(f, p.extent, buf)
		if err != nil {
			return err
		}
		p.sample = slices.Clip(s.Encode(nil))
	}
	return nil
}

func takeSample(f *os.File, e tensor.Extent, buf *[]byte) (family.Sample, error) {
	if e.Size > readWhole {
		return family.Take(f, e)
	}
	*buf = slices.Grow((*buf)[:0], int(e.Size))[:cap(*buf)]
	data := (*buf)[:e.Size]
	if _, err := f.ReadAt(data, e.Offset); err != nil {
		return family.Sample{}, err
	}
	e.Offset = 0
	return family.Take(bytes.NewReader(data), e)
}
