//go:build amd64 && !purego

package codec

import (
	"bytes"
	"errors"
	"testing"
)

// everyTier calls fn with each tier that the machine has, the portable first.
func everyTier(fn func(tier)) {
	best := use
	defer func() { use = best }()
	for use = portable; use <= best; use++ {
		fn(use)
	}
}

// sameFrame decodes a frame by every tier: all fail, or all give the same bytes.
func sameFrame(t *testing.T, frame []byte, size int, c Context) {
	t.Helper()
	var want []byte
	var fails error
	everyTier(func(tr tier) {
		got, err := decodeFrame(frame, size, c)
		switch {
		case err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnknown):
			t.Fatalf("tier %d fails with %v", tr, err)
		case tr == portable:
			want, fails = got, err
		case (err == nil) != (fails == nil) || !bytes.Equal(got, want):
			t.Fatalf("tier %d of method %d: %v; portable: %v; or other bytes", tr, frame[0], err, fails)
		}
	})
}

// FuzzDeltaTiers decodes any side and stream of a delta by every tier.
func FuzzDeltaTiers(f *testing.F) {
	addHandmade(func(flags byte, row uint32, side, stream []byte, dtype byte, size int) {
		f.Add(flags, row, side, stream, dtype, size)
	})
	f.Fuzz(func(t *testing.T, flags byte, row uint32, side, stream []byte, dtype byte, size int) {
		frame, leaf, c := fuzzDelta(flags, row, side, stream, dtype, size)
		sameFrame(t, frame, leaf, c)
	})
}

// FuzzShortTiers decodes any steps of a short delta by every tier.
func FuzzShortTiers(f *testing.F) {
	for _, v := range corners() {
		if v.chunk[1] == methodShort {
			f.Add(v.chunk[3:], dtypeByte(v.c.DType), len(v.leaf))
		}
	}
	f.Fuzz(func(t *testing.T, steps []byte, dtype byte, size int) {
		size &= 1<<12 - 1
		c := against(cornerDTypes[int(dtype)%len(cornerDTypes)], 0, fuzzBase(size))
		sameFrame(t, append([]byte{methodShort, 0}, steps...), size, c)
	})
}

// FuzzLowRankTiers decodes any chunk of low rank by every tier.
func FuzzLowRankTiers(f *testing.F) { fuzzLowRank(f, sameFrame) }

// FuzzTiers encodes any leaf by every method that has kernels, by every tier,
// which must give the same bytes; then damages these, and decodes them by every
// tier.
func FuzzTiers(f *testing.F) {
	for i, dtype := range cornerDTypes {
		n, _ := numberOf(dtype)
		size := (40 << (i % 7)) * n.width
		f.Add(tuned(weights(61, size), 5), weights(61, size), byte(i), uint16(3*i), byte(i%4), i*37, []byte{1, 2, byte(i)})
	}
	f.Fuzz(func(t *testing.T, leaf, base []byte, dtype byte, row uint16, lanes byte, at int, change []byte) {
		size := min(len(leaf), len(base), 1<<15)
		if size < 16 {
			return
		}
		leaf, base = leaf[:size], base[:size]
		c := against(cornerDTypes[int(dtype)%len(cornerDTypes)], int64(row>>12), base)
		c.Row = int(row & 1023)
		for _, encode := range []func() []byte{
			func() []byte { return deltaIn(leaf, c, 4<<(lanes%5)&^8) },
			func() []byte { return planesOf(leaf, c) },
		} {
			var chunk []byte
			everyTier(func(tr tier) {
				if got := encode(); tr == portable {
					chunk = got
				} else if !bytes.Equal(got, chunk) {
					t.Fatalf("tier %d encodes %d bytes of %s to others than the portable", tr, size, c.DType)
				}
			})
			if got, err := decodeFrame(chunk[1:], size, c); err != nil || !bytes.Equal(got, leaf) {
				t.Fatalf("method %d of %d bytes of %s: %v, or other bytes", chunk[1], size, c.DType, err)
			}
			sameFrame(t, chunk[1:], size, c)
			if len(change) == 0 {
				continue
			}
			bad, from := bytes.Clone(chunk[1:]), int(uint(at)%uint(len(chunk)-1))
			for i := range min(len(change), len(bad)-from) {
				bad[from+i] ^= change[i]
			}
			sameFrame(t, bad, size, c)
			sameFrame(t, append(bytes.Clone(chunk[1:]), change...), size, c)
			sameFrame(t, chunk[1:1+from], size, c)
		}
	})
}
