package main

import (
	"bytes"
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

// batchBytes is how much is loaded and measured at a time, if no tensor is
// larger.
const batchBytes = 64 << 20

// A score is what a method did with the tensors of a case.
type score struct {
	Stored     int64         `json:"stored"` // bytes
	Compress   time.Duration `json:"compress_ns"`
	Decompress time.Duration `json:"decompress_ns"`
}

// A result is what was measured of a case.
type result struct {
	Name      string             `json:"name"`
	Delta     bool               `json:"delta"`
	Note      string             `json:"note,omitempty"`
	Tensors   int                `json:"tensors"`   // that were coded
	Bytes     int64              `json:"bytes"`     // of those
	Identical int                `json:"identical"` // others, equal to their base
	Scores    []score            `json:"scores"`    // in the order of methods
	Classes   map[class]*classed `json:"classes"`
}

// classed is one class of a case's tensors.
type classed struct {
	Tensors int     `json:"tensors"`
	Bytes   int64   `json:"bytes"`
	Stored  []int64 `json:"stored"` // in the order of methods
}

// A bench measures methods on one thread.
type bench struct {
	methods []method
	rounds  int

	batch []item
	coded []byte // what a method stores of a batch
	plain []byte // and what comes back
	ends  []int  // of each item in coded

	thread, process time.Duration // CPU time of everything measured
}

// run measures s. It returns an error if a round trip is wrong.
func (b *bench) run(s subject) (*result, error) {
	r := &result{Name: s.name, Delta: s.delta, Note: s.note, Scores: make([]score, len(b.methods)), Classes: map[class]*classed{}}
	total := 0
	for i := range s.count {
		x, err := s.load(i)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		if len(x.data) == 0 {
			r.Identical++
			continue
		}
		x.at = len(b.batch)
		b.batch = append(b.batch, x)
		total += len(x.data)
		if total+nextSize(s, i) > batchBytes {
			if err := b.measure(r); err != nil {
				return nil, fmt.Errorf("%s: %w", s.name, err)
			}
			total = 0
		}
	}
	if err := b.measure(r); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	return r, nil
}

func nextSize(s subject, i int) int {
	if i+1 == s.count {
		return 0
	}
	return s.size(i + 1)
}

// measure codes the batch by each method in turn, that many rounds, and adds
// the best time of each to r. Then it empties the batch.
func (b *bench) measure(r *result) error {
	if len(b.batch) == 0 {
		return nil
	}
	b.reserve()
	best := make([]score, len(b.methods))
	runtime.LockOSThread() // the clock is a thread's
	defer runtime.UnlockOSThread()
	runtime.GC() // and none while the clock runs
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	for round := range b.rounds {
		for i, m := range b.methods {
			s, err := b.once(m)
			if err != nil {
				return fmt.Errorf("%s: %w", m.name(), err)
			}
			if round == 0 {
				best[i] = s
				b.count(r, i)
			}
			if s.Stored != best[i].Stored {
				return fmt.Errorf("%s: %d bytes in round %d, %d before", m.name(), s.Stored, round+1, best[i].Stored)
			}
			best[i].Compress = min(best[i].Compress, s.Compress)
			best[i].Decompress = min(best[i].Decompress, s.Decompress)
		}
	}
	for i, s := range best {
		r.Scores[i].Stored += s.Stored
		r.Scores[i].Compress += s.Compress
		r.Scores[i].Decompress += s.Decompress
	}
	clear(b.batch) // up to 64 MiB that can go
	b.batch = b.batch[:0]
	return nil
}

// reserve makes room for what any method writes of the batch, and touches it,
// so that no method pays for the kernel's giving it.
func (b *bench) reserve() {
	size, bound := 0, 0
	for _, x := range b.batch {
		size += len(x.data)
		bound += len(x.data) + len(x.data)/64 + 512<<10 // yardsticks ask for room they seldom use
	}
	b.coded = slices.Grow(b.coded[:0], bound)
	b.plain = slices.Grow(b.plain[:0], size)[:size]
	clear(b.coded[:cap(b.coded)])
	clear(b.plain)
}

// once codes the batch by m and compares what comes back.
func (b *bench) once(m method) (s score, err error) {
	b.coded, b.ends = b.coded[:0], b.ends[:0]
	clear(b.plain)
	process, start := processTime(), threadTime()
	for _, x := range b.batch {
		if b.coded, err = m.compress(b.coded, x); err != nil {
			return s, fmt.Errorf("compress %s: %w", x.name, err)
		}
		b.ends = append(b.ends, len(b.coded))
	}
	middle := threadTime()
	from, rest := 0, b.plain
	for i, x := range b.batch {
		if err := m.decompress(rest[:len(x.data)], b.coded[from:b.ends[i]], x); err != nil {
			return s, fmt.Errorf("decompress %s: %w", x.name, err)
		}
		from, rest = b.ends[i], rest[len(x.data):]
	}
	end := threadTime()
	b.thread, b.process = b.thread+end-start, b.process+processTime()-process
	s = score{int64(len(b.coded)), middle - start, end - middle}
	return s, b.verify()
}

// verify compares what came back with the batch.
func (b *bench) verify() error {
	rest := b.plain
	for _, x := range b.batch {
		if !bytes.Equal(rest[:len(x.data)], x.data) {
			return fmt.Errorf("round trip of %s is wrong", x.name)
		}
		rest = rest[len(x.data):]
	}
	return nil
}

// count adds the batch, as coded by method i, to r and its classes.
func (b *bench) count(r *result, i int) {
	from := 0
	for k, x := range b.batch {
		c := r.Classes[classOf(x)]
		if c == nil {
			c = &classed{Stored: make([]int64, len(b.methods))}
			r.Classes[classOf(x)] = c
		}
		if i == 0 {
			r.Tensors, c.Tensors = r.Tensors+1, c.Tensors+1
			r.Bytes, c.Bytes = r.Bytes+int64(len(x.data)), c.Bytes+int64(len(x.data))
		}
		c.Stored[i] += int64(b.ends[k] - from)
		from = b.ends[k]
	}
}

// single makes the process run one thread of Go at a time, and the collector
// only where a method makes a great deal of garbage in one batch.
func single() {
	runtime.GOMAXPROCS(1)
	debug.SetMemoryLimit(4 << 30)
}
