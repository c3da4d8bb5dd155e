package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// A marker collects what is kept. A block may be marked as a chunk before it is
// visited as a node or tensor, so each kind of visit is noted for itself.
type marker struct {
	s      *Store
	seen   map[digest]visits
	strict bool // what does not read is an error: below it nothing could be marked

	unpinned bool // models without a pin are kept as well
	leased   bool // what is marked now, is for leases alone
}

// visits are how a block was met: one set of these takes half the memory of a
// set for each.
type visits uint8

const (
	asBlock visits = 1 << iota
	asNode         // and again, shifted by one, of a node over leaves: see tensorID
	_
	asTensor // the same
	_
	asRecipe
	forLease // a block that only leases keep
)

func newMarker(s *Store) *marker { return &marker{s: s, seen: map[digest]visits{}} }

// block marks d.
func (m *marker) block(d digest) {
	v := m.seen[d]
	if m.leased && v&asBlock == 0 {
		v |= forLease
	}
	m.seen[d] = v | asBlock
}

// kept tells whether d is marked.
func (m *marker) kept(d digest) bool { return m.seen[d]&asBlock != 0 }

// lent tells whether only leases keep d.
func (m *marker) lent(d digest) bool { return m.seen[d]&forLease != 0 }

// first tells whether d is visited so for the first time, and notes it.
func (m *marker) first(d digest, how visits) bool {
	v := m.seen[d]
	m.seen[d] = v | how
	return v&how == 0
}

// firstTensor is first of what id names.
func (m *marker) firstTensor(id tensorID, how visits) bool {
	return m.first(digest(id[:32]), how<<id[32])
}

func (m *marker) pins(ctx context.Context) error {
	pins, err := m.s.Pins()
	if err != nil {
		return err
	}
	for root, kind := range pins {
		m.strict = kind == PinModel
		err := m.root(ctx, root)
		m.strict = false
		if err != nil {
			return fmt.Errorf("nothing was collected, for what the pinned model %s needs cannot be told: %w: 'zipnode verify' mends it from a peer, 'zipnode rm' lets the model go", root, err)
		}
	}
	if !m.unpinned {
		return nil
	}
	models, err := m.s.Models()
	if err != nil {
		return err
	}
	for _, model := range models {
		c, err := cid.Decode(model.CID)
		if err == nil {
			err = m.root(ctx, c)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// skip tells whether err says that a block is missing or damaged, and that this
// is to be passed over.
func (m *marker) skip(err error) (bool, error) {
	skip, other := absent(err)
	if skip && m.strict {
		return false, err
	}
	return skip, other
}

// root marks a model: its nodes, its tensors, and its packing.
func (m *marker) root(ctx context.Context, c cid.Cid) error {
	if err := m.node(ctx, c); err != nil {
		return err
	}
	model, ok, err := m.s.Model(c)
	if err != nil || !ok || model.Packing == "" {
		return err
	}
	p, err := cid.Decode(model.Packing)
	if err != nil {
		return err
	}
	return m.packing(ctx, p)
}

// node marks the UnixFS node c, what is here under it, and the tensors that it
// or those are.
func (m *marker) node(ctx context.Context, c cid.Cid) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.block(digestOf(c))
	if !m.firstTensor(idOf(c), asNode) {
		return nil
	}
	if err := m.tensor(ctx, idOf(c)); err != nil {
		return err
	}
	if c.Type() != cid.DagProtobuf {
		return nil
	}
	b, err := m.s.real(c)
	if skip, err := m.skip(err); skip || err != nil {
		return err
	}
	links, err := dag.Links(b)
	if err != nil {
		return err
	}
	for _, l := range links {
		if err := m.node(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

// absent tells whether err says that a block is missing or damaged: there is
// nothing to keep under it, and verify reports it.
func absent(err error) (bool, error) {
	if _, bad := errors.AsType[*dag.CorruptError](err); bad || errors.Is(err, dag.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// unusable tells whether err says that a recipe is not here, or none, or may not
// be used. That a disk failed, or that one was told to stop, says nothing of it.
func unusable(err error) bool {
	_, failed := errors.AsType[*diskError](err)
	stopped := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	return err != nil && !failed && !stopped
}

// tensor marks what rebuilds d by its recipe in use, if d is a tensor.
func (m *marker) tensor(ctx context.Context, d tensorID) error {
	t, ok, err := m.s.tensor(d)
	if err != nil || !m.firstTensor(d, asTensor) {
		return err
	}
	if !ok {
		return m.suspended(ctx, d)
	}
	if err := m.recipe(ctx, t.recipe); err != nil {
		return err
	}
	for _, b := range t.Bases {
		// A base is kept with its nodes, so that it can be checked and served.
		if err := m.node(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// suspended marks what is left of a tensor that was set aside as damaged, so
// that mending it takes no more than what is missing.
func (m *marker) suspended(ctx context.Context, d tensorID) error {
	known, err := m.s.index.prefix(key(tabRecipe, d[:]), 8)
	if err != nil {
		return err
	}
	defer func(strict bool) { m.strict = strict }(m.strict)
	m.strict = false // it was found damaged before
	for _, p := range known {
		rec := digest(p.key[34:])
		if err := m.recipe(ctx, rec); err != nil {
			return err
		}
		r, err := m.s.recipe(rec)
		if skip, err := absent(err); err != nil {
			return err
		} else if skip {
			continue
		}
		for _, b := range r.Bases {
			if err := m.node(ctx, b.Of); err != nil {
				return err
			}
		}
	}
	return nil
}

// recipe marks recipe d, its pages, side block and chunks.
func (m *marker) recipe(ctx context.Context, d digest) error {
	m.block(d)
	if !m.first(d, asRecipe) {
		return nil
	}
	r, err := m.s.recipe(d)
	if skip, err := m.skip(err); skip || err != nil {
		return err
	}
	if r.Side.Defined() {
		m.block(digestOf(r.Side))
	}
	for _, p := range r.Chunks.Pages() {
		m.block(digestOf(p))
	}
	for e, err := range r.Chunks.All(ctx, realGetter{m.s}) {
		if err != nil {
			_, err := m.skip(err)
			return err
		}
		m.block(digestOf(e.Chunk))
	}
	return nil
}

func (m *marker) packing(ctx context.Context, c cid.Cid) error {
	defer func(strict bool) { m.strict = strict }(m.strict)
	m.strict = false // a packing is made anew where it is lost
	m.block(digestOf(c))
	b, err := m.s.real(c)
	if skip, err := absent(err); skip || err != nil {
		return err
	}
	p, err := dag.DecodePacking(b)
	if err != nil {
		_, err := absent(err)
		return err
	}
	for _, pages := range [][]cid.Cid{p.Nodes.Pages(), p.Files.Pages(), p.Recipes.Pages()} {
		for _, page := range pages {
			m.block(digestOf(page))
		}
	}
	for rec, err := range p.Recipes.All(ctx, realGetter{m.s}) {
		if err != nil {
			_, err := absent(err)
			return err
		}
		if err := m.recipe(ctx, digestOf(rec)); err != nil {
			return err
		}
	}
	return nil
}

// leases marks what the open leases found.
func (m *marker) leases(ctx context.Context) error {
	m.leased = true
	defer func() { m.leased = false }()
	m.s.leases.mu.Lock()
	var found []tensorID
	for _, l := range m.s.leases.open {
		l.mu.Lock()
		found = slices.Grow(found, len(l.kept))
		for id := range l.kept {
			found = append(found, id)
		}
		l.mu.Unlock()
	}
	m.s.leases.mu.Unlock()
	for _, id := range found {
		if err := m.node(ctx, id.cid()); err != nil {
			return err
		}
	}
	return nil
}

// within marks what the recipes that lie in leased need: chunks, bases and the
// nodes of their tensors that the operation found, and that only its lease, in
// memory, kept.
func (m *marker) within(ctx context.Context, leased spans) error {
	if len(leased) == 0 {
		return nil
	}
	m.leased = true
	defer func() { m.leased = false }()
	var recipes []digest
	err := m.s.index.scan(key(tabBlock), func(k, v []byte) (bool, error) {
		p, err := decodePlace(v)
		if err == nil && p.codec == cid.DagCBOR && leased.has(p) {
			recipes = append(recipes, digest(k[1:]))
		}
		return true, errors.Join(err, ctx.Err())
	})
	if err != nil {
		return err
	}
	for _, d := range recipes {
		r, err := m.s.recipe(d)
		if unusable(err) {
			continue // a packing or a page, or damaged
		}
		if err != nil {
			return err
		}
		if err := m.recipe(ctx, d); err != nil {
			return err
		}
		if err := m.node(ctx, r.Of); err != nil {
			return err
		}
		for _, b := range r.Bases {
			if err := m.node(ctx, b.Of); err != nil {
				return err
			}
		}
	}
	return nil
}
