package p2p

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
)

const (
	swarmTime  = time.Minute // for which a peer that joined a swarm is remembered
	swarmPeers = 64          // of one swarm
	swarmsOne  = 16          // that one peer is remembered in
	swarmsAll  = 1024

	maxTold      = 32 // peers named in one PEERS
	maxToldAddrs = 8  // of each
	maxToldBody  = 16 << 10
)

// The swarms are who fetches what, as far as this host was told: who asks for a
// root learns who else did.
type swarms struct {
	mu    sync.Mutex
	roots map[cid.Cid]map[peer.ID]time.Time // when each was last heard of
	of    map[peer.ID][]cid.Cid             // oldest first
}

func newSwarms() *swarms {
	return &swarms{roots: map[cid.Cid]map[peer.ID]time.Time{}, of: map[peer.ID][]cid.Cid{}}
}

// join notes that p fetches root, and returns who else does.
func (w *swarms) join(root cid.Cid, p peer.ID) []peer.ID {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now()
	for q, at := range w.roots[root] {
		if now.Sub(at) > swarmTime {
			w.leave(root, q)
		}
	}
	var others []peer.ID
	for q := range w.roots[root] {
		if q != p {
			others = append(others, q)
		}
	}
	w.enter(root, p, now)
	return others
}

func (w *swarms) enter(root cid.Cid, p peer.ID, now time.Time) {
	in := w.roots[root]
	if _, ok := in[p]; !ok {
		if len(in) >= swarmPeers || in == nil && len(w.roots) >= swarmsAll && !w.forgetOld(now) {
			return
		}
		if in = w.roots[root]; in == nil {
			in = map[peer.ID]time.Time{}
			w.roots[root] = in
		}
		if of := w.of[p]; len(of) >= swarmsOne {
			w.leave(of[0], p)
		}
		w.of[p] = append(w.of[p], root)
	}
	in[p] = now
}

// forgetOld drops swarms that nobody joined for a while, and reports whether
// there is room for one more.
func (w *swarms) forgetOld(now time.Time) bool {
	for root, in := range w.roots {
		for p, at := range in {
			if now.Sub(at) > swarmTime {
				w.leave(root, p)
			}
		}
	}
	return len(w.roots) < swarmsAll
}

func (w *swarms) leave(root cid.Cid, p peer.ID) {
	delete(w.roots[root], p)
	if len(w.roots[root]) == 0 {
		delete(w.roots, root)
	}
	w.of[p] = slices.DeleteFunc(w.of[p], func(c cid.Cid) bool { return c.Equals(root) })
	if len(w.of[p]) == 0 {
		delete(w.of, p)
	}
}

// appendPeers writes the body of a PEERS.
func appendPeers(b []byte, list []peer.AddrInfo) []byte {
	for _, info := range list[:min(len(list), maxTold)] {
		start := len(b)
		id := []byte(info.ID)
		addrs := info.Addrs[:min(len(info.Addrs), maxToldAddrs)]
		b = append(append(b, byte(len(id))), id...)
		b = append(b, byte(len(addrs)))
		for _, a := range addrs {
			b = append(binary.BigEndian.AppendUint16(b, uint16(len(a.Bytes()))), a.Bytes()...)
		}
		if len(id) > 255 || len(b) > maxToldBody {
			return b[:start]
		}
	}
	return b
}

// parsePeers reads the body of a PEERS.
func parsePeers(b []byte) ([]peer.AddrInfo, error) {
	take := func(n int) ([]byte, bool) {
		if n > len(b) {
			return nil, false
		}
		out := b[:n]
		b = b[n:]
		return out, true
	}
	bad := fmt.Errorf("%w: PEERS that do not read", errProtocol)
	var out []peer.AddrInfo
	for len(b) > 0 {
		n, _ := take(1)
		raw, ok := take(int(n[0]))
		if !ok || len(out) == maxTold {
			return nil, bad
		}
		id, err := peer.IDFromBytes(raw)
		count, ok := take(1)
		if err != nil || !ok || count[0] > maxToldAddrs {
			return nil, bad
		}
		info := peer.AddrInfo{ID: id}
		for range count[0] {
			size, ok := take(2)
			if !ok {
				return nil, bad
			}
			raw, ok := take(int(binary.BigEndian.Uint16(size)))
			if !ok {
				return nil, bad
			}
			if a, err := ma.NewMultiaddrBytes(raw); err == nil { // else of a protocol that we do not know
				info.Addrs = append(info.Addrs, a)
			}
		}
		out = append(out, info)
	}
	return out, nil
}
