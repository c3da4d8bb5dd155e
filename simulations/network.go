package simulations

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/p2p/transport/quicreuse"
	"github.com/marcopolo/simnet"
	"github.com/quic-go/quic-go"
	"go.uber.org/fx"
)

// A Link is what every node has to the network, the same both ways. The zero
// value is the default.
type Link struct {
	BitsPerSecond int           // 0 means 20 Mbit/s
	Latency       time.Duration // from node to node, one way; 0 means 10 ms
}

func (l *Link) ensureDefaults() {
	l.BitsPerSecond = cmp.Or(l.BitsPerSecond, 20_000_000)
	l.Latency = cmp.Or(l.Latency, 10*time.Millisecond)
}

// transfer returns the time that n bytes take over the link, latency apart.
func (l Link) transfer(n int64) time.Duration {
	return time.Duration(float64(n) * 8 / float64(l.BitsPerSecond) * float64(time.Second))
}

// A network connects doors. It lives in one synctest bubble.
type network struct {
	sim  *simnet.Simnet
	link simnet.NodeBiDiLinkSettings
	used int // doors

	mu sync.Mutex // libp2p opens sockets when it likes to; simnet's list of them has no lock
}

func newNetwork(l Link) *network {
	n := &network{sim: &simnet.Simnet{
		LatencyFunc: simnet.StaticLatency(l.Latency),
		Logger:      slog.New(slog.DiscardHandler), // packets to nodes that are closing
	}}
	n.link.Uplink.BitsPerSecond = l.BitsPerSecond
	n.link.Downlink.BitsPerSecond = l.BitsPerSecond
	n.sim.Start()
	return n
}

func (n *network) close() { n.sim.Close() }

// A door is one node's way to the network.
type door struct {
	n  *network
	at net.IP

	mu    sync.Mutex
	conns []*simnet.SimConn
}

func (n *network) door() *door {
	d := &door{n: n, at: simnet.IntToPublicIPv4(n.used)}
	n.used++
	return d
}

// listen is the multiaddr to listen on.
func (d *door) listen() string { return fmt.Sprintf("/ip4/%s/udp/4001/quic-v1", d.at) }

// options make a libp2p host live behind the door.
func (d *door) options() []libp2p.Option {
	return []libp2p.Option{
		libp2p.QUICReuse(newConnManager,
			quicreuse.OverrideSourceIPSelector(func() (quicreuse.SourceIPSelector, error) { return d, nil }),
			quicreuse.OverrideListenUDP(d.open)),
		// It has a goroutine that waits outside the bubble: the clock stops.
		libp2p.DisableIdentifyAddressDiscovery(),
	}
}

// newConnManager is libp2p's, closed with the host: one that is given from
// outside is not.
func newConnManager(life fx.Lifecycle, reset quic.StatelessResetKey, token quic.TokenGeneratorKey, opts ...quicreuse.Option) (*quicreuse.ConnManager, error) {
	m, err := quicreuse.NewConnManager(reset, token, opts...)
	if err == nil {
		life.Append(fx.StopHook(m.Close))
	}
	return m, err
}

// PreferredSourceIPForDestination makes the host dial from where it listens.
func (d *door) PreferredSourceIPForDestination(*net.UDPAddr) (net.IP, error) { return d.at, nil }

func (d *door) open(_ string, at *net.UDPAddr) (net.PacketConn, error) {
	d.n.mu.Lock()
	defer d.n.mu.Unlock()
	c := d.n.sim.NewEndpoint(at, d.n.link)
	d.mu.Lock()
	d.conns = append(d.conns, c)
	d.mu.Unlock()
	return c, nil
}

// sent returns the bytes of all packets that left by the door, without what IP
// and UDP add to each.
func (d *door) sent() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	total := int64(0)
	for _, c := range d.conns {
		total += int64(c.Stats().BytesSent)
	}
	return total
}
