package p2p

import (
	"testing"

	ma "github.com/multiformats/go-multiaddr"
)

// Whatever addresses peers and records name, a host that is not public dials near
// ones only.
func TestGaterDialsNear(t *testing.T) {
	for addr, want := range map[string]bool{
		"/ip4/127.0.0.1/tcp/1":               true,
		"/ip4/10.1.2.3/udp/1/quic-v1":        true,
		"/ip4/192.168.0.9/tcp/1":             true,
		"/ip4/169.254.1.1/tcp/1":             true,
		"/ip4/100.64.0.1/tcp/1":              true, // carrier NAT, overlay networks
		"/ip6/::1/tcp/1":                     true,
		"/ip6/fd00::1/tcp/1":                 true,
		"/ip6/fe80::1/tcp/1":                 true,
		"/ip4/8.8.8.8/tcp/53":                false,
		"/ip4/100.128.0.1/tcp/1":             false,
		"/ip6/2001:db8::1/tcp/1":             false,
		"/ip6/::ffff:8.8.8.8/tcp/1":          false, // the same as 8.8.8.8
		"/ip4/0.0.0.0/tcp/1":                 false,
		"/ip4/224.0.0.251/udp/5353/quic-v1":  false,
		"/dns4/localhost/tcp/1":              false, // says nothing of where it leads
		"/dns4/intranet.example.com/tcp/443": false,
	} {
		if got := (&gater{}).InterceptAddrDial("", ma.StringCast(addr)); got != want {
			t.Errorf("dials %s: %v, want %v", addr, got, want)
		}
		if !(&gater{public: true}).InterceptAddrDial("", ma.StringCast(addr)) {
			t.Errorf("a public host does not dial %s", addr)
		}
	}
}
