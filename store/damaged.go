package store

import (
	"encoding/json"
	"time"

	"github.com/ipfs/go-cid"
)

// A KnownDamage is damage that was found, and not mended.
type KnownDamage struct {
	CID    string    `json:"cid"`
	Where  string    `json:"where"`
	Reason string    `json:"reason"`
	Models []string  `json:"models,omitempty"` // names or CIDs of those that need it
	Found  time.Time `json:"found"`
	Read   bool      `json:"read,omitempty"` // a read met it: Models is not known yet
}

// MostDamage is how many damages are remembered.
const MostDamage = 256

// Damaged returns the damage that is remembered, in the order of CIDs.
func (s *Store) Damaged() ([]KnownDamage, error) {
	var out []KnownDamage
	err := s.index.scan(key(tabDamage), func(_, v []byte) (bool, error) {
		var d KnownDamage
		if err := json.Unmarshal(v, &d); err != nil {
			return true, nil // a note only: verify finds again what it was of
		}
		out = append(out, d)
		return true, nil
	})
	return out, err
}

// RememberDamage adds list to what [Store.Damaged] returns, after the next flush
// also of a later process. What is beyond [MostDamage] is left out.
func (s *Store) RememberDamage(list ...KnownDamage) error {
	s.damageMu.Lock()
	defer s.damageMu.Unlock()
	known, err := s.Damaged()
	if err != nil {
		return err
	}
	room := MostDamage - len(known)
	for _, d := range list {
		k, err := damageKey(d)
		if err != nil {
			return err
		}
		v, err := json.Marshal(d)
		if err != nil {
			return err
		}
		again, err := s.index.has(k)
		if err != nil {
			return err
		}
		if !again {
			if room == 0 {
				continue
			}
			room--
		}
		s.index.put(k, v)
	}
	return nil
}

// ForgetDamage takes list out of what [Store.Damaged] returns.
func (s *Store) ForgetDamage(list ...KnownDamage) error {
	s.damageMu.Lock()
	defer s.damageMu.Unlock()
	for _, d := range list {
		k, err := damageKey(d)
		if err != nil {
			return err
		}
		s.index.delete(k)
	}
	return nil
}

// Mended tells whether the block that d names is here, elsewhere than where it was
// found damaged.
func (s *Store) Mended(d KnownDamage) (bool, error) {
	c, err := cid.Decode(d.CID)
	if err != nil {
		return false, err
	}
	at, here, err := s.find(digestOf(c))
	return here && at.name() != d.Where, err
}

func damageKey(d KnownDamage) ([]byte, error) {
	c, err := cid.Decode(d.CID)
	if err != nil {
		return nil, err
	}
	of := digestOf(c)
	return key(tabDamage, of[:]), nil
}

// noteDamage remembers that a read found block c damaged. It says no more than
// where and how: who reads has no time to look for who needs it. The block stays
// in the index, for what one read met, the next may not: verify decides.
func (s *Store) noteDamage(c cid.Cid, reason string) {
	at, here, err := s.find(digestOf(c))
	if err != nil || !here {
		return // it was collected, or set aside, meanwhile
	}
	d := KnownDamage{CID: c.String(), Where: at.name(), Reason: reason, Found: time.Now().UTC(), Read: true}
	if k, err := damageKey(d); err == nil && s.isKnown(k, d.Where) {
		return // a peer may ask for it again and again
	}
	if err := s.RememberDamage(d); err != nil {
		s.log.Warn("damage is not remembered", "cid", c, "where", d.Where, "err", err)
	}
}

// isKnown tells whether damage at that place is remembered under k.
func (s *Store) isKnown(k []byte, where string) bool {
	v, err := s.index.get(k)
	if err != nil || v == nil {
		return false
	}
	var d KnownDamage
	return json.Unmarshal(v, &d) == nil && d.Where == where
}
