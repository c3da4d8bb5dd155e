package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// What a decoder with AVX2 does with the symbols that it found: it takes them and
// their raw bits from the states, gives words to the lanes that are low, and
// writes the steps, or the elements that they lead to.

// factors is the end of find. The frequency is how far the next symbol's first
// slot is from the symbol's; a table's last has all slots that are left.
func (s *searcher256) factors(groups int, each func(func(h int, y []reg.VecPhysical))) {
	const start, code, high, last, place, low, n = 0, 1, 2, 3, 6, 7, 6
	each(func(h int, y []reg.VecPhysical) { VMOVDQA(y[code], s.of(frameCode, h)) })
	each(func(h int, y []reg.VecPhysical) { VPAND(s.of(frameLast, h), y[last], y[last]) })
	each(func(h int, y []reg.VecPhysical) { VPSUBB(s.of(frameOver, h), y[place], y[start]) })
	each(func(h int, y []reg.VecPhysical) { VPSUBB(y[place], y[low], y[low]) })
	each(func(h int, y []reg.VecPhysical) { VPCMPEQB(repeated(0), y[start], y[high]) })
	each(func(h int, y []reg.VecPhysical) { VMOVDQA(s.of(frameMask, h), y[4]) })
	each(func(h int, y []reg.VecPhysical) { VPSUBB(y[high], y[4], y[high]) })
	each(func(h int, y []reg.VecPhysical) { VPAND(y[last], y[high], y[high]) })
	each(func(h int, y []reg.VecPhysical) { VMOVDQA(s.of(frameTable, h), y[3]) })
	each(func(h int, y []reg.VecPhysical) { s.lookup(quadScale, y[3], y[4]) })
	each(func(h int, y []reg.VecPhysical) { s.lookup(quadScale+16, y[3], y[5]) })
	each(func(h int, y []reg.VecPhysical) { s.lookup(quadFirst, y[3], y[n]) })
	each(func(h int, y []reg.VecPhysical) { unpack(0, y[high], y[low], y[3]) })
	if groups == 2 {
		each(func(h int, y []reg.VecPhysical) { unpack(1, y[high], y[low], y[7]) })
	}
	each(func(h int, y []reg.VecPhysical) { unpack(0, y[5], y[4], y[2]) })
	each(func(h int, y []reg.VecPhysical) { VPMULLW(y[2], y[3], y[3]) })
	if groups == 2 {
		each(func(h int, y []reg.VecPhysical) { unpack(1, y[5], y[4], y[4]) })
		each(func(h int, y []reg.VecPhysical) { VPMULLW(y[4], y[7], y[7]) })
	}
	each(func(h int, y []reg.VecPhysical) { rawOf(y[code], y[code]) })
	each(func(h int, y []reg.VecPhysical) { VPMINUB(y[code], y[n], y[n]) })
	each(func(h int, y []reg.VecPhysical) { scaleDown(y[n], y[4]) })
	each(func(h int, y []reg.VecPhysical) { VMOVDQA(y[4], s.of(frameScale, h)) })
	each(func(h int, y []reg.VecPhysical) { VPSUBB(y[n], y[code], y[code]) })
	each(func(h int, y []reg.VecPhysical) { VMOVDQA(y[code], s.rest(h)) })
	each(func(h int, y []reg.VecPhysical) { VMOVDQA(y[n], s.first(h)) })
	each(func(h int, y []reg.VecPhysical) { lowBits(y[n], y[2]) })
	each(func(h int, y []reg.VecPhysical) { VMOVDQA(y[2], s.of(frameOnes, h)) })
}

// unpack makes words of the bytes of group g: low and high bytes.
func unpack(g int, high, low, y reg.VecPhysical) {
	if g == 0 {
		VPUNPCKLBW(high, low, y)
	} else {
		VPUNPCKHBW(high, low, y)
	}
}

// lowBits sets y to 2^n - 1 for n up to 8, and to 255 above.
func lowBits(n, y reg.VecPhysical) {
	constants256("lowBits", func(i int) int { return 1<<min(i, 8) - 1 }, n, y)
}

// scaleDown sets y to the high byte of 2^(16-n), or to 0 for n = 0.
func scaleDown(n, y reg.VecPhysical) {
	constants256("scaleDown", func(i int) int { return 1 << (16 - i) >> 8 }, n, y)
}

// powersBelow sets y to 2^n, or to 0 for n above 7.
func powersBelow(n, y reg.VecPhysical) {
	constants256("powersBelow", func(i int) int { return 1 << i }, n, y)
}

// rawOf sets raw to how many raw bits symbols have.
func rawOf(code, raw reg.VecPhysical) {
	VPSRLW(U8(3), code, raw)
	VPAND(repeated(0x1f1f1f1f), raw, raw)
}

// values returns the low and the high words of head << raw, and the raw bits, of
// the symbols of groups of sixteen lanes.
func (s *searcher256) values(half, groups int) (lo, hi []reg.VecPhysical) {
	head, raw, below, above, zero := ymm[0], ymm[1], ymm[2], ymm[3], ymm[4]
	lo, hi = ymm[8:10], ymm[10:12]
	VMOVDQA(s.code(half), head)
	rawOf(head, raw)
	VPAND(repeated(0x07070707), head, head)
	VPXOR(zero, zero, zero)
	powers := func(n reg.VecPhysical) {
		powersBelow(n, below)
		constants256("powersAbove", func(i int) int { return 1 << i >> 8 }, n, above)
	}
	VPADDUSB(repeated(0x70707070), raw, ymm[5]) // PSHUFB gives 0 above 15
	powers(ymm[5])
	h, by := ymm[6], ymm[7]
	for g := range groups {
		unpack(g, zero, head, h)
		unpack(g, above, below, by)
		VPMULLW(by, h, lo[g])
		VPOR(s.bits(2*half+g), lo[g], lo[g])
		if s.width == 32 {
			VPMULHUW(by, h, hi[g])
			VPOR(s.high(2*half+g), hi[g], hi[g])
		}
	}
	if s.width == 16 {
		return lo, hi
	}
	VPSUBB(repeated(0x10101010), raw, raw)
	powers(raw)
	for g := range groups {
		unpack(g, zero, head, h)
		unpack(g, above, below, by)
		VPMULLW(by, h, h)
		VPOR(h, hi[g], hi[g])
	}
	return lo, hi
}

// take sets the states of groups of sixteen lanes to frequency * (state >> bits) +
// slot - start, which is factor * (state - slot) >> 16 + slot - start, and takes
// the raw bits that go with the symbol. Both groups take their steps in turn.
func (s *searcher256) take(half, groups int) {
	y := half256(half)
	start, factor := y[0], []reg.VecPhysical{y[3], y[7]}
	zero, lo, hi := ymm[13], ymm[1:3], ymm[4:6]
	t, u := []reg.VecPhysical{ymm[6], ymm[9]}, []reg.VecPhysical{ymm[10], ymm[12]}
	VPXOR(zero, zero, zero)
	each := func(fn func(g int)) {
		for g := range groups {
			fn(g)
		}
	}
	at := 2 * half
	each(func(g int) { VMOVDQA(s.of(frameSlots, at+g), lo[g]) })
	each(func(g int) { VMOVDQA(s.hi(at+g), hi[g]) })
	each(func(g int) { unpack(g, zero, start, t[g]) })
	each(func(g int) { VPSUBW(t[g], lo[g], t[g]) })
	each(func(g int) { VPXOR(s.lo(at+g), lo[g], lo[g]) })
	each(func(g int) { VPMULHUW(factor[g], lo[g], lo[g]) })
	each(func(g int) { VPMULLW(factor[g], hi[g], u[g]) })
	each(func(g int) { VPMULHUW(factor[g], hi[g], hi[g]) })
	each(func(g int) { VPADDW(t[g], lo[g], lo[g]) })
	each(func(g int) { VPADDW(u[g], lo[g], lo[g]) })
	each(func(g int) { VPSUBUSW(lo[g], u[g], u[g]) }) // more than 0: the sum overflowed
	each(func(g int) { VPMINUW(repeated(1<<16|1), u[g], u[g]) })
	each(func(g int) { VPADDW(u[g], hi[g], hi[g]) })
	// A symbol that is alone in its table has a factor of 2^16, and takes nothing.
	CMPL(s.at(frameQuads+quadFull), U8(0))
	done := s.label()
	JEQ(LabelRef(done))
	each(func(g int) {
		VPCMPEQW(zero, factor[g], t[g])
		VPBLENDVB(t[g], s.lo(at+g), lo[g], lo[g])
		VPBLENDVB(t[g], s.hi(at+g), hi[g], hi[g])
	})
	Label(done)
	VMOVDQA(s.of(frameOnes, half), ymm[14])
	each(func(g int) {
		unpack(g, zero, ymm[14], t[g])
		VPAND(lo[g], t[g], t[g])
		VMOVDQA(t[g], s.bits(at+g))
		if s.width == 32 {
			VMOVDQA(zero, s.high(at+g))
		}
	})
	VMOVDQA(s.of(frameScale, half), ymm[14])
	each(func(g int) { unpack(g, ymm[14], zero, t[g]) })
	s.shift(half, groups, lo, hi, t, u, factor, zero)
}

func (s *searcher256) label() string {
	s.labels++
	return fmt.Sprintf("label%d", s.labels)
}

// shift shifts lo and hi by n and moves words into those that are low; scale is
// 2^(16-n), or 0 for n = 0.
func (s *searcher256) shift(half, groups int, lo, hi, scale, t, u []reg.VecPhysical, zero reg.VecPhysical) {
	each := func(fn func(g int)) {
		for g := range groups {
			fn(g)
		}
	}
	each(func(g int) { VPMULHUW(scale[g], lo[g], t[g]) })
	each(func(g int) { VPMULLW(scale[g], hi[g], u[g]) })
	each(func(g int) { VPOR(u[g], t[g], t[g]) })
	each(func(g int) { VPMULHUW(scale[g], hi[g], u[g]) })
	each(func(g int) { VPCMPEQW(zero, scale[g], scale[g]) })
	each(func(g int) { VPBLENDVB(scale[g], lo[g], t[g], lo[g]) })
	each(func(g int) { VPBLENDVB(scale[g], hi[g], u[g], hi[g]) })
	low := t // those below 2^15
	each(func(g int) { VPSRLW(U8(15), lo[g], low[g]) })
	each(func(g int) { VPOR(hi[g], low[g], low[g]) })
	each(func(g int) { VPCMPEQW(zero, low[g], low[g]) })
	s.renorm(half, groups, lo, hi, low, scale[0], u[0])
}

// renorm moves a word into each lane that is low, and puts the states away. It
// uses w and at.
func (s *searcher256) renorm(half, groups int, lo, hi, low []reg.VecPhysical, w, at reg.VecPhysical) {
	set, next := GP64(), GP64()
	VPACKSSWB(low[groups-1], low[0], w)
	VPMOVMSKB(w, set.As32())
	for g := range groups {
		a, b, n := GP64(), GP64(), GP64()
		if g == 1 {
			SHRL(U8(8), set.As32())
		}
		// Bits 0 to 7 are the first eight lanes', 16 to 23 the others'.
		MOVBLZX(set.As8(), a.As32())
		MOVL(set.As32(), b.As32())
		ANDL(U32(0xff0000), b.As32())
		POPCNTL(a.As32(), n.As32())
		VMOVDQU(Mem{Base: s.src}, w.AsX())
		VINSERTI128(U8(1), Mem{Base: s.src, Index: n, Scale: 2}, w, w)
		POPCNTL(b.As32(), next.As32())
		ADDL(n.As32(), next.As32())
		LEAQ(Mem{Base: s.src, Index: next, Scale: 2}, s.src)
		SHLL(U8(4), a.As32())
		SHRL(U8(12), b.As32())
		VMOVDQU(Mem{Base: s.places, Index: a, Scale: 1}, at.AsX())
		VINSERTI128(U8(1), Mem{Base: s.places, Index: b, Scale: 1}, at, at)
		VPSHUFB(at, w, w)
		VPBLENDVB(low[g], lo[g], hi[g], hi[g])
		VPBLENDVB(low[g], w, lo[g], lo[g])
		VMOVDQA(hi[g], s.hi(2*half+g))
		VMOVDQA(lo[g], s.lo(2*half+g))
	}
}

// more takes up to fifteen more raw bits.
func (s *searcher256) more(half, groups, portion int) {
	n, left, first, zero := ymm[0], ymm[1], ymm[2], ymm[3]
	masks, scales, up := ymm[4:6], ymm[6:8], ymm[8]
	VMOVDQA(s.rest(half), left)
	VPMINUB(repeated(0x0f0f0f0f), left, n)
	VPSUBB(n, left, left)
	VMOVDQA(left, s.rest(half))
	lowBits(n, masks[0])
	constants256("lowBitsAbove", func(i int) int { return 1<<max(i-8, 0) - 1 }, n, masks[1])
	constants256("scaleDownBelow", func(i int) int { return 1 << (16 - max(i, 1)) }, n, scales[0])
	scaleDown(n, scales[1])
	VMOVDQA(s.first(half), first)
	if portion == 1 { // behind the first and fifteen more
		VPCMPEQD(up, up, up)
		VPADDB(up, first, first)
	}
	powersBelow(first, up)
	VPXOR(zero, zero, zero)
	lo, hi, t := ymm[9:11], ymm[11:13], ymm[13:15]
	bits, by := ymm[0], ymm[1]
	for g := range groups {
		at := 2*half + g
		VMOVDQA(s.lo(at), lo[g])
		VMOVDQA(s.hi(at), hi[g])
		unpack(g, masks[1], masks[0], bits)
		VPAND(lo[g], bits, bits)
		unpack(g, zero, up, by)
		if portion == 0 {
			VPMULLW(by, bits, ymm[2])
			VPOR(s.bits(at), ymm[2], ymm[2])
			VMOVDQA(ymm[2], s.bits(at))
			if s.width == 32 {
				VPMULHUW(by, bits, ymm[2])
			}
		} else {
			VPMULLW(by, bits, ymm[2])
		}
		if s.width == 32 {
			VPOR(s.high(at), ymm[2], ymm[2])
			VMOVDQA(ymm[2], s.high(at))
		}
	}
	scale := ymm[4:6]
	unpack(0, scales[1], scales[0], scale[0])
	unpack(1, scales[1], scales[0], scale[1])
	s.shift(half, groups, lo, hi, scale, t, ymm[0:2], zero)
}

// store writes the steps of sixteen lanes. It and the walks use registers below
// ymm[8].
func (s *searcher256) store(g int, lo, hi reg.VecPhysical, z reg.Register) {
	VPCMPEQD(ymm[0], ymm[0], ymm[0])
	if s.width == 16 {
		VPADDW(ymm[0], lo, lo)
		VMOVDQU(lo, Mem{Base: z, Disp: 32 * g})
		return
	}
	paired256(lo, hi, ymm[2], ymm[3])
	for i := range 2 {
		VPADDD(ymm[0], ymm[2+i], ymm[2+i])
		VMOVDQU(ymm[2+i], Mem{Base: z, Disp: 64*g + 32*i})
	}
}

// walk16 writes the elements that are steps from base's.
func (s *searcher256) walk16(g int, lo reg.VecPhysical, dst, base reg.Register) {
	walked256(lanes256[16], lo, Mem{Base: base, Disp: 32 * g}, 0x7fff7fff)
	VMOVDQU(lo, Mem{Base: dst, Disp: 32 * g})
}

func (s *searcher256) walk32(g int, lo, hi reg.VecPhysical, dst, base reg.Register) {
	paired256(lo, hi, ymm[4], ymm[5])
	for i := range 2 {
		walked256(lanes256[32], ymm[4+i], Mem{Base: base, Disp: 64*g + 32*i}, 0x7fffffff)
		VMOVDQU(ymm[4+i], Mem{Base: dst, Disp: 64*g + 32*i})
	}
}

// walked256 sets v, one more than steps, to the floats that are those steps from
// base's. The sign need not be flipped, as it would be twice.
func walked256(l lane256, v reg.VecPhysical, base Mem, magnitude uint32) {
	b, t := ymm[1], ymm[2]
	VPCMPEQD(t, t, t)
	l.add(t, v, v)
	l.left(U8(l.bits-1), v, t)
	l.signed(U8(l.bits-1), t, t)
	l.right(U8(1), v, v)
	VPXOR(t, v, v)
	VMOVDQU(base, b)
	for _, x := range []reg.VecPhysical{b, v} {
		l.signed(U8(l.bits-1), x, t)
		VPAND(repeated(magnitude), t, t)
		VPXOR(t, x, x)
		if x == b {
			l.add(b, v, v)
		}
	}
}
