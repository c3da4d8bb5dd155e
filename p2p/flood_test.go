package p2p

import (
	"crypto/rand"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/event"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/test"
	ma "github.com/multiformats/go-multiaddr"
)

// One peer gets so many connections, whatever it opens, and another still gets its
// own.
func TestConnectionFlood(t *testing.T) {
	victim := startHost(t, nil)
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	at := peer.AddrInfo{ID: victim.ID(), Addrs: victim.Libp2p().Addrs()}
	var one peer.ID
	for range 24 { // a libp2p host would keep to one connection
		h, err := libp2p.New(libp2p.NoListenAddrs, libp2p.Identity(key), libp2p.ResourceManager(&network.NullResourceManager{}))
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		one = h.ID()
		_ = h.Connect(limited(t, 10*time.Second), at)
	}
	if n := len(victim.Libp2p().Network().ConnsToPeer(one)); n == 0 || n > 8 {
		t.Errorf("one peer has %d connections, want 8 at most", n)
	}
	connect(t, startHost(t, nil), victim)
}

// Connections from one address that never say who they are leave room for those
// from others. Loopback has no limit of its own, so no sockets are opened.
func TestSilentConnections(t *testing.T) {
	m, err := limits()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	opened := 0
	for range 2 * connsPerIP {
		if _, err := m.OpenConnection(network.DirInbound, true, ma.StringCast("/ip4/10.0.0.1/tcp/9")); err == nil {
			opened++
		}
	}
	if opened != connsPerIP {
		t.Errorf("one address has %d connections, want %d", opened, connsPerIP)
	}
	if _, err := m.OpenConnection(network.DirInbound, true, ma.StringCast("/ip4/10.0.0.2/tcp/9")); err != nil {
		t.Errorf("another address has none: %v", err)
	}
}

// However many peers mDNS names, a bounded number is dialled at once.
func TestMDNSFlood(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	defer wg.Wait()
	defer ln.Close()
	var dialled atomic.Int32
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			dialled.Add(1)
			defer c.Close() // it is never greeted
		}
	})
	h := startHost(t, nil)
	sub, err := h.host.EventBus().Subscribe(new(event.EvtLocalAddressesUpdated))
	if err != nil {
		t.Fatal(err)
	}
	peers := make(found)
	h.wg.Go(func() {
		defer sub.Close()
		for dials := make(chan struct{}, mdnsDials); t.Context().Err() == nil; {
			h.listen(t.Context(), peers, dials, sub)
		}
	})
	at := ma.StringCast(fmt.Sprintf("/ip4/127.0.0.1/tcp/%d", ln.Addr().(*net.TCPAddr).Port))
	for range 4 * mdnsDials {
		id, err := test.RandPeerID()
		if err != nil {
			t.Fatal(err)
		}
		peers <- peer.AddrInfo{ID: id, Addrs: []ma.Multiaddr{at}}
	}
	eventually(t, 10*time.Second, "some are dialled", func() bool { return dialled.Load() == mdnsDials })
	time.Sleep(200 * time.Millisecond)
	if n := dialled.Load(); n != mdnsDials {
		t.Errorf("%d are dialled, want %d", n, mdnsDials)
	}
}

// What a peer may fill of first windows, which nothing else bounds, is 256 MiB.
func TestInboundStreams(t *testing.T) {
	m, err := limits()
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	opened := 0
	for id := test.RandPeerIDFatal(t); ; opened++ {
		if _, err := m.OpenStream(id, network.DirInbound); err != nil {
			break
		}
	}
	if opened*firstWindow != 256<<20 {
		t.Errorf("a peer opens %d streams with windows of %d bytes", opened, firstWindow)
	}
}
