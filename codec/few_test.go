//go:build amd64 && !purego

package codec

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/zipnode/zipnode/tensor"
)

// fewFreqs returns frequencies of so many bytes, of which rare have one slot each.
func fewFreqs(r *rand.Rand, symbols, rare int) *freqs {
	f := &freqs{bits: ransBits}
	bytes := r.Perm(256)[:symbols]
	left := 1<<ransBits - symbols
	for i, b := range bytes {
		share := 0
		if i >= rare {
			share = r.IntN(left/2 + 1)
		}
		f.freq[b] = uint16(1 + share)
		left -= share
	}
	f.freq[bytes[symbols-1]] += uint16(left)
	return f
}

// TestFewTables looks up every slot of random tables as the kernels do.
func TestFewTables(t *testing.T) {
	kept := 0
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 8))
		n := r.IntN(fewMost+1) + 2
		f := fewFreqs(r, n, r.IntN(n))
		var tables fewTables
		if !tables.set(f, seed&1 == 0) {
			continue
		}
		if n > fewMost {
			t.Fatalf("%d symbols are said to be few", n)
		}
		kept++
		slot := 0
		for b, freq := range f.freq {
			for i := range int(freq) {
				e, in := tables.first[slot/fewSlots], slot%fewSlots
				number := (e + uint16(in)) / fewSlots
				most := uint16(fewNarrow)
				if tables.wide {
					most = fewMost
				}
				if e&fewExact != 0 {
					number = tables.exact[e>>fewPair&3][in] >> (e % 16)
				}
				number %= most
				if got := tables.symbol[number]; int(got) != b || int(tables.start[number]) != slot-i || tables.freq[number] != freq<<4 {
					t.Fatalf("seed %d, slot %d: number %d is %d from %d, want %d from %d", seed, slot, number, got, tables.start[number], b, slot-i)
				}
				slot++
			}
		}
	}
	if kept < 100 {
		t.Errorf("only %d tables of 300 are of few symbols", kept)
	}
}

// lanePlaneFrame is a frame of two planes, of BF16 or F16: the first in lanes, a
// coding as it is, the second raw.
func lanePlaneFrame(l layout, coding, lo []byte) []byte {
	frame := []byte{methodPlanes, byte(l), planeLanes}
	frame = append(binary.AppendUvarint(frame, uint64(len(coding))), coding...)
	return append(append(frame, planeRaw), lo...)
}

// TestLanePlaneTiers decodes planes in 64 lanes, of few symbols and of many, joined
// as they are decoded and not, sound and corrupt, by every tier.
func TestLanePlaneTiers(t *testing.T) {
	for seed := range uint64(24) {
		r := rand.New(rand.NewPCG(seed, 9))
		size := 2 * (48<<10 + r.IntN(1<<13))
		symbols := []int{2, 20, 32, 33, 64, 90}[seed%6]
		f := fewFreqs(r, symbols, r.IntN(symbols)/2)
		var slots []byte
		for b, freq := range f.freq {
			slots = append(slots, bytes.Repeat([]byte{byte(b)}, int(freq))...)
		}
		hi, lo := make([]byte, size/2), randomBytes(r, size/2)
		for i := range hi {
			hi[i] = slots[r.IntN(len(slots))]
		}
		var s scratch
		coding := appendWords(s.lanePlane(nil, hi, f, 0xff, nil))
		for l, dtype := range map[layout]tensor.DType{layoutBF16: tensor.BF16, layout16: tensor.F16} {
			name := fmt.Sprintf("%s, %d bytes of %d symbols", dtype, size/2, symbols)
			want := make([]byte, size)
			join16(want, hi, lo, nil, l)
			c := Context{DType: dtype}
			frame := lanePlaneFrame(l, coding, lo)
			if got, err := decodeFrame(frame, size, c); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s: %v, or other bytes", name, err)
			}
			testCorrupt(t, r, name, append([]byte{version}, frame...), size, c)
			for _, at := range []int{6, 6 + r.IntN(300), len(frame) - len(lo) - 1 - r.IntN(300)} {
				bad := bytes.Clone(frame)
				bad[at] ^= 1 << r.IntN(8)
				sameFrame(t, bad, size, c)
			}
			for _, n := range []int{len(lo) - 1, len(lo) + 1} {
				sameFrame(t, lanePlaneFrame(l, coding, append(lo, 0)[:n]), size, c)
			}
			for _, by := range []int{1, 2, 3, 100} {
				sameFrame(t, lanePlaneFrame(l, coding[:len(coding)-by], lo), size, c)
				sameFrame(t, lanePlaneFrame(l, append(bytes.Clone(coding), make([]byte, by)...), lo), size, c)
			}
		}
	}
}

// TestBitsPlaneTiers decodes planes in 64 lanes of which some bits are raw, joined with
// others that are raw or coded, and not, sound and corrupt, by every tier.
func TestBitsPlaneTiers(t *testing.T) {
	for seed, mask := range []byte{0x7f, 0x7f, 0xf8, 0x3f, 0xfe, 0x07} {
		r := rand.New(rand.NewPCG(uint64(seed), 11))
		n := 48<<10 + r.IntN(1<<13)
		p, lo := narrow(uint64(seed), tensor.F8E4M3, n), randomBytes(r, n)
		var h histogram
		for i := range p {
			if seed > 0 && r.IntN(100) == 0 {
				p[i] = byte(r.Uint32())
			}
			h[p[i]&mask]++
		}
		var s scratch
		c := codedPlane{coding: planeLanes, mask: mask}
		var f freqs
		f.normalise(&h, h.used(new([256]byte)), n, ransBits)
		c.head, c.words = s.lanePlane(nil, p, &f, mask, nil)
		plane := c.appendTo(nil, p)
		check := func(frame, want []byte, dtype tensor.DType) {
			ctx := Context{DType: dtype}
			if got, err := decodeFrame(frame, len(want), ctx); err != nil || !bytes.Equal(got, want) {
				t.Errorf("mask %02x of %s: %v, or other bytes", mask, dtype, err)
			}
			sameFrame(t, frame, len(want), ctx)
			for range 4 {
				bad := bytes.Clone(frame)
				bad[2+r.IntN(len(bad)-2)] ^= 1 << r.IntN(8)
				sameFrame(t, bad, len(want), ctx)
				sameFrame(t, frame[:2+r.IntN(len(frame)-2)], len(want), ctx)
			}
		}
		check(append([]byte{methodPlanes, byte(layoutBytes)}, plane...), p, tensor.I8)
		want := make([]byte, 2*n)
		join16(want, p, lo, nil, layout16)
		frame := append([]byte{methodPlanes, byte(layout16)}, plane...)
		check(append(append(frame, planeRaw), lo...), want, tensor.F16)
		join16(want, p, p, nil, layout16)
		check(append(frame, plane...), want, tensor.F16)
	}
}

// TestGapsPlaneTiers encodes and decodes planes of seldom low bits by every tier.
func TestGapsPlaneTiers(t *testing.T) {
	for seed, size := range []int{lanesLeast, 20_001, 150_007} {
		p := lowBits(uint64(seed), size, 0xf8, 3000)
		var want []byte
		everyTier(func(tr tier) {
			var s scratch
			coded := s.appendPlane([]byte{methodPlanes, byte(layoutBytes)}, p, nil)
			if tr == portable {
				want = coded
			} else if !bytes.Equal(coded, want) {
				t.Errorf("%d bytes: tier %d encodes otherwise than portable code", size, tr)
			}
		})
		sameFrame(t, want, size, Context{DType: tensor.U8})
	}
}

// FuzzPlaneTiers decodes a plane of any frequencies and any words in 64 lanes, by
// every tier.
func FuzzPlaneTiers(f *testing.F) {
	for seed := range uint64(6) {
		r := rand.New(rand.NewPCG(seed, 10))
		var p []byte
		for _, freq := range fewFreqs(r, 20+int(seed)*3, 8).freq {
			p = binary.AppendUvarint(p, uint64(freq))
		}
		f.Add(p, randomBytes(r, 4096), seed&1 == 0, uint16(seed*100))
	}
	f.Fuzz(func(t *testing.T, counts, words []byte, joined bool, more uint16) {
		var h histogram
		total := 0
		for b := range h {
			n, k := binary.Uvarint(counts)
			if k <= 0 {
				break
			}
			counts = counts[k:]
			h[b] = uint32(n & 0xfff)
			total += int(h[b])
		}
		var table freqs
		if total < 2 || !table.normalise(&h, h.used(new([256]byte)), total, ransBits) {
			return
		}
		n := 48<<10 + int(more&0x3ff)
		coding := table.appendTable(nil)
		if len(words) < 4*maxLanes {
			return
		}
		words = bytes.Clone(words)
		for i := range maxLanes { // states in range
			words[4*i+3] &= 0x7f
			words[4*i+1] |= 0x80
		}
		for coding = append(coding, words...); len(coding) < 2*n+spare; {
			coding = append(coding, words...)
		}
		l, dtype := layout16, tensor.F16
		if joined {
			l, dtype = layoutBF16, tensor.BF16
		}
		sameFrame(t, lanePlaneFrame(l, coding, make([]byte, n)), 2*n, Context{DType: dtype})
		for _, mask := range []byte{0x7f, 0xf8} {
			raw := bytes.Repeat([]byte{byte(more)}, (n+7)/8*(rawBits{mask: mask}).count())
			frame := append([]byte{methodPlanes, byte(layout16), planeBits, mask}, raw...)
			frame = append(frame, lanePlaneFrame(l, coding, make([]byte, n))[2:]...)
			sameFrame(t, frame, 2*n, Context{DType: tensor.F16})
		}
		// It has more words than it takes: what is decoded before that is found out
		// is compared too.
		var want []byte
		everyTier(func(tr tier) {
			var s scratch
			p := make([]byte, n)
			if err := s.readLanePlane(p, coding, noRaw); err != nil && !errors.Is(err, ErrCorrupt) {
				t.Fatalf("tier %d fails with %v", tr, err)
			}
			if tr == portable {
				want = p
			} else if !bytes.Equal(p, want) {
				t.Fatalf("tier %d decodes other bytes", tr)
			}
		})
	})
}
