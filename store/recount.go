package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/zipnode/zipnode/dag"
)

// deepest is the greatest count of base leaves that the index can say.
const deepest = 255

// A recount is a change of recipes in use before it is made: what the index
// would say of each tensor, with how many base leaves would stand behind a leaf
// of it. useMu is held as long as there is one.
type recount struct {
	s    *Store
	next map[tensorID]Tensor // differs from the index
	open map[tensorID]bool   // true while its bases are being counted, false when they were
}

func newRecount(s *Store) *recount {
	return &recount{s: s, next: map[tensorID]Tensor{}, open: map[tensorID]bool{}}
}

// tensor returns what the index would say of tensor of.
func (c *recount) tensor(of tensorID) (Tensor, bool, error) {
	if t, ok := c.next[of]; ok {
		return t, true, nil
	}
	return c.s.tensor(of)
}

// down counts what stands behind tensor of, bases first, whatever the index
// says of them. It returns an error wrapping ErrCircle if they need it.
func (c *recount) down(ctx context.Context, of tensorID) error {
	if open, seen := c.open[of]; open {
		return fmt.Errorf("recipe of %s: %w", of.cid(), ErrCircle)
	} else if seen {
		return nil
	}
	c.open[of] = true
	defer func() { c.open[of] = false }()
	t, ok, err := c.tensor(of)
	if err != nil || !ok {
		return errors.Join(err, notHere(of, ok))
	}
	for _, b := range t.Bases {
		if err := c.down(ctx, idOf(b)); err != nil {
			return err
		}
	}
	_, err = c.count(ctx, t)
	return err
}

func notHere(of tensorID, ok bool) error {
	if ok {
		return nil
	}
	return fmt.Errorf("tensor %s: %w", of.cid(), dag.ErrNotFound)
}

// count sets the count of t from those of its bases, and tells whether it is
// another than the index has.
func (c *recount) count(ctx context.Context, t Tensor) (bool, error) {
	if err := ctx.Err(); err != nil {
		return false, err
	}
	n := 0
	if len(t.Bases) > 0 {
		r, err := c.s.recipe(t.recipe)
		if err != nil {
			return false, err
		}
		for _, b := range r.Bases {
			base, ok, err := c.tensor(idOf(b.Of))
			if err != nil || !ok {
				return false, errors.Join(err, notHere(idOf(b.Of), ok))
			}
			n = min(deepest, n+leavesTouched(r.Size, r.DType, b, base.Size)*(1+base.behind))
		}
	}
	if t.behind == n {
		return false, nil
	}
	t.behind = n
	c.next[t.of] = t
	return true, nil
}

// up counts anew what depends on the tensors of changed, directly or not. A
// dependant whose own recipe or other bases do not read is left as it is: it
// cannot be decoded anyhow.
func (c *recount) up(ctx context.Context, changed []tensorID) error {
	for len(changed) > 0 {
		of := changed[len(changed)-1]
		changed = changed[:len(changed)-1]
		visit := func(t Tensor) error {
			if now, ok := c.next[t.of]; ok {
				t = now
			}
			if !t.needs(of) {
				return nil
			}
			other, err := c.count(ctx, t)
			if skip, err := absent(err); skip || err != nil {
				return err
			}
			if other {
				changed = append(changed, t.of)
			}
			return nil
		}
		if err := c.s.dependants(of, visit); err != nil {
			return err
		}
		// Those that would need it, and do not yet, were counted on the way down.
	}
	return nil
}

// tooDeep returns an error wrapping ErrTooDeep if the change would put more
// behind a tensor than decoding may cost.
func (c *recount) tooDeep() error {
	for of, t := range c.next {
		if t.behind > maxBehind {
			return fmt.Errorf("recipe of %s: %w", of.cid(), ErrTooDeep)
		}
	}
	return nil
}

// write makes the change.
func (c *recount) write() {
	for _, t := range c.next {
		c.s.putTensor(t)
	}
}
