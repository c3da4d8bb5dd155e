package p2p

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ipfs/go-cid"

	"github.com/zipnode/zipnode/dag"
)

// drain returns a function that fetches r and wants n different chunks.
func drain(t testing.TB, r Range, n int) func(context.Context, *Session) error {
	return func(ctx context.Context, s *Session) error {
		got := map[int]bool{}
		for a, err := range s.Chunks(ctx, ranges(r)) {
			if err != nil {
				return err
			}
			if want := r.Entries[a.Index-r.First].Chunk; a.Block.Cid() != want {
				return fmt.Errorf("chunk %d is %s, want %s", a.Index, a.Block.Cid(), want)
			}
			if err := dag.Check(a.Block.Cid(), a.Block.RawData()); err != nil {
				return err
			}
			got[a.Index] = true
		}
		if len(got) != n {
			t.Errorf("%d chunks, want %d", len(got), n)
		}
		return nil
	}
}

func TestSession(t *testing.T) {
	lib := newLibrary()
	root, r := lib.model(t, 1, 40, 100_000)
	a := startHost(t, lib)
	b := startHost(t, nil, bootstrap(a))
	if err := a.Announce(root); err != nil {
		t.Fatal(err)
	}
	ctx := limited(t, 30*time.Second)
	began := time.Now()
	err := b.WithSession(ctx, root, func(ctx context.Context, s *Session) error {
		block, err := s.Get(ctx, root)
		if err != nil {
			return err
		}
		if !bytes.Equal(block.RawData(), []byte("root of 1")) {
			t.Errorf("root is %q", block.RawData())
		}
		t.Logf("root after %v", time.Since(began))
		tensor := dag.Raw([]byte("tensor of 1"))
		offers := 0
		for o, err := range s.Recipes(ctx, []cid.Cid{dag.Raw([]byte("unknown")), tensor}) {
			if err != nil {
				return err
			}
			offers++
			if o.Tensor != tensor || o.Recipe.Cid() != r.Recipe || o.From != a.ID() {
				t.Errorf("offer %+v", o)
			}
		}
		if offers != 1 {
			t.Errorf("%d offers, want 1", offers)
		}
		if err := drain(t, r, 40)(ctx, s); err != nil {
			return err
		}
		many := 0
		for _, err := range s.GetMany(ctx, []cid.Cid{r.Entries[3].Chunk, r.Recipe, r.Entries[1].Chunk}) {
			if err != nil {
				return err
			}
			many++
		}
		if many != 3 {
			t.Errorf("%d of 3 blocks", many)
		}
		if st := s.Stats(); st.Peers != 1 || st.Fetched < 40*100_000 || s.Sources()[a.ID()] != st.Fetched {
			t.Errorf("Stats() = %+v, Sources() = %v", st, s.Sources())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("took %v", time.Since(began))
}

// Nobody has it: an error, soon, and not a hang.
func TestNoProvider(t *testing.T) {
	a := startHost(t, newLibrary())
	b := startHost(t, nil, bootstrap(a))
	alone := startHost(t, nil)
	for _, h := range []*Host{b, alone} {
		began := time.Now()
		err := h.WithSession(limited(t, 30*time.Second), dag.Raw([]byte("x")), func(ctx context.Context, s *Session) error {
			_, err := s.Get(ctx, dag.Raw([]byte("x")))
			return err
		})
		if !errors.Is(err, ErrNoProvider) || !errors.Is(err, dag.ErrNotFound) {
			t.Errorf("error %v, want ErrNoProvider", err)
		}
		took := time.Since(began)
		t.Logf("%v after %v", err, took)
		if took > 12*time.Second {
			t.Errorf("gave up after %v", took)
		}
	}
}

// A peer that sends wrong bytes is dropped, and an honest one serves the rest.
func TestLiar(t *testing.T) {
	honest, liar := newLibrary(), newLibrary()
	root, r := honest.model(t, 1, 30, 200_000)
	liar.model(t, 1, 30, 200_000)
	liar.forge = func(c cid.Cid, data []byte) []byte {
		if c != root {
			data = bytes.Clone(data)
			data[100] ^= 1
		}
		return data
	}
	a, l, b := startHost(t, honest), startHost(t, liar), startHost(t, nil)
	connect(t, b, l)
	err := b.WithSession(limited(t, 20*time.Second), root, func(ctx context.Context, s *Session) error {
		_, err := s.Get(ctx, r.Entries[7].Chunk)
		bad, ok := errors.AsType[*dag.CorruptError](err)
		if !ok || !errors.Is(err, ErrNoProvider) || bad.From != l.ID().String() {
			t.Errorf("error %v, want ErrNoProvider and a CorruptError from the liar", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	connect(t, b, l)
	connect(t, b, a)
	err = b.WithSession(limited(t, 20*time.Second), root, func(ctx context.Context, s *Session) error {
		defer func() {
			if slices.Contains(s.Peers(), l.ID()) || s.Sources()[l.ID()] != 0 {
				t.Errorf("the liar is still a peer, Sources() = %v", s.Sources())
			}
		}()
		eventually(t, 5*time.Second, "both are peers", func() bool { return len(s.Peers()) == 2 })
		return drain(t, r, 30)(ctx, s)
	})
	if err != nil {
		t.Fatal(err)
	}
	connect(t, b, l)
	b.offend(l.ID(), errors.New("a third time"))
	if err := b.Connect(t.Context(), l.Addrs()[0]); err == nil {
		t.Error("a banned peer was dialled")
	}
}

// A peer that never answers costs its stall time and no more.
func TestStall(t *testing.T) {
	lib, slow := newLibrary(), newLibrary()
	root, r := lib.model(t, 1, 20, 300_000)
	slow.model(t, 1, 20, 300_000)
	slow.stall = make(chan struct{})
	a, l, b := startHost(t, lib), startHost(t, slow), startHost(t, nil)
	connect(t, b, l)
	connect(t, b, a)
	began := time.Now()
	err := b.WithSession(limited(t, 40*time.Second), root, drain(t, r, 20))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("took %v", time.Since(began))
	close(slow.stall)
}

// What one peer lacks comes from another.
func TestShares(t *testing.T) {
	one, two := newLibrary(), newLibrary()
	root, r := one.model(t, 1, 40, 100_000)
	two.model(t, 1, 40, 100_000)
	for i, e := range r.Entries {
		l := []*mapLibrary{one, two}[i%2]
		delete(l.blocks, string(e.Chunk.Hash()))
	}
	a, c, b := startHost(t, one), startHost(t, two), startHost(t, nil)
	connect(t, b, a)
	connect(t, b, c)
	err := b.WithSession(limited(t, 20*time.Second), root, func(ctx context.Context, s *Session) error {
		if err := drain(t, r, 40)(ctx, s); err != nil {
			return err
		}
		if got := s.Sources(); got[a.ID()] != 20*100_000 || got[c.ID()] != 20*100_000 {
			t.Errorf("Sources() = %v, want half of each", got)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A consumer that stops leaves nothing behind.
func TestStopEarly(t *testing.T) {
	lib := newLibrary()
	root, r := lib.model(t, 1, 100, 1<<20)
	a, b := startHost(t, lib), startHost(t, nil)
	connect(t, b, a)
	err := b.WithSession(limited(t, 20*time.Second), root, func(ctx context.Context, s *Session) error {
		for i := range 3 {
			n := 0
			for _, err := range s.Chunks(ctx, ranges(r)) {
				if err != nil {
					return fmt.Errorf("run %d: %w", i, err)
				}
				if n++; n == 5 {
					break
				}
			}
			s.mu.Lock()
			if s.open != 0 || s.members[a.ID()].inFlight != 0 {
				t.Errorf("%d bytes of the budget and %d of the window are lost", s.open, s.members[a.ID()].inFlight)
			}
			s.mu.Unlock()
		}
		return drain(t, r, 100)(ctx, s)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Chunks that several places name are fetched once and given to each.
func TestSameChunkTwice(t *testing.T) {
	const n = 3 * maxPlaces
	lib := newLibrary()
	root, r := lib.model(t, 1, 1, 1000)
	r.Entries = slices.Repeat(r.Entries, n)
	lib.entries[r.Recipe] = r.Entries
	a, b := startHost(t, lib), startHost(t, nil)
	connect(t, b, a)
	if err := b.WithSession(limited(t, 20*time.Second), root, drain(t, r, n)); err != nil {
		t.Fatal(err)
	}
}
