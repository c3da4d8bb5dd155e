package p2p

import (
	"bytes"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// A recorder is a stream that keeps what is written to it.
type recorder struct {
	network.Stream
	all   []byte
	sizes []int
}

func (r *recorder) SetWriteDeadline(time.Time) error { return nil }

func (r *recorder) Write(b []byte) (int, error) {
	r.all = append(r.all, b...)
	r.sizes = append(r.sizes, len(b))
	return len(b), nil
}

// All bytes come in order, and every write but the last before a flush is a whole
// frame.
func TestFrames(t *testing.T) {
	for _, sizes := range [][]int{
		{1},
		{frame},
		{13, 1 << 20, 13, 1 << 20, 13, 1 << 20},
		{frame - 1, 1, 1},
		{frame - 1, frame, 2, 3 * frame},
	} {
		r := &recorder{}
		w := &frames{s: r}
		var want []byte
		for i, n := range sizes {
			b := random(uint64(i), n)
			want = append(want, b...)
			if k, err := w.Write(b); k != n || err != nil {
				t.Fatalf("Write of %d bytes = %d, %v", n, k, err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(r.all, want) {
			t.Errorf("%v: other bytes came", sizes)
		}
		for i, n := range r.sizes {
			if n != frame && i < len(r.sizes)-1 {
				t.Errorf("%v: write %d of %d is of %d bytes, want %d", sizes, i, len(r.sizes), n, frame)
			}
		}
		if w.buf != nil {
			t.Errorf("%v: a buffer is kept after Flush", sizes)
		}
	}
}
