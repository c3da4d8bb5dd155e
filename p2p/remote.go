package p2p

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
)

const (
	askStreams = 4                // to one peer
	askIdle    = time.Minute      // then a stream is closed
	stallTime  = 15 * time.Second // without a byte, while an answer is due

	// messageTime is for one message, of up to 1 MiB: 18 KB/s. Who sends a byte
	// now and then is no better than who sends none.
	messageTime = time.Minute
)

// A remote is a peer as this host sees it: the streams to it, which outlive
// sessions, and what went either way.
type remote struct {
	h              *Host
	id             peer.ID
	sent, received atomic.Int64

	mu      sync.Mutex
	closed  bool
	opening int
	streams []*stream
	rtt     time.Duration // the least seen
}

// remote returns the peer named p, new if need be, and nil once the host is
// closed.
func (h *Host) remote(p peer.ID) *remote {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.remotes == nil {
		return &remote{h: h, id: p, closed: true}
	}
	r := h.remotes[p]
	if r == nil {
		r = &remote{h: h, id: p}
		h.remotes[p] = r
	}
	return r
}

// forget drops a peer that is gone, and its counts.
func (h *Host) forget(p peer.ID) {
	h.mu.Lock()
	r := h.remotes[p]
	delete(h.remotes, p)
	h.mu.Unlock()
	if r != nil {
		r.close()
	}
}

// close resets the streams; their readers end by that.
func (r *remote) close() {
	r.mu.Lock()
	r.closed = true
	streams := r.streams
	r.mu.Unlock()
	for _, s := range streams {
		s.fail(errGone)
	}
}

// do sends c to the peer and calls c.on for each message that answers it, from
// the goroutine that reads the stream: on must be quick. An error of on resets
// the stream.
func (r *remote) do(ctx context.Context, c *call) error {
	for try := 1; ; try++ {
		s, err := r.pick(ctx, c.weight)
		if err != nil {
			return err
		}
		if err = s.do(ctx, c); !errors.Is(err, errIdle) || try == askStreams+1 || ctx.Err() != nil {
			return err
		}
		r.remove(s) // its reader may not have come to it yet
		c.again()
	}
}

// pick returns the stream with the least in flight, or another as long as all
// are busy and there are fewer than four.
func (r *remote) pick(ctx context.Context, weight int64) (*stream, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, fmt.Errorf("peer %s: %w", r.id, errGone)
	}
	var best *stream
	for _, s := range r.streams {
		if best == nil || s.weight.Load() < best.weight.Load() {
			best = s
		}
	}
	if best != nil && (best.weight.Load() == 0 || len(r.streams)+r.opening >= askStreams) {
		best.weight.Add(weight)
		r.mu.Unlock()
		return best, nil
	}
	r.opening++
	r.mu.Unlock()
	s, err := r.open(ctx, weight)
	if err != nil && best != nil && ctx.Err() == nil {
		best.weight.Add(weight)
		return best, nil // the peer allows fewer
	}
	return s, err
}

func (r *remote) open(ctx context.Context, weight int64) (*stream, error) {
	ctx, cancel := context.WithTimeout(network.WithNoDial(ctx, "exchange"), dialTime)
	defer cancel()
	raw, err := r.h.host.NewStream(ctx, r.id, Protocol)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opening--
	if err != nil {
		return nil, fmt.Errorf("peer %s: %w", r.id, err)
	}
	if r.closed {
		_ = raw.Reset()
		return nil, fmt.Errorf("peer %s: %w", r.id, errGone)
	}
	s := newStream(r, raw)
	s.weight.Add(weight)
	r.streams = append(r.streams, s)
	r.h.wg.Go(s.read)
	return s, nil
}

// remove takes a stream that ended out of the list.
func (r *remote) remove(s *stream) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, other := range r.streams {
		if other == s {
			r.streams = append(r.streams[:i:i], r.streams[i+1:]...)
			return
		}
	}
}

// measured notes a round trip.
func (r *remote) measured(d time.Duration) {
	r.mu.Lock()
	if r.rtt == 0 || d < r.rtt {
		r.rtt = d
	}
	r.mu.Unlock()
	r.h.host.Peerstore().RecordLatency(r.id, d)
}

func (r *remote) roundTrip() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.rtt
}
