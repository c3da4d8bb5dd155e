package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/multiformats/go-multiaddr"
)

const settingsName = "config.toml"

// settings are those of config.toml.
type settings struct {
	Listen    []string `toml:"listen" json:"listen"`
	Bootstrap []string `toml:"bootstrap" json:"bootstrap"`
	MDNS      bool     `toml:"mdns" json:"mdns"`
	Public    bool     `toml:"public" json:"public"`
	Quota     string   `toml:"quota" json:"quota"`
}

// A setting is one key of config.toml.
type setting struct {
	key  string
	help string
	get  func(*settings) []string
	set  func(*settings, []string) error
}

var settingKeys = []setting{
	{"listen", "where serve listens: multiaddrs; none is TCP and QUIC on port 4011",
		func(s *settings) []string { return s.Listen },
		func(s *settings, v []string) error { s.Listen = v; return checkAddrs(v, false) }},
	{"bootstrap", "peers to join the network by: multiaddrs that end in /p2p/ID",
		func(s *settings) []string { return s.Bootstrap },
		func(s *settings, v []string) error { s.Bootstrap = v; return checkAddrs(v, true) }},
	{"mdns", "find peers of the local network, and be found",
		func(s *settings) []string { return []string{strconv.FormatBool(s.MDNS)} },
		func(s *settings, v []string) error { return setBool(&s.MDNS, v) }},
	{"public", "take peers from public addresses too",
		func(s *settings) []string { return []string{strconv.FormatBool(s.Public)} },
		func(s *settings, v []string) error { return setBool(&s.Public, v) }},
	{"quota", `most bytes the packs may take, as "500GiB"; none is no limit but the disk's`,
		func(s *settings) []string {
			if s.Quota == "" {
				return nil
			}
			return []string{s.Quota}
		},
		func(s *settings, v []string) error {
			s.Quota = strings.Join(v, " ")
			_, err := parseSize(s.Quota)
			return err
		}},
}

func findSetting(key string) (setting, error) {
	i := slices.IndexFunc(settingKeys, func(s setting) bool { return s.key == key })
	if i < 0 {
		return setting{}, usagef("no setting %q: there are %s", key, strings.Join(settingNames(), ", "))
	}
	return settingKeys[i], nil
}

func settingNames() []string {
	var names []string
	for _, s := range settingKeys {
		names = append(names, s.key)
	}
	return names
}

func setBool(b *bool, values []string) error {
	if len(values) != 1 {
		return fmt.Errorf("one of true, false")
	}
	v, err := strconv.ParseBool(values[0])
	if err != nil {
		return fmt.Errorf("%q is neither true nor false", values[0])
	}
	*b = v
	return nil
}

// loadSettings reads the settings in dir; without a file they are the defaults.
// A key it doesn't know is an error: a misspelt one would be silently without
// effect.
func loadSettings(dir string) (*settings, error) {
	s := &settings{Listen: []string{}, Bootstrap: []string{}, MDNS: true}
	path := filepath.Join(dir, settingsName)
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, err
	}
	meta, err := toml.Decode(string(data), s)
	if err != nil {
		return nil, usagef("%s: %v", path, err)
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return nil, usagef("%s: unknown key %q: there are %s", path, unknown[0], strings.Join(settingNames(), ", "))
	}
	for _, k := range settingKeys {
		if err := k.set(s, k.get(s)); err != nil {
			return nil, usagef("%s: %s: %v", path, k.key, err)
		}
	}
	return s, nil
}

// save writes the settings to dir, whole or not at all, for this user only: a
// later key may be a secret.
func (s *settings) save(dir string) error {
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(s); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(dir, settingsName+".*") // 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(b.Bytes())
	err = errors.Join(err, tmp.Sync(), tmp.Close())
	if err == nil {
		err = os.Rename(tmp.Name(), filepath.Join(dir, settingsName))
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

// checkAddrs returns an error unless all are multiaddrs, and name a peer where
// they should.
func checkAddrs(addrs []string, peer bool) error {
	for _, addr := range addrs {
		m, err := multiaddr.NewMultiaddr(addr)
		if err != nil {
			return fmt.Errorf("%q is no multiaddr, as /ip4/192.0.2.1/tcp/4011: %w", addr, err)
		}
		if _, err := m.ValueForProtocol(multiaddr.P_P2P); peer && err != nil {
			return fmt.Errorf("%q does not end in /p2p/ID: 'zipnode id' at that node prints the whole address", addr)
		}
		if !peer && !listens(m) {
			return fmt.Errorf("%q is nothing to listen at: give an address and a port, as /ip4/0.0.0.0/tcp/4011 or /ip4/0.0.0.0/udp/4011/quic-v1", addr)
		}
	}
	return nil
}

// listens tells whether m is of a kind that a node listens at: TCP or QUIC.
func listens(m multiaddr.Multiaddr) bool {
	last := m[len(m)-1].Protocol().Code
	return last == multiaddr.P_TCP || last == multiaddr.P_QUIC_V1
}

var units = []struct {
	suffix string
	bytes  float64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"KB", 1e3}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// parseSize returns the bytes of a size as "500GiB"; "" is 0.
func parseSize(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		f, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(f >= 0 && f*u.bytes < math.MaxInt64) {
			break
		}
		return int64(f * u.bytes), nil
	}
	return 0, fmt.Errorf("%q is no size, as 500GiB", s)
}
