package p2p

import (
	"context"
	"net"
	"sync"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/protocol"
	"github.com/libp2p/go-libp2p/core/sec"
	"github.com/libp2p/go-libp2p/p2p/net/upgrader"
	tls "github.com/libp2p/go-libp2p/p2p/security/tls"
)

// record is the most that TLS puts in one record.
const record = 16 << 10

// A gatherTLS is libp2p's TLS, but that the records of one write, four or more for
// a frame of yamux's, go to the system in one call, and wake the other end once.
type gatherTLS struct{ *tls.Transport }

func newTLS(id protocol.ID, key crypto.PrivKey, muxers []upgrader.StreamMuxer) (*gatherTLS, error) {
	t, err := tls.New(id, key, muxers)
	return &gatherTLS{t}, err
}

func (t *gatherTLS) SecureInbound(ctx context.Context, insecure net.Conn, p peer.ID) (sec.SecureConn, error) {
	g := &gather{Conn: insecure}
	c, err := t.Transport.SecureInbound(ctx, g, p)
	return gathered(c, g, err)
}

func (t *gatherTLS) SecureOutbound(ctx context.Context, insecure net.Conn, p peer.ID) (sec.SecureConn, error) {
	g := &gather{Conn: insecure}
	c, err := t.Transport.SecureOutbound(ctx, g, p)
	return gathered(c, g, err)
}

func gathered(c sec.SecureConn, g *gather, err error) (sec.SecureConn, error) {
	if err != nil {
		return nil, err
	}
	return &gatheredConn{c, g}, nil
}

// A gatheredConn is a secure connection over a gather.
type gatheredConn struct {
	sec.SecureConn
	below *gather
}

func (c *gatheredConn) Write(b []byte) (int, error) {
	if len(b) <= record {
		return c.SecureConn.Write(b)
	}
	c.below.begin()
	n, err := c.SecureConn.Write(b)
	if endErr := c.below.end(); err == nil && endErr != nil {
		n, err = 0, endErr
	}
	return n, err
}

// A gather is a connection whose writes between begin and end go out together.
type gather struct {
	net.Conn

	mu    sync.Mutex
	open  int // writes begun
	bytes []byte
}

var gatherPool = sync.Pool{New: func() any { return new(make([]byte, 0, 4*maxFrame)) }}

func (g *gather) begin() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open++; g.bytes == nil {
		g.bytes = (*gatherPool.Get().(*[]byte))[:0]
	}
}

func (g *gather) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.open == 0 {
		return g.Conn.Write(b)
	}
	if len(g.bytes)+len(b) > cap(g.bytes) {
		if err := g.flush(); err != nil {
			return 0, err
		}
	}
	g.bytes = append(g.bytes, b...)
	return len(b), nil
}

// end sends what was gathered, unless another write goes on.
func (g *gather) end() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	err := g.flush()
	if g.open--; g.open == 0 {
		b := g.bytes
		gatherPool.Put(&b)
		g.bytes = nil
	}
	return err
}

// flush sends what was gathered. The caller holds mu.
func (g *gather) flush() error {
	_, err := g.Conn.Write(g.bytes)
	g.bytes = g.bytes[:0]
	return err
}
