package p2p

import (
	"crypto/rand"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"

	"github.com/zipnode/zipnode/dag"
)

// Two hosts that only know a third find each other's announcements, in seconds.
func TestAnnouncedThroughThird(t *testing.T) {
	a := startHost(t, nil)
	b := startHost(t, nil, bootstrap(a))
	c := startHost(t, nil, bootstrap(a))
	began := time.Now()
	keys := []byte("a model")
	if err := b.Announce(dag.Raw(keys), dag.Raw([]byte("another")), dag.Raw([]byte("a third"))); err != nil {
		t.Fatal(err)
	}
	eventually(t, 10*time.Second, "c finds b", func() bool {
		found := c.Providers(limited(t, 5*time.Second), dag.Raw(keys), 10)
		return len(found) == 1 && found[0].ID == b.ID()
	})
	t.Logf("found after %v", time.Since(began))
	eventually(t, 10*time.Second, "b and c connected", func() bool { return b.connected(c.ID()) })
	t.Logf("connected after %v", time.Since(began))
	if got := a.Providers(limited(t, 5*time.Second), dag.Raw(keys), 10); len(got) != 1 {
		t.Errorf("a finds %d providers, want 1", len(got))
	}
}

// A second node may come up long after the first announced.
func TestAnnouncedBeforePeers(t *testing.T) {
	a := startHost(t, nil)
	if err := a.Announce(dag.Raw([]byte("early"))); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second)
	b := startHost(t, nil, bootstrap(a))
	took := eventually(t, 5*time.Second, "b finds a", func() bool {
		return len(b.Providers(limited(t, time.Second), dag.Raw([]byte("early")), 10)) == 1
	})
	t.Logf("found after %v", took)
	// The sweep puts the record at b too, so that it survives a's absence.
	took = eventually(t, 5*time.Second, "record at b", func() bool {
		got, err := b.dht.ProviderStore().GetProviders(t.Context(), dag.Raw([]byte("early")).Hash())
		return err == nil && len(got) == 1
	})
	t.Logf("swept after %v", took)
}

// A restart announces again what the datastore says, from new addresses.
func TestAnnouncedAfterRestart(t *testing.T) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	store := dssync.MutexWrap(ds.NewMapDatastore())
	again := func(cfg *Config) { cfg.Key, cfg.Datastore = key, store }
	kept, gone := dag.Raw([]byte("kept")), dag.Raw([]byte("gone"))
	first := startHost(t, nil, again)
	if err := first.Announce(kept, gone); err != nil {
		t.Fatal(err)
	}
	if err := first.Unannounce(gone); err != nil {
		t.Fatal(err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	a := startHost(t, nil)
	second := startHost(t, nil, again, bootstrap(a))
	took := eventually(t, 10*time.Second, "announced anew", func() bool {
		got := a.Providers(limited(t, time.Second), kept, 1)
		return len(got) == 1 && got[0].ID == second.ID()
	})
	t.Logf("found after %v", took)
	got, err := a.dht.ProviderStore().GetProviders(t.Context(), gone.Hash())
	if err != nil || len(got) != 0 {
		t.Errorf("what was unannounced is announced: %v, %v", got, err)
	}
}

// A bootstrap peer that comes up late, or goes and comes back, is found.
func TestBootstrapAgain(t *testing.T) {
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	port, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr, err := manet.FromNetAddr(port.Addr())
	if err != nil {
		t.Fatal(err)
	}
	_ = port.Close()
	there := func(cfg *Config) { cfg.Key, cfg.Listen = key, []ma.Multiaddr{addr} }
	id, err := peer.IDFromPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	b := startHost(t, nil, func(cfg *Config) {
		cfg.Bootstrap = []peer.AddrInfo{{ID: id, Addrs: []ma.Multiaddr{addr}}}
	})
	time.Sleep(1500 * time.Millisecond)
	for range 2 {
		a := startHost(t, nil, there)
		took := eventually(t, 10*time.Second, "b connects", func() bool { return b.connected(id) })
		t.Logf("connected after %v", took)
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
		eventually(t, 5*time.Second, "b notices", func() bool { return !b.connected(id) })
	}
}

// Many announcements cost what few do: the sweep sends them together.
func TestAnnounceMany(t *testing.T) {
	if testing.Short() {
		t.Skip("announces 20,000 CIDs")
	}
	a := startHost(t, nil)
	b := startHost(t, nil, bootstrap(a))
	var cids []cid.Cid
	for i := range 20_000 {
		cids = append(cids, dag.Raw(fmt.Append(nil, i)))
	}
	began := time.Now()
	if err := b.Announce(cids...); err != nil {
		t.Fatal(err)
	}
	t.Logf("taken in after %v", time.Since(began))
	eventually(t, time.Minute, "the last is at a", func() bool {
		for _, i := range []int{0, 7777, len(cids) - 1} {
			got, err := a.dht.ProviderStore().GetProviders(t.Context(), cids[i].Hash())
			if err != nil || len(got) != 1 {
				return false
			}
		}
		return true
	})
	t.Logf("swept after %v", time.Since(began))
}

func TestPeers(t *testing.T) {
	lib := newLibrary()
	root, r := lib.model(t, 1, 4, 1<<20)
	a, b := startHost(t, lib), startHost(t, nil)
	connect(t, b, a)
	if err := b.WithSession(t.Context(), root, drain(t, r, 4)); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "round trip", func() bool { return b.Peers()[0].RTT > 0 })
	got := b.Peers()
	if len(got) != 1 || got[0].ID != a.ID() || !got[0].Zipnode || got[0].Received != 4<<20 || got[0].Addr == nil {
		t.Errorf("Peers() = %+v, want a with 4 MiB received", got)
	}
	if got := a.Peers(); len(got) != 1 || got[0].Sent != 4<<20 {
		t.Errorf("Peers() = %+v, want b with 4 MiB sent", got)
	}
}

func TestClose(t *testing.T) {
	h, err := New(t.Context(), Config{})
	if err != nil {
		t.Fatal(err)
	}
	if len(h.Addrs()) == 0 {
		t.Error("a host of the zero Config has no address")
	}
	for range 2 {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
}
