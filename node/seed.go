package node

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/p2p"
	"github.com/zipnode/zipnode/store"
)

// Seed fetches the model req.Ref, pins it, and keeps announcing it as long as
// this node, or a later one on the same store, serves.
func (n *Node) Seed(ctx context.Context, req SeedRequest, progress func(Progress)) (SeedResult, error) {
	start := time.Now()
	if req.Name != "" {
		if err := CheckName(req.Name); err != nil {
			return SeedResult{}, err
		}
	}
	g := &getting{n: n, req: GetRequest{Ref: req.Ref}, report: progress, trust: newDistrust()}
	lease, err := n.store.NewLease()
	if err != nil {
		return SeedResult{}, err
	}
	g.lease = lease
	defer lease.Release()
	if err := n.withPeers(ctx, req.Ref, func(ctx context.Context, s *p2p.Session) error { return g.run(ctx, s) }); err != nil {
		return SeedResult{}, err
	}
	model, err := cid.Decode(g.res.CID)
	if err != nil {
		return SeedResult{}, err
	}
	ch := store.Change{Pin: map[cid.Cid]string{model: store.PinModel}}
	replaced := ""
	if req.Name != "" {
		ch.Names = map[string]cid.Cid{req.Name: model}
		if replaced, err = n.replaced(req.Name, model); err != nil {
			return SeedResult{}, err
		}
	}
	if err := n.store.Apply(ch); err != nil {
		return SeedResult{}, err
	}
	if _, err := n.packingOf(ctx, model); err != nil {
		return SeedResult{}, err
	}
	if err := n.announce(ctx, model); err != nil {
		return SeedResult{}, err
	}
	name, err := n.nameOf(model)
	return SeedResult{
		CID: g.res.CID, Name: name, Bytes: g.res.Bytes, Fetched: g.res.Fetched, Peers: g.res.Peers,
		Seconds: time.Since(start).Seconds(), Replaced: replaced,
	}, err
}

// announce tells the network that model is here, if the network is up.
func (n *Node) announce(ctx context.Context, model cid.Cid) error {
	n.netMu.Lock()
	seeder := n.seeder
	n.netMu.Unlock()
	if seeder == nil {
		return nil
	}
	return seeder.Add(model, n.announced(ctx, model))
}

// announced yields what is announced beside a model's own CID: its packing, and
// its tensors of more than one leaf. Leaves and chunks are found by asking
// whoever has these.
func (n *Node) announced(ctx context.Context, model cid.Cid) iter.Seq2[cid.Cid, error] {
	return func(yield func(cid.Cid, error) bool) {
		m, ok, err := n.store.Model(model)
		if err != nil {
			yield(cid.Undef, err)
			return
		}
		if ok && m.Packing != "" {
			p, err := cid.Decode(m.Packing)
			if !yield(p, err) {
				return
			}
		}
		w := tensorWalk{n: n, seen: cidSet{}, yield: yield}
		if err := w.node(ctx, model); err != nil && !errors.Is(err, errStopped) {
			yield(cid.Undef, err)
		}
	}
}

var errStopped = errors.New("stopped")

// A tensorWalk visits the tensors of more than one leaf under a node.
type tensorWalk struct {
	n     *Node
	seen  cidSet
	yield func(cid.Cid, error) bool
}

func (w *tensorWalk) node(ctx context.Context, c cid.Cid) error {
	if c.Type() == cid.Raw || !w.seen.add(c) {
		return nil
	}
	_, ok, err := w.n.store.Tensor(c)
	if err != nil {
		return err
	}
	if ok {
		if !w.yield(c, nil) {
			return errStopped
		}
		return nil
	}
	b, err := w.n.store.Get(ctx, c)
	if err != nil {
		return err
	}
	links, err := dag.Links(b)
	if err != nil {
		return err
	}
	for _, l := range links {
		if err := w.node(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// announceAll announces every pinned model.
func (n *Node) announceAll(ctx context.Context) error {
	pins, err := n.store.Pins()
	if err != nil {
		return err
	}
	for model, kind := range pins {
		if kind != store.PinModel {
			continue
		}
		if err := n.announce(ctx, model); err != nil {
			n.log.Warn("a pinned model is not announced", "model", model, "err", err)
		}
	}
	return nil
}

// withdraw stops announcing model.
func (n *Node) withdraw(model cid.Cid) error {
	n.netMu.Lock()
	seeder := n.seeder
	n.netMu.Unlock()
	if seeder == nil {
		return nil
	}
	return seeder.Remove(model)
}

// PinAdd pins a model that is here.
func (n *Node) PinAdd(ctx context.Context, req RefRequest) (PinResult, error) {
	c, err := n.resolve(ctx, req.Ref)
	if err != nil {
		return PinResult{}, err
	}
	m, ok, err := n.store.Model(c)
	if err != nil {
		return PinResult{}, err
	}
	if !ok {
		return PinResult{}, WithCode(CodeNotFound, fmt.Errorf("%s is not here: 'zipnode seed %s' fetches and pins it", req.Ref, req.Ref))
	}
	kind := store.PinModel
	if m.Partial {
		kind = store.PinPartial
	}
	if err := n.store.Apply(store.Change{Pin: map[cid.Cid]string{c: kind}}); err != nil {
		return PinResult{}, err
	}
	name, err := n.nameOf(c)
	if err != nil {
		return PinResult{}, err
	}
	res := PinResult{Pins: []PinLine{{CID: c.String(), Kind: kind, Name: name}}}
	if kind == store.PinPartial {
		return res, nil
	}
	return res, n.announce(ctx, c)
}

// PinRm unpins a model: the next gc may remove it. Its name stays until then.
func (n *Node) PinRm(ctx context.Context, req RefRequest) (PinResult, error) {
	c, err := n.resolve(ctx, req.Ref)
	if err != nil {
		return PinResult{}, err
	}
	pins, err := n.store.Pins()
	if err != nil {
		return PinResult{}, err
	}
	kind, ok := pins[c]
	if !ok {
		return PinResult{}, WithCode(CodeNotFound, fmt.Errorf("%s is not pinned", req.Ref))
	}
	if err := n.store.Apply(store.Change{Unpin: []cid.Cid{c}}); err != nil {
		return PinResult{}, err
	}
	name, err := n.nameOf(c)
	return PinResult{Pins: []PinLine{{CID: c.String(), Kind: kind, Name: name}}}, errors.Join(err, n.withdraw(c))
}

// Rm removes a name, and the pin of its model unless another name means it. A
// CID removes all names of its model. gc frees the bytes.
func (n *Node) Rm(ctx context.Context, req RefRequest) (RmResult, error) {
	names, err := n.store.Names()
	if err != nil {
		return RmResult{}, err
	}
	c, named := names[req.Ref]
	if !named {
		if c, err = n.resolve(ctx, req.Ref); err != nil {
			return RmResult{}, err
		}
	}
	ch := store.Change{Unpin: []cid.Cid{c}}
	for name, of := range names {
		if !of.Equals(c) {
			continue
		}
		if !named || name == req.Ref {
			ch.Unname = append(ch.Unname, name)
		} else {
			ch.Unpin = nil // another name means it
		}
	}
	_, pinned, err := n.pinned(c)
	if err != nil {
		return RmResult{}, err
	}
	if len(ch.Unname) == 0 && !pinned {
		return RmResult{}, WithCode(CodeNotFound, fmt.Errorf("%s has no name and no pin here: 'zipnode gc' frees what nothing keeps", req.Ref))
	}
	if err := n.store.Apply(ch); err != nil {
		return RmResult{}, err
	}
	res := RmResult{CID: c.String()}
	if named {
		res.Name = req.Ref
	}
	if ch.Unpin == nil {
		return res, nil
	}
	if err := n.withdraw(c); err != nil {
		return res, err
	}
	// It is removed by now: what stays of it is only to be told.
	stays, err := n.chooseBases(ctx, c)
	if err = ignoreDamage(err); err != nil {
		return res, err
	}
	res.Bases, res.BaseBytes, res.Without = stays.tensors, stays.bytes, stays.without
	res.Reencode = stays.tensors > 0 && stays.without < stays.bytes
	return res, nil
}

func (n *Node) pinned(c cid.Cid) (kind string, ok bool, err error) {
	pins, err := n.store.Pins()
	kind, ok = pins[c]
	return kind, ok, err
}

// GC removes what nothing keeps.
func (n *Node) GC(ctx context.Context, req GCRequest) (GCResult, error) {
	got, err := n.store.Collect(ctx, store.CollectOptions{DryRun: req.DryRun, Interrupted: req.All})
	res := GCResult{Blocks: got.Blocks, Kept: got.Kept, Freed: got.Freed, Leased: got.Leased}
	if isAbsent(err) {
		err = WithCode(CodeIntegrity, err)
	}
	if err != nil {
		return res, err
	}
	res.Bases, res.BaseBytes, err = n.keptBases(ctx)
	return res, err
}
