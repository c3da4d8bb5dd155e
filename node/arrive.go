package node

import (
	"context"
	"errors"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/p2p"
)

// fetch brings the chunks of every unit that has a recipe.
func (m *moving) fetch(ctx context.Context) error {
	var of []*unit // by range number
	var genErr error
	ranges := func(yield func(p2p.Range) bool) {
		for _, u := range m.need {
			if u.recipe == nil {
				continue
			}
			rs, err := m.ranges(ctx, u)
			if err != nil {
				genErr = err
				return
			}
			for _, r := range rs {
				of = append(of, u)
				if !yield(r) {
					return
				}
			}
		}
	}
	if m.p.src == nil {
		for range ranges {
			return errOffline
		}
		return genErr
	}
	g, ctx := errgroup.WithContext(ctx)
	kept := make(chan keptChunk, keptAhead)
	g.Go(func() error {
		for k := range kept {
			if err := m.arrive(k); err != nil {
				return err
			}
		}
		return nil
	})
	g.Go(func() error {
		defer close(kept)
		for a, err := range m.p.src.Chunks(ctx, ranges) {
			if err != nil {
				return m.unprovided(ctx, errors.Join(err, genErr))
			}
			k := keptChunk{a, of[a.Range]}
			if err := m.keep(ctx, k); err != nil {
				return err
			}
			m.progress(int64(len(a.Block.RawData())))
			select {
			case kept <- k:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return genErr
	})
	return g.Wait()
}

// A keptChunk is a chunk of u that is in the store.
type keptChunk struct {
	p2p.Arrived
	u *unit
}

// whole tells whether the chunk is its leaf, without a frame: it is as long.
func (k keptChunk) whole() bool {
	return len(k.Block.RawData()) == dag.LeafSize(k.u.recipe.Size, int64(k.Index))
}

// keep puts the chunk into the store. What reads one that is in a file will read
// the file.
func (m *moving) keep(ctx context.Context, k keptChunk) error {
	put := m.p.lease.Put
	if k.whole() && k.u.writes() {
		put = m.p.lease.PutSpent
	}
	_, err := put(ctx, k.Block)
	return err
}

// keptAhead is how many of them wait to be written where they belong, while the
// next goes to a pack: each of the two writes is a copy into new memory, half of
// what a get takes.
const keptAhead = 2

// unprovided turns err, if it says that no peer has a chunk, into a wrongRecipe
// of the unit that lacks it: another recipe, or the leaves themselves, may do.
func (m *moving) unprovided(ctx context.Context, err error) error {
	missing, ok := errors.AsType[*p2p.MissingError](err)
	if !ok || ctx.Err() != nil {
		return err
	}
	for _, u := range m.need {
		if u.recipe == nil {
			continue
		}
		for e, entryErr := range u.recipe.Chunks.All(ctx, m.p) {
			if entryErr != nil {
				break
			}
			if e.Chunk.Equals(missing.Block) {
				return &wrongRecipe{u, err}
			}
		}
	}
	return err
}

func (m *moving) progress(n int64) {
	m.report(Progress{Stage: "fetch", Done: m.done.Add(n), Total: m.total})
}

// arrive notes that a chunk is here. One that is its leaf is written where it
// belongs, and need not be read and hashed again if it turns out to be the right
// one. If not, the file never gets its name.
func (m *moving) arrive(k keptChunk) error {
	defer k.Release()
	u, i, chunk := k.u, k.Index, k.Block.RawData()
	whole := k.whole()
	if whole {
		if err := u.write(chunk, int64(i)); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.coming[u]
	if whole && c.written == nil {
		c.written = make([]byte, len(c.missing))
	}
	if whole {
		c.written[i/8] |= 1 << (i % 8)
	}
	c.missing[i/8] &^= 1 << (i % 8)
	m.wake()
	return nil
}

// written tells whether chunk i of u was written where it belongs.
func (m *moving) written(u *unit, i int64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.coming[u]
	return c.written != nil && c.written[i/8]&(1<<(i%8)) != 0
}

// writes tells whether u goes to a file.
func (u *unit) writes() bool {
	return slices.ContainsFunc(u.places, func(pl place) bool { return pl.file.writes() })
}

// write puts leaf i of u in all its places.
func (u *unit) write(data []byte, i int64) error {
	for _, pl := range u.places {
		if err := pl.file.writeAt(data, pl.offset+i*dag.MaxLeaf); err != nil {
			return err
		}
	}
	return nil
}

// wake tells those who wait for chunks. The caller holds mu.
func (m *moving) wake() {
	close(m.arrived)
	m.arrived = make(chan struct{})
}

// await waits until chunk i of u is here.
func (m *moving) await(ctx context.Context, u *unit, i int64) error {
	for {
		m.mu.Lock()
		c, arrived := m.coming[u], m.arrived
		here := c.listed && (c.missing == nil || c.missing[i/8]&(1<<(i%8)) == 0)
		m.mu.Unlock()
		if here {
			return nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
