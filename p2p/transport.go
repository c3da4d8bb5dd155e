package p2p

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/network"
	rcmgr "github.com/libp2p/go-libp2p/p2p/host/resource-manager"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	"github.com/libp2p/go-libp2p/p2p/net/connmgr"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/security/noise"
	tls "github.com/libp2p/go-libp2p/p2p/security/tls"
	quic "github.com/libp2p/go-libp2p/p2p/transport/quic"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/libp2p/go-libp2p/x/rate"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	// A stream of 8 MiB keeps 160 MB/s going over 50 ms, four of them 640. A window
	// doubles when it is used up within a few round trips, which over loopback are
	// too short for that. The first one is not reserved with the resource manager:
	// what bounds it is how many streams a peer may open, 256 MiB worth of them.
	firstWindow = 4 << 20
	maxWindow   = 8 << 20
	peerStreams = 256 << 20 / firstWindow

	// maxFrame is yamux's, at the sender. libp2p's is 64 KiB: four records of TLS,
	// and a switch between goroutines for each.
	maxFrame = 128 << 10

	lowPeers  = 192 // the connection manager trims to this
	highPeers = 256 // when there are more than this

	connsPerIP = 256 // a lab behind one NAT; libp2p's default is 8
)

// defaultListen is for a host that was told no address: every interface, any
// port.
var defaultListen = []ma.Multiaddr{
	ma.StringCast("/ip4/0.0.0.0/tcp/0"),
	ma.StringCast("/ip6/::/tcp/0"),
	ma.StringCast("/ip4/0.0.0.0/udp/0/quic-v1"),
	ma.StringCast("/ip6/::/udp/0/quic-v1"),
}

// transportOptions are those of the libp2p host but for its identity.
func transportOptions(cfg *Config, g *gater) ([]libp2p.Option, error) {
	limits, err := limits()
	if err != nil {
		return nil, err
	}
	conns, err := connmgr.NewConnManager(lowPeers, highPeers, connmgr.WithGracePeriod(time.Minute))
	if err != nil {
		return nil, fmt.Errorf("connection manager: %w", err)
	}
	return []libp2p.Option{
		libp2p.ListenAddrs(cfg.Listen...),
		libp2p.Transport(tcp.NewTCPTransport, tcp.DisableReuseport()),
		libp2p.Transport(quic.NewTransport),
		libp2p.Security(tls.ID, newTLS),
		libp2p.Security(noise.ID, noise.New),
		libp2p.Muxer(yamux.ID, muxer()),
		libp2p.ResourceManager(limits),
		libp2p.ConnectionManager(conns),
		libp2p.ConnectionGater(g),
		libp2p.SwarmOpts(swarm.WithDialRanker(tcpFirst)),
		libp2p.DisableRelay(),
		libp2p.DisableMetrics(),
		libp2p.UserAgent("zipnode"),
	}, nil
}

func muxer() *yamux.Transport {
	t := *yamux.DefaultTransport
	t.InitialStreamWindowSize = firstWindow
	t.MaxStreamWindowSize = maxWindow
	t.MaxMessageSize = maxFrame
	return &t
}

// tcpFirst ranks TCP before QUIC, which moves half as many bytes a second for
// the same CPU (185–265 MB/s against 565–620 on loopback); libp2p's own ranking
// is the other way round.
func tcpFirst(addrs []ma.Multiaddr) []network.AddrDelay {
	const late = 250 * time.Millisecond // RFC 8305
	hasTCP := false
	for _, a := range addrs {
		hasTCP = hasTCP || isTCP(a)
	}
	out := make([]network.AddrDelay, 0, len(addrs))
	for _, a := range addrs {
		d := time.Duration(0)
		if hasTCP && !isTCP(a) {
			d = late
		}
		if !near(a) {
			d += 50 * time.Millisecond // what is near is tried first, and most often is there
		}
		out = append(out, network.AddrDelay{Addr: a, Delay: d})
	}
	return out
}

func isTCP(a ma.Multiaddr) bool {
	_, err := a.ValueForProtocol(ma.P_TCP)
	return err == nil
}

// limits are libp2p's scaled to the machine, but for those that a lab of
// machines behind one address, or four large streams a peer, would meet.
func limits() (network.ResourceManager, error) {
	base := rcmgr.DefaultLimits
	libp2p.SetDefaultServiceLimits(&base)
	own := rcmgr.PartialLimitConfig{
		System: rcmgr.ResourceLimits{
			Conns: 1024, ConnsInbound: 768, ConnsOutbound: 768,
			Streams: 1 << 14, StreamsInbound: 32 * peerStreams, StreamsOutbound: 1 << 14,
			Memory: 512 << 20, FD: 2048,
		},
		Transient: rcmgr.ResourceLimits{ // of peers not known yet: more than one address may have
			Conns: 3 * connsPerIP, ConnsInbound: 2 * connsPerIP, ConnsOutbound: 192,
			Streams: 1024, StreamsInbound: 512, StreamsOutbound: 1024,
			Memory: 128 << 20, FD: 3 * connsPerIP,
		},
		PeerDefault: rcmgr.ResourceLimits{
			Conns: 16, ConnsInbound: 8, ConnsOutbound: 16,
			Streams: 512, StreamsInbound: peerStreams, StreamsOutbound: 512,
			Memory: 128 << 20, FD: 16,
		},
		ProtocolDefault:     rcmgr.ResourceLimits{Streams: 1 << 13, StreamsInbound: 32 * peerStreams, StreamsOutbound: 1 << 13, Memory: 256 << 20},
		ProtocolPeerDefault: rcmgr.ResourceLimits{Streams: 256, StreamsInbound: peerStreams, StreamsOutbound: 256, Memory: 64 << 20},
	}
	m, err := rcmgr.NewResourceManager(rcmgr.NewFixedLimiter(own.Build(base.AutoScale())),
		rcmgr.WithMetricsDisabled(),
		rcmgr.WithLimitPerSubnet(
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 32, ConnCount: connsPerIP}},
			[]rcmgr.ConnLimitPerSubnet{{PrefixLength: 56, ConnCount: connsPerIP}, {PrefixLength: 48, ConnCount: 2 * connsPerIP}}),
		rcmgr.WithConnRateLimiters(&rate.Limiter{
			NetworkPrefixLimits: []rate.PrefixLimit{
				{Prefix: netip.MustParsePrefix("127.0.0.0/8")},
				{Prefix: netip.MustParsePrefix("::1/128")},
			},
			SubnetRateLimiter: rate.SubnetLimiter{
				IPv4SubnetLimits: []rate.SubnetLimit{{PrefixLength: 32, Limit: rate.Limit{RPS: 20, Burst: 2 * connsPerIP}}},
				IPv6SubnetLimits: []rate.SubnetLimit{{PrefixLength: 56, Limit: rate.Limit{RPS: 20, Burst: 2 * connsPerIP}}},
				GracePeriod:      time.Minute,
			},
		}))
	if err != nil {
		return nil, fmt.Errorf("resource manager: %w", err)
	}
	return m, nil
}
