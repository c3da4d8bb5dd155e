package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// words256 sets y to the word x sixteen times.
func words256(x uint16, y reg.VecPhysical) {
	r := GP32()
	MOVL(U32(uint32(x)), r)
	VMOVD(r, y.AsX())
	VPBROADCASTW(y.AsX(), y)
}

// A lane256 is the instructions for elements of one width.
type lane256 struct {
	fill          func(y reg.VecPhysical, x uint32)
	add, sub      func(...Op) // vectors
	left          func(...Op) // shifts
	right, signed func(...Op)
	bits          uint64
}

var lanes256 = map[int]lane256{
	16: {func(y reg.VecPhysical, x uint32) { words256(uint16(x), y) }, VPADDW, VPSUBW, VPSLLW, VPSRLW, VPSRAW, 16},
	32: {func(y reg.VecPhysical, x uint32) { dwords256(x, y) }, VPADDD, VPSUBD, VPSLLD, VPSRLD, VPSRAD, 32},
}

// walk256 is walk512, for elements of 16 or 32 bits.
func walk256(name string, width int) {
	TEXT(name, NOSPLIT, "func(dst, base, z *byte, n int)")
	Pragma("noescape")
	Doc(name + " fills dst with the elements that are steps z from base's; n is a multiple of 16.")
	dst := Load(Param("dst"), GP64())
	base := Load(Param("base"), GP64())
	z := Load(Param("z"), GP64())
	n := Load(Param("n"), GP64())
	l := lanes256[width]
	top, one, zero, ones, magnitude := ymm[15], ymm[14], ymm[13], ymm[12], ymm[11]
	a, b, t := ymm[0], ymm[1], ymm[2]
	l.fill(top, 1<<(width-1))
	l.fill(magnitude, 1<<(width-1)-1)
	l.fill(one, 1)
	VPXOR(zero, zero, zero)
	VPCMPEQD(ones, ones, ones)
	Label("loop")
	SUBQ(U8(256/width), n)
	JL(LabelRef("done"))
	VMOVDQU(Mem{Base: z}, a)
	VMOVDQU(Mem{Base: base}, b)
	VPAND(one, a, t)
	l.sub(t, zero, t)
	l.right(U8(1), a, a)
	VPXOR(t, a, a)
	order256(l, b, t, top)
	l.add(b, a, a)
	// x ^ (^sign | top)
	l.signed(U8(l.bits-1), a, t)
	VPAND(magnitude, t, t)
	VPXOR(ones, t, t)
	VPXOR(t, a, a)
	VMOVDQU(a, Mem{Base: dst})
	ADDQ(U8(32), z)
	ADDQ(U8(32), base)
	ADDQ(U8(32), dst)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// order256 is order512.
func order256(l lane256, x, t, top reg.VecPhysical) {
	l.signed(U8(l.bits-1), x, t)
	VPOR(top, t, t)
	VPXOR(t, x, x)
}

// depths256 is depths512.
func depths256() {
	TEXT("depths16AVX2", NOSPLIT, "func(depth, base *byte, n, exponent, mask, top int)")
	Pragma("noescape")
	Doc("depths16AVX2 fills depth with min(31, top - exponents of base), at least 0; n is a multiple of 32.")
	depth := Load(Param("depth"), GP64())
	base := Load(Param("base"), GP64())
	n := Load(Param("n"), GP64())
	exponent, mask, topv := GP64(), GP64(), GP64()
	Load(Param("exponent"), exponent)
	Load(Param("mask"), mask)
	Load(Param("top"), topv)
	m, top, most, shift := ymm[15], ymm[14], ymm[13], reg.X12
	VMOVD(mask.As32(), m.AsX())
	VPBROADCASTW(m.AsX(), m)
	VMOVD(topv.As32(), top.AsX())
	VPBROADCASTW(top.AsX(), top)
	words256(31, most)
	VMOVQ(exponent, shift)
	Label("loop")
	SUBQ(U8(32), n)
	JL(LabelRef("done"))
	for h := range 2 {
		a := ymm[h]
		VMOVDQU(Mem{Base: base, Disp: 32 * h}, a)
		VPSRLW(shift, a, a)
		VPAND(m, a, a)
		VPSUBUSW(a, top, a)
		VPMINUW(most, a, a)
	}
	VPACKUSWB(ymm[1], ymm[0], ymm[0])
	VPERMQ(U8(0xd8), ymm[0], ymm[0])
	VMOVDQU(ymm[0], Mem{Base: depth})
	ADDQ(U8(64), base)
	ADDQ(U8(32), depth)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// depths256d is depths512d.
func depths256d() {
	TEXT("depthsFloat32AVX2", NOSPLIT, "func(depth, base *byte, n, top int)")
	Pragma("noescape")
	Doc("depthsFloat32AVX2 fills depth with min(31, top - exponents of base), at least 0; n is a multiple of 16.")
	depth := Load(Param("depth"), GP64())
	base := Load(Param("base"), GP64())
	n := Load(Param("n"), GP64())
	topv := GP64()
	Load(Param("top"), topv)
	m, top, most := ymm[15], ymm[14], ymm[13]
	dwords256(0xff, m)
	dwords256(31, most)
	VMOVD(topv.As32(), top.AsX())
	VPBROADCASTD(top.AsX(), top)
	Label("loop")
	SUBQ(U8(16), n)
	JL(LabelRef("done"))
	for h := range 2 {
		a := ymm[h]
		VMOVDQU(Mem{Base: base, Disp: 32 * h}, a)
		VPSRLD(U8(23), a, a)
		VPAND(m, a, a)
		VPSUBUSW(a, top, a)
		VPMINUD(most, a, a)
	}
	VPACKUSDW(ymm[1], ymm[0], ymm[0])
	VPERMQ(U8(0xd8), ymm[0], ymm[0])
	VEXTRACTI128(U8(1), ymm[0], ymm[1].AsX())
	VPACKUSWB(ymm[1].AsX(), ymm[0].AsX(), ymm[0].AsX())
	VMOVDQU(ymm[0].AsX(), Mem{Base: depth})
	ADDQ(U8(64), base)
	ADDQ(U8(16), depth)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// context256 is context512 for whole vectors.
func context256() {
	TEXT("contextAVX2", NOSPLIT, "func(ctx, depth, cols *byte, n, shift int)")
	Pragma("noescape")
	Doc("contextAVX2 fills ctx with clamp(shift + cols + 2·depth, 0, 63); n is a multiple of 32; cols may be nil for zeros.")
	ctx := Load(Param("ctx"), GP64())
	depth := Load(Param("depth"), GP64())
	cols := Load(Param("cols"), GP64())
	n := Load(Param("n"), GP64())
	shift := GP64()
	Load(Param("shift"), shift)
	s, zero, most := ymm[15], ymm[14], ymm[13]
	VMOVD(shift.As32(), s.AsX())
	VPBROADCASTB(s.AsX(), s)
	VPXOR(zero, zero, zero)
	words256(63<<8|63, most)
	i := GP64()
	XORQ(i, i)
	TESTQ(cols, cols)
	JEQ(LabelRef("plain"))
	for _, l := range []string{"cols", "plain"} {
		Label(l)
		SUBQ(U8(32), n)
		JL(LabelRef("done"))
		VMOVDQU(Mem{Base: depth, Index: i, Scale: 1}, ymm[0])
		VPADDB(ymm[0], ymm[0], ymm[0])
		VPADDB(s, ymm[0], ymm[0])
		if l == "cols" {
			VPADDB(Mem{Base: cols, Index: i, Scale: 1}, ymm[0], ymm[0])
		}
		VPMAXSB(zero, ymm[0], ymm[0])
		VPMINSB(most, ymm[0], ymm[0])
		VMOVDQU(ymm[0], Mem{Base: ctx, Index: i, Scale: 1})
		ADDQ(U8(32), i)
		JMP(LabelRef(l))
	}
	Label("done")
	VZEROUPPER()
	RET()
}

// join256 is join512.
func join256(name string, bfloat bool) {
	TEXT(name, NOSPLIT, "func(dst, hi, lo *byte, n int)")
	Pragma("noescape")
	Doc(name + " joins n elements, a multiple of 16, from planes.")
	dst := Load(Param("dst"), GP64())
	hi := Load(Param("hi"), GP64())
	lo := Load(Param("lo"), GP64())
	n := Load(Param("n"), GP64())
	sign, mantissa := ymm[15], ymm[14]
	words256(0x8000, sign)
	words256(0x7f, mantissa)
	Label("loop")
	SUBQ(U8(16), n)
	JL(LabelRef("done"))
	h, l, s := ymm[0], ymm[1], ymm[2]
	VPMOVZXBW(Mem{Base: hi}, h)
	VPMOVZXBW(Mem{Base: lo}, l)
	if bfloat {
		VPSLLW(U8(8), l, s)
		VPAND(sign, s, s)
		VPSLLW(U8(7), h, h)
		VPAND(mantissa, l, l)
		VPOR(s, h, h)
	} else {
		VPSLLW(U8(8), h, h)
	}
	VPOR(l, h, h)
	VMOVDQU(h, Mem{Base: dst})
	ADDQ(U8(16), hi)
	ADDQ(U8(16), lo)
	ADDQ(U8(32), dst)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// rowShifts256 is rowShifts512 for whole vectors.
func rowShifts256() {
	TEXT("rowShiftsAVX2", NOSPLIT, "func(dst, cols *byte, n, shift int)")
	Pragma("noescape")
	Doc("rowShiftsAVX2 fills dst with shift + cols; n is a multiple of 32; cols may be nil for zeros.")
	dst := Load(Param("dst"), GP64())
	cols := Load(Param("cols"), GP64())
	n := Load(Param("n"), GP64())
	shift := GP64()
	Load(Param("shift"), shift)
	i := GP64()
	VMOVD(shift.As32(), reg.X0)
	VPBROADCASTB(reg.X0, ymm[0])
	VMOVDQA(ymm[0], ymm[1])
	XORQ(i, i)
	Label("loop")
	SUBQ(U8(32), n)
	JL(LabelRef("done"))
	TESTQ(cols, cols)
	JEQ(LabelRef("put"))
	VPADDB(Mem{Base: cols, Index: i, Scale: 1}, ymm[0], ymm[1])
	Label("put")
	VMOVDQU(ymm[1], Mem{Base: dst, Index: i, Scale: 1})
	ADDQ(U8(32), i)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}
