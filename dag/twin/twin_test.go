package twin

import (
	"bytes"
	"crypto/sha256"
	"math/rand/v2"
	"testing"
)

func noise(seed byte, n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{seed}).Read(b)
	return b
}

// Two at once are the same as one after another, whatever their lengths.
func TestSum(t *testing.T) {
	a, b := noise(1, 20000), noise(2, 20000)
	for _, n := range []int{0, 1, 63, 64, few - 1, few, few + 1, few + 63, few + 64, 19999} {
		for _, m := range []int{0, few, few + 65, 20000} {
			x, y := Sum(a[:n], b[:m])
			if x != sha256.Sum256(a[:n]) || y != sha256.Sum256(b[:m]) {
				t.Errorf("Sum of %d and %d bytes is wrong", n, m)
			}
		}
	}
}

// A hash of pieces is that of the whole, wherever the pieces begin.
func TestWriteSum(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	data := noise(3, 1<<17)
	for range 200 {
		var h Hash
		at := 0
		for at < len(data) {
			n := min(len(data)-at, []int{r.IntN(3), r.IntN(130), few + r.IntN(200), r.IntN(1 << 16)}[r.IntN(4)])
			piece := data[at : at+n]
			if r.IntN(4) == 0 {
				h.Write(piece)
			} else if h.WriteSum(piece) != sha256.Sum256(piece) {
				t.Fatalf("the hash of %d bytes from %d on is wrong", n, at)
			}
			at += n
			if r.IntN(8) == 0 && h.Sum() != sha256.Sum256(data[:at]) {
				t.Fatalf("the hash of the first %d bytes is wrong", at)
			}
		}
		if h.Sum() != sha256.Sum256(data) {
			t.Fatal("the hash of all is wrong")
		}
	}
}

func FuzzSum(f *testing.F) {
	f.Add([]byte{}, []byte("abc"), 3)
	f.Add(bytes.Repeat([]byte{0xff}, 300), bytes.Repeat([]byte{1}, 100), few)
	f.Fuzz(func(t *testing.T, a, b []byte, more int) {
		pad := make([]byte, min(max(more, 0), 1<<16))
		a, b = append(a, pad...), append(b, pad...)
		x, y := Sum(a, b)
		if x != sha256.Sum256(a) || y != sha256.Sum256(b) {
			t.Errorf("Sum of %d and %d bytes is wrong", len(a), len(b))
		}
	})
}

func BenchmarkSum(b *testing.B) {
	p, q := noise(1, 1<<20), noise(2, 1<<20)
	b.Run("two", func(b *testing.B) {
		b.SetBytes(2 << 20)
		for b.Loop() {
			Sum(p, q)
		}
	})
	b.Run("one", func(b *testing.B) {
		b.SetBytes(2 << 20)
		for b.Loop() {
			sha256.Sum256(p)
			sha256.Sum256(q)
		}
	})
}
