package codec

import (
	"bytes"
	"errors"
	"slices"
	"testing"
)

// FuzzDecode gives Decode any bytes.
func FuzzDecode(f *testing.F) {
	for _, v := range append(vectors(), corners()...) {
		base := []byte{}
		if len(v.c.Bases) > 0 && len(v.c.Bases[0].Spans) > 0 {
			base = v.c.Bases[0].Spans[0].Data
		}
		f.Add(v.chunk, len(v.leaf), byte(max(0, slices.Index(allDTypes, v.c.DType))), v.c.Offset, base)
	}
	f.Fuzz(func(t *testing.T, chunk []byte, size int, dtype byte, offset int64, base []byte) {
		size &= 1<<16 - 1 // larger ones only take longer
		c := against(allDTypes[int(dtype)%len(allDTypes)], offset, base)
		out, err := Decode([]byte("dst"), chunk, size, c)
		switch {
		case string(out[:3]) != "dst":
			t.Fatalf("Decode changed what dst had")
		case err == nil && len(out) != 3+size:
			t.Fatalf("Decode returns %d bytes, want %d", len(out)-3, size)
		case err != nil && (len(out) != 3 || !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnknown)):
			t.Fatalf("Decode fails with %d bytes and %v", len(out)-3, err)
		}
	})
}

// fuzzContext makes a context of bytes: cuts are pairs of where a span begins and
// how long it is, in 256ths of the base; a second base follows the first.
func fuzzContext(dtype byte, offset int64, base, cuts []byte) Context {
	c := Context{DType: allDTypes[int(dtype)%len(allDTypes)], Offset: offset}
	c.Bases = []Base{{DType: c.DType}, {DType: allDTypes[int(dtype>>4)%len(allDTypes)], Spans: []Span{{1, base}}}}
	if len(cuts) < 2 {
		c.Bases[0].Spans = []Span{{0, base}}
		return c
	}
	for ; len(cuts) >= 2 && len(c.Bases[0].Spans) < 100; cuts = cuts[2:] {
		at := len(base) * int(cuts[0]) / 256
		n := min(len(base)-at, len(base)*int(cuts[1])/256)
		c.Bases[0].Spans = append(c.Bases[0].Spans, Span{at, base[at : at+n]})
	}
	return c
}

func addPairs(add func(leaf, base []byte, dtype byte, cuts []byte)) {
	w, long := weights(30, 300), weights(31, 5000)
	for i := range allDTypes {
		add(tuned(w, 9), w, byte(i), nil)
	}
	add(tuned(long, 3), long, 9, nil)
	for i, dtype := range allDTypes {
		if _, ok := numberOf(dtype); ok {
			add(stepped(32, long, dtype, 3), long, byte(i), nil)
			add(stepped(33, w, dtype, 3), w, byte(i), nil)
		}
	}
	add(tuned(long, 30), long, 9, []byte{0, 100, 120, 50})
	add(append(tuned(w, 9), random(1, 200)...), w, 9, []byte{0, 255})
	add([]byte{0x80, 0x3f, 0, 0, 0, 0}, []byte{0x81, 0x3f, 0, 0, 0, 0}, 9, nil) // BF16 1.0 and its neighbour
	add(bytes.Repeat([]byte("abcd"), 99), w, 0, nil)
}

// FuzzRoundTrip encodes any leaf against any base, and decodes it.
func FuzzRoundTrip(f *testing.F) {
	addPairs(func(leaf, base []byte, dtype byte, cuts []byte) { f.Add(leaf, base, dtype, int64(0), cuts) })
	addPairs(func(leaf, base []byte, dtype byte, cuts []byte) { f.Add(leaf, base, dtype, int64(3), cuts) })
	f.Fuzz(func(t *testing.T, leaf, base []byte, dtype byte, offset int64, cuts []byte) {
		c := fuzzContext(dtype, offset, base, cuts)
		chunk := check(t, leaf, c)
		if again := check(t, leaf, c); !bytes.Equal(chunk, again) {
			t.Fatalf("other bytes the second time")
		}
	})
}

// FuzzDecodeMutated changes a byte of a chunk, or cuts it, or adds to it.
func FuzzDecodeMutated(f *testing.F) {
	addPairs(func(leaf, base []byte, dtype byte, cuts []byte) {
		f.Add(leaf, base, dtype, int64(1), cuts, 9, []byte{1, 2})
	})
	f.Fuzz(func(t *testing.T, leaf, base []byte, dtype byte, offset int64, cuts []byte, at int, change []byte) {
		c := fuzzContext(dtype, offset, base, cuts)
		chunk := check(t, leaf, c)
		if len(chunk) == 0 || len(change) == 0 {
			return
		}
		at = int(uint(at) % uint(len(chunk)))
		bad := bytes.Clone(chunk)
		for i := range min(len(change), len(bad)-at) {
			bad[at+i] ^= change[i]
		}
		for _, bad := range [][]byte{bad, chunk[:at], append(bytes.Clone(chunk), change...)} {
			out, err := Decode(nil, bad, len(leaf), c)
			if err == nil && len(out) != len(leaf) || err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrUnknown) {
				t.Fatalf("Decode returns %d bytes of %d and %v", len(out), len(leaf), err)
			}
		}
	})
}
