package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A stepper256 is the registers of a kernel that computes steps. A fine symbol is
// read off z+1 as a float: three bits of its mantissa, and its exponent above.
type stepper256 struct {
	low, ones, zero   reg.VecPhysical // low: what is flipped in negative elements
	eighth, seven     reg.VecPhysical // words: 8 as such a float, and its symbol
	z, symbols        reg.Register
	leaf, base, count reg.Register
}

// floatOf8 is the float 8 but for its lowest 20 bits; its symbol is 7.
const floatOf8 = 0x41000000 >> 20

func newStepper256(name, of, multiple string) *stepper256 {
	TEXT(name, NOSPLIT, "func(z, symbols, leaf, base *byte, n, low int)")
	Pragma("noescape")
	Doc(name + " fills z and symbols with the steps from base to leaf, " + of + ", and their symbols; low is what is flipped in negative elements, n a multiple of " + multiple + ".")
	s := &stepper256{low: ymm[15], ones: ymm[14], zero: ymm[13], eighth: ymm[12], seven: ymm[11],
		z: Load(Param("z"), GP64()), symbols: Load(Param("symbols"), GP64()),
		leaf: Load(Param("leaf"), GP64()), base: Load(Param("base"), GP64()), count: Load(Param("n"), GP64())}
	low := GP64()
	Load(Param("low"), low)
	VMOVD(low.As32(), s.low.AsX())
	VPCMPEQD(s.ones, s.ones, s.ones)
	VPXOR(s.zero, s.zero, s.zero)
	words256(floatOf8, s.eighth)
	words256(7, s.seven)
	return s
}

// steps256 computes the steps and symbols of elements of 16 bits.
func steps256() {
	s := newStepper256("steps16AVX2", "of 16 bits", "32")
	VPBROADCASTW(s.low.AsX(), s.low)
	Label("loop")
	SUBQ(U8(32), s.count)
	JL(LabelRef("done"))
	for h := range 2 {
		a, b := ymm[h], ymm[2]
		VMOVDQU(Mem{Base: s.leaf, Disp: 32 * h}, a)
		VMOVDQU(Mem{Base: s.base, Disp: 32 * h}, b)
		s.step(lanes256[16], a, b, ymm[3])
		VMOVDQU(a, Mem{Base: s.z, Disp: 32 * h})
		s.symbols16(a)
	}
	s.put(ymm[0], ymm[1])
	ADDQ(U8(64), s.leaf)
	ADDQ(U8(64), s.base)
	ADDQ(U8(64), s.z)
	s.again()
}

// steps256b computes those of elements of 8 bits.
func steps256b() {
	s := newStepper256("steps8AVX2", "of 8 bits", "32")
	VPBROADCASTB(s.low.AsX(), s.low)
	Label("loop")
	SUBQ(U8(32), s.count)
	JL(LabelRef("done"))
	a, b, t := ymm[0], ymm[2], ymm[3]
	VMOVDQU(Mem{Base: s.leaf}, a)
	VMOVDQU(Mem{Base: s.base}, b)
	for _, x := range []reg.VecPhysical{a, b} {
		VPCMPGTB(x, s.zero, t)
		VPAND(s.low, t, t)
		VPXOR(t, x, x)
	}
	VPSUBB(b, a, a)
	VPCMPGTB(a, s.zero, t)
	VPADDB(a, a, a)
	VPXOR(t, a, a)
	VEXTRACTI128(U8(1), a, ymm[1].AsX())
	for h := range 2 {
		VPMOVZXBW(ymm[h].AsX(), ymm[h])
		VMOVDQU(ymm[h], Mem{Base: s.z, Disp: 32 * h})
		s.symbols16(ymm[h])
	}
	s.put(ymm[0], ymm[1])
	ADDQ(U8(32), s.leaf)
	ADDQ(U8(32), s.base)
	ADDQ(U8(64), s.z)
	s.again()
}

// steps256d computes those of elements of 32 bits.
func steps256d() {
	s := newStepper256("steps32AVX2", "of 32 bits", "32")
	VPBROADCASTD(s.low.AsX(), s.low)
	Label("loop")
	SUBQ(U8(32), s.count)
	JL(LabelRef("done"))
	for h := range 4 {
		a, b := ymm[4+h], ymm[2]
		VMOVDQU(Mem{Base: s.leaf, Disp: 32 * h}, a)
		VMOVDQU(Mem{Base: s.base, Disp: 32 * h}, b)
		s.step(lanes256[32], a, b, ymm[3])
		VMOVDQU(a, Mem{Base: s.z, Disp: 32 * h})
		s.symbols32(a)
	}
	VPACKUSDW(ymm[5], ymm[4], ymm[0])
	VPACKUSDW(ymm[7], ymm[6], ymm[1])
	VPACKUSWB(ymm[1], ymm[0], ymm[0])
	VMOVDQU(packedOrder(), ymm[1])
	VPERMD(ymm[0], ymm[1], ymm[0])
	VMOVDQU(ymm[0], Mem{Base: s.symbols})
	ADDQ(U32(128), s.leaf)
	ADDQ(U32(128), s.base)
	ADDQ(U32(128), s.z)
	s.again()
}

// step sets a to the step from b.
func (s *stepper256) step(l lane256, a, b, t reg.VecPhysical) {
	for _, x := range []reg.VecPhysical{a, b} {
		l.signed(U8(l.bits-1), x, t)
		VPAND(s.low, t, t)
		VPXOR(t, x, x)
	}
	l.sub(b, a, a)
	l.signed(U8(l.bits-1), a, t)
	l.add(a, a, a)
	VPXOR(t, a, a)
}

// symbols16 replaces steps of 16 bits by their symbols. Those below 8 are their
// own; one more than the highest is 0, and no float tells its symbol, 255.
func (s *stepper256) symbols16(z reg.VecPhysical) {
	v, a, b, highest := ymm[7], ymm[8], ymm[9], ymm[10]
	VPSUBW(s.ones, z, v)
	VPUNPCKLWD(s.zero, v, a)
	VPUNPCKHWD(s.zero, v, b)
	for _, x := range []reg.VecPhysical{a, b} {
		VCVTDQ2PS(x, x)
		VPSRLD(U8(20), x, x)
	}
	VPACKUSDW(b, a, a)
	VPSUBUSW(s.eighth, a, a)
	VPADDW(s.seven, a, a)
	VPCMPEQW(s.ones, z, highest)
	VPMINUW(a, z, z)
	VPSRLW(U8(8), highest, highest)
	VPOR(highest, z, z)
}

// symbols32 replaces steps of 32 bits by theirs. Of large ones the lowest bits,
// which symbols do not depend on, do not go into the float.
func (s *stepper256) symbols32(z reg.VecPhysical) {
	v, large, t, highest := ymm[0], ymm[1], ymm[2], ymm[3]
	VPSUBD(s.ones, z, v)
	VPSRLD(U8(16), v, large)
	VPCMPGTD(s.zero, large, large)
	VPAND(repeated(12), large, t)
	VPSRLVD(t, v, v)
	VCVTDQ2PS(v, v)
	VPSRLD(U8(20), v, v)
	VPSUBUSW(s.eighth, v, v)
	VPAND(repeated(12*8), large, t)
	VPADDD(t, v, v)
	VPADDD(repeated(7), v, v)
	VPCMPEQD(s.ones, z, highest)
	VPMINUD(v, z, z)
	VPSRLD(U8(24), highest, highest)
	VPOR(highest, z, z)
}

// put writes the symbols that are words of a and b.
func (s *stepper256) put(a, b reg.VecPhysical) {
	VPACKUSWB(b, a, a)
	VPERMQ(U8(0xd8), a, a)
	VMOVDQU(a, Mem{Base: s.symbols})
}

func (s *stepper256) again() {
	ADDQ(U8(32), s.symbols)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}
