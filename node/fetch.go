package node

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ipfs/go-cid"
	"github.com/libp2p/go-libp2p/core/peer"
	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/p2p"
	"github.com/zipnode/zipnode/store"
	"github.com/zipnode/zipnode/tensor"
)

// A wrongRecipe says that a recipe does not give its tensor. The plan is made
// again without it.
type wrongRecipe struct {
	u   *unit
	err error
}

func (w *wrongRecipe) Error() string {
	return fmt.Sprintf("recipe %s does not give tensor %s: %v", w.block(), w.u.c.CID, w.err)
}

func (w *wrongRecipe) Unwrap() error { return w.err }

// bases returns the tensors that the recipe's leaves are decoded against.
func (w *wrongRecipe) bases() []cid.Cid {
	var out []cid.Cid
	for _, b := range w.u.recipe.Bases {
		out = append(out, b.Of)
	}
	return out
}

func (w *wrongRecipe) block() cid.Cid { return w.u.block.Cid() }

// A localDamage says that what the store has does not rebuild a unit.
type localDamage struct {
	u   *unit
	err error
}

func (l *localDamage) Error() string {
	return fmt.Sprintf("tensor %s is damaged here: %v", l.u.c.CID, l.err)
}

func (l *localDamage) Unwrap() error { return l.err }

// A moving is one batch of a plan being carried out: chunks come in, units are
// rebuilt, checked and written.
type moving struct {
	p      *planner
	need   []*unit
	report func(Progress)
	total  int64         // bytes to fetch, earlier batches included
	done   *atomic.Int64 // of these

	mu      sync.Mutex
	coming  map[*unit]*coming
	arrived chan struct{} // closed, and made anew, when chunks arrive
}

// A coming is a unit whose chunks are on their way.
type coming struct {
	listed  bool   // missing is known
	missing []byte // a bit for each chunk, set while it is not here; nil: all are
	written []byte // a bit for each chunk that was written where it belongs; nil: none
}

// carry fetches what need lists, bases first, and writes every unit that has a
// place, also those that were here.
func (p *planner) carry(ctx context.Context, need []*unit, done *atomic.Int64, total int64, report func(Progress)) error {
	m := &moving{p: p, need: need, report: report, total: total, done: done, coming: map[*unit]*coming{}, arrived: make(chan struct{})}
	for _, u := range need {
		m.coming[u] = &coming{}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return m.fetch(ctx) })
	g.Go(func() error {
		if err := m.nodes(ctx); err != nil {
			return err
		}
		for _, u := range need {
			if err := m.rebuild(ctx, u); err != nil {
				return err
			}
		}
		return nil
	})
	g.Go(func() error {
		for _, u := range p.order {
			if u.here {
				if err := m.deliverHere(ctx, u); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return g.Wait()
}

// nodes brings the nodes of all units that have a recipe, a level at a time: one
// by one, each would take a round trip.
func (m *moving) nodes(ctx context.Context) error {
	var level []dag.Child
	for _, u := range m.need {
		if u.recipe != nil {
			level = append(level, u.c)
		}
	}
	for depth := 0; len(level) > 0 && depth < maxDepth; depth++ {
		var next []dag.Child
		for part := range slices.Chunk(level, 256) {
			more, err := m.open(ctx, part)
			if err != nil {
				return err
			}
			next = append(next, more...)
		}
		level = next
	}
	return nil
}

// open fetches those of cs that are nodes, and returns their children that are.
func (m *moving) open(ctx context.Context, cs []dag.Child) ([]dag.Child, error) {
	var ids []cid.Cid
	for _, c := range cs {
		if c.CID.Type() == cid.DagProtobuf {
			ids = append(ids, c.CID)
		}
	}
	if err := m.p.fetchMany(ctx, ids); err != nil {
		return nil, err
	}
	var out []dag.Child
	for _, c := range cs {
		if c.CID.Type() != cid.DagProtobuf {
			continue
		}
		b, err := m.p.Get(ctx, c.CID)
		if err != nil {
			return nil, err
		}
		n, err := dag.DecodeFile(b, c.Size)
		if err != nil {
			return nil, err
		}
		for _, child := range n.Children {
			if child.CID.Type() == cid.DagProtobuf {
				out = append(out, child)
			}
		}
	}
	return out, nil
}

// ranges returns the runs of u's chunks that are not here, and notes them.
func (m *moving) ranges(ctx context.Context, u *unit) ([]p2p.Range, error) {
	const most = 256 // chunks in a range
	var out []p2p.Range
	var missing []byte
	i := 0
	ended := true
	for e, err := range u.recipe.Chunks.All(ctx, m.p) {
		if err != nil {
			return nil, err
		}
		here, err := m.p.lease.Keep(e.Chunk)
		if err != nil {
			return nil, err
		}
		if !here {
			if missing == nil {
				missing = make([]byte, (u.recipe.Chunks.Len()+7)/8)
			}
			missing[i/8] |= 1 << (i % 8)
			if ended || len(out[len(out)-1].Entries) == most {
				out = append(out, p2p.Range{Recipe: u.block.Cid(), First: i})
			}
			out[len(out)-1].Entries = append(out[len(out)-1].Entries, e)
		} else if m.p.src != nil {
			m.p.src.Hold(u.block.Cid(), i, 1)
		}
		ended = here
		i++
	}
	if side := u.recipe.Side; side.Defined() {
		here, err := m.p.lease.Keep(side)
		if err == nil && !here {
			err = m.p.fetchMany(ctx, []cid.Cid{side})
		}
		if err != nil {
			if _, missing := errors.AsType[*p2p.MissingError](err); missing {
				err = &wrongRecipe{u, err}
			}
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	*m.coming[u] = coming{listed: true, missing: missing}
	m.wake()
	return out, nil
}

// rebuild decodes and checks every leaf of u as its chunk comes, writes it where
// it belongs, and adds the recipe.
func (m *moving) rebuild(ctx context.Context, u *unit) error {
	if u.recipe == nil {
		return m.plain(ctx, u)
	}
	p := m.p
	if err := m.await(ctx, u, 0); err != nil {
		return err
	}
	if _, err := p.lease.Put(ctx, u.block); err != nil {
		return err
	}
	rec := u.block.Cid()
	entry, stop := iter.Pull2(u.recipe.Chunks.All(ctx, p))
	defer stop()
	there := func(i int64, leaf cid.Cid) (bool, error) {
		e, err, ok := entry()
		if err == nil && !ok {
			err = &dag.CorruptError{CID: rec, Reason: "fewer chunks than leaves"}
		}
		if err == nil {
			err = m.await(ctx, u, i)
		}
		return err == nil && e.Chunk.Equals(leaf) && m.written(u, i), err
	}
	err := m.leaves(ctx, u, there, func(ctx context.Context, i int64, leaf cid.Cid) ([]byte, error) {
		data, err := p.n.store.Decode(ctx, rec, i)
		if err == nil {
			err = dag.Check(leaf, data)
		}
		if err != nil && ctx.Err() == nil && (ignoreDamage(err) == nil || errors.Is(err, codec.ErrUnknown) || errors.Is(err, store.ErrTooDeep)) {
			err = &wrongRecipe{u, err}
		}
		return data, err
	})
	if _, wrong := errors.AsType[*wrongRecipe](err); wrong {
		return err
	}
	if _, corrupt := errors.AsType[*dag.CorruptError](err); corrupt && ctx.Err() == nil {
		// Also one of what is no tensor but a file of several.
		return &wrongRecipe{u, err}
	}
	if err != nil {
		return err
	}
	err = p.lease.AddRecipe(ctx, u.block, dag.LeavesOf(ctx, p, u.c.CID, u.c.Size))
	if errors.Is(err, store.ErrTooDeep) || errors.Is(err, store.ErrCircle) {
		err = &wrongRecipe{u, err}
	}
	return err
}

// plain takes the leaves of u as they are: from the store, where they are parts
// of something else, or from a peer that knows no recipe. They are encoded here.
func (m *moving) plain(ctx context.Context, u *unit) error {
	p := m.p
	results := make([]leafResult, dag.Leaves(u.c.Size))
	dtype := tensor.Opaque
	if len(u.offers) > 0 { // a claim, which only says how to encode
		dtype = u.offers[0].recipe.DType
	}
	err := m.leaves(ctx, u, nil, func(ctx context.Context, i int64, leaf cid.Cid) ([]byte, error) {
		b, err := p.n.store.Get(ctx, leaf)
		if isAbsent(err) {
			if p.src == nil {
				return nil, errOffline
			}
			if b, err = p.src.Get(ctx, leaf); err == nil {
				m.progress(int64(len(b.RawData())))
			}
		}
		if err != nil {
			return nil, err
		}
		data := b.RawData()
		if len(data) != dag.LeafSize(u.c.Size, i) {
			return nil, &dag.CorruptError{CID: leaf, Reason: fmt.Sprintf("a leaf of %d bytes where %d belong", len(data), dag.LeafSize(u.c.Size, i))}
		}
		e, err := p.n.encode(ctx, p.lease, codec.Fast, form{dtype: dtype}, nil, i, data, leaf)
		results[i] = leafResult{leaf: dag.Child{CID: leaf, Size: int64(len(data)), DagSize: uint64(len(data))}, entry: e}
		return data, err
	})
	if err != nil {
		return err
	}
	return p.n.addRecipe(ctx, p.lease, u.c, dtype, nil, results)
}

// deliverHere writes a unit that was here.
func (m *moving) deliverHere(ctx context.Context, u *unit) error {
	if len(u.places) == 0 || u.c.Size == 0 {
		return m.finished(u)
	}
	if !u.writes() {
		return m.finished(u) // nothing is written, and it was checked when it came
	}
	return m.leaves(ctx, u, nil, func(ctx context.Context, _ int64, leaf cid.Cid) ([]byte, error) {
		b, err := m.p.n.store.Get(ctx, leaf)
		if err != nil {
			if ignoreDamage(err) == nil {
				err = &localDamage{u, err}
			}
			return nil, err
		}
		return b.RawData(), nil
	})
}

// leaves calls get for every leaf of u, on all cores, and writes what it
// returns to u's places. Leaves that there, which is called in order, knows to be
// there are passed over; nil: none are.
func (m *moving) leaves(ctx context.Context, u *unit, there func(i int64, leaf cid.Cid) (bool, error), get func(ctx context.Context, i int64, leaf cid.Cid) ([]byte, error)) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	i := int64(-1)
	for leaf, err := range dag.LeavesOf(gctx, m.p, u.c.CID, u.c.Size) {
		i++
		done := false
		if err == nil && there != nil {
			done, err = there(i, leaf)
		}
		if err != nil {
			return errors.Join(g.Wait(), err)
		}
		if gctx.Err() != nil {
			break
		}
		if done {
			continue
		}
		at := i
		g.Go(func() error {
			data, err := get(gctx, at, leaf)
			if err != nil {
				return err
			}
			return u.write(data, at)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return m.finished(u)
}

// finished tells u's files that it is written.
func (m *moving) finished(u *unit) error {
	for _, pl := range u.places {
		if err := pl.file.finishPart(); err != nil {
			return err
		}
	}
	return nil
}

// from returns who offered the recipe that u was to be rebuilt by.
func (u *unit) from() (peer.ID, bool) {
	for _, o := range u.offers {
		if u.block != nil && o.block.Cid().Equals(u.block.Cid()) {
			return o.from, true
		}
	}
	return "", false
}
