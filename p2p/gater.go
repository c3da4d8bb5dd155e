package p2p

import (
	"net/netip"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

const (
	offenceWindow = 10 * time.Minute
	banTime       = 10 * time.Minute
	maxOffences   = 3       // within offenceWindow; then a ban
	maxOffenders  = 1 << 14 // remembered
)

// carrierNAT is the shared address space of RFC 6598, which netip does not
// count as private; overlay networks use it.
var carrierNAT = netip.MustParsePrefix("100.64.0.0/10")

// A gater decides who may connect: only near addresses unless public, and
// nobody banned.
type gater struct {
	public bool

	mu        sync.Mutex
	offenders map[peer.ID]*offender
}

type offender struct {
	times  []time.Time // of offences, oldest first
	banned time.Time   // until then
}

// offend notes an offence of p, and reports whether p is banned now.
func (g *gater) offend(p peer.ID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	g.forget(now)
	o := g.offenders[p]
	if o == nil {
		o = &offender{}
		g.offenders[p] = o
	}
	o.times = append(recent(o.times, now), now)
	if len(o.times) >= maxOffences {
		o.banned = now.Add(banTime)
	}
	return now.Before(o.banned)
}

// forget drops offenders of long ago when there are many.
func (g *gater) forget(now time.Time) {
	if g.offenders == nil {
		g.offenders = map[peer.ID]*offender{}
	}
	if len(g.offenders) < maxOffenders {
		return
	}
	for p, o := range g.offenders {
		if len(recent(o.times, now)) == 0 && now.After(o.banned) {
			delete(g.offenders, p)
		}
	}
	for p := range g.offenders {
		if len(g.offenders) < maxOffenders {
			return
		}
		delete(g.offenders, p)
	}
}

func recent(times []time.Time, now time.Time) []time.Time {
	for len(times) > 0 && now.Sub(times[0]) > offenceWindow {
		times = times[1:]
	}
	return times
}

func (g *gater) banned(p peer.ID) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	o := g.offenders[p]
	return o != nil && time.Now().Before(o.banned)
}

// bans counts the peers that are banned now.
func (g *gater) bans() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	n, now := 0, time.Now()
	for _, o := range g.offenders {
		if now.Before(o.banned) {
			n++
		}
	}
	return n
}

// near reports whether an address is loopback, private or link-local.
func near(a ma.Multiaddr) bool {
	ip, err := manet.ToIP(a)
	if err != nil {
		return false
	}
	addr, ok := netip.AddrFromSlice(ip)
	if !ok {
		return false
	}
	addr = addr.Unmap()
	return addr.IsLoopback() || addr.IsPrivate() || addr.IsLinkLocalUnicast() || carrierNAT.Contains(addr)
}

func (g *gater) InterceptPeerDial(p peer.ID) bool { return !g.banned(p) }

func (g *gater) InterceptAddrDial(_ peer.ID, a ma.Multiaddr) bool { return g.public || near(a) }

func (g *gater) InterceptAccept(c network.ConnMultiaddrs) bool {
	return g.public || near(c.RemoteMultiaddr())
}

func (g *gater) InterceptSecured(_ network.Direction, p peer.ID, c network.ConnMultiaddrs) bool {
	return !g.banned(p) && (g.public || near(c.RemoteMultiaddr()))
}

func (g *gater) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }
