package p2p

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"github.com/zipnode/zipnode/dag"
)

const (
	serveStreams   = 8    // open at once for one peer: four, and four that linger
	serveAll       = 1024 // for all peers
	serveBlocks    = 64   // held in memory for all peers, each up to 1 MiB
	serveIdle      = 2 * time.Minute
	writeTime      = 20 * time.Second // for each frame, so a link of 7 KB/s is enough
	requestsBuffer = 64 << 10
)

// A server answers the requests of other zipnodes.
type server struct {
	host   *Host
	lib    Library
	gate   gate
	log    *slog.Logger
	remote func(peer.ID) *remote
	banned func(peer.ID) bool
	offend func(peer.ID, error)
	blocks chan struct{} // one for each block in memory

	life context.Context // of the host: handlers get none from libp2p
	wg   sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	streams map[network.Stream]peer.ID
	peers   map[peer.ID]*asker
}

// An asker is a peer with streams open.
type asker struct {
	streams int
	decodes gate // at most half of the gate, so that one peer can't fill it
}

func newServer(life context.Context, h *Host) *server {
	return &server{
		host:    h,
		lib:     h.cfg.Library,
		gate:    h.gate,
		log:     h.log,
		remote:  h.remote,
		banned:  h.gater.banned,
		offend:  h.offend,
		blocks:  make(chan struct{}, serveBlocks),
		life:    life,
		streams: map[network.Stream]peer.ID{},
		peers:   map[peer.ID]*asker{},
	}
}

// close resets every stream and waits for their handlers.
func (v *server) close() {
	v.mu.Lock()
	v.closed = true
	for s := range v.streams {
		_ = s.Reset()
	}
	v.mu.Unlock()
	v.wg.Wait()
}

// enter counts a stream in, unless there are too many.
func (v *server) enter(s network.Stream) *asker {
	p := s.Conn().RemotePeer()
	v.mu.Lock()
	defer v.mu.Unlock()
	a := v.peers[p]
	if v.closed || len(v.streams) >= serveAll || (a != nil && a.streams >= serveStreams) {
		return nil
	}
	if a == nil {
		a = &asker{decodes: v.gate.half()}
		v.peers[p] = a
	}
	a.streams++
	v.streams[s] = p
	v.wg.Add(1)
	return a
}

func (v *server) leave(s network.Stream, a *asker) {
	p := s.Conn().RemotePeer()
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.streams, s)
	if a.streams--; a.streams == 0 {
		delete(v.peers, p)
	}
	v.wg.Done()
}

// handle serves one stream until the asker closes it, falls silent, or breaks a
// rule.
func (v *server) handle(s network.Stream) {
	p := s.Conn().RemotePeer()
	a := v.enter(s)
	if a == nil || v.banned(p) {
		_ = s.Reset()
		if a != nil {
			v.leave(s, a)
		}
		return
	}
	defer v.leave(s, a)
	ctx, cancel := context.WithCancel(v.life)
	defer cancel()
	w := &replier{server: v, asker: a, stream: s, to: v.remote(p)}
	w.out = &frames{s: s}
	if err := w.serve(ctx); err != nil {
		v.log.Debug("exchange stream ended", "peer", p, "err", err)
		_ = s.Reset()
		if errors.Is(err, errProtocol) {
			v.offend(p, err)
		}
		return
	}
	_ = s.Close()
}

// A replier answers the requests of one stream.
type replier struct {
	*server
	asker  *asker
	stream network.Stream
	to     *remote
	out    *frames
	head   []byte
}

func (w *replier) serve(ctx context.Context) error {
	in := bufio.NewReaderSize(w.stream, requestsBuffer)
	for {
		if err := w.stream.SetReadDeadline(time.Now().Add(serveIdle)); err != nil {
			return err
		}
		q, err := readRequest(in)
		if errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := w.answer(ctx, q); err != nil {
			return err
		}
		if err := w.out.Flush(); err != nil {
			return err
		}
	}
}

func (w *replier) answer(ctx context.Context, q *request) error {
	switch q.kind {
	case kindHave:
		return w.have(ctx, q)
	case kindRecipes:
		return w.recipes(ctx, q)
	case kindRange:
		return w.chunks(ctx, q)
	case kindJoin:
		return w.join(q)
	case kindHolds:
		return w.holds(q)
	}
	return w.list(ctx, q, q.cids)
}

// send writes one message.
func (w *replier) send(h header, body []byte) error {
	h.length = uint32(len(body))
	w.head = h.append(w.head[:0])
	if _, err := w.out.Write(w.head); err != nil {
		return err
	}
	_, err := w.out.Write(body)
	return err
}

func (w *replier) have(ctx context.Context, q *request) error {
	bits := make([]byte, (len(q.cids)+7)/8)
	for i, c := range q.cids {
		ok, err := w.lib.Has(ctx, c)
		if err != nil && !errors.Is(err, dag.ErrNotFound) {
			w.log.Warn("whether a block is here cannot be told", "cid", c, "err", err) // ours to repair; for the asker it is not here
		}
		if ok && err == nil {
			setBit(bits, i)
		}
	}
	return w.send(header{kind: kindBits, id: q.id, item: uint32(len(q.cids))}, bits)
}

// recipes sends as many recipes as an answer may have: those of the first tensor
// at least, unless they alone are too many.
func (w *replier) recipes(ctx context.Context, q *request) error {
	sent := 0
	for i, c := range q.cids {
		list, err := w.lib.Recipes(ctx, c)
		if err != nil && !errors.Is(err, dag.ErrNotFound) {
			w.log.Warn("recipes that a peer asked for do not read", "tensor", c, "err", err)
		}
		list = list[:min(len(list), maxOffers)]
		size := 0
		for _, b := range list {
			size += len(b.RawData())
		}
		if i > 0 && sent+size > maxOfferSize {
			return w.send(header{kind: kindEnd, id: q.id, item: uint32(i)}, nil)
		}
		for _, b := range list {
			n := len(b.RawData())
			if n > dag.MaxBlock || sent+n > maxOfferSize {
				continue
			}
			sent += n
			if err := w.send(header{kind: kindRecipe, id: q.id, item: uint32(i)}, b.RawData()); err != nil {
				return err
			}
			w.to.sent.Add(int64(n))
		}
	}
	return w.send(header{kind: kindEnd, id: q.id, item: uint32(len(q.cids))}, nil)
}

// join answers who else fetches a root, and whether this host does itself: then
// it has not all of it.
func (w *replier) join(q *request) error {
	var list []peer.AddrInfo
	for _, p := range w.host.swarms.join(q.cids[0], w.to.id) {
		if len(list) < maxTold && w.host.connected(p) && !w.banned(p) {
			list = append(list, w.host.host.Peerstore().PeerInfo(p))
		}
	}
	h := header{kind: kindPeers, id: q.id}
	for _, s := range w.host.sessionsOn(q.cids[0]) {
		h.item = 1
		s.joined(w.to.id)
	}
	return w.send(h, appendPeers(nil, list))
}

// holds takes note of what the asker has, and answers whether anyone here cares.
func (w *replier) holds(q *request) error {
	h := header{kind: kindEnd, id: q.id}
	for _, s := range w.host.sessionsOn(q.cids[0]) {
		if s.heard(w.to.id, q) {
			h.item = 1
		}
	}
	return w.send(h, nil)
}

// chunks answers a range: what the recipe here says its chunks are.
func (w *replier) chunks(ctx context.Context, q *request) error {
	const most = 1 << 40 // chunks of a recipe: an exabyte
	var cids []cid.Cid
	if q.first < most {
		entries, err := w.lib.Entries(ctx, q.recipe, int(q.first), q.count)
		if err != nil && !errors.Is(err, dag.ErrNotFound) {
			w.log.Warn("a recipe that a peer asked for does not read", "recipe", q.recipe, "err", err)
		}
		for _, e := range entries[:min(len(entries), q.count)] {
			cids = append(cids, e.Chunk)
		}
	}
	return w.list(ctx, q, cids)
}

// list sends the blocks named by cids, which are the first of those asked for;
// the rest are absent, and so is what can't be read.
func (w *replier) list(ctx context.Context, q *request, cids []cid.Cid) error {
	absent := 0 // items not here, up to i
	for i := range q.items() {
		sent := false
		if i < len(cids) {
			err := w.block(ctx, q, cids[i], func(data []byte) error {
				sent = true
				if err := w.absent(q, i-absent, absent); err != nil {
					return err
				}
				absent = 0
				return w.send(header{kind: kindBlock, id: q.id, item: uint32(i)}, data)
			})
			if sent || ctx.Err() != nil {
				if err != nil {
					return err
				}
				continue
			}
			if err != nil && !errors.Is(err, dag.ErrNotFound) {
				w.log.Warn("a block that a peer asked for does not read", "cid", cids[i], "err", err)
			}
		}
		absent++
	}
	return w.absent(q, q.items()-absent, absent)
}

func (w *replier) absent(q *request, first, n int) error {
	if n == 0 {
		return nil
	}
	return w.send(header{kind: kindAbsent, id: q.id, item: uint32(first)}, binary.BigEndian.AppendUint32(nil, uint32(n)))
}

// block lends block c to fn once it may be in memory.
func (w *replier) block(ctx context.Context, q *request, c cid.Cid, fn func([]byte) error) error {
	select {
	case w.blocks <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-w.blocks }()
	send := func(data []byte) error {
		if len(data) > dag.MaxBlock {
			return fmt.Errorf("%d bytes, more than a block has", len(data))
		}
		w.to.sent.Add(int64(len(data)))
		return fn(data)
	}
	if w.plain(q, c) {
		return view(ctx, w.lib, c, send)
	}
	if err := w.out.Flush(); err != nil { // decoding takes its time
		return err
	}
	b, err := w.decode(ctx, c)
	if err != nil {
		return err
	}
	return send(b.RawData())
}

// plain reports whether c needs no decoding. Chunks of a recipe are stored,
// but for the few that are leaves.
func (w *replier) plain(q *request, c cid.Cid) bool {
	if _, ok := w.lib.(Holder); !ok && q.kind == kindRange {
		return true
	}
	return stored(w.lib, c)
}

// decode gets a block that may have to be decoded. It is in memory, and nothing
// is held, when it is written.
func (w *replier) decode(ctx context.Context, c cid.Cid) (b blocks.Block, err error) {
	err = w.asker.decodes.pass(ctx, func() error {
		return w.gate.pass(ctx, func() (err error) {
			b, err = w.lib.Get(ctx, c)
			return err
		})
	})
	return b, err
}
