package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/host"
	net "github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/muxer/yamux"
	tls "github.com/libp2p/go-libp2p/p2p/security/tls"
	"github.com/libp2p/go-libp2p/p2p/transport/tcp"
	"github.com/spf13/cobra"
)

const streamProtocol = "/zipnode/bench/1"

// bareHost is libp2p with a connection of the kind that nodes have, and nothing
// else: TCP, TLS, yamux with windows of 8 MiB.
func bareHost(opts ...libp2p.Option) (host.Host, error) {
	mux := *yamux.DefaultTransport
	mux.InitialStreamWindowSize, mux.MaxStreamWindowSize = 1<<20, 8<<20
	return libp2p.New(append(opts,
		libp2p.Transport(tcp.NewTCPTransport), libp2p.Security(tls.ID, tls.New), libp2p.Muxer(yamux.ID, &mux),
		libp2p.DisableRelay(), libp2p.ResourceManager(&net.NullResourceManager{}))...)
}

// benchStreamCmd is the other end of the bare stream, in a process of its own.
func (a *app) benchStreamCmd() *cobra.Command {
	return &cobra.Command{
		Use: "stream", Hidden: true, Args: exactly(),
		RunE: a.run(func(ctx context.Context, _ []string) error {
			h, err := bareHost(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
			if err != nil {
				return err
			}
			piece := make([]byte, 1<<20)
			h.SetStreamHandler(streamProtocol, func(s net.Stream) {
				for {
					if _, err := s.Write(piece); err != nil {
						_ = s.Reset()
						return
					}
				}
			})
			info := peer.AddrInfo{ID: h.ID(), Addrs: h.Addrs()}
			if err := json.NewEncoder(a.stdout).Encode(info); err != nil {
				return errors.Join(err, h.Close())
			}
			<-ctx.Done()
			return h.Close()
		}),
	}
}

// stream measures a bare stream of b.Bytes from another process.
func (b *bench) stream(ctx context.Context, dir string) (err error) {
	c := &child{ready: ready{Dir: dir}}
	if c.cmd, err = c.command(ctx, "bench", "stream"); err != nil {
		return err
	}
	c.cmd.Stderr = os.Stderr
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.cmd.Start(); err != nil {
		return err
	}
	defer func() { _ = c.stop() }() // it was interrupted, and says so
	var info peer.AddrInfo
	if err := json.NewDecoder(out).Decode(&info); err != nil {
		return err
	}
	h, err := bareHost(libp2p.NoListenAddrs)
	if err != nil {
		return err
	}
	defer h.Close()
	if err := h.Connect(ctx, info); err != nil {
		return err
	}
	s, err := h.NewStream(ctx, info.ID, streamProtocol)
	if err != nil {
		return err
	}
	defer s.Reset() //nolint:errcheck // the rest of an endless stream
	server, client := watch(c.cmd.Process.Pid), watch(os.Getpid())
	began := time.Now()
	buf := make([]byte, 1<<20)
	if n, err := io.CopyBuffer(onlyWriter{}, io.LimitReader(s, b.Bytes), buf); err != nil || n != b.Bytes {
		return fmt.Errorf("%d bytes: %w", n, err)
	}
	b.Stream = b.op(time.Since(began).Seconds(), 0)
	b.Stream.Server, b.Stream.Client = server.stop(), client.stop()
	return nil
}

// onlyWriter is io.Discard without its own ideas of a buffer.
type onlyWriter struct{}

func (onlyWriter) Write(b []byte) (int, error) { return len(b), nil }
