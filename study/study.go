package study

import (
	"context"
	"os"
	"slices"
	"time"
)

// The ways of storing that are compared, by the names that [Way] has.
const (
	FileDedup   = "file dedup"
	ChunkDedup  = "chunk dedup"
	TensorDedup = "tensor dedup"
	Zstd        = "zstd"
	ZipNN       = "ZipNN"
	BitX        = "BitX"
	ZipLLM      = "ZipLLM"
	Zipnode     = "zipnode"
)

// Ways lists them, in the order of a report.
func Ways() []string {
	return []string{FileDedup, ChunkDedup, TensorDedup, Zstd, ZipNN, BitX, ZipLLM, Zipnode}
}

// Options say how a collection is looked at. The zero Options estimate all ways.
type Options struct {
	Exact bool     // encode everything, not a sample
	Ways  []string // those that are wanted; nil: all
	Cache string   // a directory that keeps the hashes of files from run to run; "": none

	// Progress is told how far a stage is, in bytes. It may be called by several
	// goroutines at once; nil: nobody is told.
	Progress func(stage string, done, total int64)

	// Keep really stores models, in order, and returns the bytes that this takes.
	// It calls bad for a model that could not be stored. Exact uses it for
	// [Zipnode], which is left out without it.
	Keep func(ctx context.Context, models []string, bad func(dir string, err error)) (int64, error)
}

func (o *Options) wants(way string) bool { return o.Ways == nil || slices.Contains(o.Ways, way) }

func (o *Options) progress(stage string, done, total int64) {
	if o.Progress != nil {
		o.Progress(stage, done, total)
	}
}

// Analyze looks at every regular file under roots, each of which is a directory
// of models or a model. What cannot be read is a [Problem] of the report, and no
// error, but for roots themselves.
func Analyze(ctx context.Context, roots []string, o Options) (*Report, error) {
	start := time.Now()
	spill, err := newSpill()
	if err != nil {
		return nil, err
	}
	defer spill.close()
	c := newCollection(&o, spill)
	if err := c.read(ctx, roots); err != nil {
		return nil, err
	}
	hashed := time.Now()
	c.near(ctx)
	kin := c.kin(ctx)
	c.roots(kin)
	r := &Report{Roots: roots, Exact: o.Exact, Hashing: hashed.Sub(start).Seconds(), Cached: c.cached}
	if err := c.cost(ctx, r); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c.describe(r)
	kin.describe(r)
	r.Seconds = time.Since(start).Seconds()
	return r, nil
}

// A spill is a file of samples: they are too many for memory.
type spill struct {
	f   *os.File
	end int64
}

func newSpill() (*spill, error) {
	f, err := os.CreateTemp("", "zipnode-samples-*")
	return &spill{f: f}, err
}

func (s *spill) close() {
	s.f.Close()
	os.Remove(s.f.Name())
}

// A place is where a sample lies in the spill; of no bytes where there is none.
type place struct {
	at   int64
	size int32
}

func (s *spill) put(data []byte) (place, error) {
	if _, err := s.f.WriteAt(data, s.end); err != nil {
		return place{}, err
	}
	p := place{s.end, int32(len(data))}
	s.end += int64(len(data))
	return p, nil
}

func (s *spill) get(p place) ([]byte, error) {
	data := make([]byte, p.size)
	_, err := s.f.ReadAt(data, p.at)
	return data, err
}
