package replication

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// network is a Network that remembers what it was told.
type network struct {
	mu        sync.Mutex
	announced []cid.Cid
	withdrawn []cid.Cid
	others    int
	counts    int
}

func (n *network) Announce(cs ...cid.Cid) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.announced = append(n.announced, cs...)
	return nil
}

func (n *network) Unannounce(cs ...cid.Cid) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.withdrawn = append(n.withdrawn, cs...)
	return nil
}

func (n *network) Providers(context.Context, cid.Cid) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counts++
	return 1 + n.others
}

func id(i int) cid.Cid { return dag.Raw(fmt.Append(nil, i)) }

// ids yields n CIDs, then err if it is not nil.
func ids(n int, err error) iter.Seq2[cid.Cid, error] {
	return func(yield func(cid.Cid, error) bool) {
		for i := range n {
			if !yield(id(i+1), nil) {
				return
			}
		}
		if err != nil {
			yield(cid.Undef, err)
		}
	}
}

func newSeeder(n *network) *Seeder { return NewSeeder(n) }

func TestAddAnnouncesAll(t *testing.T) {
	n := &network{}
	s := newSeeder(n)
	if err := s.Add(id(0), ids(10_000, nil)); err != nil { // more than one batch
		t.Fatal(err)
	}
	if len(n.announced) != 10_001 || n.announced[0] != id(0) || n.announced[10_000] != id(10_000) {
		t.Errorf("%d announced, want the root and 10000 more", len(n.announced))
	}
	bad := errors.New("a node is missing")
	if err := s.Add(id(-1), ids(1, bad)); !errors.Is(err, bad) {
		t.Errorf("Add of a root that cannot be walked = %v, want %v", err, bad)
	}
	if got := s.Status(); len(got) != 1 || got[0].Root != id(0) {
		t.Errorf("Status = %v, want the first root alone", got)
	}
}

// Providers are counted soon after a root was added, and again every ten
// minutes; one that was removed is withdrawn and counted no more.
func TestCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := &network{}
		s := newSeeder(n)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { s.Run(ctx) })
		if err := s.Add(id(0), ids(0, nil)); err != nil {
			t.Fatal(err)
		}
		if got := s.Status(); got[0].Providers != -1 {
			t.Errorf("before a count, Providers = %d, want -1", got[0].Providers)
		}
		time.Sleep(10 * time.Second)
		if got := s.Status(); got[0].Providers != 1 {
			t.Errorf("Providers = %d, want 1", got[0].Providers)
		}
		n.mu.Lock()
		n.others = 2
		n.mu.Unlock()
		time.Sleep(countEvery + countEvery/5)
		if got := s.Status(); got[0].Providers != 3 {
			t.Errorf("later, Providers = %d, want 3", got[0].Providers)
		}
		if err := s.Remove(id(0)); err != nil {
			t.Fatal(err)
		}
		n.mu.Lock()
		before := n.counts
		n.mu.Unlock()
		time.Sleep(time.Hour)
		if n.counts != before || !slices.Contains(n.withdrawn, id(0)) || len(s.Status()) != 0 {
			t.Errorf("after Remove: %d counts more, withdrawn %v, status %v", n.counts-before, n.withdrawn, s.Status())
		}
		cancel()
		wg.Wait()
	})
}
