package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
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
