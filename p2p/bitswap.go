package p2p

import (
	"context"

	"github.com/ipfs/boxo/bitswap"
	"github.com/ipfs/boxo/bitswap/client"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	blockstore "github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	swapOutstanding = 16 << 20 // bytes for one peer; boxo's default of 1 MiB gives 25 MB/s over 10 ms
	swapWorkers     = 32
	swapMessage     = 256 << 10 // each message is a new stream: 16 KiB is one for each small block
)

// newBitswap is for everyone else: ordinary IPFS nodes fetch leaves and nodes
// from us, and we from them. It looks for no providers; sessions do.
func newBitswap(life context.Context, h *Host) *bitswap.Bitswap {
	store := h.cfg.Blockstore
	if store == nil {
		store = blockstore.NewBlockstore(dssync.MutexWrap(ds.NewMapDatastore()))
	}
	return bitswap.New(life, bsnet.NewFromIpfsHost(h.host), nil, gated{store, h.cfg.Library, h.gate.half(), h.gate},
		bitswap.MaxOutstandingBytesPerPeer(swapOutstanding),
		bitswap.TaskWorkerCount(swapWorkers),
		bitswap.EngineTaskWorkerCount(swapWorkers),
		bitswap.EngineBlockstoreWorkerCount(swapWorkers),
		bitswap.WithTargetMessageSize(swapMessage),
		bitswap.WithPeerBlockRequestFilter(func(p peer.ID, _ cid.Cid) bool { return !h.gater.banned(p) }),
		bitswap.WithoutDuplicatedBlockStats(), // it asks the blockstore about every block received
		// With large windows a peer may well take longer than the time-out
		// guessed for it, and the transfer stalls.
		bitswap.SetSimulateDontHavesOnTimeout(false),
		bitswap.WithClientOption(client.WithTraceBlock(true)),
	)
}

// others reports whether a connected peer speaks Bitswap and not the exchange.
func (h *Host) others() bool {
	for _, p := range h.host.Network().Peers() {
		got, err := h.host.Peerstore().SupportsProtocols(p, bsnet.ProtocolBitswap, bsnet.ProtocolBitswapOneOne)
		if err == nil && len(got) > 0 && !h.speaks(p) {
			return true
		}
	}
	return false
}
