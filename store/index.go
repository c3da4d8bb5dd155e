package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/ipfs/go-cid"
	mh "github.com/multiformats/go-multihash"
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/comparer"
	"github.com/syndtr/goleveldb/leveldb/filter"
	"github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/memdb"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
	"github.com/syndtr/goleveldb/leveldb/util"
)

// The keys of the index: one byte that names the table, then the key.
const (
	tabBlock  = 'b' // digest → place
	tabWay    = 'w' // leaf digest, recipe digest, u64 i → chunk length
	tabTensor = 't' // tensor ID → the recipe in use
	tabRecipe = 'r' // tensor ID, recipe digest → nothing: every recipe known
	tabNeed   = 'd' // tensor ID of a base, that of its delta → nothing: who needs whom
	tabModel  = 'm' // model digest → Model, as JSON
	tabName   = 'n' // name → model CID
	tabPin    = 'p' // model digest → kind
	tabLease  = 'l' // id → expiry, place
	tabSample = 's' // tensor ID → where its sample lies
	tabGroup  = 'c' // group, what it is under, tensor → where its sample lies, sketch: candidates for a base
	tabMember = 'u' // group, tensor → what it is under
	tabRow    = 'f' // row, tensor → nothing: candidates too
	tabLabel  = 'o' // tensor digest → what a person would call it
	tabDamage = 'x' // digest → KnownDamage, as JSON
	tabMeta   = 'z' // end of the packs, journal's sequence number
)

// A digest is the sha2-256 by which the index knows blocks, under whatever
// codec.
type digest [32]byte

func digestOf(c cid.Cid) digest {
	h := c.Hash() // code, length, 32 bytes: dag.Supported was asked before
	return digest(h[len(h)-32:])
}

// A tensorID names a tensor: its digest, and 0 if it is one leaf, 1 if it is a
// node over leaves. The digest alone does not do: a file may hold the very bytes
// of another tensor's node.
type tensorID [33]byte

func idOf(c cid.Cid) tensorID {
	var id tensorID
	d := digestOf(c)
	copy(id[:], d[:])
	if c.Type() == cid.DagProtobuf {
		id[32] = 1
	}
	return id
}

func (id tensorID) cid() cid.Cid {
	if id[32] == 1 {
		return digest(id[:32]).cid(cid.DagProtobuf)
	}
	return digest(id[:32]).cid(cid.Raw)
}

func (d digest) cid(codec uint64) cid.Cid {
	h, err := mh.Encode(d[:], mh.SHA2_256)
	if err != nil {
		panic(err) // 32 bytes fit sha2-256
	}
	return cid.NewCidV1(codec, h)
}

func key(table byte, parts ...[]byte) []byte {
	k := []byte{table}
	for _, p := range parts {
		k = append(k, p...)
	}
	return k
}

// An index is goleveldb under a layer in memory. Writes go to the layer; flush
// moves them to disk, after the pack bytes they speak of were synced.
type index struct {
	mu     sync.RWMutex
	mem    *memdb.DB // newest
	frozen *memdb.DB // being flushed; nil when none is
	db     *leveldb.DB
	stor   storage.Storage
	broken bool // a write failed; of the one flush that runs at a time
}

// In the layer a value's first byte says whether the key is there.
const (
	gone  = 0
	there = 1
)

func newLayer() *memdb.DB { return memdb.New(comparer.DefaultComparer, 1<<16) }

func openDB(stor storage.Storage, readOnly bool) (*leveldb.DB, error) {
	return leveldb.Open(stor, &opt.Options{
		ReadOnly:               readOnly,
		Filter:                 filter.NewBloomFilter(10),
		BlockCacheCapacity:     16 * opt.MiB,
		WriteBuffer:            8 * opt.MiB,
		OpenFilesCacheCapacity: 128,
	})
}

// reopen opens the database anew. After a write that failed, goleveldb refuses
// every other, also when the disk has room again; what was to be written is in
// the frozen layer still. It is done before the next write, so that reads go on
// until then; and where the disk is full still, they go on all the same.
func (x *index) reopen() error {
	x.mu.Lock()
	defer x.mu.Unlock()
	_ = x.db.Close() // it closes, and tells the old error once more
	db, err := openDB(x.stor, false)
	if err != nil {
		if db, readErr := openDB(filledLogs{x.stor}, true); readErr == nil {
			x.db = db
		}
		return fmt.Errorf("open the index again: %w", err)
	}
	x.db, x.broken = db, false
	return nil
}

// A filledLogs shows no log that is empty, as one that was made on a full disk:
// goleveldb reads one log at most where it may not write.
type filledLogs struct{ storage.Storage }

func (s filledLogs) List(types storage.FileType) ([]storage.FileDesc, error) {
	fds, err := s.Storage.List(types)
	return slices.DeleteFunc(fds, func(fd storage.FileDesc) bool {
		if fd.Type != storage.TypeJournal {
			return false
		}
		f, err := s.Open(fd)
		if err != nil {
			return false
		}
		defer f.Close()
		n, err := f.Read(make([]byte, 1))
		return n == 0 && err == io.EOF
	}), err
}

func openIndex(stor storage.Storage) (*index, error) {
	db, err := openDB(stor, false)
	if err != nil {
		return nil, errors.Join(err, stor.Close())
	}
	return &index{mem: newLayer(), db: db, stor: stor}, nil
}

func (x *index) close() error { return errors.Join(x.db.Close(), x.stor.Close()) }

// get returns nil when the key is absent.
func (x *index) get(k []byte) ([]byte, error) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for _, layer := range []*memdb.DB{x.mem, x.frozen} {
		if layer == nil {
			continue
		}
		if v, err := layer.Get(k); err == nil {
			if v[0] == gone {
				return nil, nil
			}
			return bytes.Clone(v[1:]), nil
		}
	}
	v, err := x.db.Get(k, nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, &diskError{fmt.Errorf("read the index: %w", err)}
	}
	if v == nil {
		v = []byte{}
	}
	return v, nil
}

func (x *index) has(k []byte) (bool, error) {
	v, err := x.get(k)
	return v != nil, err
}

func (x *index) put(k, v []byte) { x.set(k, append([]byte{there}, v...)) }
func (x *index) delete(k []byte) { x.set(k, []byte{gone}) }

func (x *index) set(k, v []byte) {
	x.mu.RLock() // memdb has a lock of its own; this one keeps flush away
	defer x.mu.RUnlock()
	if err := x.mem.Put(k, v); err != nil {
		panic(err) // memdb has no error to give
	}
}

// size returns the bytes of the layer in memory.
func (x *index) size() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.mem.Size()
}

// freeze sets the layer aside for write: what is put from now on belongs to the
// next flush. One flush runs at a time.
func (x *index) freeze() {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.frozen == nil {
		x.frozen, x.mem = x.mem, newLayer()
		return
	}
	// The last write failed: what it left is older than mem.
	it := x.mem.NewIterator(nil)
	defer it.Release()
	for it.Next() {
		if err := x.frozen.Put(it.Key(), it.Value()); err != nil {
			panic(err)
		}
	}
	x.mem = newLayer()
}

// write brings the frozen layer to disk, with extra, synced.
func (x *index) write(extra map[string][]byte) error {
	x.mu.RLock()
	layer := x.frozen
	x.mu.RUnlock()
	batch := leveldb.MakeBatch(layer.Size() + 16*layer.Len()) // else it grows to twice what it needs
	it := layer.NewIterator(nil)
	defer it.Release()
	for it.Next() {
		if it.Value()[0] == gone {
			batch.Delete(it.Key())
		} else {
			batch.Put(it.Key(), it.Value()[1:])
		}
	}
	for k, v := range extra {
		batch.Put([]byte(k), v)
	}
	if err := x.commit(batch); err != nil {
		return err
	}
	x.mu.Lock()
	x.frozen = nil
	x.mu.Unlock()
	return nil
}

// writeOne brings one pair to disk, synced, past the layers. As write, it is
// called by one goroutine at a time.
func (x *index) writeOne(k, v []byte) error {
	batch := new(leveldb.Batch)
	batch.Put(k, v)
	return x.commit(batch)
}

func (x *index) commit(batch *leveldb.Batch) error {
	if x.broken {
		if err := x.reopen(); err != nil {
			return err
		}
	}
	err := x.db.Write(batch, &opt.WriteOptions{Sync: true})
	x.broken = err != nil
	return err
}

// A pair is a key and its value.
type pair struct{ key, value []byte }

// prefix returns at most most pairs whose key begins with p, in order.
func (x *index) prefix(p []byte, most int) ([]pair, error) {
	var out []pair
	err := x.scan(p, func(k, v []byte) (bool, error) {
		out = append(out, pair{bytes.Clone(k), bytes.Clone(v)})
		return len(out) < most, nil
	})
	return out, err
}

// scan calls fn, in order of the keys, with each pair whose key begins with p,
// until it returns false. What is put meanwhile may be seen or not.
func (x *index) scan(p []byte, fn func(k, v []byte) (bool, error)) error {
	x.mu.RLock()
	r := util.BytesPrefix(p)
	its := []iterator.Iterator{x.mem.NewIterator(r)}
	if x.frozen != nil {
		its = append(its, x.frozen.NewIterator(r))
	}
	its = append(its, x.db.NewIterator(r, nil))
	x.mu.RUnlock()
	defer func() {
		for _, it := range its {
			it.Release()
		}
	}()
	ok := make([]bool, len(its))
	for i, it := range its {
		ok[i] = it.Next()
	}
	for {
		first := -1
		for i := range its {
			if ok[i] && (first < 0 || bytes.Compare(its[i].Key(), its[first].Key()) < 0) {
				first = i
			}
		}
		if first < 0 {
			break
		}
		k := bytes.Clone(its[first].Key())
		v := bytes.Clone(its[first].Value())
		for i := first; i < len(its); i++ {
			if ok[i] && bytes.Equal(its[i].Key(), k) {
				ok[i] = its[i].Next()
			}
		}
		if first < len(its)-1 { // a layer's
			if v[0] == gone {
				continue
			}
			v = v[1:]
		}
		if more, err := fn(k, v); err != nil || !more {
			return err
		}
	}
	if err := its[len(its)-1].Error(); err != nil {
		return &diskError{fmt.Errorf("read the index: %w", err)}
	}
	return nil
}

func (p place) encode() []byte {
	b := binary.BigEndian.AppendUint32(nil, p.pack)
	b = binary.BigEndian.AppendUint64(b, p.offset)
	b = binary.BigEndian.AppendUint32(b, p.length)
	b = binary.AppendUvarint(b, p.codec)
	if p.summed {
		b = binary.BigEndian.AppendUint32(b, p.sum)
	}
	return b
}

func decodePlace(b []byte) (place, error) {
	if len(b) < 17 {
		return place{}, fmt.Errorf("store: an index entry of %d bytes", len(b))
	}
	codec, n := binary.Uvarint(b[16:])
	if n <= 0 {
		return place{}, errors.New("store: an index entry without codec")
	}
	p := place{
		pack:   binary.BigEndian.Uint32(b),
		offset: binary.BigEndian.Uint64(b[4:]),
		length: binary.BigEndian.Uint32(b[12:]),
		codec:  codec,
	}
	if sum := b[16+n:]; len(sum) >= 4 {
		p.sum, p.summed = binary.BigEndian.Uint32(sum), true
	}
	return p, nil
}
