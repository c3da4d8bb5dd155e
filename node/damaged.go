package node

import (
	"cmp"
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
	known, err := n.store.Damaged()
	if err != nil || len(known)+len(found) == 0 {
		return err
	}
	first := map[string]time.Time{} // when it was found
	var over, list []store.KnownDamage
	for _, d := range known {
		first[d.CID] = d.Found
		if whole || slices.ContainsFunc(found, func(f Damage) bool { return f.CID == d.CID }) {
			over = append(over, d)
		}
	}
	now := time.Now().UTC()
	for _, d := range found {
		if d.CID != "" && !d.Repaired {
			list = append(list, store.KnownDamage{CID: d.CID, Where: d.Where, Reason: d.Reason, Models: d.Models, Found: cmp.Or(first[d.CID], now)})
		}
	}
	return errors.Join(n.store.ForgetDamage(over...), n.store.RememberDamage(list...), n.store.Flush())
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
func (n *Node) damaged(ctx context.Context) ([]store.KnownDamage, error) {
	n.damageMu.Lock()
	defer n.damageMu.Unlock()
	return n.stillDamaged(ctx)
}

// stillDamaged is damaged, with damageMu held. Of what reads met since the last
// time it looks which models need it.
func (n *Node) stillDamaged(ctx context.Context) ([]store.KnownDamage, error) {
	known, err := n.store.Damaged()
	if err != nil {
		return nil, err
	}
	var out []store.KnownDamage
	met := false
	for _, d := range known {
		mended, err := n.store.Mended(d)
		if err != nil {
			return nil, err
		}
		if !mended {
			out = append(out, d)
			met = met || d.Read
		}
	}
	if !met {
		return out, nil
	}
	by, err := n.needers(ctx, out)
	if err != nil {
		return nil, err
	}
	for i := range out {
		if d := &out[i]; d.Read {
			d.Models, d.Read = by(*d), false
		}
	}
	return out, n.store.RememberDamage(out...)
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
	left, err := n.stillDamaged(ctx)
	if err != nil {
		return err
	}
	by, err := n.needers(ctx, left)
	if err != nil {
		return err
	}
	over := slices.DeleteFunc(known, func(d store.KnownDamage) bool {
		return slices.ContainsFunc(left, func(l store.KnownDamage) bool { return l.CID == d.CID && len(by(l)) > 0 })
	})
	if len(over) == 0 {
		return nil
	}
	return errors.Join(n.store.ForgetDamage(over...), n.store.Flush())
}

// needers returns a function that tells which pinned models need a damage of list.
func (n *Node) needers(ctx context.Context, list []store.KnownDamage) (func(store.KnownDamage) []string, error) {
	raw := func(d store.KnownDamage) cid.Cid { return dag.AsRaw(cid.MustParse(d.CID)) }
	want := map[cid.Cid]bool{}
	for _, d := range list {
		want[raw(d)] = true
	}
	models, err := n.needing(ctx, want)
	if err != nil {
		return nil, err
	}
	by := map[cid.Cid][]string{}
	for _, m := range models {
		for c := range m.needs {
			by[c] = append(by[c], m.name)
		}
	}
	for _, names := range by {
		slices.Sort(names)
	}
	return func(d store.KnownDamage) []string { return by[raw(d)] }, nil
}
