package p2p

import (
	"bytes"
	"context"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// crowd has n hosts, who know a hub and no more, fetch 48 chunks of 1 MiB from
// one seed at once over links of 100 Mbit/s. It returns how many copies the seed
// sent, and the time in times of one copy's.
func crowd(t *testing.T, n int) (copies, times float64) {
	const chunks, mbit = 48, 100
	bubble(t, 20*time.Millisecond, mbit, func(t *testing.T, net *simulated) {
		lib := newLibrary()
		root, r := lib.model(t, 1, chunks, 1<<20)
		hub := net.host(t, nil)
		seed := net.host(t, lib, bootstrap(hub))
		if err := seed.Announce(root); err != nil {
			t.Fatal(err)
		}
		var hosts []*Host
		libs := make([]*mapLibrary, n)
		for i := range n {
			libs[i] = newLibrary()
			hosts = append(hosts, net.host(t, libs[i], bootstrap(hub)))
		}
		time.Sleep(20 * time.Second)
		began := time.Now()
		var g errgroup.Group
		for i, h := range hosts {
			g.Go(func() error {
				return h.WithSession(limited(t, 10*time.Minute), root, func(ctx context.Context, s *Session) error {
					return keeping(ctx, t, s, libs[i], r)
				})
			})
		}
		if err := g.Wait(); err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		sent := int64(0)
		for _, p := range seed.Peers() {
			sent += p.Sent
		}
		copies = float64(sent) / (chunks << 20)
		times = took.Seconds() / (float64(chunks<<20) * 8 / (mbit * 1e6))
	})
	return copies, times
}

// keeping fetches r and puts what comes into lib, from where it is served.
func keeping(ctx context.Context, t *testing.T, s *Session, lib *mapLibrary, r Range) error {
	b, err := s.Get(ctx, s.root)
	if err != nil {
		return err
	}
	lib.put(b) // the recipe comes when all chunks are there
	n := 0
	for a, err := range s.Chunks(ctx, ranges(r)) {
		if err != nil {
			return err
		}
		lib.put(raw(t, bytes.Clone(a.Block.RawData())))
		n++
	}
	if n != len(r.Entries) {
		t.Errorf("%d chunks, want %d", n, len(r.Entries))
	}
	return nil
}

// Fetchers feed each other: the seed sends little more than one copy, however
// many they are, and nobody waits for the others' copies.
func TestCrowdFeeds(t *testing.T) {
	for _, n := range []int{3, 6} {
		copies, times := crowd(t, n)
		t.Logf("%d fetchers: the seed sent %.2f copies, in %.2f times one copy's time", n, copies, times)
		if copies > 1.4 || times > 1.6 {
			t.Errorf("%d fetchers: the seed sent %.2f copies in %.2f times one copy's time", n, copies, times)
		}
	}
}
