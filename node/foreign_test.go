package node_test

import (
	"bufio"
	"context"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ipfs/boxo/bitswap"
	"github.com/ipfs/boxo/bitswap/network/bsnet"
	"github.com/ipfs/boxo/blockservice"
	"github.com/ipfs/boxo/blockstore"
	"github.com/ipfs/boxo/files"
	"github.com/ipfs/boxo/ipld/merkledag"
	unixfile "github.com/ipfs/boxo/ipld/unixfs/file"
	"github.com/ipfs/boxo/pinning/pinner/dspinner"
	"github.com/ipfs/go-cid"
	ds "github.com/ipfs/go-datastore"
	dssync "github.com/ipfs/go-datastore/sync"
	"github.com/libp2p/go-libp2p"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/node"
)

// plainStore is a blockstore of boxo's, with no code of ours.
func plainStore() blockstore.Blockstore {
	return blockstore.NewBlockstore(dssync.MutexWrap(ds.NewMapDatastore()))
}

// A client made of boxo's parts alone, Bitswap and a UnixFS reader, fetches a
// model by its CID from a running node.
func TestBoxoClient(t *testing.T) {
	for _, set := range models(t) {
		n := start(t)
		var cids []cid.Cid
		for _, dir := range set {
			c, err := cid.Decode(add(t, n, dir, "").CID)
			if err != nil {
				t.Fatal(err)
			}
			cids = append(cids, c)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		for _, a := range call[node.IDResult](t, n, "id", nil).Addrs {
			info, err := peer.AddrInfoFromString(a)
			if err != nil {
				t.Fatal(err)
			}
			if err := h.Connect(ctx, *info); err != nil {
				t.Fatal(err)
			}
		}
		net := bsnet.NewFromIpfsHost(h)
		bstore := plainStore()
		swap := bitswap.New(ctx, net, nil, bstore)
		defer swap.Close()
		serv := merkledag.NewDAGService(blockservice.New(bstore, swap))
		for i, dir := range set {
			root, err := serv.Get(ctx, cids[i])
			if err != nil {
				t.Fatal(err)
			}
			f, err := unixfile.NewUnixfsFile(ctx, serv, root)
			if err != nil {
				t.Fatal(err)
			}
			out := filepath.Join(t.TempDir(), "out")
			if err := files.WriteTo(f, out); err != nil {
				t.Fatal(err)
			}
			sameTree(t, out, dir)
		}
	}
}

// What a plain blockstore keeps that pins a packing recursively is all that is
// needed to rebuild the model elsewhere.
func TestPackingPinnedInBoxo(t *testing.T) {
	set := models(t)[0]
	n := start(t)
	add(t, n, set[0], "")
	res := add(t, n, set[1], "")
	car := filepath.Join(t.TempDir(), "m.car")
	call[node.ExportResult](t, n, "export", node.ExportRequest{Ref: res.CID, Path: car})

	f, err := os.Open(car)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := dag.NewCARReader(f)
	roots, err := r.Header()
	if err != nil {
		t.Fatal(err)
	}
	store := dssync.MutexWrap(ds.NewMapDatastore())
	bstore := blockstore.NewBlockstore(store)
	for {
		b, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := bstore.Put(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	offline := merkledag.NewDAGService(blockservice.New(bstore, nil))
	pinner, err := dspinner.New(t.Context(), store, offline)
	if err != nil {
		t.Fatal(err)
	}
	root, err := offline.Get(t.Context(), roots[0])
	if err != nil {
		t.Fatal(err)
	}
	// A recursive pin walks every link, and fails where one leads nowhere.
	if err := pinner.Pin(t.Context(), root, true, "packing"); err != nil {
		t.Fatal(err)
	}

	// Only what the pin reaches goes on: by the links that boxo's decoder sees.
	kept := filepath.Join(t.TempDir(), "kept.car")
	out, err := os.Create(kept)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(out)
	w.Write(dag.CARHeader(roots[0]))
	seen := cid.NewSet()
	var visit func(c cid.Cid)
	visit = func(c cid.Cid) {
		if !seen.Visit(c) {
			return
		}
		nd, err := offline.Get(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(dag.CARSection(c, len(nd.RawData())))
		w.Write(nd.RawData())
		for _, l := range nd.Links() {
			visit(l.Cid)
		}
	}
	visit(roots[0])
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	elsewhere := start(t)
	call[node.ImportResult](t, elsewhere, "import", node.ImportRequest{Path: kept, Name: "m"})
	dir := filepath.Join(t.TempDir(), "out")
	get(t, elsewhere, "m", dir)
	sameTree(t, dir, set[1])
}

// A node fetches a model from peers that speak Bitswap only and know nothing of
// tensors.
func TestFromBoxoServer(t *testing.T) {
	dir := models(t)[0][0]
	src := start(t)
	res := add(t, src, dir, "")
	root, err := cid.Decode(res.CID)
	if err != nil {
		t.Fatal(err)
	}
	bstore := plainStore()
	copyPlain(t, src, root, bstore)

	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	swap := bitswap.New(t.Context(), bsnet.NewFromIpfsHost(h), nil, bstore)
	defer swap.Close()
	n := start(t)
	addr := h.Addrs()[0].String() + "/p2p/" + h.ID().String()
	call[node.PeersResult](t, n, "peers.connect", node.ConnectRequest{Addr: addr})
	out := filepath.Join(t.TempDir(), "out")
	got := get(t, n, res.CID, out)
	sameTree(t, out, dir)
	if got.Fetched < res.Bytes {
		t.Errorf("%d bytes fetched of a model of %d from a peer without recipes", got.Fetched, res.Bytes)
	}
	if got.Reused != 0 {
		t.Errorf("%d bytes are said to need no fetch, of a model of which nothing was here", got.Reused)
	}
}

// copyPlain copies the decoded form of what is under c to bstore, over Bitswap.
func copyPlain(t *testing.T, n *node.Node, c cid.Cid, bstore blockstore.Blockstore) {
	t.Helper()
	h, err := libp2p.New(libp2p.ListenAddrStrings("/ip4/127.0.0.1/tcp/0"))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	info, err := peer.AddrInfoFromString(call[node.IDResult](t, n, "id", nil).Addrs[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Connect(t.Context(), *info); err != nil {
		t.Fatal(err)
	}
	swap := bitswap.New(t.Context(), bsnet.NewFromIpfsHost(h), nil, bstore)
	defer swap.Close()
	serv := merkledag.NewDAGService(blockservice.New(bstore, swap))
	if err := merkledag.FetchGraph(t.Context(), c, serv); err != nil {
		t.Fatal(err)
	}
	if ok, err := bstore.Has(t.Context(), c); !ok || err != nil {
		t.Fatalf("the copy has no root: %v", err)
	}
}
