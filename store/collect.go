package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// Collected says what a collect did, or would do.
type Collected struct {
	Blocks int   // removed
	Kept   int   // blocks that remain
	Freed  int64 // bytes by which the packs shrank
	Leased int64 // bytes kept only for an operation that runs, or was interrupted in the last 24 hours
}

// CollectOptions say how far a collect goes.
type CollectOptions struct {
	DryRun      bool
	Interrupted bool // collect also what interrupted operations left
}

// A pack is rewritten when a sixteenth of it is dead, and a small one when
// anything is: then what a collect says it frees is what it frees.
const (
	deadShare = 16
	smallPack = 64 << 20
)

func worthRewriting(size, dead int64) bool {
	return dead > 0 && (size <= smallPack || dead*deadShare >= size)
}

// Collect removes what nothing keeps: it marks from pins and leases through
// models, tensors, recipes in use and bases, removes the rest from the index,
// and rewrites packs that are mostly dead.
//
// What a lease found or wrote meanwhile stays. A crash at any instant loses
// nothing that is kept.
func (s *Store) Collect(ctx context.Context, o CollectOptions) (Collected, error) {
	if o.Interrupted && !o.DryRun {
		s.dropLeft()
	}
	m := newMarker(s)
	if err := m.pins(ctx); err != nil {
		return Collected{}, err
	}
	if err := m.leases(ctx); err != nil {
		return Collected{}, err
	}
	before := s.Bytes()
	res, err := s.sweep(ctx, m, o)
	if err != nil || o.DryRun {
		return res, err
	}
	if err := s.Flush(); err != nil {
		return res, err
	}
	if err := s.shrink(ctx); err != nil {
		return res, err
	}
	res.Freed = max(0, before-s.Bytes())
	return res, s.compactJournal()
}

// dropLeft ends the leases that no running operation holds.
func (s *Store) dropLeft() {
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	for id := range s.leases.left {
		if _, runs := s.leases.open[id]; !runs {
			delete(s.leases.left, id)
			s.index.delete(leaseKey(id))
		}
	}
}

// A marker collects what is kept. A block may be marked as a chunk before it is
// visited as a node or tensor, so each kind of visit has a set of its own.
type marker struct {
	s       *Store
	blocks  map[digest]struct{}
	nodes   map[tensorID]struct{}
	tensors map[tensorID]struct{}
	recipes map[digest]struct{}
	strict  bool // what does not read is an error: below it nothing could be marked
}

func newMarker(s *Store) *marker {
	return &marker{
		s: s, blocks: map[digest]struct{}{}, nodes: map[tensorID]struct{}{},
		tensors: map[tensorID]struct{}{}, recipes: map[digest]struct{}{},
	}
}

func (m *marker) block(d digest) { m.blocks[d] = struct{}{} }

// first tells whether k is new to set, and adds it.
func first[K comparable](set map[K]struct{}, k K) bool {
	if _, ok := set[k]; ok {
		return false
	}
	set[k] = struct{}{}
	return true
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
			return fmt.Errorf("nothing was collected, for what the pinned model %s needs cannot be told: %w: 'zipnode verify' mends it from a peer", root, err)
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
	if !first(m.nodes, idOf(c)) {
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

// tensor marks what rebuilds d by its recipe in use, if d is a tensor.
func (m *marker) tensor(ctx context.Context, d tensorID) error {
	t, ok, err := m.s.tensor(d)
	if err != nil || !first(m.tensors, d) {
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
	if !first(m.recipes, d) {
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
	m.s.leases.mu.Lock()
	var found []cid.Cid
	for _, l := range m.s.leases.open {
		l.mu.Lock()
		for _, c := range l.kept {
			found = append(found, c)
		}
		l.mu.Unlock()
	}
	m.s.leases.mu.Unlock()
	for _, c := range found {
		if err := m.node(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// oldest returns where the oldest lease began to write; with running only those
// of operations that run count.
func (s *Store) oldest(running bool) (place, bool) {
	s.leases.mu.Lock()
	defer s.leases.mu.Unlock()
	var first place
	any := false
	for id, l := range s.leases.left {
		if _, open := s.leases.open[id]; !open && (running || time.Now().After(l.until)) {
			continue
		}
		if !any || l.from.less(first) {
			first, any = l.from, true
		}
	}
	return first, any
}

// sweep removes from the index what m did not mark and no lease keeps. While it
// runs, nobody comes to rely on a block.
func (s *Store) sweep(ctx context.Context, m *marker, o CollectOptions) (Collected, error) {
	var res Collected
	s.sweepMu.Lock()
	defer s.sweepMu.Unlock()
	s.useMu.Lock()
	defer s.useMu.Unlock()
	// What was found, put to use or pinned since the first marking. Leases first:
	// one that ended by now had pinned before.
	if err := m.leases(ctx); err != nil {
		return res, err
	}
	if err := m.pins(ctx); err != nil {
		return res, err
	}
	from, leased := s.oldest(o.Interrupted)
	if leased {
		if err := m.since(ctx, from); err != nil {
			return res, err
		}
	}
	kept := map[uint32]int64{} // bytes of sections that stay, by pack
	var dead, live []digest    // live: kept by place alone
	err := s.index.scan(key(tabBlock), func(k, v []byte) (bool, error) {
		d := digest(k[1:])
		p, err := decodePlace(v)
		if err != nil {
			return false, err
		}
		_, marked := m.blocks[d]
		switch {
		case marked:
			res.Kept++
			kept[p.pack] += p.section()
		case leased && !p.less(from):
			res.Kept++
			res.Leased += int64(p.length)
			kept[p.pack] += p.section()
			live = append(live, d)
		default:
			res.Blocks++
			dead = append(dead, d)
		}
		return true, ctx.Err()
	})
	if err != nil {
		return res, err
	}
	if o.DryRun {
		res.Freed, err = s.shrinkable(kept)
		return res, err
	}
	for _, d := range live {
		m.block(d)
	}
	if err := s.sweepTensors(ctx, m); err != nil {
		return res, err
	}
	for _, d := range dead {
		s.index.delete(key(tabBlock, d[:]))
	}
	s.leaves.clear()
	s.recipes.clear()
	return res, s.sweepRoots()
}

// since marks what the recipes written at from or later need: chunks and bases
// that the operation found, and that only its lease, in memory, kept.
func (m *marker) since(ctx context.Context, from place) error {
	var recipes []digest
	err := m.s.index.scan(key(tabBlock), func(k, v []byte) (bool, error) {
		p, err := decodePlace(v)
		if err == nil && p.codec == cid.DagCBOR && !p.less(from) {
			recipes = append(recipes, digest(k[1:]))
		}
		return true, errors.Join(err, ctx.Err())
	})
	if err != nil {
		return err
	}
	for _, d := range recipes {
		r, err := m.s.recipe(d)
		if err != nil {
			continue // a packing or a page, or damaged
		}
		if err := m.recipe(ctx, d); err != nil {
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

// sweepTensors removes ways, recipes and tensors whose blocks go.
func (s *Store) sweepTensors(ctx context.Context, m *marker) error {
	kept := func(d digest) bool { _, ok := m.blocks[d]; return ok }
	err := s.index.scan(key(tabWay), func(k, _ []byte) (bool, error) {
		if w, ok := parseWay(k); !ok || !kept(w.recipe) {
			s.index.delete(k)
		}
		return true, ctx.Err()
	})
	if err != nil {
		return err
	}
	err = s.index.scan(key(tabRecipe), func(k, _ []byte) (bool, error) {
		if len(k) != 66 || !kept(digest(k[34:])) {
			s.index.delete(k)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	gone := map[digest]bool{}
	err = s.index.scan(key(tabTensor), func(k, v []byte) (bool, error) {
		t, err := decodeTensor(tensorID(k[1:]), v)
		if err == nil && !kept(t.recipe) {
			gone[digest(t.of[:32])] = true
			s.index.delete(k)
		}
		return true, err
	})
	if err != nil {
		return err
	}
	for d := range gone {
		s.index.delete(key(tabSample, d[:]))
		s.index.delete(key(tabLabel, d[:]))
	}
	return s.index.scan(key(tabGroup), func(k, _ []byte) (bool, error) {
		if len(k) > 32 && gone[digest(k[len(k)-32:])] {
			s.index.delete(k)
		}
		return true, nil
	})
}

// sweepRoots forgets models that nothing pins, and names of models forgotten.
func (s *Store) sweepRoots() error {
	pins, err := s.Pins()
	if err != nil {
		return err
	}
	models, err := s.Models()
	if err != nil {
		return err
	}
	var ch Change
	for _, m := range models {
		c, err := cid.Decode(m.CID)
		if err != nil {
			return err
		}
		if _, pinned := pins[c]; !pinned {
			ch.Forget = append(ch.Forget, c)
		}
	}
	names, err := s.Names()
	if err != nil {
		return err
	}
	for name, c := range names {
		if slices.ContainsFunc(ch.Forget, c.Equals) {
			ch.Unname = append(ch.Unname, name)
		}
	}
	if len(ch.Forget) == 0 {
		return nil
	}
	return s.apply(ch)
}

// section returns the bytes of p's section in its pack.
func (p place) section() int64 {
	return int64(len(dag.CARSection(digest{}.cid(p.codec), int(p.length)))) + int64(p.length)
}

// numbers returns the numbers of the packs, in order.
func (s *Store) numbers() []uint32 {
	s.packMu.RLock()
	defer s.packMu.RUnlock()
	return slices.Sorted(maps.Keys(s.packs))
}

// shrinkable returns how many bytes shrink would free if only live, by pack,
// stayed.
func (s *Store) shrinkable(live map[uint32]int64) (int64, error) {
	total := int64(0)
	for _, n := range s.numbers() {
		size, err := s.pack(n).size()
		if err != nil {
			return 0, err
		}
		if dead := size - int64(len(carHeader)) - live[n]; worthRewriting(size, dead) {
			total += dead
		}
	}
	return total, nil
}

// shrink rewrites the packs of which much is dead: live blocks move to the end
// of the last pack, the index follows, the old pack goes.
func (s *Store) shrink(ctx context.Context) error {
	live := map[uint32]int64{}
	err := s.index.scan(key(tabBlock), func(_, v []byte) (bool, error) {
		p, err := decodePlace(v)
		live[p.pack] += p.section()
		return true, err
	})
	if err != nil {
		return err
	}
	for _, n := range s.numbers() {
		size, err := s.pack(n).size()
		if err != nil {
			return err
		}
		if dead := size - int64(len(carHeader)) - live[n]; worthRewriting(size, dead) {
			if err := s.rewrite(ctx, n); err != nil {
				return fmt.Errorf("rewrite %s: %w", packName(n), err)
			}
		}
	}
	return nil
}

// rewrite moves what lives of pack n to the end of the last pack, and removes n.
func (s *Store) rewrite(ctx context.Context, n uint32) error {
	s.appendMu.Lock()
	if n == s.last { // so that nothing is appended to it any more
		if err := s.roll(); err != nil {
			s.appendMu.Unlock()
			return err
		}
	}
	s.appendMu.Unlock()
	blocks, err := s.blocksOf(ctx, n)
	if err != nil {
		return err
	}
	for _, b := range blocks {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.move(b.d, b.at); err != nil {
			return err
		}
	}
	if err := s.Flush(); err != nil {
		return err
	}
	return s.removePack(n)
}

// A located is a block and its place.
type located struct {
	d  digest
	at place
}

// blocksOf returns the blocks that lie in pack n, in order.
func (s *Store) blocksOf(ctx context.Context, n uint32) ([]located, error) {
	var out []located
	err := s.index.scan(key(tabBlock), func(k, v []byte) (bool, error) {
		p, err := decodePlace(v)
		if err == nil && p.pack == n {
			out = append(out, located{digest(k[1:]), p})
		}
		return true, errors.Join(err, ctx.Err())
	})
	slices.SortFunc(out, func(a, b located) int {
		if a.at.less(b.at) {
			return -1
		}
		return 1
	})
	return out, err
}

// move copies block d to the end of the last pack. A damaged one stays behind:
// the index forgets it.
func (s *Store) move(d digest, at place) error {
	data, codec, err := s.read(nil, d)
	if err == nil {
		err = dag.Check(d.cid(codec), data)
	}
	if skip, err := absent(err); err != nil {
		return err
	} else if skip {
		s.index.delete(key(tabBlock, d[:]))
		return nil
	}
	s.appendMu.Lock()
	defer s.appendMu.Unlock()
	if now, ok, err := s.find(d); err != nil || !ok || now != at {
		return err // removed, or moved, meanwhile
	}
	quota := s.quota
	s.quota = 0 // the old copy goes: for a moment there are two
	defer func() { s.quota = quota }()
	_, err = s.append(d, d.cid(codec), data)
	return err
}

// roll begins a new pack. appendMu is held.
func (s *Store) roll() error {
	number := s.last + 1
	f, err := s.fs.Create(packName(number))
	if err != nil {
		return err
	}
	if _, err := f.Write(carHeader); err != nil {
		return errors.Join(err, f.Close(), s.fs.Remove(packName(number)))
	}
	if err := s.fs.SyncDir("packs"); err != nil {
		return errors.Join(err, f.Close())
	}
	s.packMu.Lock()
	s.packs[number] = &pack{number: number, file: f}
	s.last = number
	s.total += int64(len(carHeader))
	s.packMu.Unlock()
	s.unsynced[number] += int64(len(carHeader))
	return nil
}

// removePack removes pack n, of which nothing is indexed any more.
func (s *Store) removePack(n uint32) error {
	s.packMu.Lock()
	p := s.packs[n]
	delete(s.packs, n)
	s.packMu.Unlock()
	size, err := p.size()
	if err != nil {
		return err
	}
	s.packMu.Lock()
	s.total -= size
	s.packMu.Unlock()
	s.appendMu.Lock()
	delete(s.unsynced, n)
	s.appendMu.Unlock()
	return errors.Join(p.close(), s.fs.Remove(packName(n)), s.fs.SyncDir("packs"))
}
