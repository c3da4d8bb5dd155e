package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/spf13/cobra"

	"github.com/zipnode/zipnode/gateway"
	"github.com/zipnode/zipnode/node"
)

// serveGrace is how long a daemon that ends lets running calls go on.
const serveGrace = 2 * time.Second

func (a *app) serveCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the daemon: offer the models that are kept",
		Long: `Offers the models that are kept to other nodes, and does the work of the other
commands, until it is interrupted. It prints a line when it is ready.

It listens on port 4011, TCP and QUIC, or on any free port if that one is taken.
Only peers of this machine and of private networks may connect; --public lets in
all.`,
		Example: `  zipnode serve
  zipnode serve --listen /ip4/0.0.0.0/tcp/4100 --bootstrap /ip4/10.0.0.7/tcp/4011/p2p/12D3KooW...`,
		Args: exactly(),
		RunE: a.run(func(ctx context.Context, _ []string) error { return a.serve(ctx) }),
	}
	a.network.flags(cmd.Flags())
	return cmd
}

// A ready is what serve says when others may use it.
type ready struct {
	ID    string   `json:"id"`
	Addrs []string `json:"addrs"`
	Dir   string   `json:"dir"`
}

func (a *app) serve(ctx context.Context) (err error) {
	n, err := a.openToServe(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	s, err := gateway.Serve(context.WithoutCancel(ctx), a.dir, n, a.info(true))
	if err != nil {
		return err
	}
	defer func() {
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), serveGrace)
		defer cancel()
		err = errors.Join(err, s.Shutdown(last))
	}()
	if err := a.sayReady(ctx, n); err != nil {
		return err
	}
	<-ctx.Done()
	if cause := context.Cause(ctx); !errors.Is(cause, errInterrupted) {
		return cause
	}
	return nil // to be asked to end is how a daemon ends
}

func (a *app) sayReady(ctx context.Context, n owner) error {
	value, err := n.Call(ctx, "id", nil, 0, func(any) {})
	if err != nil {
		return err
	}
	r := ready{Dir: a.dir}
	if err := convert(value, &r); err != nil {
		return err
	}
	return a.print(r, []string{r.ID}, func(w io.Writer) {
		fmt.Fprintf(w, "ready: %s serves %s at\n", r.ID, plain(r.Dir))
		for _, addr := range r.Addrs {
			fmt.Fprintln(w, " ", addr)
		}
	})
}

// openToServe opens the node as a daemon. It waits up to --wait for a command
// that owns the directory, but not for another daemon.
func (a *app) openToServe(ctx context.Context) (owner, error) {
	cfg, err := a.config()
	if err != nil {
		return nil, err
	}
	cfg.Serve, cfg.Network, cfg.Log = true, true, a.log(slog.LevelWarn)
	for q := a.queue(); ; {
		if err := a.otherDaemon(ctx); err != nil {
			return nil, err
		}
		n, err := a.openDaemon(ctx, cfg)
		if err == nil || codeOf(err) != node.CodeLocked || q.over() {
			return n, err
		}
		if err := q.wait(ctx, err); err != nil {
			return nil, err
		}
	}
}

// otherDaemon returns an error if a daemon runs for the directory.
func (a *app) otherDaemon(ctx context.Context) error {
	c, err := gateway.Dial(ctx, a.dir)
	if errors.Is(err, gateway.ErrNoServer) {
		return nil
	}
	if err != nil {
		return err
	}
	defer c.Close()
	if info := c.Info(); info.Daemon {
		return node.WithCode(node.CodeLocked, fmt.Errorf("a daemon already serves %s: process %d", a.dir, info.PID))
	}
	return nil
}

// openDaemon opens the node once, in a new store if there is none.
func (a *app) openDaemon(ctx context.Context, cfg node.Config) (owner, error) {
	listen, moved, err := listenAddrs(cfg.Listen)
	if err != nil {
		return nil, err
	}
	cfg.Listen = listen
	n, err := a.open(ctx, cfg)
	if errors.Is(err, node.ErrNoStore) {
		if err := a.makeStore(); err != nil {
			return nil, err
		}
		n, err = a.open(ctx, cfg)
	}
	if err == nil && moved {
		a.note("port %s is taken by another program: listening on a free one", defaultPort)
	}
	return n, err
}
