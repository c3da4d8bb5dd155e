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
)

// simulated is a network of hosts on a simulated clock.
type simulated struct {
	net  *simnet.Simnet
	link simnet.NodeBiDiLinkSettings
	n    int
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
	s.n++
	ip := net.IPv4(1, 0, byte(s.n>>8), byte(s.n))
	on := func(cfg *Config) {
		cfg.Public = true
		cfg.Listen = []ma.Multiaddr{ma.StringCast(fmt.Sprintf("/ip4/%s/udp/8000/quic-v1", ip))}
		cfg.LibP2P = []libp2p.Option{
			simlibp2p.QUICSimnet(s.net, s.link),
			libp2p.DisableIdentifyAddressDiscovery(), // it would keep the clock from moving
		}
	}
	return startHost(t, lib, append(opts, on)...)
}

// A whole fetch between hosts that only know a third, in simulated time.
func TestSimulated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := newSimulated(t, 20*time.Millisecond, 1000)
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
		for _, h := range []*Host{c, b, a} {
			if err := h.Close(); err != nil {
				t.Error(err)
			}
		}
		n.net.Close()
	})
}
