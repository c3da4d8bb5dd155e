// Package replication decides which roots belong where, and keeps them
// announced. It moves no bytes itself: node fetches, and tells it what is here.
//
// In its first form a node seeds what it pins: every root is announced as long
// as it is seeded, and the providers of each are counted now and then, so that
// an operator sees what would be lost with this node.
package replication

import (
	"context"
	"iter"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
)

// countEvery is how long a count of providers is good for.
const countEvery = 10 * time.Minute

// A Network announces CIDs and finds who else does. A p2p host is one.
type Network interface {
	// Announce tells peers, now and again from time to time, that the blocks of
	// cs are here. It returns before they know.
	Announce(cs ...cid.Cid) error
	// Unannounce stops telling.
	Unannounce(cs ...cid.Cid) error
	// Providers counts the peers that announce c, this one too.
	Providers(ctx context.Context, c cid.Cid) int
}

// A Seeder keeps roots announced. Its methods may be called by many goroutines
// at once.
type Seeder struct {
	net  Network
	wake chan struct{}

	mu    sync.Mutex
	roots map[cid.Cid]*seeded
}

type seeded struct {
	providers int // -1 until counted
	counted   time.Time
}

// A Status is one root and how many nodes announce it.
type Status struct {
	Root      cid.Cid
	Providers int // this one too; -1 when not counted yet
}

// NewSeeder returns a seeder with no roots.
func NewSeeder(net Network) *Seeder {
	return &Seeder{net: net, wake: make(chan struct{}, 1), roots: map[cid.Cid]*seeded{}}
}

// Add announces root, and what belongs to it, from now on.
func (s *Seeder) Add(root cid.Cid, with iter.Seq2[cid.Cid, error]) error {
	batch := []cid.Cid{root}
	for c, err := range with {
		if err != nil {
			return err
		}
		if batch = append(batch, c); len(batch) == 4096 {
			if err := s.net.Announce(batch...); err != nil {
				return err
			}
			batch = batch[:0]
		}
	}
	if err := s.net.Announce(batch...); err != nil {
		return err
	}
	s.mu.Lock()
	if _, ok := s.roots[root]; !ok {
		s.roots[root] = &seeded{providers: -1}
	}
	s.mu.Unlock()
	select {
	case s.wake <- struct{}{}:
	default:
	}
	return nil
}

// Remove stops announcing root. What else was announced with it may belong to
// other roots, and stays until its record lapses.
func (s *Seeder) Remove(root cid.Cid) error {
	s.mu.Lock()
	_, ok := s.roots[root]
	delete(s.roots, root)
	s.mu.Unlock()
	if !ok {
		return nil
	}
	return s.net.Unannounce(root)
}

// Status returns the seeded roots, in the order of their CIDs.
func (s *Seeder) Status() []Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Status, 0, len(s.roots))
	for c, r := range s.roots {
		out = append(out, Status{Root: c, Providers: r.providers})
	}
	slices.SortFunc(out, func(a, b Status) int { return strings.Compare(a.Root.String(), b.Root.String()) })
	return out
}

// Run counts providers until ctx is done.
func (s *Seeder) Run(ctx context.Context) {
	for {
		for _, root := range s.due() {
			if ctx.Err() != nil {
				return
			}
			n := s.net.Providers(ctx, root)
			s.mu.Lock()
			if r, ok := s.roots[root]; ok {
				r.providers, r.counted = n, time.Now()
			}
			s.mu.Unlock()
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			// An announcement takes a moment to reach those who keep records.
			select {
			case <-ctx.Done():
				return
			case <-time.After(5 * time.Second):
			}
		case <-time.After(countEvery / 10):
		}
	}
}

// due returns the roots whose count is old.
func (s *Seeder) due() []cid.Cid {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []cid.Cid
	for c, r := range s.roots {
		if time.Since(r.counted) > countEvery {
			out = append(out, c)
		}
	}
	return out
}
