package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Elements of one byte, floats or integers. What makes the order of the numbers
// of a float, but for its sign bit, is x ^ (low if x is negative), which is its
// own inverse; of integers low is 0. That bit does not matter: it is added on
// both sides of a difference.

// order512b orders bytes x; it uses K1.
func order512b(x, t, low reg.VecPhysical) {
	VPMOVB2M(x, reg.K1)
	VMOVDQU8_Z(low, reg.K1, t)
	VPXORQ(t, x, x)
}

// steps512b computes the steps and symbols of bytes.
func steps512b() {
	TEXT("steps8AVX512", NOSPLIT, "func(z, symbols, leaf, base, symbolOf *byte, n, low int)")
	Pragma("noescape")
	Doc("steps8AVX512 fills z with the steps from base to leaf and symbols with what symbolOf, of 256 bytes, has for them; n is a multiple of 64.")
	z := Load(Param("z"), GP64())
	symbols := Load(Param("symbols"), GP64())
	leaf := Load(Param("leaf"), GP64())
	base := Load(Param("base"), GP64())
	symbolOf := Load(Param("symbolOf"), GP64())
	n := Load(Param("n"), GP64())
	r := GP64()
	Load(Param("low"), r)
	low, zero, a, b, t, u := zmm[31], zmm[30], zmm[0], zmm[1], zmm[2], zmm[3]
	table := zmm[26:30]
	VPBROADCASTB(r.As32(), low)
	VPXORQ(zero, zero, zero)
	for i := range table {
		VMOVDQU64(Mem{Base: symbolOf, Disp: 64 * i}, table[i])
	}
	Label("loop")
	SUBQ(U8(64), n)
	JL(LabelRef("done"))
	VMOVDQU64(Mem{Base: leaf}, a)
	VMOVDQU64(Mem{Base: base}, b)
	order512b(a, t, low)
	order512b(b, t, low)
	VPSUBB(b, a, a)
	VPMOVB2M(a, reg.K1)
	VPADDB(a, a, a)
	VPMOVM2B(reg.K1, t)
	VPXORQ(t, a, a)
	VPMOVZXBW(a.AsY(), t)
	VMOVDQU64(t, Mem{Base: z})
	VEXTRACTI64X4(U8(1), a, t.AsY())
	VPMOVZXBW(t.AsY(), t)
	VMOVDQU64(t, Mem{Base: z, Disp: 64})
	// The bits below the highest choose from 128 bytes, that one between the two.
	VMOVDQA64(a, t)
	VMOVDQA64(a, u)
	VPERMI2B(table[1], table[0], t)
	VPERMI2B(table[3], table[2], u)
	VPMOVB2M(a, reg.K1)
	VMOVDQU8(u, reg.K1, t)
	VMOVDQU64(t, Mem{Base: symbols})
	ADDQ(U8(64), leaf)
	ADDQ(U8(64), base)
	ADDQ(U32(128), z)
	ADDQ(U8(64), symbols)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// walk256b undoes steps512b, in vectors that AVX2 has.
func walk256b() {
	TEXT("walk8AVX2", NOSPLIT, "func(dst, base, z *byte, n, low int)")
	Pragma("noescape")
	Doc("walk8AVX2 fills dst with the elements that are steps z from base's; n is a multiple of 32.")
	dst := Load(Param("dst"), GP64())
	base := Load(Param("base"), GP64())
	z := Load(Param("z"), GP64())
	n := Load(Param("n"), GP64())
	r := GP64()
	Load(Param("low"), r)
	low, zero, one, bytes, a, b, t := ymm[15], ymm[14], ymm[13], ymm[12], ymm[0], ymm[1], ymm[2]
	VMOVD(r.As32(), low.AsX())
	VPBROADCASTB(low.AsX(), low)
	VPXOR(zero, zero, zero)
	words256(1, one)
	words256(0xff, bytes)
	order := func(x reg.VecPhysical) {
		VPCMPGTB(x, zero, t)
		VPAND(low, t, t)
		VPXOR(t, x, x)
	}
	Label("loop")
	SUBQ(U8(32), n)
	JL(LabelRef("done"))
	for h, x := range []reg.VecPhysical{a, b} {
		VMOVDQU(Mem{Base: z, Disp: 32 * h}, x)
		VPAND(one, x, t)
		VPSUBW(t, zero, t)
		VPSRLW(U8(1), x, x)
		VPXOR(t, x, x)
		VPAND(bytes, x, x)
	}
	VPACKUSWB(b, a, a)
	VPERMQ(U8(0xd8), a, a)
	VMOVDQU(Mem{Base: base}, b)
	order(b)
	VPADDB(b, a, a)
	order(a)
	VMOVDQU(a, Mem{Base: dst})
	ADDQ(U8(64), z)
	ADDQ(U8(32), base)
	ADDQ(U8(32), dst)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// depths256b is depths256 for bytes.
func depths256b() {
	TEXT("depths8AVX2", NOSPLIT, "func(depth, base *byte, n, exponent, mask, top int)")
	Pragma("noescape")
	Doc("depths8AVX2 fills depth with min(31, top - exponents of base), at least 0; n is a multiple of 32.")
	depth := Load(Param("depth"), GP64())
	base := Load(Param("base"), GP64())
	n := Load(Param("n"), GP64())
	exponent, mask, topv := GP64(), GP64(), GP64()
	Load(Param("exponent"), exponent)
	Load(Param("mask"), mask)
	Load(Param("top"), topv)
	m, top, most, shift := ymm[15], ymm[14], ymm[13], reg.X12
	VMOVD(mask.As32(), m.AsX())
	VPBROADCASTB(m.AsX(), m)
	VMOVD(topv.As32(), top.AsX())
	VPBROADCASTB(top.AsX(), top)
	words256(31<<8|31, most)
	VMOVQ(exponent, shift)
	Label("loop")
	SUBQ(U8(32), n)
	JL(LabelRef("done"))
	// What comes from the byte above, the mask takes away.
	VMOVDQU(Mem{Base: base}, ymm[0])
	VPSRLW(shift, ymm[0], ymm[0])
	VPAND(m, ymm[0], ymm[0])
	VPSUBUSB(ymm[0], top, ymm[0])
	VPMINUB(most, ymm[0], ymm[0])
	VMOVDQU(ymm[0], Mem{Base: depth})
	ADDQ(U8(32), base)
	ADDQ(U8(32), depth)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}
