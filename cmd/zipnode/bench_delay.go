package main

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	ma "github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

// A delayer forwards TCP, each byte half of a round trip late, both ways, at
// whatever rate it comes.
type delayer struct {
	l    net.Listener
	addr string // of the listener, with the peer of the other end

	mu    sync.Mutex
	conns []net.Conn
}

// delay starts one before the node at addr, a multiaddr that ends in /p2p/ID.
func delay(addr string, rtt time.Duration) (*delayer, error) {
	m, err := ma.NewMultiaddr(addr)
	if err != nil {
		return nil, err
	}
	_, to, err := manet.DialArgs(m)
	if err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	here, err := manet.FromNetAddr(l.Addr())
	if err != nil {
		return nil, err
	}
	at := strings.LastIndex(addr, "/p2p/")
	if at < 0 {
		return nil, fmt.Errorf("%s names no peer", addr)
	}
	d := &delayer{l: l, addr: here.String() + addr[at:]}
	go d.accept(to, rtt/2)
	return d, nil
}

func (d *delayer) accept(to string, late time.Duration) {
	for {
		in, err := d.l.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", to)
		if err != nil {
			in.Close()
			continue
		}
		d.mu.Lock()
		d.conns = append(d.conns, in, out)
		d.mu.Unlock()
		go forward(out, in, late)
		go forward(in, out, late)
	}
}

// close ends the listener and every connection.
func (d *delayer) close() {
	d.l.Close()
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, c := range d.conns {
		c.Close()
	}
}

// forward copies from src to dst, each piece late after it came.
func forward(dst io.WriteCloser, src io.Reader, late time.Duration) {
	type piece struct {
		at   time.Time
		data []byte
	}
	pieces := make(chan piece, 1<<12) // 256 MiB at most: more than any window
	go func() {
		defer close(pieces)
		for {
			buf := make([]byte, 64<<10)
			n, err := src.Read(buf)
			if n > 0 {
				pieces <- piece{time.Now().Add(late), buf[:n]}
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
	dst.Close()
	for range pieces { // let the reader end
	}
}
