package store

import (
	"context"
	"errors"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// putTensor makes t's recipe the one in use, and notes of each base that t
// needs it. useMu is held.
func (s *Store) putTensor(t Tensor) {
	s.index.put(key(tabTensor, t.of[:]), t.encode())
	for _, b := range t.Bases {
		base := idOf(b)
		s.index.put(key(tabNeed, base[:], t.of[:]), nil)
	}
}

// dependants calls fn with each tensor whose recipe in use has base of. A note
// may be older than the tensor's last change of recipe; such ones are passed
// over, and a sweep removes them.
func (s *Store) dependants(of tensorID, fn func(Tensor) error) error {
	return s.index.scan(key(tabNeed, of[:]), func(k, _ []byte) (bool, error) {
		if len(k) != 67 {
			return true, nil
		}
		t, ok, err := s.tensor(tensorID(k[34:]))
		if err == nil && ok && t.needs(of) {
			err = fn(t)
		}
		return true, err
	})
}

// needs tells whether of is a base of t's recipe in use.
func (t Tensor) needs(of tensorID) bool {
	for _, b := range t.Bases {
		if idOf(b) == of {
			return true
		}
	}
	return false
}

// Dependants returns at most most tensors that are stored as deltas against
// tensor c by the recipes in use.
func (s *Store) Dependants(c cid.Cid, most int) ([]cid.Cid, error) {
	if err := dag.Supported(c); err != nil {
		return nil, err
	}
	var out []cid.Cid
	err := s.dependants(idOf(c), func(t Tensor) error {
		if len(out) == most {
			return errEnough
		}
		out = append(out, t.of.cid())
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return out, err
}

var errEnough = errors.New("enough")

// noteNeeds makes the notes of who needs whom, in an index that is older than
// they are.
func (s *Store) noteNeeds(ctx context.Context) error {
	made := key(tabMeta, []byte("needs"))
	if has, err := s.index.has(made); has || err != nil {
		return err
	}
	err := s.index.scan(key(tabTensor), func(k, v []byte) (bool, error) {
		t, err := decodeTensor(tensorID(k[1:]), v)
		if err == nil && len(t.Bases) > 0 {
			s.putTensor(t)
			err = s.settle()
		}
		return true, errors.Join(err, ctx.Err())
	})
	if err == nil {
		s.index.put(made, nil)
	}
	return err
}

// Bases calls fn with each tensor that another is stored against.
func (s *Store) Bases(fn func(cid.Cid, Tensor) error) error {
	var last tensorID
	return s.index.scan(key(tabNeed), func(k, _ []byte) (bool, error) {
		if len(k) != 67 || tensorID(k[1:34]) == last {
			return true, nil
		}
		of := tensorID(k[1:34])
		delta, ok, err := s.tensor(tensorID(k[34:]))
		if err != nil || !ok || !delta.needs(of) {
			return true, err // an old note; a later one may be true
		}
		last = of
		t, ok, err := s.tensor(of)
		if err == nil && ok {
			err = fn(of.cid(), t)
		}
		return true, err
	})
}
