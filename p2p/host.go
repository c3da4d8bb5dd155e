package p2p

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ipfs/boxo/bitswap"
	blockstore "github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	"github.com/ipfs/go-datastore/namespace"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	dht "github.com/libp2p/go-libp2p-kad-dht"
	"github.com/libp2p/go-libp2p-kad-dht/provider"
	"github.com/libp2p/go-libp2p-kad-dht/provider/keystore"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	ma "github.com/multiformats/go-multiaddr"
)

// A Config says how a host takes part. The zero value works: a new identity,
// any port, near addresses only, and nothing to serve.
type Config struct {
	Key       crypto.PrivKey  // identity; nil: a new one
	Listen    []ma.Multiaddr  // nil: every interface, any port, TCP and QUIC
	Bootstrap []peer.AddrInfo // dialled until connected, and again when lost
	MDNS      bool            // find peers on the local network
	Public    bool            // talk to public addresses too

	Datastore  ds.Batching           // announcements and DHT records; nil: in memory. Close leaves it open
	Library    Library               // what the exchange serves; nil: nothing
	Blockstore blockstore.Blockstore // what Bitswap serves; nil: nothing

	Log    *slog.Logger    // nil: none
	LibP2P []libp2p.Option // after our own, such as those of a simulated network
}

func (cfg *Config) ensureDefaults() {
	if cfg.Listen == nil {
		cfg.Listen = defaultListen
	}
	if cfg.Datastore == nil {
		cfg.Datastore = dssync.MutexWrap(ds.NewMapDatastore())
	}
	if cfg.Library == nil {
		cfg.Library = noLibrary{}
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
}

// A Host is this machine among its peers: it serves a [Library], announces what
// it is told to, and opens sessions. Its methods may be called by many
// goroutines at once, until Close.
type Host struct {
	cfg    Config
	log    *slog.Logger
	gater  *gater
	gate   gate
	host   host.Host
	dht    *dht.IpfsDHT
	books  *ledger // of the DHT's provider records
	keys   keystore.Keystore
	sweep  *provider.SweepingProvider
	swap   *bitswap.Bitswap
	server *server

	cancel context.CancelFunc
	wg     sync.WaitGroup
	once   sync.Once
	closed error

	swarms *swarms
	checks *checker

	mu       sync.Mutex
	remotes  map[peer.ID]*remote
	sessions map[cid.Cid][]*Session
}

// New starts a host; ctx bounds only the start. The caller closes it.
func New(ctx context.Context, cfg Config) (*Host, error) {
	silence()
	cfg.ensureDefaults()
	h := &Host{
		cfg: cfg, log: cfg.Log, gater: &gater{public: cfg.Public}, gate: newGate(), swarms: newSwarms(),
		remotes: map[peer.ID]*remote{}, sessions: map[cid.Cid][]*Session{},
	}
	h.checks = newChecker(h.wg.Go)
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	h.cancel = cancel
	if err := h.start(life); err != nil {
		return nil, errors.Join(err, h.Close())
	}
	return h, nil
}

// start opens the parts in order. Close closes those that were opened.
func (h *Host) start(life context.Context) error {
	opts, err := transportOptions(&h.cfg, h.gater)
	if err != nil {
		return err
	}
	if h.cfg.Key != nil {
		opts = append(opts, libp2p.Identity(h.cfg.Key))
	}
	if h.host, err = libp2p.New(append(opts, h.cfg.LibP2P...)...); err != nil {
		return fmt.Errorf("libp2p: %w", err)
	}
	h.books = newLedger(namespace.Wrap(h.cfg.Datastore, ds.NewKey("/dht")), h.ID())
	if h.dht, err = newDHT(h.host, h.cfg.Datastore, h.books); err != nil {
		return fmt.Errorf("dht: %w", err)
	}
	if err := h.startProvider(); err != nil {
		return fmt.Errorf("announcements: %w", err)
	}
	h.swap = newBitswap(life, h)
	h.server = newServer(life, h)
	h.host.SetStreamHandler(Protocol, h.server.handle)
	return h.discover(life)
}

// Close stops everything and waits for every goroutine.
func (h *Host) Close() error {
	h.once.Do(func() { h.closed = h.close() })
	return h.closed
}

func (h *Host) close() error {
	h.cancel()
	var errs []error
	if h.server != nil {
		h.host.RemoveStreamHandler(Protocol)
		h.server.close()
	}
	h.mu.Lock()
	remotes := h.remotes
	h.remotes = nil
	h.mu.Unlock()
	for _, r := range remotes {
		r.close()
	}
	h.wg.Wait()
	if h.swap != nil {
		errs = append(errs, h.swap.Close())
	}
	if h.sweep != nil {
		errs = append(errs, h.sweep.Close())
	}
	if h.keys != nil {
		errs = append(errs, h.keys.Close())
	}
	// The host goes before the DHT's datastore may: a handler in flight reads it.
	if h.host != nil {
		errs = append(errs, h.host.Close())
	}
	if h.dht != nil {
		errs = append(errs, h.dht.Close())
	}
	return errors.Join(errs...)
}

// ID returns this host's peer ID.
func (h *Host) ID() peer.ID { return h.host.ID() }

// Libp2p returns the libp2p host underneath.
func (h *Host) Libp2p() host.Host { return h.host }

// Addrs returns where this host listens, each with /p2p/ and its ID; an
// unspecified address is given as those of the machine's interfaces.
func (h *Host) Addrs() []ma.Multiaddr {
	addrs := h.host.Addrs()
	if more, err := h.host.Network().InterfaceListenAddresses(); err == nil {
		addrs = append(slices.Clone(addrs), more...) // the host drops near ones once it knows public ones
	}
	out, err := peer.AddrInfoToP2pAddrs(&peer.AddrInfo{ID: h.ID(), Addrs: ma.Unique(addrs)})
	if err != nil {
		return nil
	}
	slices.SortFunc(out, func(a, b ma.Multiaddr) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// A PeerInfo describes a connected peer.
type PeerInfo struct {
	ID       peer.ID
	Addr     ma.Multiaddr  // of its first connection
	RTT      time.Duration // 0: not measured yet
	Zipnode  bool          // speaks our exchange
	Sent     int64         // bytes of blocks, by exchange and Bitswap
	Received int64
}

// Peers returns the connected peers, ordered by ID.
func (h *Host) Peers() []PeerInfo {
	var out []PeerInfo
	for _, id := range h.host.Network().Peers() {
		conns := h.host.Network().ConnsToPeer(id)
		if len(conns) == 0 {
			continue
		}
		info := PeerInfo{
			ID:      id,
			Addr:    conns[0].RemoteMultiaddr(),
			RTT:     h.host.Peerstore().LatencyEWMA(id),
			Zipnode: h.speaks(id),
		}
		if r := h.remote(id); r != nil {
			info.Sent, info.Received = r.sent.Load(), r.received.Load()
		}
		if ledger := h.swap.LedgerForPeer(id); ledger != nil {
			info.Sent += int64(ledger.Sent)
			info.Received += int64(ledger.Recv)
		}
		out = append(out, info)
	}
	slices.SortFunc(out, func(a, b PeerInfo) int { return strings.Compare(a.ID.String(), b.ID.String()) })
	return out
}

// Banned counts the peers that may not connect now, for what they sent.
func (h *Host) Banned() int { return h.gater.bans() }

// Connect connects to the peer at addr, which ends in /p2p/ and its ID.
func (h *Host) Connect(ctx context.Context, addr ma.Multiaddr) error {
	info, err := peer.AddrInfoFromP2pAddr(addr)
	if err != nil {
		return fmt.Errorf("connect %s: %w", addr, err)
	}
	if info.ID == h.ID() {
		return fmt.Errorf("connect %s: this is us", addr)
	}
	h.forgive(info.ID)
	if err := h.host.Connect(ctx, *info); err != nil {
		return fmt.Errorf("connect %s: %w", addr, reason(err, info.Addrs))
	}
	return nil
}

// errFar says that an address is not near, as a host that is not public wants it.
var errFar = errors.New("it is a public address, and this node takes near ones only: 'zipnode serve --public' takes all")

// reason returns why the first of addrs could not be dialled, of an error that lists
// on several lines every attempt, also at addresses that were known from before.
func reason(err error, addrs []ma.Multiaddr) error {
	d, ok := errors.AsType[*swarm.DialError](err)
	if !ok || len(addrs) == 0 {
		return err
	}
	for _, e := range d.DialErrors {
		switch {
		case !e.Address.Equal(addrs[0]):
		case errors.Is(e.Cause, swarm.ErrGaterDisallowedConnection):
			return errFar
		default:
			return e.Cause
		}
	}
	if len(d.DialErrors) == 0 && d.Cause != nil {
		return d.Cause // no address was found
	}
	return err
}

// Providers looks for peers that announced c, at most max, this host not among
// them. It returns what it found when ctx ends, without an error.
func (h *Host) Providers(ctx context.Context, c cid.Cid, max int) []peer.AddrInfo {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var out []peer.AddrInfo
	at := map[peer.ID]int{}
	for info := range h.dht.FindProvidersAsync(ctx, c, max+1) {
		if info.ID == h.ID() {
			continue
		}
		if i, ok := at[info.ID]; ok { // named again, now with addresses
			out[i] = info
			continue
		}
		if len(out) < max {
			at[info.ID] = len(out)
			out = append(out, info)
		}
	}
	return out
}

// speaks reports whether p speaks the exchange, as far as is known.
func (h *Host) speaks(p peer.ID) bool {
	got, err := h.host.Peerstore().SupportsProtocols(p, Protocol)
	return err == nil && len(got) > 0
}

func (h *Host) connected(p peer.ID) bool {
	return h.host.Network().Connectedness(p) == network.Connected
}

// offend notes that p sent wrong bytes, and closes its connections.
func (h *Host) offend(p peer.ID, reason error) {
	banned := h.gater.offend(p)
	h.log.Warn("peer dropped", "peer", p, "banned", banned, "reason", reason)
	h.dht.RoutingTable().RemovePeer(p) // else the next look-up dials it
	if err := h.host.Network().ClosePeer(p); err != nil {
		h.log.Debug("close peer", "peer", p, "err", err)
	}
}
