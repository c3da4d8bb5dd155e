package node

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
	"github.com/zipnode/zipnode/store"
)

// remember notes the damage that a verify found and nothing mended. One of the
// whole store knows all there is; one of a model, or one that was interrupted,
// adds to what was known.
func (n *Node) remember(found []Damage, whole bool) error {
	n.damageMu.Lock()
	defer n.damageMu.Unlock()
	var list []store.KnownDamage
	now := time.Now().UTC()
	for _, d := range found {
		if d.CID != "" && !d.Repaired {
			list = append(list, store.KnownDamage{CID: d.CID, Where: d.Where, Reason: d.Reason, Models: d.Models, Found: now})
		}
	}
	known, err := n.store.Damaged()
	if err != nil || len(known)+len(list) == 0 {
		return err
	}
	for _, d := range known {
		i := slices.IndexFunc(found, func(f Damage) bool { return f.CID == d.CID })
		if i < 0 && !whole {
			list = append(list, d)
		}
		for k := range list { // it was found before
			if list[k].CID == d.CID {
				list[k].Found = d.Found
			}
		}
	}
	return errors.Join(n.store.RememberDamage(list), n.store.Flush())
}

// unmended returns damage as nobody needed it and nothing mended it.
func unmended(damage []store.Damage) []Damage {
	var out []Damage
	for _, d := range damage {
		if d.CID.Defined() {
			out = append(out, Damage{CID: d.CID.String(), Where: d.Where, Reason: d.Reason})
		}
	}
	return out
}

// damaged returns the damage that is known, without blocks that are here again.
func (n *Node) damaged() ([]store.KnownDamage, error) {
	known, err := n.store.Damaged()
	var out []store.KnownDamage
	for _, d := range known {
		c, cidErr := cid.Decode(d.CID)
		if cidErr != nil {
			continue
		}
		here, hasErr := n.store.HasReal(c)
		if err = errors.Join(err, hasErr); !here {
			out = append(out, d)
		}
	}
	return out, err
}

// damagedModels returns the names, or CIDs of those without, of models that need
// what is damaged.
func (n *Node) damagedModels() (map[string]bool, error) {
	known, err := n.damaged()
	bad := map[string]bool{}
	for _, d := range known {
		for _, m := range d.Models {
			bad[m] = true
		}
	}
	return bad, err
}

// mends are the operations that may bring back what was damaged, or take away
// what needs it.
var mends = map[string]bool{"add": true, "get": true, "seed": true, "import": true, "rm": true, "pin.rm": true, "repack": true, "gc": true}

// lookAgain forgets damage that op mended: blocks that are here again, and those
// that no model needs any more, as it has its tensors in another form.
func (n *Node) lookAgain(ctx context.Context, op string) error {
	if !mends[op] {
		return nil
	}
	n.damageMu.Lock()
	defer n.damageMu.Unlock()
	known, err := n.store.Damaged()
	if err != nil || len(known) == 0 {
		return err
	}
	left, err := n.damaged()
	if err != nil {
		return err
	}
	if left, err = n.needed(ctx, left); err != nil || len(left) == len(known) {
		return err
	}
	return errors.Join(n.store.RememberDamage(left), n.store.Flush())
}

// needed returns those of list that a pinned model needs.
func (n *Node) needed(ctx context.Context, list []store.KnownDamage) ([]store.KnownDamage, error) {
	want := map[cid.Cid]bool{}
	raw := func(d store.KnownDamage) cid.Cid { return dag.AsRaw(cid.MustParse(d.CID)) }
	for _, d := range list {
		want[raw(d)] = true
	}
	models, err := n.models()
	if err != nil || len(want) == 0 {
		return nil, err
	}
	found := map[cid.Cid]bool{}
	for _, m := range models {
		f := needFinder{n: n, want: want}
		if err := f.find(ctx, m.c); err != nil {
			return nil, err
		}
		for c := range f.found {
			found[c] = true
		}
	}
	return slices.DeleteFunc(list, func(d store.KnownDamage) bool { return !found[raw(d)] }), nil
}
