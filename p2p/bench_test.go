package p2p

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"testing"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/dag"
)

// serveEnv makes the test binary a seed in another process, so that one
// runtime does not do both ends' work.
const serveEnv = "ZIPNODE_P2P_SERVE"

const bare = "/bare"

func TestMain(m *testing.M) {
	if os.Getenv(serveEnv) != "" {
		if err := serve(); err != nil {
			panic(err)
		}
		return
	}
	os.Exit(m.Run())
}

// cycle is how many different chunks a benchmark's endless recipe has: more
// than a session has in flight.
const cycle = 128

// numbered is a Library of chunks that differ in their first bytes. Get copies
// one, as a store reads one from its page cache.
type numbered struct {
	noLibrary
	data    []byte
	entries []dag.Entry
	at      map[cid.Cid]int
	pool    sync.Pool
}

func newNumbered() *numbered {
	l := &numbered{data: random(1, 1<<20), at: map[cid.Cid]int{}}
	l.pool.New = func() any { return new(slices.Clone(l.data)) }
	for i := range cycle {
		binary.LittleEndian.PutUint64(l.data, uint64(i))
		c := dag.Raw(l.data)
		l.at[c] = i
		l.entries = append(l.entries, dag.Entry{Chunk: c, Length: len(l.data)})
	}
	return l
}

func (l *numbered) Get(_ context.Context, c cid.Cid) (blocks.Block, error) {
	data := slices.Clone(l.data)
	binary.LittleEndian.PutUint64(data, uint64(l.at[c]))
	return blocks.NewBlockWithCid(data, c)
}

// View lends a pooled copy.
func (l *numbered) View(_ context.Context, c cid.Cid, fn func([]byte) error) error {
	buf := l.pool.Get().(*[]byte)
	defer l.pool.Put(buf)
	data := *buf
	copy(data, l.data)
	binary.LittleEndian.PutUint64(data, uint64(l.at[c]))
	return fn(data)
}

func (l *numbered) Has(context.Context, cid.Cid) (bool, error) { return true, nil }

func (l *numbered) Entries(_ context.Context, _ cid.Cid, first, n int) ([]dag.Entry, error) {
	out := make([]dag.Entry, n)
	for i := range out {
		out[i] = l.entries[(first+i)%cycle]
	}
	return out, nil
}

// endless yields the chunks again and again.
func (l *numbered) endless(yield func(Range) bool) {
	r := Range{Recipe: dag.CBOR([]byte("any")), Entries: l.entries}
	for yield(r) {
		r.First += cycle
	}
}

// serve prints its address and serves until its input ends.
func serve() error {
	lib := newNumbered()
	h, err := New(context.Background(), Config{
		Library: lib,
		Listen:  []ma.Multiaddr{ma.StringCast(os.Getenv(serveEnv))},
	})
	if err != nil {
		return err
	}
	h.Libp2p().SetStreamHandler(bare, func(s network.Stream) {
		for {
			if _, err := s.Write(lib.data); err != nil {
				return
			}
		}
	})
	if _, err := io.WriteString(os.Stdout, h.Addrs()[0].String()); err != nil {
		return err
	}
	if err := os.Stdout.Close(); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return h.Close()
}

// seed starts serve in another process and returns its address.
func seed(b *testing.B, listen string) ma.Multiaddr {
	b.Helper()
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), serveEnv+"="+listen)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	addr, err := io.ReadAll(out)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	return ma.StringCast(string(addr))
}

// BenchmarkChunks is a whole fetch on loopback from another process, against
// bare streams of the same connection, read and hashed.
func BenchmarkChunks(b *testing.B) {
	lib := newNumbered()
	for _, listen := range []string{"/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"} {
		addr := seed(b, listen)
		h := startHost(b, nil)
		if err := h.Connect(b.Context(), addr); err != nil {
			b.Fatal(err)
		}
		name := addr.Protocols()[1].Name
		b.Run(name+"/chunks", func(b *testing.B) {
			b.SetBytes(1 << 20)
			b.ReportAllocs()
			if err := h.WithSession(b.Context(), lib.entries[0].Chunk, fetching(b, lib)); err != nil {
				b.Fatal(err)
			}
		})
		for _, n := range []int{1, 4} {
			b.Run(fmt.Sprintf("%s/bare-%d", name, n), func(b *testing.B) {
				b.SetBytes(1 << 20)
				bareStreams(b, h, addr, n)
			})
		}
	}
}

func fetching(b *testing.B, lib *numbered) func(context.Context, *Session) error {
	return func(ctx context.Context, s *Session) error {
		n := 0
		for a, err := range s.Chunks(ctx, lib.endless) {
			if err != nil {
				return err
			}
			a.Release()
			if n++; n >= b.N {
				break
			}
		}
		return nil
	}
}

func bareStreams(b *testing.B, h *Host, addr ma.Multiaddr, n int) {
	info, err := peer.AddrInfoFromP2pAddr(addr)
	if err != nil {
		b.Fatal(err)
	}
	work := make(chan struct{}, b.N)
	for range b.N {
		work <- struct{}{}
	}
	close(work)
	var g errgroup.Group
	for range n {
		s, err := h.Libp2p().NewStream(b.Context(), info.ID, bare)
		if err != nil {
			b.Fatal(err)
		}
		g.Go(func() error {
			buf := make([]byte, 1<<20)
			for range work {
				if _, err := io.ReadFull(s, buf); err != nil {
					return err
				}
				_ = dag.Raw(buf) // hashing is part of any fetch
			}
			return s.Reset()
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}

// delayed forwards TCP to addr, each way half of rtt late, and returns where it
// listens.
func delayed(b *testing.B, addr ma.Multiaddr, rtt time.Duration) ma.Multiaddr {
	b.Helper()
	_, to, err := manet.DialArgs(addr)
	if err != nil {
		b.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to)
			if err != nil {
				_ = in.Close()
				continue
			}
			go late(in, out, rtt/2)
			go late(out, in, rtt/2)
		}
	}()
	here, err := manet.FromNetAddr(l.Addr())
	if err != nil {
		b.Fatal(err)
	}
	_, id := ma.SplitLast(addr)
	return here.Encapsulate(id.Multiaddr())
}

// late copies, each piece d after it came.
func late(dst io.WriteCloser, src io.Reader, d time.Duration) {
	type piece struct {
		at   time.Time
		data []byte
	}
	pieces := make(chan piece, 1<<12)
	go func() {
		defer close(pieces)
		for {
			buf := make([]byte, 64<<10)
			n, err := src.Read(buf)
			if n > 0 {
				pieces <- piece{time.Now().Add(d), buf[:n]}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.at))
		if _, err := dst.Write(p.data); err != nil {
			break
		}
	}
	_ = dst.Close()
	for range pieces {
	}
}

// BenchmarkDelayed is the same over a link with delay, where windows decide.
func BenchmarkDelayed(b *testing.B) {
	lib := newNumbered()
	for _, rtt := range []time.Duration{10 * time.Millisecond, 50 * time.Millisecond} {
		addr := delayed(b, seed(b, "/ip4/127.0.0.1/tcp/0"), rtt)
		h := startHost(b, nil)
		if err := h.Connect(b.Context(), addr); err != nil {
			b.Fatal(err)
		}
		b.Run(rtt.String()+"/chunks", func(b *testing.B) {
			b.SetBytes(1 << 20)
			if err := h.WithSession(b.Context(), lib.entries[0].Chunk, fetching(b, lib)); err != nil {
				b.Fatal(err)
			}
		})
		b.Run(rtt.String()+"/bare-4", func(b *testing.B) {
			b.SetBytes(1 << 20)
			bareStreams(b, h, addr, 4)
		})
	}
}
