package p2p

import (
	"context"
	"encoding/base32"
	"strings"
	"sync"
	"time"

	ds "github.com/ipfs/go-datastore"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	// In each two hours, the time in which everyone announces anew, one peer may
	// write so many provider records here, and all together so many: some 800 MB
	// of disk in the six hours that a record lasts.
	recordsOne = 1 << 19
	recordsAll = 1 << 21

	recordsPeers = 1 << 12 // counted one by one; the others share one count
)

// providerText is how the DHT writes a peer ID in a record's key.
var providerText = base32.StdEncoding.WithPadding(base32.NoPadding)

// A ledger is the datastore of the DHT's provider records, which otherwise takes
// as many as anyone cares to send. What is over a peer's allowance is not
// written; this host's own records always are.
type ledger struct {
	ds.Batching
	self     peer.ID
	one, all int

	mu    sync.Mutex
	began time.Time // of the two hours
	wrote map[peer.ID]int
	total int
}

func newLedger(store ds.Batching, self peer.ID) *ledger {
	return &ledger{Batching: store, self: self, one: recordsOne, all: recordsAll, wrote: map[peer.ID]int{}}
}

// allow reports whether the record of key may be written. The last part of a key
// is the provider.
func (l *ledger) allow(key ds.Key) bool {
	s := key.String()
	raw, err := providerText.DecodeString(s[strings.LastIndexByte(s, '/')+1:])
	if err != nil {
		return false
	}
	p := peer.ID(raw)
	if p == l.self {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); now.Sub(l.began) > reprovideEvery {
		l.began, l.wrote, l.total = now, map[peer.ID]int{}, 0
	}
	if _, ok := l.wrote[p]; !ok && len(l.wrote) >= recordsPeers {
		p = ""
	}
	if l.wrote[p] >= l.one || l.total >= l.all {
		return false
	}
	l.wrote[p]++
	l.total++
	return true
}

func (l *ledger) Put(ctx context.Context, key ds.Key, value []byte) error {
	if !l.allow(key) {
		return nil
	}
	return l.Batching.Put(ctx, key, value)
}

func (l *ledger) Batch(ctx context.Context) (ds.Batch, error) {
	b, err := l.Batching.Batch(ctx)
	return ledgerBatch{b, l}, err
}

type ledgerBatch struct {
	ds.Batch
	l *ledger
}

func (b ledgerBatch) Put(ctx context.Context, key ds.Key, value []byte) error {
	if !b.l.allow(key) {
		return nil
	}
	return b.Batch.Put(ctx, key, value)
}
