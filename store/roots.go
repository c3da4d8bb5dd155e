package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// A Model is what the store remembers of a model, beside its blocks.
type Model struct {
	CID     string    `json:"cid"`
	Packing string    `json:"packing,omitempty"` // "" when none was made
	Bytes   int64     `json:"bytes"`             // of its files
	Files   int       `json:"files"`
	Tensors int       `json:"tensors"`
	Partial bool      `json:"partial,omitempty"` // only some of its files are here
	Added   time.Time `json:"added"`
}

// A Change is what happens to names, pins and models at once.
type Change struct {
	Models []Model
	Names  map[string]cid.Cid
	Unname []string
	Pin    map[cid.Cid]string // root → kind
	Unpin  []cid.Cid
	Forget []cid.Cid // models
}

// Pin kinds.
const (
	PinModel   = "model"   // a whole model
	PinPartial = "partial" // what is here of a model: never announced
)

// record returns c as the journal has it, or an error where it names what the
// store could not read back.
func (c Change) record() (record, error) {
	roots := slices.Concat(slices.Collect(maps.Keys(c.Pin)), slices.Collect(maps.Values(c.Names)), c.Unpin, c.Forget)
	for _, m := range c.Models {
		root, err := cid.Decode(m.CID)
		if err != nil {
			return record{}, fmt.Errorf("model %q: %w", m.CID, err)
		}
		roots = append(roots, root)
	}
	for _, root := range roots {
		if err := dag.Supported(root); err != nil {
			return record{}, fmt.Errorf("model %s: %w", root, err)
		}
	}
	r := record{Models: c.Models, Unnames: c.Unname}
	for name, of := range c.Names {
		r.Names = append(r.Names, nameEntry{name, of.String()})
	}
	for of, kind := range c.Pin {
		r.Pins = append(r.Pins, pinEntry{of.String(), kind})
	}
	for _, of := range c.Unpin {
		r.Unpins = append(r.Unpins, of.String())
	}
	for _, of := range c.Forget {
		r.Forget = append(r.Forget, of.String())
	}
	return r, nil
}

// Apply makes ch, and outlasts a crash when it returns. Where it returns an
// error, nothing was changed.
func (s *Store) Apply(ch Change) error {
	r, err := ch.record()
	if err != nil {
		return err
	}
	return s.commit(r)
}

// applyRecord changes the index as r says, but for recipes in use.
func (s *Store) applyRecord(r record) error {
	for _, m := range r.Models {
		v, err := json.Marshal(m)
		if err != nil {
			return err
		}
		if err := s.putRoot(tabModel, m.CID, v); err != nil {
			return err
		}
	}
	for _, n := range r.Names {
		s.index.put(key(tabName, []byte(n.Name)), []byte(n.CID))
	}
	for _, name := range r.Unnames {
		s.index.delete(key(tabName, []byte(name)))
	}
	for _, p := range r.Pins {
		if err := s.putRoot(tabPin, p.CID, []byte(p.CID+" "+p.Kind)); err != nil {
			return err
		}
	}
	for table, list := range map[byte][]string{tabPin: r.Unpins, tabModel: r.Forget} {
		for _, text := range list {
			if err := s.putRoot(table, text, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// putRoot sets the value under the digest of the CID text; nil deletes.
func (s *Store) putRoot(table byte, text string, v []byte) error {
	c, err := cid.Decode(text)
	if err == nil {
		err = dag.Supported(c)
	}
	if err != nil {
		return fmt.Errorf("journal: %q: %w", text, err)
	}
	d := digestOf(c)
	if v == nil {
		s.index.delete(key(table, d[:]))
	} else {
		s.index.put(key(table, d[:]), v)
	}
	return nil
}

// Model returns the model c, and false when the store has none of that CID.
func (s *Store) Model(c cid.Cid) (Model, bool, error) {
	var m Model
	if err := dag.Supported(c); err != nil {
		return m, false, err
	}
	d := digestOf(c)
	v, err := s.index.get(key(tabModel, d[:]))
	if v == nil || err != nil {
		return m, false, err
	}
	err = json.Unmarshal(v, &m)
	return m, err == nil, err
}

// Models returns every model, the oldest first.
func (s *Store) Models() ([]Model, error) {
	var out []Model
	err := s.index.scan(key(tabModel), func(_, v []byte) (bool, error) {
		var m Model
		if err := json.Unmarshal(v, &m); err != nil {
			return false, err
		}
		out = append(out, m)
		return true, nil
	})
	slices.SortStableFunc(out, func(a, b Model) int { return a.Added.Compare(b.Added) })
	return out, err
}

// Name returns the model named name, and false when there is none.
func (s *Store) Name(name string) (cid.Cid, bool, error) {
	v, err := s.index.get(key(tabName, []byte(name)))
	if v == nil || err != nil {
		return cid.Undef, false, err
	}
	c, err := cid.Decode(string(v))
	return c, err == nil, err
}

// Names returns every name with its model.
func (s *Store) Names() (map[string]cid.Cid, error) {
	out := map[string]cid.Cid{}
	err := s.index.scan(key(tabName), func(k, v []byte) (bool, error) {
		c, err := cid.Decode(string(v))
		out[string(k[1:])] = c
		return true, err
	})
	return out, err
}

// Pins returns every pinned root with its kind.
func (s *Store) Pins() (map[cid.Cid]string, error) {
	out := map[cid.Cid]string{}
	err := s.index.scan(key(tabPin), func(_, v []byte) (bool, error) {
		text, kind, ok := cutSpace(string(v))
		c, err := cid.Decode(text)
		if !ok || err != nil {
			return false, errors.Join(err, errors.New("store: a damaged index entry of a pin"))
		}
		out[c] = kind
		return true, nil
	})
	return out, err
}

func cutSpace(s string) (before, after string, ok bool) {
	for i := range len(s) {
		if s[i] == ' ' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// Label returns what a person would call tensor c, or "".
func (s *Store) Label(c cid.Cid) (string, error) {
	d := digestOf(c)
	v, err := s.index.get(key(tabLabel, d[:]))
	return string(v), err
}

// Count returns how many tensors can be rebuilt here, and how many blocks the
// packs hold.
func (s *Store) Count() (tensors, blocks int, err error) {
	for table, n := range map[byte]*int{tabTensor: &tensors, tabBlock: &blocks} {
		err = errors.Join(err, s.index.scan(key(table), func(_, _ []byte) (bool, error) {
			*n++
			return true, nil
		}))
	}
	return tensors, blocks, err
}
