package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"syscall"

	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
	"github.com/spf13/pflag"

	"github.com/zipnode/zipnode/node"
)

// network are the flags that win over config.toml.
type network struct {
	listen    []string
	bootstrap []string
	noMDNS    bool
	public    bool
	quota     string
}

func (n *network) flags(f *pflag.FlagSet) {
	f.StringSliceVar(&n.listen, "listen", nil, "listen at this `multiaddr` (default TCP and QUIC on port 4011)")
	n.dialFlags(f)
	f.StringVar(&n.quota, "quota", "", "most bytes the packs may take, as 500GiB")
}

// dialFlags are those of a command that may need peers. A daemon that does its
// work keeps its own settings, but for --bootstrap.
func (n *network) dialFlags(f *pflag.FlagSet) {
	f.StringSliceVar(&n.bootstrap, "bootstrap", nil, "connect to the peer at this `multiaddr`")
	f.BoolVar(&n.noMDNS, "no-mdns", false, "don't look for peers on the local network")
	f.BoolVar(&n.public, "public", false, "take peers from public addresses too")
}

// config returns how to open the node: by flags, else config.toml.
func (a *app) config() (node.Config, error) {
	s, err := loadSettings(a.dir)
	if err != nil {
		return node.Config{}, err
	}
	if len(a.network.listen) > 0 {
		s.Listen = a.network.listen
	}
	if a.network.quota != "" {
		s.Quota = a.network.quota
	}
	quota, err := a.checkNetwork(s)
	if err != nil {
		return node.Config{}, err
	}
	return node.Config{
		Dir:       a.dir,
		Listen:    s.Listen,
		Bootstrap: append(s.Bootstrap, a.network.bootstrap...),
		MDNS:      s.MDNS && !a.network.noMDNS,
		Public:    s.Public || a.network.public,
		Quota:     quota,
		Version:   buildVersion(),
		Log:       a.log(slog.LevelError), // what goes wrong, the command itself says
	}, nil
}

// checkNetwork returns the quota of s. What flags or the environment gave is not
// checked yet; what config.toml gave is.
func (a *app) checkNetwork(s *settings) (int64, error) {
	if err := checkAddrs(s.Listen, false); err != nil {
		return 0, usagef("%s: %w", a.source("listen"), err)
	}
	if err := checkAddrs(a.network.bootstrap, true); err != nil {
		return 0, usagef("%s: %w", a.source("bootstrap"), err)
	}
	quota, err := parseSize(s.Quota)
	if err != nil {
		return 0, usagef("%s: %w", a.source("quota"), err)
	}
	return quota, nil
}

// log returns the logger that -v asks for; without, it writes what is of level
// quiet or above.
func (a *app) log(quiet slog.Level) *slog.Logger {
	level := quiet
	switch a.verbose {
	case 0:
	case 1:
		level = slog.LevelInfo
	default:
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
}

// defaultPort is the one where others look for a zipnode first.
const defaultPort = "4011"

// listenAddrs returns where to listen: at explicit, each of which must be free,
// or at the default port; where that is taken, at any, and moved is true.
func listenAddrs(explicit []string) (addrs []string, moved bool, err error) {
	if len(explicit) > 0 {
		for _, addr := range explicit {
			if err := free(addr); err != nil {
				return nil, false, fmt.Errorf("can't listen at %s: %w", addr, err)
			}
		}
		return explicit, false, nil
	}
	port := defaultPort
	if defaultTaken() {
		port, moved = "0", true
	}
	return []string{"/ip4/0.0.0.0/tcp/" + port, "/ip4/0.0.0.0/udp/" + port + "/quic-v1"}, moved, nil
}

func defaultTaken() bool {
	return free("/ip4/0.0.0.0/tcp/"+defaultPort) != nil || free("/ip4/0.0.0.0/udp/"+defaultPort) != nil
}

// free returns an error if addr is taken, or is none of this machine's. An
// address that is neither TCP nor UDP is left to the network to judge.
func free(addr string) error {
	m, err := multiaddr.NewMultiaddr(addr)
	if err != nil {
		return err
	}
	kind, hostPort, err := manet.DialArgs(m)
	if err != nil {
		return nil
	}
	switch {
	case strings.HasPrefix(kind, "tcp"):
		ln, err := net.Listen(kind, hostPort)
		if err == nil {
			err = ln.Close()
		}
		return taken(err)
	case strings.HasPrefix(kind, "udp"):
		c, err := net.ListenPacket(kind, hostPort)
		if err == nil {
			err = c.Close()
		}
		return taken(err)
	}
	return nil
}

func taken(err error) error {
	if errors.Is(err, syscall.EADDRINUSE) {
		return errors.New("another program uses that port")
	}
	return err
}
