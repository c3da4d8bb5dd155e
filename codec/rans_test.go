package codec

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"testing"
)

// skewed returns n bytes below symbols, the small ones more often.
func skewed(seed uint64, n, symbols int) []byte {
	rng := rand.New(rand.NewPCG(seed, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.IntN(1 + rng.IntN(1+rng.IntN(symbols))))
	}
	return b
}

func TestRANS(t *testing.T) {
	var r ransCoder
	sizes := []int{2, 3, 4, 7, 8, 9, 100, 1023, 2047, 2048, 2049, 2052, 2055, 5001, 1 << 16, MaxLeaf}
	if testing.Short() {
		sizes = sizes[:len(sizes)-2]
	}
	for _, symbols := range []int{2, 3, 20, 256} {
		for _, n := range sizes {
			p := skewed(uint64(n), n, symbols)
			p[0], p[n-1] = 0, byte(symbols-1)
			var h histogram
			h.count(p)
			var f freqs
			est := f.fit(&h, n) + 6*ransLanes(n) // from 4 to 8 bytes of a state carry no symbol
			enc := r.encode(nil, p, &f)
			if d := len(enc) - est; d < -16 || d > 16+est/500 {
				t.Errorf("%d bytes of %d: %d bytes, estimated %d", n, symbols, len(enc), est)
			}
			got := make([]byte, n)
			if err := r.decode(got, enc); err != nil || !bytes.Equal(got, p) {
				t.Fatalf("%d bytes of %d: does not come back: %v", n, symbols, err)
			}
			for cut := range min(len(enc), 300) {
				if err := r.decode(got, enc[:len(enc)-1-cut]); !errors.Is(err, ErrCorrupt) {
					t.Fatalf("%d bytes of %d, %d cut: %v, want ErrCorrupt", n, symbols, cut+1, err)
				}
			}
			if err := r.decode(got, append(enc, 0, 0, 0, 0)); !errors.Is(err, ErrCorrupt) {
				t.Errorf("%d bytes of %d, a word more: %v, want ErrCorrupt", n, symbols, err)
			}
		}
	}
}

// TestRANSExtremes codes what the reciprocals and tables find hardest: one
// symbol that is nearly all, and 256 that are alike.
func TestRANSExtremes(t *testing.T) {
	var r ransCoder
	flat := make([]byte, 1<<15)
	for i := range flat {
		flat[i] = byte(i)
	}
	lone := make([]byte, MaxLeaf)
	lone[MaxLeaf/2] = 255
	both := append(bytes.Clone(flat), make([]byte, 1<<18)...)
	for name, p := range map[string][]byte{"flat": flat, "lone": lone, "both": both, "two": {1, 2}} {
		var h histogram
		h.count(p)
		var f freqs
		f.fit(&h, len(p))
		got := make([]byte, len(p))
		if err := r.decode(got, r.encode(nil, p, &f)); err != nil || !bytes.Equal(got, p) {
			t.Errorf("%s: does not come back: %v", name, err)
		}
	}
}

func TestLog2(t *testing.T) {
	for f := 1; f < len(log2); f++ {
		if got, want := float64(log2[f])/4096, math.Log2(float64(f)); math.Abs(got-want) > 1.0/2048 {
			t.Errorf("log2[%d] = %v, want %v", f, got, want)
		}
	}
}

func TestNormalise(t *testing.T) {
	for _, tc := range []struct {
		name string
		h    histogram
		bits uint
		ok   bool
	}{
		{"even", histogram{0: 5, 1: 5}, 5, true},
		{"one is rare", histogram{0: 1 << 20, 255: 1}, 12, true},
		{"255 are rare", func() (h histogram) {
			for i := range h {
				h[i] = 1
			}
			h[0] = 1 << 20
			return h
		}(), 12, true},
		{"more symbols than parts", func() (h histogram) {
			for i := range h {
				h[i] = 1
			}
			return h
		}(), 7, false},
	} {
		n := 0
		for _, c := range tc.h {
			n += int(c)
		}
		var f freqs
		ok := f.normalise(&tc.h, tc.h.used(new([256]byte)), n, tc.bits)
		sum := 0
		for s, q := range f.freq {
			sum += int(q)
			if ok && (q == 0) != (tc.h[s] == 0) {
				t.Errorf("%s: symbol %d, counted %d times, has frequency %d", tc.name, s, tc.h[s], q)
			}
		}
		if ok != tc.ok || ok && sum != 1<<tc.bits {
			t.Errorf("%s: %v, frequencies add up to %d of %d, want %v", tc.name, ok, sum, 1<<tc.bits, tc.ok)
		}
	}
}
