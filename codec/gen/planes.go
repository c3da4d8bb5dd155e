package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// split512 splits elements of 16 bits into two byte planes; bfloat has the sign
// below the exponent.
func split512(name string, bfloat bool) {
	TEXT(name, NOSPLIT, "func(hi, lo, src *byte, n int)")
	Pragma("noescape")
	Doc(name + " splits n elements of src, a multiple of 32, into planes.")
	hi := Load(Param("hi"), GP64())
	lo := Load(Param("lo"), GP64())
	src := Load(Param("src"), GP64())
	n := Load(Param("n"), GP64())
	sign, mantissa := zmm[31], zmm[30]
	words(0x80, sign)
	words(0x7f, mantissa)
	Label("loop")
	SUBQ(U8(32), n)
	JL(LabelRef("done"))
	x, h, l := zmm[0], zmm[1], zmm[2]
	VMOVDQU64(Mem{Base: src}, x)
	if bfloat {
		VPSRLW(U8(7), x, h)
		VPSRLW(U8(8), x, l)
		VPANDQ(sign, l, l)
		VPTERNLOGQ(U8(0xf8), mantissa, x, l) // l | x & mantissa
	} else {
		VPSRLW(U8(8), x, h)
		VMOVDQA64(x, l)
	}
	VPMOVWB(h, h.AsY())
	VPMOVWB(l, l.AsY())
	VMOVDQU32(h.AsY(), Mem{Base: hi})
	VMOVDQU32(l.AsY(), Mem{Base: lo})
	ADDQ(U8(64), src)
	ADDQ(U8(32), hi)
	ADDQ(U8(32), lo)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// join512 undoes split512.
func join512(name string, bfloat bool) {
	TEXT(name, NOSPLIT, "func(dst, hi, lo *byte, n int)")
	Pragma("noescape")
	Doc(name + " joins n elements, a multiple of 32, from planes.")
	dst := Load(Param("dst"), GP64())
	hi := Load(Param("hi"), GP64())
	lo := Load(Param("lo"), GP64())
	n := Load(Param("n"), GP64())
	sign, mantissa := zmm[31], zmm[30]
	words(0x8000, sign)
	words(0x7f, mantissa)
	Label("loop")
	SUBQ(U8(32), n)
	JL(LabelRef("done"))
	h, l, s := zmm[0], zmm[1], zmm[2]
	VPMOVZXBW(Mem{Base: hi}, h)
	VPMOVZXBW(Mem{Base: lo}, l)
	if bfloat {
		VPSLLW(U8(8), l, s)
		VPANDQ(sign, s, s)
		VPSLLW(U8(7), h, h)
		VPANDQ(mantissa, l, l)
		VPTERNLOGQ(U8(0xfe), s, l, h) // h | l | s
	} else {
		VPSLLW(U8(8), h, h)
		VPORQ(l, h, h)
	}
	VMOVDQU64(h, Mem{Base: dst})
	ADDQ(U8(32), hi)
	ADDQ(U8(32), lo)
	ADDQ(U8(64), dst)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// split512d splits floats of 32 bits, the sign below the exponent.
func split512d() {
	TEXT("splitF32AVX512", NOSPLIT, "func(planes, src *byte, n, stride int)")
	Pragma("noescape")
	Doc("splitF32AVX512 splits n elements of src, a multiple of 16, into four planes, stride bytes apart.")
	planes := Load(Param("planes"), GP64())
	src := Load(Param("src"), GP64())
	n := Load(Param("n"), GP64())
	stride := GP64()
	Load(Param("stride"), stride)
	at := GP64()
	exponent, sign := zmm[31], zmm[30]
	dwords(0xff000000, exponent)
	dwords(0x00800000, sign)
	Label("loop")
	SUBQ(U8(16), n)
	JL(LabelRef("done"))
	x, t := zmm[0], zmm[1]
	VMOVDQU32(Mem{Base: src}, x)
	float512(x, t, exponent, sign)
	MOVQ(planes, at)
	for i := range 4 {
		VPSRLD(U8(24-8*i), x, t)
		VPMOVDB(t, t.AsX())
		VMOVDQU32(t.AsX(), Mem{Base: at})
		ADDQ(stride, at)
	}
	ADDQ(U8(64), src)
	ADDQ(U8(16), planes)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// float512 moves the signs of x below the exponents: x<<1 & exponent | x>>8 &
// sign | x & mantissa.
func float512(x, t, exponent, sign reg.VecPhysical) {
	m := zmm[2]
	VPSLLD(U8(1), x, t)
	VPSRLD(U8(8), x, m)
	VPANDD(sign, m, m)
	VPANDD(exponent, t, t)
	VPORD(m, t, t)
	VPSLLD(U8(9), x, x)
	VPSRLD(U8(9), x, x)
	VPORD(t, x, x)
}

// join512d undoes split512d.
func join512d() {
	TEXT("joinF32AVX512", NOSPLIT, "func(dst, planes *byte, n, stride int)")
	Pragma("noescape")
	Doc("joinF32AVX512 joins n elements, a multiple of 16, from four planes, stride bytes apart.")
	dst := Load(Param("dst"), GP64())
	planes := Load(Param("planes"), GP64())
	n := Load(Param("n"), GP64())
	stride := GP64()
	Load(Param("stride"), stride)
	at := GP64()
	exponent, sign := zmm[31], zmm[30]
	dwords(0x7f800000, exponent)
	dwords(0x80000000, sign)
	Label("loop")
	SUBQ(U8(16), n)
	JL(LabelRef("done"))
	x, t := zmm[0], zmm[1]
	VPXORD(x, x, x)
	MOVQ(planes, at)
	for range 4 {
		VPSLLD(U8(8), x, x)
		VPMOVZXBD(Mem{Base: at}, t)
		VPORD(t, x, x)
		ADDQ(stride, at)
	}
	m := zmm[2]
	VPSRLD(U8(1), x, t)
	VPANDD(exponent, t, t)
	VPSLLD(U8(8), x, m)
	VPANDD(sign, m, m)
	VPORD(m, t, t)
	VPSLLD(U8(9), x, x)
	VPSRLD(U8(9), x, x)
	VPORD(t, x, x)
	VMOVDQU32(x, Mem{Base: dst})
	ADDQ(U8(16), planes)
	ADDQ(U8(64), dst)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}
