package store

import (
	"context"
	"encoding/binary"
	"errors"

	"github.com/ipfs/boxo/blockstore"
	blocks "github.com/ipfs/go-block-format"
	"github.com/ipfs/go-cid"
	ipld "github.com/ipfs/go-ipld-format"

	"github.com/zipnode/zipnode/dag"
)

// Get returns block c: its bytes from a pack, or, of a leaf, decoded. They are
// checked against c.
func (s *Store) Get(ctx context.Context, c cid.Cid) (blocks.Block, error) {
	if err := dag.Supported(c); err != nil {
		return nil, err
	}
	b, err := s.real(c)
	if err == nil || c.Type() != cid.Raw {
		return b, err
	}
	_, damaged := errors.AsType[*dag.CorruptError](err)
	if !damaged && !errors.Is(err, dag.ErrNotFound) {
		return nil, err
	}
	data, verr := s.virtual(ctx, c)
	if verr != nil {
		if damaged {
			return nil, err // its own damage says more than that no way gives it
		}
		return nil, verr
	}
	return blocks.NewBlockWithCid(data, c)
}

// Has tells whether Get would find c. It decodes nothing.
func (s *Store) Has(ctx context.Context, c cid.Cid) (bool, error) {
	_, err := s.GetSize(ctx, c)
	if errors.Is(err, dag.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// HasReal tells whether the bytes of c lie in a pack.
func (s *Store) HasReal(c cid.Cid) (bool, error) {
	if err := dag.Supported(c); err != nil {
		return false, err
	}
	_, ok, err := s.find(digestOf(c))
	return ok, err
}

// GetSize returns the size of block c in bytes. It decodes nothing.
func (s *Store) GetSize(ctx context.Context, c cid.Cid) (int, error) {
	if err := dag.Supported(c); err != nil {
		return 0, err
	}
	d := digestOf(c)
	at, ok, err := s.find(d)
	if err != nil {
		return 0, err
	}
	if ok {
		return int(at.length), nil
	}
	if c.Type() == cid.Raw {
		ways, err := s.index.prefix(key(tabWay, d[:]), 1)
		if err != nil {
			return 0, err
		}
		if len(ways) > 0 {
			n, w := binary.Uvarint(ways[0].value)
			if w <= 0 || n > dag.MaxLeaf {
				return 0, errors.New("store: a damaged index entry of a way")
			}
			return int(n), nil
		}
	}
	return 0, notFound(c)
}

func notFound(c cid.Cid) error { return errors.Join(dag.ErrNotFound, ipld.ErrNotFound{Cid: c}) }

// Put stores b, whose bytes it checks. Nothing keeps it from the next collect:
// operations put through a [Lease].
func (s *Store) Put(ctx context.Context, b blocks.Block) error {
	if err := dag.Check(b.Cid(), b.RawData()); err != nil {
		return err
	}
	s.sweepMu.RLock()
	_, err := s.put(b.Cid(), b.RawData(), false)
	s.sweepMu.RUnlock()
	if err != nil {
		return err
	}
	return s.settle()
}

// PutMany stores bs.
func (s *Store) PutMany(ctx context.Context, bs []blocks.Block) error {
	for _, b := range bs {
		if err := s.Put(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// DeleteBlock refuses: only collecting frees.
func (s *Store) DeleteBlock(context.Context, cid.Cid) error {
	return errors.New("the store deletes no single block: unpin and collect")
}

// AllKeysChan returns the CIDs, under the raw codec, of the blocks in the packs.
func (s *Store) AllKeysChan(ctx context.Context) (<-chan cid.Cid, error) {
	out := make(chan cid.Cid)
	go func() {
		defer close(out)
		err := s.index.scan(key(tabBlock), func(k, _ []byte) (bool, error) {
			select {
			case out <- digest(k[1:]).cid(cid.Raw):
				return true, nil
			case <-ctx.Done():
				return false, nil
			}
		})
		if err != nil {
			s.log.Error("listing blocks stopped", "err", err)
		}
	}()
	return out, nil
}

// View calls fn with the bytes of block c, which are those that were put: they
// were hashed then, and are told by their CRC from what a disk spoilt since. It
// is for peers, who hash what they get. The bytes lie in a pooled buffer: fn must
// neither change them nor keep them after it returns.
func (s *Store) View(ctx context.Context, c cid.Cid, fn func([]byte) error) error {
	if err := dag.Supported(c); err != nil {
		return err
	}
	buf := s.buffers.Get().(*[]byte)
	defer s.buffers.Put(buf)
	data, at, err := s.read((*buf)[:0], c)
	if err == nil {
		*buf = data[:0]
		s.asked(at.pack)
		if at.intact(data) || dag.Check(c, data) == nil {
			return fn(data)
		}
	}
	b, err := s.Get(ctx, c)
	if err != nil {
		return err
	}
	return fn(b.RawData())
}

var (
	_ blockstore.Blockstore = (*Store)(nil)
	_ blockstore.Viewer     = (*Store)(nil)
	_ dag.Getter            = (*Store)(nil)
)
