package p2p

import (
	"testing"
	"time"

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
