package codec

import (
	"bytes"
	"testing"
)

// plainSplit is split, one bit at a time, from the layouts' definition.
func plainSplit(l layout, src, base []byte) []byte {
	w := l.width()
	n := len(src) / w
	exponent := map[layout]int{layoutBF16: 8, layoutF32: 8, layoutF64: 11}[l]
	planes := make([]byte, len(src))
	for i := range n {
		for bit := range 8 * w { // from the most significant
			from := bit
			switch {
			case exponent == 0 || bit > exponent:
			case bit < exponent:
				from = bit + 1
			default:
				from = 0 // the sign
			}
			at := i*w + w - 1 - from/8
			b := src[at]
			if base != nil {
				b ^= base[at]
			}
			planes[bit/8*n+i] |= b >> (7 - from%8) & 1 << (7 - bit%8)
		}
	}
	return planes
}

// planesIn returns planes that lie one after the other.
func planesIn(all []byte, l layout) *planeSet {
	var planes planeSet
	n := len(all) / l.width()
	for i := range l.width() {
		planes[i] = all[i*n : (i+1)*n]
	}
	return &planes
}

func TestSplit(t *testing.T) {
	src, base := random(20, 680), random(21, 680)
	for l := range layout(layouts) {
		for n := 0; n <= len(src); n += l.width() {
			for _, base := range [][]byte{nil, base[:n]} {
				planes, back := make([]byte, n), make([]byte, n)
				l.split(planes, src[:n], base)
				if want := plainSplit(l, src[:n], base); !bytes.Equal(planes, want) {
					t.Fatalf("layout %d, %d bytes: split = %x, want %x", l, n, planes, want)
				}
				l.join(back, planesIn(planes, l), base)
				if !bytes.Equal(back, src[:n]) {
					t.Fatalf("layout %d, %d bytes: join = %x, want %x", l, n, back, src[:n])
				}
			}
		}
	}
}
