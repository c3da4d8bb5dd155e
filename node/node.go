// Package node is one running node: it opens the rooms of zipnode, joins them,
// and closes them in reverse. Add, get, seed and all the other operations live
// here; [Node.Call] runs them by name.
package node

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ipfs/go-cid"
	leveldb "github.com/ipfs/go-ds-leveldb"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/zipnode/zipnode/p2p"
	"github.com/zipnode/zipnode/replication"
	"github.com/zipnode/zipnode/store"
)

// A Node is one running node. Its methods may be called by many goroutines at
// once.
type Node struct {
	cfg     Config
	log     *slog.Logger
	lately  *lately  // warnings
	lock    *dirLock // nil where the store is in memory
	key     crypto.PrivKey
	id      peer.ID
	store   *store.Store
	started time.Time
	turn    *turn

	damageMu sync.Mutex // held while the damage that is remembered changes

	netMu    sync.Mutex
	host     *p2p.Host // nil until the network is needed
	datastor *leveldb.Datastore
	seeder   *replication.Seeder
	stopSeed func()
}

// Init creates a store in dir; one that is there already is left as it is.
func Init(dir string) error {
	n, err := Open(context.Background(), Config{Dir: dir, create: true})
	if err != nil {
		return err
	}
	return n.Close()
}

// Exists tells whether dir holds a store.
func Exists(dir string) bool {
	f, err := os.Open(filepath.Join(dir, "format"))
	if err != nil {
		return false
	}
	defer f.Close()
	head := make([]byte, len(store.FormatMark))
	_, err = io.ReadFull(f, head)
	return err == nil && string(head) == store.FormatMark
}

// Open opens the node in cfg.Dir: its lock, its key, its store and, for a
// daemon, its network. It returns an error wrapping [ErrNoStore] where Init was
// not called, and a [*LockedError] where another process owns the directory.
func Open(ctx context.Context, cfg Config) (*Node, error) {
	n := &Node{cfg: cfg, lately: new(lately), started: time.Now(), turn: newTurn()}
	var to slog.Handler = slog.DiscardHandler
	if cfg.Log != nil {
		to = cfg.Log.Handler()
	}
	n.log = slog.New(observer{Handler: to, to: n.lately})
	if err := n.open(ctx); err != nil {
		return nil, Coded(errors.Join(err, n.close()))
	}
	return n, nil
}

func (n *Node) open(ctx context.Context) error {
	dir := n.cfg.Dir
	if n.cfg.fs == nil {
		if !Exists(dir) {
			if !n.cfg.create {
				return fmt.Errorf("%w at %s", ErrNoStore, dir)
			}
			if err := checkEmpty(dir); err != nil {
				return err
			}
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		var err error
		if n.lock, err = lockDir(ctx, dir, n.cfg.Wait); err != nil {
			return err
		}
		n.cfg.fs = store.Dir(dir)
	}
	var err error
	if n.key, err = n.loadKey(); err != nil {
		return err
	}
	if n.id, err = peer.IDFromPrivateKey(n.key); err != nil {
		return err
	}
	n.store, err = store.Open(ctx, store.Config{FS: n.cfg.fs, Quota: n.cfg.Quota, Log: n.log})
	if err != nil {
		return fmt.Errorf("open the store at %s: %w", dir, err)
	}
	if n.store.Rebuilt() {
		if err := n.sampleAll(ctx); err != nil {
			n.log.Warn("not every model was sampled again", "err", err)
		}
	}
	if n.cfg.Serve {
		if _, err := n.network(ctx); err != nil {
			return err
		}
		return n.announceAll(ctx)
	}
	return nil
}

// Close closes what Open opened, in reverse.
func (n *Node) Close() error { return n.close() }

func (n *Node) close() error {
	var errs []error
	n.netMu.Lock()
	if n.stopSeed != nil {
		n.stopSeed()
	}
	if n.host != nil {
		errs = append(errs, n.host.Close())
	}
	if n.datastor != nil {
		errs = append(errs, n.datastor.Close())
	}
	n.host, n.datastor, n.stopSeed = nil, nil, nil
	n.netMu.Unlock()
	if n.store != nil {
		errs = append(errs, n.store.Close())
	}
	if n.lock != nil {
		errs = append(errs, n.lock.release())
	}
	return errors.Join(errs...)
}

// loadKey reads the node's private key, and makes one in a new store.
func (n *Node) loadKey() (crypto.PrivKey, error) {
	if n.lock == nil {
		key, _, err := crypto.GenerateEd25519Key(rand.Reader)
		return key, err
	}
	path := filepath.Join(n.cfg.Dir, "key")
	b, err := os.ReadFile(path)
	if err == nil {
		key, err := crypto.UnmarshalPrivateKey(b)
		if err != nil {
			return nil, fmt.Errorf("%s holds no private key: %w: move it away and a new one is made", path, err)
		}
		return key, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	key, _, err := crypto.GenerateEd25519Key(rand.Reader)
	if err != nil {
		return nil, err
	}
	if b, err = crypto.MarshalPrivateKey(key); err != nil {
		return nil, err
	}
	temp := path + ".new"
	if err := writeSynced(temp, b); err != nil {
		return nil, err
	}
	return key, os.Rename(temp, path)
}

// writeSynced makes a file of b that a power cut behind a renaming does not
// find empty.
func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if _, err = f.Write(b); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// network returns the node's host, and starts it when it is not up.
func (n *Node) network(ctx context.Context) (*p2p.Host, error) {
	n.netMu.Lock()
	defer n.netMu.Unlock()
	if n.host != nil {
		return n.host, nil
	}
	if !n.cfg.Serve && !n.cfg.Network {
		return nil, WithCode(CodeNoStore, errors.New("this needs the network: run 'zipnode serve'"))
	}
	cfg := p2p.Config{
		Key: n.key, MDNS: n.cfg.MDNS, Public: n.cfg.Public, Log: n.log, LibP2P: n.cfg.libp2p,
		Library: library{n}, Blockstore: n.store,
	}
	for _, a := range n.cfg.Listen {
		addr, err := ma.NewMultiaddr(a)
		if err != nil {
			return nil, WithCode(CodeUsage, fmt.Errorf("listen address %q: %w", a, err))
		}
		cfg.Listen = append(cfg.Listen, addr)
	}
	for _, a := range n.cfg.Bootstrap {
		info, err := peer.AddrInfoFromString(a)
		if err != nil {
			return nil, WithCode(CodeUsage, fmt.Errorf("bootstrap address %q: %w: it ends in /p2p/ID, as 'zipnode id' prints it", a, err))
		}
		if info.ID != n.id {
			cfg.Bootstrap = append(cfg.Bootstrap, *info)
		}
	}
	if n.lock != nil && n.cfg.Serve {
		ds, err := leveldb.NewDatastore(filepath.Join(n.cfg.Dir, "network"), nil)
		if err != nil {
			return nil, fmt.Errorf("open the network's records: %w", err)
		}
		n.datastor = ds
		cfg.Datastore = ds
	}
	host, err := p2p.New(ctx, cfg)
	if err != nil {
		return nil, err
	}
	n.host = host
	seedCtx, cancel := context.WithCancel(context.Background())
	n.seeder = replication.NewSeeder(hostNetwork{host})
	done := make(chan struct{})
	go func() {
		defer close(done)
		n.seeder.Run(seedCtx)
	}()
	n.stopSeed = func() {
		cancel()
		<-done
	}
	return host, nil
}

// hostNetwork is a host as replication sees it.
type hostNetwork struct{ h *p2p.Host }

func (h hostNetwork) Announce(cs ...cid.Cid) error   { return h.h.Announce(cs...) }
func (h hostNetwork) Unannounce(cs ...cid.Cid) error { return h.h.Unannounce(cs...) }

// Providers counts the nodes that announce c, this one too.
func (h hostNetwork) Providers(ctx context.Context, c cid.Cid) int {
	return len(h.h.Providers(ctx, c, 64)) + 1
}

// Options for tests and simulations within the module's own rooms.

// WithDisk makes cfg a node whose store is on fs, and whose key is new.
func (cfg Config) WithDisk(fs store.FS) Config {
	cfg.fs = fs
	return cfg
}

// WithSimulation makes cfg a node in memory, on the network that opts give.
func (cfg Config) WithSimulation(opts ...libp2p.Option) Config {
	cfg.fs = store.Memory()
	cfg.libp2p = opts
	return cfg
}
