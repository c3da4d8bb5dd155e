package p2p

import (
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// frame is how many bytes fill a frame of yamux's.
const frame = maxFrame - 12

// frames writes to a stream in whole frames, with a deadline that moves on with
// the writing. A block and its header are eight frames and 109 bytes more, and a
// frame costs a record of TLS, a call of the system at both ends and a switch
// between goroutines, however little it holds: so what fills none waits for more,
// or for Flush.
type frames struct {
	s   network.Stream
	buf []byte // less than a frame; nil: nothing
}

var framePool = sync.Pool{New: func() any { return new(make([]byte, 0, frame)) }}

func (w *frames) Write(b []byte) (int, error) {
	n := len(b)
	if len(w.buf) > 0 {
		k := min(len(b), frame-len(w.buf))
		w.buf = append(w.buf, b[:k]...)
		b = b[k:]
		if len(w.buf) < frame {
			return n, nil
		}
		if err := w.Flush(); err != nil {
			return 0, err
		}
	}
	for len(b) >= frame {
		if err := w.write(b[:frame]); err != nil {
			return 0, err
		}
		b = b[frame:]
	}
	if len(b) > 0 {
		w.buf = append((*framePool.Get().(*[]byte))[:0], b...)
	}
	return n, nil
}

// Flush writes what waits.
func (w *frames) Flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	b := w.buf
	w.buf = nil
	defer framePool.Put(&b)
	return w.write(b)
}

func (w *frames) write(b []byte) error {
	if err := w.s.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	_, err := w.s.Write(b)
	return err
}
