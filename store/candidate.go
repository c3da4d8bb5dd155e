package store

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/ipfs/go-cid"
)

// A Sampled is what is kept of a tensor, beside its bytes, for finding bases.
type Sampled struct {
	Group string // tensors of one group may be bases of each other
	// Under is the tensor of the group that it is like, so that it is looked
	// for below that; Undef for none.
	Under cid.Cid
	Label string   // what a person would call it, unless it has a label
	Rows  []uint64 // what tensors of any group that share rows may have in common
	Data  []byte   // the sample; nil for none
	// Sketch is of the sample, and at hand without reading that; nil for none.
	Sketch []byte
}

// A Member is an entry of a group: a tensor that may be a base. [Store.Candidate]
// tells which.
type Member struct {
	Sketch []byte // nil for none
	short  [shortLen]byte
	where  spot
}

// maxSketch bounds a sketch in bytes: what lies in goleveldb is copied again at
// each of its compactions.
const maxSketch = 1 << 10

// A Candidate is a tensor that may be a base, with its sample if it has one.
type Candidate struct {
	Tensor cid.Cid
	Sample []byte
}

// shortLen is the bytes by which groups and tensors are told apart in keys: two
// that agree in them are taken for one, which costs a candidate.
const shortLen = 8

// roots is under what a group's first tensors are kept.
var roots [shortLen]byte

func groupKey(group string) []byte {
	d := sha256.Sum256([]byte(group))
	return key(tabGroup, d[:shortLen])
}

// PutSample keeps what p says of tensor c. A tensor may be in several groups; in
// one that it is in already it stays where it is.
func (s *Store) PutSample(c cid.Cid, p Sampled) error {
	if len(p.Sketch) > maxSketch {
		return fmt.Errorf("a sketch of %d bytes", len(p.Sketch))
	}
	id := idOf(c)
	group := groupKey(p.Group)
	member := key(tabMember, group[1:], id[:shortLen])
	if there, err := s.index.has(member); there || err != nil {
		return err
	}
	where, known, err := s.spotOf(id)
	if err != nil {
		return err
	}
	if !known {
		if where, err = s.samples.append(id, p.Data); err != nil {
			return err
		}
		s.index.put(key(tabSample, id[:]), where.encode())
		for _, row := range p.Rows {
			s.index.put(rowKey(row, id[:shortLen]), []byte{})
		}
	}
	under := roots
	if p.Under.Defined() {
		u := idOf(p.Under)
		copy(under[:], u[:])
	}
	s.index.put(append(group, slices.Concat(under[:], id[:shortLen])...), append(where.encode(), p.Sketch...))
	s.index.put(member, under[:])
	d := digestOf(c)
	named, err := s.index.has(key(tabLabel, d[:]))
	if err == nil && !named {
		s.index.put(key(tabLabel, d[:]), []byte(p.Label))
	}
	if err != nil {
		return err
	}
	return s.settle()
}

func rowKey(row uint64, id []byte) []byte {
	return key(tabRow, binary.BigEndian.AppendUint64(nil, row), id)
}

func (s *Store) spotOf(id tensorID) (spot, bool, error) {
	v, err := s.index.get(key(tabSample, id[:]))
	if v == nil || err != nil {
		return spot{}, false, err
	}
	p, ok := decodeSpot(v)
	if ok {
		var at tensorID
		at, _, ok = s.samples.read(p)
		ok = ok && at == id
	}
	return p, ok, nil
}

// Sample returns the sample kept of tensor c, or nil.
func (s *Store) Sample(c cid.Cid) ([]byte, error) {
	id := idOf(c)
	v, err := s.index.get(key(tabSample, id[:]))
	if v == nil || err != nil {
		return nil, err
	}
	if p, ok := decodeSpot(v); ok {
		if at, data, ok := s.samples.read(p); ok && at == id && len(data) > 0 {
			return data, nil
		}
	}
	return nil, nil
}

// Members returns at most most entries of group under the tensor under, or under
// none if it is Undef. No sample is read.
func (s *Store) Members(group string, under cid.Cid, most int) ([]Member, error) {
	u := roots
	if under.Defined() {
		id := idOf(under)
		copy(u[:], id[:])
	}
	pairs, err := s.index.prefix(append(groupKey(group), u[:]...), most)
	out := make([]Member, 0, len(pairs))
	for _, p := range pairs {
		where, sketch, ok := cutSpot(p.value)
		if !ok {
			continue
		}
		m := Member{Sketch: sketch, where: where}
		copy(m.short[:], p.key[len(p.key)-shortLen:])
		out = append(out, m)
	}
	return out, err
}

// Candidate reads the record that m tells of, and is false where it is lost.
func (s *Store) Candidate(m Member) (Candidate, bool) {
	id, data, ok := s.samples.read(m.where)
	if !ok || string(id[:shortLen]) != string(m.short[:]) {
		return Candidate{}, false
	}
	return Candidate{id.cid(), data}, true
}

// Candidates returns at most most tensors kept in group under the tensor under,
// or under none if it is Undef.
func (s *Store) Candidates(group string, under cid.Cid, most int) ([]Candidate, error) {
	members, err := s.Members(group, under, most)
	var out []Candidate
	for _, m := range members {
		if c, ok := s.Candidate(m); ok {
			out = append(out, c)
		}
	}
	return out, err
}

// A Sharing is a tensor that has some of the rows asked for.
type Sharing struct {
	Tensor cid.Cid
	Rows   []int // places in the list that was asked for, ascending
}

// SharingRows returns the tensors that were kept with any of rows among their
// Rows: of each row at most each, and at most most in all, those that share most
// before others.
func (s *Store) SharingRows(rows []uint64, each, most int) ([]Sharing, error) {
	have := map[[shortLen]byte][]int{}
	for i, row := range rows {
		pairs, err := s.index.prefix(rowKey(row, nil), each)
		if err != nil {
			return nil, err
		}
		for _, p := range pairs {
			short := [shortLen]byte(p.key[len(p.key)-shortLen:])
			have[short] = append(have[short], i)
		}
	}
	list := slices.SortedFunc(maps.Keys(have), func(a, b [shortLen]byte) int {
		return cmp.Or(cmp.Compare(len(have[b]), len(have[a])), bytes.Compare(a[:], b[:]))
	})
	var out []Sharing
	for _, short := range list[:min(len(list), most)] {
		found, err := s.index.prefix(key(tabSample, short[:]), 1)
		if err != nil {
			return nil, err
		}
		if len(found) > 0 {
			out = append(out, Sharing{tensorID(found[0].key[1:]).cid(), have[short]})
		}
	}
	return out, nil
}

// samples forgets the samples and labels of the tensors that go. Those kept
// under one of them are kept under none.
func (w *sweeping) samples(ctx context.Context) error {
	if err := w.ownSamples(ctx); err != nil || len(w.gone) == 0 {
		return err
	}
	w.gone.sort()
	s := w.s
	err := s.index.scan(key(tabMember), func(k, under []byte) (bool, error) {
		group, id := k[1:1+shortLen], k[1+shortLen:]
		dead, orphan := w.gone.has(id), w.gone.has(under)
		if !dead && !orphan {
			return true, nil
		}
		old := key(tabGroup, group, under, id)
		where, err := s.index.get(old)
		if err != nil {
			return false, err
		}
		s.index.delete(old)
		if dead {
			s.index.delete(k)
		} else if where != nil {
			s.index.put(key(tabGroup, group, roots[:], id), where)
			s.index.put(k, roots[:])
		}
		return true, errors.Join(s.settle(), ctx.Err())
	})
	if err != nil {
		return err
	}
	return w.each(ctx, tabRow, func(k, _ []byte) (bool, error) {
		return w.gone.has(k[len(k)-shortLen:]), nil
	})
}

// ownSamples removes where the samples of the tensors that go lie, and their
// labels, and notes what else of these tensors is needed.
func (w *sweeping) ownSamples(ctx context.Context) error {
	s := w.s
	return s.index.scan(key(tabTensor), func(k, v []byte) (bool, error) {
		t, err := decodeTensor(tensorID(k[1:]), v)
		if err != nil || w.m.kept(t.recipe) {
			return true, err
		}
		d := t.of[:32]
		w.gone = append(w.gone, binary.BigEndian.Uint64(d))
		w.behind[t.behind] = true
		s.index.delete(key(tabLabel, d))
		for _, kind := range []byte{0, 1} {
			s.index.delete(key(tabSample, d, []byte{kind}))
		}
		return true, errors.Join(s.settle(), ctx.Err())
	})
}

// shortIDs are tensors by the first shortLen bytes of their digests.
type shortIDs []uint64

func (l shortIDs) sort() { slices.Sort(l) }

// has tells whether id, of shortLen bytes, is in the sorted list.
func (l shortIDs) has(id []byte) bool {
	_, ok := slices.BinarySearch(l, binary.BigEndian.Uint64(id))
	return ok
}

// shrinkSamples rewrites the files of samples of which more than half is dead:
// what lives moves to the end of the last one.
func (s *Store) shrinkSamples() error {
	sizes, last, err := s.samples.sizes()
	if err != nil {
		return err
	}
	live := map[uint32]int64{}
	err = s.index.scan(key(tabSample), func(_, v []byte) (bool, error) {
		if p, ok := decodeSpot(v); ok {
			live[p.file] += int64(p.length)
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	moved := map[string][]byte{} // short ID → new spot
	for n, size := range sizes {
		if 2*live[n] > size || n == last && size < leastSamples {
			delete(sizes, n)
		}
	}
	if len(sizes) == 0 {
		return nil
	}
	if _, ok := sizes[last]; ok {
		if err := s.samples.leave(); err != nil {
			return err
		}
	}
	err = s.index.scan(key(tabSample), func(k, v []byte) (bool, error) {
		p, ok := decodeSpot(v)
		if _, old := sizes[p.file]; !ok || !old {
			return true, nil
		}
		id, data, ok := s.samples.read(p)
		if !ok || id != tensorID(k[1:]) {
			s.index.delete(k)
			return true, nil
		}
		now, err := s.samples.append(id, data)
		if err == nil {
			s.index.put(k, now.encode())
			moved[string(id[:shortLen])] = now.encode()
		}
		return true, err
	})
	if err != nil {
		return err
	}
	err = s.index.scan(key(tabMember), func(k, under []byte) (bool, error) {
		now := moved[string(k[1+shortLen:])]
		if now == nil {
			return true, nil
		}
		entry := key(tabGroup, k[1:1+shortLen], under, k[1+shortLen:])
		old, err := s.index.get(entry)
		if err != nil {
			return false, err
		}
		_, sketch, _ := cutSpot(old)
		s.index.put(entry, slices.Concat(now, sketch))
		return true, nil
	})
	if err != nil {
		return err
	}
	if err := s.Flush(); err != nil {
		return err
	}
	for n := range sizes {
		if err := s.samples.remove(n); err != nil {
			return err
		}
	}
	return nil
}
