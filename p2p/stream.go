package p2p

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/libp2p/go-libp2p/core/network"

	"github.com/zipnode/zipnode/dag"
)

// throwAway is how many bytes that nobody wants any more are still read.
const throwAway = 2 << 20

var (
	errGone    = errors.New("peer is gone")
	errReset   = errors.New("stream was reset")
	errStalled = errors.New("peer stalled")
	errBusy    = errors.New("peer is busy")

	// errIdle ends a stream that carried no call: one that came too late for
	// it was not heard, and is made again on another stream.
	errIdle = errors.New("stream was idle")
)

// A call is a request and what becomes of its answer.
type call struct {
	q      *request
	weight int64 // bytes expected
	answer answer
	on     func(h header, body []byte) error // each message, but for END and BUSY; may keep body

	sent time.Time
	done chan struct{}
	err  error // once done is closed

	mu   sync.Mutex // held while on runs
	left bool       // nobody waits any more: on is not called again
}

// leave makes c's answer be read and thrown away. It returns how many bytes of
// it are expected still.
func (c *call) leave() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left = true
	n := int64(c.answer.q.items())
	return c.weight * (n - int64(c.answer.next)) / n
}

// take hands on a message, unless nobody waits for it.
func (c *call) take(h header, body []byte) error {
	if h.kind == kindEnd || h.kind == kindBusy {
		return nil
	}
	if h.kind == kindAbsent {
		if _, _, err := c.answer.absent(body); err != nil {
			return err
		}
	}
	if c.left {
		return nil
	}
	return c.on(h, body)
}

func newCall(q *request, on func(h header, body []byte) error) *call {
	return &call{q: q, answer: answer{q: q}, on: on, done: make(chan struct{})}
}

// again makes c, of which nothing was answered, ready to be sent once more.
func (c *call) again() {
	c.done = make(chan struct{})
	c.err = nil
}

// A stream carries calls to one peer; many may be under way, answered in
// order.
type stream struct {
	r      *remote
	s      network.Stream
	in     *bufio.Reader
	pace   *moving
	weight atomic.Int64 // bytes expected

	// sending holds one while a write is under way, so that calls are sent in the
	// order of calls. A write takes as long as the peer likes: whoever waits for a
	// mutex would stop a simulation's clock.
	sending chan struct{}

	mu    sync.Mutex
	id    uint32
	calls []*call // sent or being sent, unanswered
	err   error   // why it ended
}

func newStream(r *remote, raw network.Stream) *stream {
	s := &stream{r: r, s: raw, pace: &moving{s: raw}, sending: make(chan struct{}, 1)}
	s.in = bufio.NewReaderSize(s.pace, 16<<10)
	return s
}

// do sends c and waits for the end of its answer, or of ctx. In the latter case
// the stream is reset if much of the answer is still to come: it is sent in
// vain. Little is read and thrown away, for others use the stream.
func (s *stream) do(ctx context.Context, c *call) error {
	defer s.weight.Add(-c.weight)
	if err := s.send(c); err != nil {
		s.fail(err)
	}
	select {
	case <-c.done:
	case <-ctx.Done():
		if c.leave() > throwAway {
			s.fail(errReset)
		}
		return ctx.Err()
	}
	if c.err == nil && c.answer.busy {
		return fmt.Errorf("peer %s: %w", s.r.id, errBusy)
	}
	return c.err
}

func (s *stream) send(c *call) error {
	s.sending <- struct{}{}
	defer func() { <-s.sending }()
	s.mu.Lock()
	if s.err != nil {
		c.err = s.err
		close(c.done)
		s.mu.Unlock()
		return nil
	}
	s.id++
	c.q.id = s.id
	c.sent = time.Now()
	s.calls = append(s.calls, c)
	if len(s.calls) == 1 {
		_ = s.s.SetReadDeadline(c.sent.Add(stallTime))
	}
	s.mu.Unlock()
	if err := s.s.SetWriteDeadline(time.Now().Add(stallTime)); err != nil {
		return err
	}
	_, err := s.s.Write(c.q.append(nil))
	return err
}

// fail ends the stream; every call on it ends with err.
func (s *stream) fail(err error) {
	s.mu.Lock()
	if s.err != nil {
		s.mu.Unlock()
		return
	}
	s.err = fmt.Errorf("peer %s: %w", s.r.id, err)
	calls := s.calls
	s.calls = nil
	s.mu.Unlock()
	_ = s.s.Reset()
	s.r.remove(s)
	for _, c := range calls {
		c.err = s.err
		close(c.done)
	}
}

// read takes messages until the stream ends.
func (s *stream) read() {
	for {
		c, err := s.await()
		if err == nil {
			err = s.message(c)
		}
		switch {
		case err == nil:
		case errors.Is(err, errIdle):
			return
		case errors.Is(err, io.EOF) && c == nil:
			s.fail(errIdle)
			return
		case timedOut(err):
			s.fail(errStalled)
			return
		default:
			s.fail(err)
			return
		}
	}
}

// await waits for the next header to come in, and returns the call it must
// belong to. A stream that nobody used for a while is closed.
func (s *stream) await() (*call, error) {
	for {
		s.mu.Lock()
		err := s.err
		if len(s.calls) > 0 {
			_ = s.s.SetReadDeadline(time.Now().Add(stallTime))
		} else {
			_ = s.s.SetReadDeadline(time.Now().Add(askIdle))
		}
		s.mu.Unlock()
		if err != nil {
			return nil, err
		}
		began := time.Now()
		s.pace.until = time.Time{} // from its first byte on
		_, err = s.in.Peek(headerLen)
		s.mu.Lock()
		var head *call
		if len(s.calls) > 0 {
			head = s.calls[0]
		}
		if head == nil && timedOut(err) && s.err == nil {
			// Under the lock that saw no call: one that comes now finds err set.
			s.err = fmt.Errorf("peer %s: %w", s.r.id, errIdle)
			s.mu.Unlock()
			_ = s.s.Reset()
			s.r.remove(s)
			return nil, errIdle
		}
		s.mu.Unlock()
		switch {
		case err == nil && head == nil:
			return nil, fmt.Errorf("%w: an answer to nothing", errProtocol)
		case err == nil:
			return head, nil
		case timedOut(err) && head != nil && head.sent.After(began):
			continue // it was sent while the stream ran out of idle time
		default:
			return head, err
		}
	}
}

// message reads one message of c's answer.
func (s *stream) message(c *call) error {
	raw, err := s.in.Peek(headerLen)
	if err != nil {
		return err
	}
	h := parseHeader(raw)
	if _, err := s.in.Discard(headerLen); err != nil {
		return err
	}
	if h.id != c.q.id {
		return fmt.Errorf("%w: answer to request %d, want %d", errProtocol, h.id, c.q.id)
	}
	c.mu.Lock()
	err = c.answer.check(h)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	s.pace.until = time.Now().Add(messageTime)
	body := takeBuffer(int(h.length)) // check bounded it
	if _, err := io.ReadFull(s.in, body); err != nil {
		return err
	}
	if h.kind == kindBlock || h.kind == kindRecipe {
		s.r.received.Add(int64(h.length))
	}
	c.mu.Lock()
	err = c.take(h, body)
	c.mu.Unlock()
	if err != nil {
		return err
	}
	if c.answer.done {
		s.finish(c)
	}
	return nil
}

func (s *stream) finish(c *call) {
	s.mu.Lock()
	if len(s.calls) == 0 || s.calls[0] != c { // the stream failed meanwhile
		s.mu.Unlock()
		return
	}
	s.calls = s.calls[1:]
	s.mu.Unlock()
	close(c.done)
}

// moving reads from a stream, moving its deadline while bytes come in, but not
// past until. Setting one costs more than a small read, so it moves once a
// second.
type moving struct {
	s     network.Stream
	until time.Time // zero: messageTime after the next byte
	last  time.Time
}

func (m *moving) Read(b []byte) (int, error) {
	n, err := m.s.Read(b)
	if n == 0 {
		return n, err
	}
	now := time.Now()
	if m.until.IsZero() {
		m.until = now.Add(messageTime)
	}
	if now.Sub(m.last) > time.Second {
		m.last = now
		to := now.Add(stallTime)
		if to.After(m.until) {
			to = m.until
		}
		_ = m.s.SetReadDeadline(to)
	}
	return n, err
}

func timedOut(err error) bool {
	var t net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// lied reports whether err says that the peer sent wrong bytes, not merely
// none.
func lied(err error) bool {
	_, corrupt := errors.AsType[*dag.CorruptError](err)
	return corrupt || errors.Is(err, errLength) || errors.Is(err, errProtocol)
}
