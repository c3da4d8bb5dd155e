package p2p

import (
	"context"
	"fmt"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/x/simlibp2p"
	"github.com/marcopolo/simnet"
	ma "github.com/multiformats/go-multiaddr"
	"golang.org/x/sync/errgroup"
)

// simulated is a network of hosts on a simulated clock.
type simulated struct {
	net  *simnet.Simnet
	link simnet.NodeBiDiLinkSettings

	hosts []*Host
}

func newSimulated(t *testing.T, rtt time.Duration, mbit int) *simulated {
	t.Helper()
	link := simnet.LinkSettings{BitsPerSecond: mbit * simlibp2p.OneMbps}
	s := &simulated{
		net:  &simnet.Simnet{LatencyFunc: simnet.StaticLatency(rtt / 2)},
		link: simnet.NodeBiDiLinkSettings{Downlink: link, Uplink: link},
	}
	s.net.Start()
	return s
}

// host adds a host to the network.
func (s *simulated) host(t *testing.T, lib Library, opts ...func(*Config)) *Host {
	t.Helper()
	ip := net.IPv4(1, 0, byte(len(s.hosts)>>8), byte(len(s.hosts)+1))
	on := func(cfg *Config) {
		cfg.Public = true
		cfg.Listen = []ma.Multiaddr{ma.StringCast(fmt.Sprintf("/ip4/%s/udp/8000/quic-v1", ip))}
		cfg.LibP2P = []libp2p.Option{
			simlibp2p.QUICSimnet(s.net, s.link),
			libp2p.DisableIdentifyAddressDiscovery(), // it would keep the clock from moving
		}
	}
	h := startHost(t, lib, append(opts, on)...)
	s.hosts = append(s.hosts, h)
	return h
}

// A whole fetch between hosts that only know a third, in simulated time.
func TestSimulated(t *testing.T) {
	bubble(t, 20*time.Millisecond, 1000, func(t *testing.T, n *simulated) {
		lib := newLibrary()
		root, r := lib.model(t, 1, 64, 1<<20)
		a := n.host(t, nil)
		b := n.host(t, lib, bootstrap(a))
		c := n.host(t, nil, bootstrap(a))
		if err := b.Announce(root); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		err := c.WithSession(limited(t, time.Minute), root, func(ctx context.Context, s *Session) error {
			if _, err := s.Get(ctx, root); err != nil {
				return err
			}
			t.Logf("root after %v", time.Since(began))
			return drain(t, r, 64)(ctx, s)
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("took %v", time.Since(began))
		time.Sleep(5 * time.Hour) // announcements go on
		if got := c.Providers(limited(t, time.Minute), root, 5); len(got) != 1 {
			t.Errorf("%d providers after five hours, want 1", len(got))
		}
	})
}

// bubble runs fn in simulated time, and closes the hosts and the network before
// it ends.
func bubble(t *testing.T, rtt time.Duration, mbit int, fn func(t *testing.T, n *simulated)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newSimulated(t, rtt, mbit)
		defer n.net.Close()
		defer func() {
			for _, h := range n.hosts {
				if err := h.Close(); err != nil {
					t.Error(err)
				}
			}
		}()
		fn(t, n)
	})
}

// An asker that never reads its answers holds a stream for its write time, and
// no longer.
func TestServerFreesStalled(t *testing.T) {
	bubble(t, 10*time.Millisecond, 1000, func(t *testing.T, n *simulated) {
		lib := newLibrary()
		_, r := lib.model(t, 1, 64, 1<<20)
		a, b := n.host(t, lib), n.host(t, nil)
		connect(t, b, a)
		for range 20 { // more than one peer may have open
			s, err := b.Libp2p().NewStream(t.Context(), a.ID(), Protocol)
			if err != nil {
				t.Fatal(err)
			}
			q := request{kind: kindRange, recipe: r.Recipe, count: 64}
			if _, err := s.Write(q.append(nil)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		open := func() (streams, held int) {
			a.server.mu.Lock()
			defer a.server.mu.Unlock()
			return len(a.server.streams), len(a.server.blocks)
		}
		if streams, held := open(); streams == 0 || streams > serveStreams || held > serveStreams {
			t.Errorf("%d streams and %d blocks held for one peer, at most %d", streams, held, serveStreams)
		}
		time.Sleep(2 * writeTime)
		if streams, held := open(); streams != 0 || held != 0 {
			t.Errorf("%d streams and %d blocks held still", streams, held)
		}
	})
}

// With one peer, and that stalled, a fetch ends with an error in bounded time;
// when it answers again, the next succeeds.
func TestOnlyPeerStalls(t *testing.T) {
	bubble(t, 10*time.Millisecond, 1000, func(t *testing.T, n *simulated) {
		lib := newLibrary()
		root, r := lib.model(t, 1, 16, 1<<20)
		lib.stall = make(chan struct{})
		a, b := n.host(t, lib), n.host(t, nil)
		connect(t, b, a)
		began := time.Now()
		err := b.WithSession(limited(t, 5*time.Minute), root, drain(t, r, 16))
		if err == nil || time.Since(began) > 2*time.Minute {
			t.Errorf("error %v after %v", err, time.Since(began))
		}
		t.Logf("%v after %v", err, time.Since(began))
		close(lib.stall)
		if err := b.WithSession(limited(t, time.Minute), root, drain(t, r, 16)); err != nil {
			t.Error(err)
		}
	})
}

// A network that fails now and then, for longer than a stall, does not end a long
// fetch from one peer.
func TestStallsAreMadeUpFor(t *testing.T) {
	if testing.Short() {
		t.Skip("moves 230 MiB")
	}
	const size, often = 1 << 20, 72 // chunks between stalls
	bubble(t, 10*time.Millisecond, 1000, func(t *testing.T, n *simulated) {
		lib := newLibrary()
		root, r := lib.model(t, 1, 3*often+16, size)
		a, b := n.host(t, lib), n.host(t, nil)
		connect(t, b, a)
		stall := func() {
			silent := make(chan struct{})
			lib.mu.Lock()
			lib.stall = silent
			lib.mu.Unlock()
			time.AfterFunc(2*stallTime, func() {
				lib.mu.Lock()
				lib.stall = nil
				lib.mu.Unlock()
				close(silent)
			})
		}
		stalls, got := 0, 0
		err := b.WithSession(limited(t, 10*time.Minute), root, func(ctx context.Context, s *Session) error {
			for _, err := range s.Chunks(ctx, ranges(r)) {
				if err != nil {
					return err
				}
				if got++; got%often == 0 {
					stall()
					stalls++
				}
			}
			return nil
		})
		if err != nil || got != len(r.Entries) || stalls <= maxStalls {
			t.Errorf("%d of %d chunks, %d stalls: %v", got, len(r.Entries), stalls, err)
		}
	})
}

// Streams outlive sessions, and are closed when nobody used them for a while.
func TestStreamsIdle(t *testing.T) {
	bubble(t, 10*time.Millisecond, 1000, func(t *testing.T, n *simulated) {
		lib := newLibrary()
		root, r := lib.model(t, 1, 16, 1<<20)
		a, b := n.host(t, lib), n.host(t, nil)
		connect(t, b, a)
		streams := func() int {
			m := b.remote(a.ID())
			m.mu.Lock()
			defer m.mu.Unlock()
			return len(m.streams)
		}
		for range 3 {
			if err := b.WithSession(limited(t, time.Minute), root, drain(t, r, 16)); err != nil {
				t.Fatal(err)
			}
			if n := streams(); n < 1 || n > askStreams {
				t.Errorf("%d streams, want 1 to %d", n, askStreams)
			}
		}
		time.Sleep(2 * askIdle)
		if n := streams(); n != 0 {
			t.Errorf("%d streams after %v", n, 2*askIdle)
		}
		if err := b.WithSession(limited(t, time.Minute), root, drain(t, r, 16)); err != nil {
			t.Error(err)
		}
	})
}

// Twenty hosts that know one find each other and fetch the same.
func TestTwenty(t *testing.T) {
	if testing.Short() {
		t.Skip("twenty hosts")
	}
	bubble(t, 20*time.Millisecond, 1000, func(t *testing.T, n *simulated) {
		lib := newLibrary()
		root, r := lib.model(t, 1, 8, 1<<20)
		hub := n.host(t, nil)
		seed := n.host(t, lib, bootstrap(hub))
		if err := seed.Announce(root); err != nil {
			t.Fatal(err)
		}
		var g errgroup.Group
		for range 18 {
			h := n.host(t, nil, bootstrap(hub))
			g.Go(func() error { return h.WithSession(limited(t, time.Minute), root, drain(t, r, 8)) })
		}
		if err := g.Wait(); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		for _, h := range n.hosts {
			if got := h.dht.RoutingTable().Size(); got < 15 {
				t.Errorf("a host knows %d of 19 others after a minute", got)
			}
		}
	})
}
