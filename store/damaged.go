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

// RememberDamage makes list what [Store.Damaged] returns, after the next flush
// also of a later process. What is beyond [MostDamage] is left out.
func (s *Store) RememberDamage(list []KnownDamage) error {
	err := s.index.scan(key(tabDamage), func(k, _ []byte) (bool, error) {
		s.index.delete(k)
		return true, nil
	})
	if err != nil {
		return err
	}
	for _, d := range list[:min(len(list), MostDamage)] {
		c, err := cid.Decode(d.CID)
		if err != nil {
			return err
		}
		v, err := json.Marshal(d)
		if err != nil {
			return err
		}
		of := digestOf(c)
		s.index.put(key(tabDamage, of[:]), v)
	}
	return nil
}
