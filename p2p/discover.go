package p2p

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/namespace"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p-kad-dht/records"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/p2p/discovery/mdns"
	"github.com/libp2p/go-libp2p/p2p/host/eventbus"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/libp2p/go-libp2p/p2p/protocol/ping"
)

const (
	dhtProtocol protocol.ID = "/zipnode/kad/1"
	mdnsService string      = "_zipnode._udp"

	recordsLast    = 6 * time.Hour
	reprovideEvery = 2 * time.Hour

	firstRedial = time.Second
	lastRedial  = time.Minute
	dialTime    = 10 * time.Second
	pollPeers   = 250 * time.Millisecond
)

// newDHT joins the DHT as a server, with no filter of addresses: the private
// and loopback ones that libp2p's dual DHT drops are what a lab has.
func newDHT(h host.Host, store ds.Batching, books *ledger) (*dht.IpfsDHT, error) {
	return dht.New(h,
		dht.ProtocolPrefix("/zipnode"), // else it insists on the rules of the public DHT
		dht.V1ProtocolOverride(dhtProtocol),
		dht.Mode(dht.ModeServer),
		dht.BucketSize(20),
		dht.DisableValues(),
		dht.Datastore(namespace.Wrap(store, ds.NewKey("/dht"))),
		dht.ProviderDatastore(books),
		dht.ProviderManagerOpts(records.ProvideValidity(recordsLast), records.ProviderAddrTTL(recordsLast)),
	)
}

// discover starts all that looks for peers.
func (h *Host) discover(ctx context.Context) error {
	sub, err := h.host.EventBus().Subscribe([]any{
		new(event.EvtPeerIdentificationCompleted),
		new(event.EvtPeerConnectednessChanged),
	}, eventbus.BufSize(256))
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	h.wg.Go(func() { h.watch(ctx, sub) })
	for _, info := range h.cfg.Bootstrap {
		if info.ID != h.ID() {
			h.wg.Go(func() { h.keep(ctx, info) })
		}
	}
	if h.cfg.MDNS {
		h.wg.Go(func() { h.multicast(ctx) })
	}
	return nil
}

// watch follows peers as they come and go.
func (h *Host) watch(ctx context.Context, sub event.Subscription) {
	defer sub.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-sub.Out():
			switch e := e.(type) {
			case event.EvtPeerIdentificationCompleted:
				h.arrived(ctx, e)
			case event.EvtPeerConnectednessChanged:
				if !h.connected(e.Peer) {
					h.forget(e.Peer)
				}
			}
		}
	}
}

// arrived greets a peer. The DHT takes note of it by itself; while the routing
// table is small it is filled at once, so that who knows one address knows the
// cluster in seconds.
func (h *Host) arrived(ctx context.Context, e event.EvtPeerIdentificationCompleted) {
	h.log.Debug("peer connected", "peer", e.Peer, "addr", e.Conn.RemoteMultiaddr(), "agent", e.AgentVersion)
	h.wg.Go(func() {
		ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, "greeting"), dialTime) // it may have been dropped meanwhile
		defer cancel()
		<-ping.Ping(ctx, h.host, e.Peer) // it records the latency itself
	})
}

// awaitPeers waits until the DHT knows a peer.
func (h *Host) awaitPeers(ctx context.Context) error {
	for h.dht.RoutingTable().Size() == 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollPeers):
		}
	}
	return nil
}

// keep dials a bootstrap peer until connected, and again when it is lost.
func (h *Host) keep(ctx context.Context, info peer.AddrInfo) {
	wait := firstRedial
	for {
		if h.connected(info.ID) {
			wait = firstRedial
		} else if err := h.dial(ctx, info); err != nil {
			level := slog.LevelInfo
			if wait == firstRedial && ctx.Err() == nil { // once, until it was reached
				level = slog.LevelWarn
			}
			h.log.Log(ctx, level, "bootstrap peer not reached", "peer", info.ID, "again in", wait, "err", reason(err, info.Addrs))
			if !sleep(ctx, wait) {
				return
			}
			wait = min(2*wait, lastRedial)
			continue
		}
		if !sleep(ctx, firstRedial) {
			return
		}
	}
}

// dial connects to a peer that is meant to be there, whatever happened to
// earlier tries.
func (h *Host) dial(ctx context.Context, info peer.AddrInfo) error {
	ctx, cancel := context.WithTimeout(ctx, dialTime)
	defer cancel()
	h.forgive(info.ID)
	h.host.Peerstore().AddAddrs(info.ID, info.Addrs, peerstore.TempAddrTTL)
	return h.host.Connect(ctx, info)
}

// forgive drops libp2p's back-off for p, which would fail the next dial without
// trying.
func (h *Host) forgive(p peer.ID) {
	if s, ok := h.host.Network().(*swarm.Swarm); ok {
		s.Backoff().Clear(p)
	}
}

// sleep reports whether d passed before ctx ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// found carries peers from mDNS, which has no context, to a goroutine that has.
type found chan peer.AddrInfo

func (f found) HandlePeerFound(info peer.AddrInfo) {
	select {
	case f <- info:
	default: // it is named again soon
	}
}

// multicast announces this host on the local network and connects to those it
// hears of. It starts anew when the addresses change: an interface that comes
// up late, as in a namespace, is otherwise never heard of.
func (h *Host) multicast(ctx context.Context) {
	peers, dials := make(found, 64), make(chan struct{}, mdnsDials)
	sub, err := h.host.EventBus().Subscribe(new(event.EvtLocalAddressesUpdated))
	if err != nil {
		h.log.Warn("mdns does not start", "err", err)
		return
	}
	defer sub.Close()
	for ctx.Err() == nil {
		service := mdns.NewMdnsService(h.host, mdnsService, peers)
		if err := service.Start(); err != nil {
			h.log.Info("mdns not started", "err", err)
			_ = service.Close()
			if !sleep(ctx, 5*time.Second) {
				return
			}
			continue
		}
		h.listen(ctx, peers, dials, sub)
		_ = service.Close()
	}
}

// mdnsDials bounds the peers named by mDNS that are dialled at once: anyone on the
// local network can name any number.
const mdnsDials = 32

// listen connects to peers until ctx ends or the addresses change.
// dials has a place for each that is dialled at once.
func (h *Host) listen(ctx context.Context, peers found, dials chan struct{}, sub event.Subscription) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-sub.Out():
			if !sleep(ctx, time.Second) {
				return
			}
			for {
				select {
				case <-sub.Out(): // several changes are one
					continue
				default:
				}
				return
			}
		case info := <-peers:
			if info.ID == h.ID() || h.connected(info.ID) {
				continue
			}
			select {
			case dials <- struct{}{}:
			default: // it is named again soon
				continue
			}
			h.wg.Go(func() {
				defer func() { <-dials }()
				ctx, cancel := context.WithTimeout(ctx, dialTime)
				defer cancel()
				if err := h.host.Connect(ctx, info); err != nil {
					h.log.Debug("mdns peer not reached", "peer", info.ID, "err", err)
				}
			})
		}
	}
}
