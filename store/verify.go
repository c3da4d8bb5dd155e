package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"

	"github.com/ipfs/go-cid"
	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/dag"
)

// A Damage is a block that is corrupt or missing, or a run of a pack's bytes
// that belongs to no block and does not read.
type Damage struct {
	CID    cid.Cid // Undef for bytes of no block
	Where  string
	Reason string
}

// notThere is where a missing block is.
const notThere = "index"

// Missing tells whether the block is missing, and was not found damaged.
func (d Damage) Missing() bool { return d.Where == notThere }

// Verified says what a verify read.
type Verified struct {
	Blocks int
	Bytes  int64
	Leaves int // decoded and checked
	Damage []Damage
}

// Verify reads every byte of every pack, decodes every leaf, and checks all of
// it against its CIDs. A corrupt block is set aside: the index forgets it, so
// that it can be put again, and its pack is rewritten without it. With models
// it reads only what these need. progress, if not nil, is called with the bytes
// read so far and their total.
func (s *Store) Verify(ctx context.Context, models []cid.Cid, progress func(done, total int64)) (Verified, error) {
	if err := s.Flush(); err != nil {
		return Verified{}, err
	}
	s.leaves.clear()
	s.recipes.clear()
	v := &verifier{s: s, progress: progress, total: s.Bytes(), bad: map[digest]bool{}}
	if len(models) > 0 {
		v.only = newMarker(s)
		for _, c := range models {
			if err := v.only.root(ctx, c); err != nil {
				return v.res, err
			}
		}
	}
	if err := v.packs(ctx); err != nil {
		return v.res, err
	}
	if err := v.ways(ctx); err != nil {
		return v.res, err
	}
	if err := v.roots(ctx, models); err != nil {
		return v.res, err
	}
	s.leaves.clear()
	s.recipes.clear()
	return v.res, s.Flush()
}

type verifier struct {
	s        *Store
	progress func(done, total int64)
	total    int64
	only     *marker // nil: everything

	mu     sync.Mutex
	done   int64
	res    Verified
	bad    map[digest]bool // blocks found damaged or missing
	unread []unreadBlock   // of the pack at hand
}

// skips tells whether block d is none of those that are verified.
func (v *verifier) skips(d digest) bool {
	return v.only != nil && !v.only.kept(d)
}

func (v *verifier) damage(d Damage) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if d.CID.Defined() {
		if v.bad[digestOf(d.CID)] {
			return
		}
		v.bad[digestOf(d.CID)] = true
	}
	v.res.Damage = append(v.res.Damage, d)
}

func (v *verifier) read(n int64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.done += n
	if v.progress != nil {
		v.progress(v.done, v.total)
	}
}

// packs checks every byte of the packs: each section's head and data, and what
// lies between the sections that the index knows.
func (v *verifier) packs(ctx context.Context) error {
	s := v.s
	if err := v.lostPacks(ctx); err != nil {
		return err
	}
	for _, n := range s.numbers() {
		damaged, err := v.pack(ctx, n)
		if err != nil {
			return fmt.Errorf("verify %s: %w", packName(n), err)
		}
		if damaged {
			if err := s.rewrite(ctx, n); err != nil {
				return fmt.Errorf("rewrite %s: %w", packName(n), err)
			}
		}
	}
	return nil
}

// lostPacks sets aside the blocks of packs that are gone.
func (v *verifier) lostPacks(ctx context.Context) error {
	here := v.s.numbers()
	return v.s.index.scan(key(tabBlock), func(k, val []byte) (bool, error) {
		p, err := decodePlace(val)
		if err != nil {
			return false, err
		}
		if d := digest(k[1:]); !slices.Contains(here, p.pack) && !v.skips(d) {
			v.setAside(d, Damage{CID: d.cid(p.codec), Where: packName(p.pack), Reason: "the pack is gone"})
		}
		return true, ctx.Err()
	})
}

func (v *verifier) pack(ctx context.Context, n uint32) (damaged bool, err error) {
	p := v.s.pack(n)
	size, err := p.size()
	if err != nil {
		return false, err
	}
	blocks, err := v.s.blocksOf(ctx, n)
	if err != nil {
		return false, err
	}
	before := len(v.res.Damage)
	v.unread = nil
	head := make([]byte, min(size, int64(len(carHeader))))
	if err := p.readAt(head, 0); err != nil && err != io.EOF {
		return false, err
	}
	if !bytes.Equal(head, carHeader) {
		v.damage(Damage{Where: packName(n) + " offset 0", Reason: "the CAR header is damaged"})
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	at := int64(len(carHeader))
	for _, b := range blocks {
		if v.skips(b.d) {
			continue
		}
		start := int64(b.at.offset) - int64(len(dag.CARSection(b.d.cid(b.at.codec), int(b.at.length))))
		if start > at && v.only == nil {
			v.gap(p, at, start)
		}
		at = int64(b.at.offset) + int64(b.at.length)
		g.Go(func() error { return v.section(gctx, p, b, start) })
	}
	if err := g.Wait(); err != nil {
		return false, err
	}
	if err := v.setUnreadAside(); err != nil {
		return false, err
	}
	if at < size && v.only == nil {
		v.gap(p, at, size)
	}
	return len(v.res.Damage) > before, nil
}

// section checks one block and its section's head.
func (v *verifier) section(ctx context.Context, p *pack, b located, start int64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := b.d.cid(b.at.codec)
	where := b.at.name()
	if b.at.length > dag.MaxBlock {
		v.setAside(b.d, Damage{CID: c, Where: where, Reason: "its index entry is damaged"})
		return nil
	}
	buf := v.s.buffers.Get().(*[]byte)
	defer v.s.buffers.Put(buf)
	want := dag.CARSection(c, int(b.at.length))
	n := len(want) + int(b.at.length)
	data := append((*buf)[:0], make([]byte, n)...)
	*buf = data[:0]
	switch err := readTried(p, data, start); {
	case badSector(err):
		v.mu.Lock()
		defer v.mu.Unlock()
		v.unread = append(v.unread, unreadBlock{b, err})
		return nil
	case errors.Is(err, io.EOF):
		v.setAside(b.d, Damage{CID: c, Where: where, Reason: "the pack ends before it"})
		return nil
	case err != nil:
		return err
	}
	if dag.Check(c, data[len(want):]) != nil {
		v.setAside(b.d, Damage{CID: c, Where: where, Reason: "its bytes have another hash"})
	} else if !bytes.Equal(data[:len(want)], want) {
		// The block itself is whole: rewriting the pack mends this.
		v.damage(Damage{Where: fmt.Sprintf("%s offset %d", packName(p.number), start), Reason: "the head of block " + c.String() + " is damaged; the block is whole, and was written anew"})
	}
	v.mu.Lock()
	v.res.Blocks++
	v.res.Bytes += int64(n)
	v.mu.Unlock()
	v.read(int64(n))
	return nil
}

// setAside makes the index forget a damaged block.
func (v *verifier) setAside(d digest, dm Damage) {
	v.s.index.delete(key(tabBlock, d[:]))
	v.damage(dm)
}

// gap checks bytes that hold no live block: dead ones, which a collect has not
// removed yet. Where they do not read, a rebuild of the index would stumble.
func (v *verifier) gap(p *pack, from, to int64) {
	part := &pack{number: p.number, file: windowFile{p.file, to}}
	end, err := part.scan(from, func(section) error { return nil }, func(a, b int64) {
		v.damage(Damage{Where: fmt.Sprintf("%s offset %d", packName(p.number), a), Reason: droppedBytes})
	})
	if err != nil || end < to {
		v.damage(Damage{Where: fmt.Sprintf("%s offset %d", packName(p.number), end), Reason: droppedBytes})
	}
	v.read(to - from)
}

const droppedBytes = "bytes that belong to no block are damaged; they were dropped"

// A windowFile is the first size bytes of a file.
type windowFile struct {
	File
	size int64
}

func (w windowFile) Size() (int64, error) { return w.size, nil }

// ways decodes every leaf by every way.
func (v *verifier) ways(ctx context.Context) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	err := v.s.index.scan(key(tabWay), func(k, _ []byte) (bool, error) {
		w, ok := parseWay(k)
		if !ok {
			v.s.index.delete(k)
			return true, nil
		}
		if v.skips(w.recipe) {
			return true, nil
		}
		leaf := digest(k[1:33]).cid(cid.Raw)
		g.Go(func() error { return v.way(gctx, leaf, w) })
		return true, gctx.Err()
	})
	return errors.Join(g.Wait(), err)
}

func (v *verifier) way(ctx context.Context, leaf cid.Cid, w leafKey) error {
	_, err := v.s.checked(ctx, w, leaf)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err == nil {
		v.mu.Lock()
		v.res.Leaves++
		v.mu.Unlock()
		return nil
	}
	reason := err.Error()
	r, err := v.s.recipe(w.recipe)
	if err != nil {
		v.damage(Damage{CID: w.recipe.cid(cid.DagCBOR), Where: notThere, Reason: "a recipe is missing"})
		return nil
	}
	e, err := v.s.entry(ctx, w.recipe, r, w.i)
	if err != nil {
		v.damage(Damage{CID: w.recipe.cid(cid.DagCBOR), Where: notThere, Reason: "a page of a recipe is missing: " + err.Error()})
		return nil
	}
	_, here, err := v.s.find(digestOf(e.Chunk))
	if err != nil {
		return err
	}
	if !here {
		v.damage(Damage{CID: e.Chunk, Where: notThere, Reason: "a chunk is missing"})
		return nil
	}
	if here, err := v.s.hasSide(r); err != nil {
		return err
	} else if !here {
		v.damage(Damage{CID: r.Side, Where: notThere, Reason: "a side block is missing"})
		return nil
	}
	if v.behindBad(r, map[tensorID]bool{}) {
		return nil // its base's own chunks are named
	}
	v.damage(Damage{CID: leaf, Where: fmt.Sprintf("leaf %d of tensor %s", w.i, r.Of), Reason: reason})
	return nil
}

// behindBad tells whether a chunk of a base of r, or of a base of that, is
// missing, or a side block.
func (v *verifier) behindBad(r *dag.Recipe, seen map[tensorID]bool) bool {
	for _, b := range r.Bases {
		d := idOf(b.Of)
		if seen[d] {
			continue
		}
		seen[d] = true
		t, ok, err := v.s.tensor(d)
		if err != nil || !ok {
			return true
		}
		base, err := v.s.recipe(t.recipe)
		if err != nil || v.behindBad(base, seen) {
			return true
		}
		if here, err := v.s.hasSide(base); err != nil || !here {
			return true
		}
		for e, err := range base.Chunks.All(context.Background(), realGetter{v.s}) {
			if err != nil {
				return true
			}
			if _, here, err := v.s.find(digestOf(e.Chunk)); err != nil || !here {
				return true
			}
		}
	}
	return false
}

// roots checks that everything under each pinned model is here.
func (v *verifier) roots(ctx context.Context, models []cid.Cid) error {
	seen := map[cid.Cid]bool{}
	for _, c := range models {
		if err := v.node(ctx, c, seen); err != nil {
			return err
		}
	}
	if len(models) > 0 {
		return nil
	}
	pins, err := v.s.Pins()
	if err != nil {
		return err
	}
	for root, kind := range pins {
		if kind != PinModel {
			continue
		}
		if err := v.node(ctx, root, seen); err != nil {
			return err
		}
	}
	return nil
}

func (v *verifier) node(ctx context.Context, c cid.Cid, seen map[cid.Cid]bool) error {
	if seen[c] {
		return nil
	}
	seen[c] = true
	if c.Type() == cid.Raw {
		ok, err := v.s.Has(ctx, c)
		if err == nil && !ok {
			v.damage(Damage{CID: c, Where: notThere, Reason: "a leaf is missing"})
		}
		return err
	}
	b, err := v.s.real(c)
	if skip, err := absent(err); err != nil {
		return err
	} else if skip {
		v.damage(Damage{CID: c, Where: notThere, Reason: "a node is missing"})
		return nil
	}
	links, err := dag.Links(b)
	if err != nil {
		return err
	}
	for _, l := range links {
		if err := v.node(ctx, l, seen); err != nil {
			return err
		}
	}
	return nil
}
