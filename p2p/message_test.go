package p2p

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/zipnode/zipnode/dag"
)

func TestRequestGolden(t *testing.T) {
	c := dag.Raw([]byte("a"))
	r := dag.CBOR([]byte("r"))
	for _, tc := range []struct {
		name string
		q    request
		want string
	}{
		{"have", request{kind: kindHave, id: 1, cids: []cid.Cid{c}},
			"01" + "00000001" + "00000001" + "00000024" + hex.EncodeToString(c.Bytes())},
		{"blocks", request{kind: kindBlocks, id: 258, cids: []cid.Cid{c, r}},
			"03" + "00000102" + "00000002" + "00000048" + hex.EncodeToString(c.Bytes()) + hex.EncodeToString(r.Bytes())},
		{"range", request{kind: kindRange, id: 7, recipe: r, first: 8192, count: 16},
			"04" + "00000007" + "00000010" + "0000002c" + hex.EncodeToString(r.Bytes()) + "0000000000002000"},
		{"join", request{kind: kindJoin, id: 8, cids: []cid.Cid{c}},
			"05" + "00000008" + "00000001" + "00000024" + hex.EncodeToString(c.Bytes())},
		{"holds", request{kind: kindHolds, id: 9, cids: []cid.Cid{c}, recipe: r, first: 64, count: 9, bits: []byte{0x81, 1}},
			"06" + "00000009" + "00000009" + "00000052" + hex.EncodeToString(c.Bytes()) + hex.EncodeToString(r.Bytes()) + "0000000000000040" + "8101"},
	} {
		raw := tc.q.append(nil)
		if got := hex.EncodeToString(raw); got != tc.want {
			t.Errorf("%s: format changed; if meant, name the protocol anew:\n%s, want\n%s", tc.name, got, tc.want)
		}
		got, err := readRequest(bytes.NewReader(raw))
		if err != nil || got.kind != tc.q.kind || got.id != tc.q.id || got.items() != tc.q.items() ||
			!slices.Equal(got.cids, tc.q.cids) || !bytes.Equal(got.bits, tc.q.bits) || got.recipe != tc.q.recipe || got.first != tc.q.first {
			t.Errorf("%s: read back as %+v, %v", tc.name, got, err)
		}
	}
}

func TestReadRequestBad(t *testing.T) {
	c := dag.Raw([]byte("a")).Bytes()
	sha512 := slices.Clone(c)
	sha512[2] = 0x13
	for _, tc := range []struct {
		name string
		h    header
		body []byte
		want error
	}{
		{"no items", header{kind: kindHave, length: 0}, nil, errProtocol},
		{"too many items", header{kind: kindHave, item: maxItems + 1, length: (maxItems + 1) * cidLen}, nil, errProtocol},
		{"4 GiB", header{kind: kindBlocks, item: 1, length: 1<<32 - 1}, nil, errProtocol},
		{"unknown kind", header{kind: 9, item: 1, length: cidLen}, c, errProtocol},
		{"an answer", header{kind: kindBlock, item: 1, length: cidLen}, c, errProtocol},
		{"length of two, one item", header{kind: kindHave, item: 1, length: 2 * cidLen}, slices.Concat(c, c), errProtocol},
		{"range without first", header{kind: kindRange, item: 1, length: cidLen}, c, errProtocol},
		{"another hash", header{kind: kindHave, item: 1, length: cidLen}, sha512, errProtocol},
		{"two roots", header{kind: kindJoin, item: 2, length: 2 * cidLen}, slices.Concat(c, c), errProtocol},
		{"bits of too many chunks", header{kind: kindHolds, item: maxHolds + 1, length: 2*cidLen + 8 + maxHolds/8 + 1}, nil, errProtocol},
		{"fewer bits than chunks", header{kind: kindHolds, item: 9, length: 2*cidLen + 8 + 1}, nil, errProtocol},
		{"zeros", header{kind: kindHave, item: 1, length: cidLen}, make([]byte, cidLen), errProtocol},
		{"torn", header{kind: kindHave, item: 1, length: cidLen}, c[:20], io.ErrUnexpectedEOF},
	} {
		if _, err := readRequest(bytes.NewReader(append(tc.h.append(nil), tc.body...))); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
	if _, err := readRequest(bytes.NewReader(nil)); err != io.EOF {
		t.Errorf("end of stream: %v, want io.EOF", err)
	}
}

func TestAnswerBad(t *testing.T) {
	c := dag.Raw([]byte("a"))
	three := []cid.Cid{c, c, c}
	have := request{kind: kindHave, cids: three}
	recipes := request{kind: kindRecipes, cids: three}
	list := request{kind: kindBlocks, cids: three}
	join := request{kind: kindJoin, cids: three[:1]}
	holds := request{kind: kindHolds, cids: three[:1], recipe: c, count: 8, bits: []byte{1}}
	for _, tc := range []struct {
		name string
		q    request
		hs   []header // the last is bad
		want error
	}{
		{"peers of 1 MiB", join, []header{{kind: kindPeers, length: 1 << 20}}, errProtocol},
		{"peers of item 2", join, []header{{kind: kindPeers, item: 2}}, errProtocol},
		{"a block for a join", join, []header{{kind: kindBlock, length: 9}}, errProtocol},
		{"a long end of holds", holds, []header{{kind: kindEnd, item: 1, length: 1}}, errProtocol},
		{"a block for holds", holds, []header{{kind: kindBlock, length: 9}}, errProtocol},
		{"too few bits", have, []header{{kind: kindBits, item: 3, length: 0}}, errProtocol},
		{"bits for others", have, []header{{kind: kindBits, item: 9, length: 2}}, errProtocol},
		{"a block for a have", have, []header{{kind: kindBlock, length: 1}}, errProtocol},
		{"block out of order", list, []header{{kind: kindBlock, item: 1, length: 9}}, errProtocol},
		{"block twice", list, []header{{kind: kindBlock, length: 9}, {kind: kindBlock, length: 9}}, errProtocol},
		{"block of another length", list, []header{{kind: kindBlock, length: 10}}, errLength},
		{"huge block", list, []header{{kind: kindBlock, length: dag.MaxBlock + 1}}, errProtocol},
		{"absent out of order", list, []header{{kind: kindAbsent, item: 2, length: 4}}, errProtocol},
		{"absent with a body", list, []header{{kind: kindAbsent, length: 400}}, errProtocol},
		{"end of blocks", list, []header{{kind: kindEnd, item: 3}}, errProtocol},
		{"recipe of no tensor", recipes, []header{{kind: kindRecipe, item: 3, length: 9}}, errProtocol},
		{"recipes backwards", recipes, []header{{kind: kindRecipe, item: 1, length: 9}, {kind: kindRecipe, length: 9}}, errProtocol},
		{"nine recipes", recipes, slices.Repeat([]header{{kind: kindRecipe, length: 9}}, 9), errProtocol},
		{"huge recipe", recipes, []header{{kind: kindRecipe, length: dag.MaxBlock + 1}}, errProtocol},
		{"end before the last recipe", recipes, []header{{kind: kindRecipe, item: 2, length: 9}, {kind: kindEnd, item: 1}}, errProtocol},
		{"end that covers nothing", recipes, []header{{kind: kindEnd}}, errProtocol},
		{"busy with a body", recipes, []header{{kind: kindBusy, length: 1 << 30}}, errProtocol},
		{"unknown kind", recipes, []header{{kind: 0xff}}, errProtocol},
	} {
		a := answer{q: &tc.q, length: func(int) int { return 9 }}
		var err error
		for i, h := range tc.hs {
			if err = a.check(h); err != nil && i < len(tc.hs)-1 {
				t.Errorf("%s: message %d: %v", tc.name, i, err)
			}
		}
		if !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", tc.name, err, tc.want)
		}
	}
}

// FuzzReadRequest: no bytes make it panic or take more than a request may have,
// and what it takes it writes alike.
func FuzzReadRequest(f *testing.F) {
	c := dag.Raw([]byte("a"))
	for _, q := range []request{
		{kind: kindHave, id: 1, cids: []cid.Cid{c}},
		{kind: kindRecipes, id: 2, cids: []cid.Cid{c, c}},
		{kind: kindRange, id: 3, recipe: c, first: 1 << 40, count: maxItems},
		{kind: kindJoin, id: 4, cids: []cid.Cid{c}},
		{kind: kindHolds, id: 5, cids: []cid.Cid{c}, recipe: c, first: 8, count: 12, bits: []byte{3, 1}},
	} {
		f.Add(q.append(nil))
	}
	f.Add(header{kind: kindBlocks, item: 1, length: 1 << 31}.append(nil)) // a bomb
	f.Fuzz(func(t *testing.T, raw []byte) {
		q, err := readRequest(bytes.NewReader(raw))
		if err != nil {
			return
		}
		if most := int(mostItems(q.kind)); q.items() < 1 || q.items() > most {
			t.Fatalf("%d items", q.items())
		}
		var h holdings
		if q.kind == kindHolds && h.add(q.recipe, q.first, q.bits) && h.bytes > holdingsBytes {
			t.Fatalf("%d bytes of holdings", h.bytes)
		}
		if got := q.append(nil); !bytes.Equal(got, raw[:len(got)]) {
			t.Errorf("% x read and written is % x", raw, got)
		}
	})
}

// FuzzAnswer: a stream of any bytes never gets more allocated than the rules
// allow, and always ends or fails.
func FuzzAnswer(f *testing.F) {
	f.Add(uint8(kindBlocks), uint16(2), header{kind: kindBlock, length: 1}.append(nil))
	f.Add(uint8(kindRecipes), uint16(3), header{kind: kindEnd, item: 3}.append(nil))
	f.Add(uint8(kindHave), uint16(9), append(header{kind: kindBits, item: 9, length: 2}.append(nil), 0xff, 1))
	f.Add(uint8(kindRange), uint16(1), header{kind: kindBlock, length: 1 << 31}.append(nil))
	f.Add(uint8(kindRange), uint16(5), append(header{kind: kindAbsent, length: 4}.append(nil), 0, 0, 0, 5))
	f.Fuzz(func(t *testing.T, kind uint8, n uint16, raw []byte) {
		items := int(n)%maxItems + 1
		q := &request{kind: kind%6 + 1, count: items, cids: make([]cid.Cid, items)}
		a := answer{q: q}
		for len(raw) >= headerLen && !a.done {
			h := parseHeader(raw)
			raw = raw[headerLen:]
			if a.check(h) != nil {
				return
			}
			if h.length > dag.MaxBlock {
				t.Fatalf("%d bytes allowed", h.length)
			}
			if h.kind == kindAbsent && len(raw) >= 4 {
				first, count, err := a.absent(raw)
				if err == nil && (count < 1 || first+count > items) {
					t.Fatalf("absent %d from %d of %d", count, first, items)
				}
				if err != nil {
					return
				}
			}
			raw = raw[min(int(h.length), len(raw)):]
			if a.next > items {
				t.Fatalf("%d of %d items answered", a.next, items)
			}
		}
	})
}

// FuzzPeers: no bytes make more peers or addresses than allowed, and what is read
// is written alike.
func FuzzPeers(f *testing.F) {
	id, err := peer.Decode("12D3KooWDwhZjbExEUueo6vmBXfcdWfvwFeysNDH7QFhEgL55Vp5")
	if err != nil {
		f.Fatal(err)
	}
	at := peer.AddrInfo{ID: id, Addrs: []ma.Multiaddr{ma.StringCast("/ip4/10.0.0.1/tcp/4011"), ma.StringCast("/ip6/::1/udp/1/quic-v1")}}
	f.Add(appendPeers(nil, []peer.AddrInfo{at, {ID: id}}))
	f.Add([]byte{1, 2, 255})
	f.Fuzz(func(t *testing.T, raw []byte) {
		list, err := parsePeers(raw)
		if err != nil {
			return
		}
		if len(list) > maxTold {
			t.Fatalf("%d peers", len(list))
		}
		again, err := parsePeers(appendPeers(nil, list))
		if len(raw) <= maxToldBody && (err != nil || len(again) != len(list)) {
			t.Errorf("%d peers read and written are %d, %v", len(list), len(again), err)
		}
	})
}
