package node

import (
	"log/slog"
	"time"

	"github.com/libp2p/go-libp2p"

	"github.com/zipnode/zipnode/store"
)

// A Config says how to open a node. Only Dir is required.
type Config struct {
	Dir       string        // the store's directory
	Serve     bool          // a daemon: the network is up, listening, until Close
	Network   bool          // not a daemon, but an operation may start the network for as long as it needs it
	Listen    []string      // multiaddrs; none: no listener
	Bootstrap []string      // multiaddrs ending in /p2p/ID
	MDNS      bool          // find peers of the local network, and be found by them
	Public    bool          // take peers from public addresses too
	Quota     int64         // bytes of packs at most; 0: no limit but the disk's
	Wait      time.Duration // for the directory's lock; 0: not at all
	Version   string        // of the program, for status and peers
	Log       *slog.Logger  // nil: nowhere

	create bool // make a store where there is none
	fs     store.FS
	libp2p []libp2p.Option
}
