package main

import (
	"math"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// shifts512 finds the shifts of rows or columns, sixteen at a time.
func shifts512() {
	TEXT("shiftsAVX512", NOSPLIT, "func(dst, sums, search *byte, n int)")
	Pragma("noescape")
	Doc("shiftsAVX512 fills dst with the shifts that search, a shiftSearch, has for sums, n times sixteen of them.")
	dst := Load(Param("dst"), GP64())
	sums := Load(Param("sums"), GP64())
	search := Load(Param("search"), GP64())
	n := Load(Param("n"), GP64())
	tree, one, less, chance, even, odd := zmm[28:32], zmm[27], zmm[26], zmm[25], zmm[24], zmm[23]
	for i, z := range tree {
		VMOVDQU32(Mem{Base: search, Disp: 64 * i}, z)
	}
	dwords(1, one)
	dwords(64+24, less)
	dwords(math.Float32bits(6*256), chance)
	VMOVDQU32(everyDword(0), even)
	VMOVDQU32(everyDword(1), odd)
	Label("loop")
	SUBQ(U8(1), n)
	JL(LabelRef("done"))
	a, b, have, expected, apart, limit, ratio, i := zmm[0], zmm[1], zmm[2], zmm[3], zmm[4], zmm[5], zmm[6], zmm[7]
	VMOVDQU32(Mem{Base: sums}, a)
	VMOVDQU32(Mem{Base: sums, Disp: 64}, b)
	VMOVDQA32(even, have)
	VPERMI2D(b, a, have)
	VMOVDQA32(odd, expected)
	VPERMI2D(b, a, expected)
	VPTESTMD(expected, expected, reg.K1)
	VPSLLD(U8(8), have, have)
	VCVTUDQ2PS(have, have)
	VCVTUDQ2PS(expected, expected)
	VDIVPS(expected, have, ratio)
	VSUBPS(expected, have, apart)
	VMULPS(apart, apart, apart)
	VMULPS(chance, expected, limit)
	VCMPPS(U8(1), apart, limit, reg.K1, reg.K1) // limit < apart
	VMOVDQA32(one, i)
	for level := range 6 {
		t := zmm[8]
		switch level {
		case 5: // the last of the tree
			VMOVDQA32(i, t)
			VPERMI2D(tree[3], tree[2], t)
		default:
			VPERMD(tree[level/4], i, t)
		}
		VPSUBD(t, ratio, t)
		VPSRLD(U8(31), t, t) // one if it is below
		VPADDD(i, i, i)
		VPADDD(one, i, i)
		VPSUBD(t, i, i)
	}
	VPSUBD_Z(less, i, reg.K1, i)
	VPMOVDB(i, a.AsX())
	VMOVDQU(a.AsX(), Mem{Base: dst})
	SUBQ(I32(-128), sums)
	ADDQ(U8(16), dst)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// everyDword picks every other dword of two vectors, from the first or second on.
func everyDword(from int) Mem {
	b := make([]byte, 64)
	for i := range 16 {
		b[4*i] = byte(2*i + from)
	}
	return constant("everyDword"+string(rune('0'+from)), b)
}
