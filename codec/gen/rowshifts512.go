package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// rowShifts512 adds up the shifts of a row.
func rowShifts512() {
	TEXT("rowShiftsAVX512", NOSPLIT, "func(dst, cols *byte, n, shift int)")
	Pragma("noescape")
	Doc("rowShiftsAVX512 fills dst with shift + cols for any n; cols may be nil for zeros.")
	dst := Load(Param("dst"), GP64())
	cols := Load(Param("cols"), GP64())
	n := Load(Param("n"), GP64())
	shift := GP64()
	Load(Param("shift"), shift)
	i := GP64()
	VPBROADCASTB(shift.As32(), zmm[0])
	VMOVDQA64(zmm[0], zmm[1])
	XORQ(i, i)
	KXNORQ(reg.K1, reg.K1, reg.K1)
	Label("loop")
	CMPQ(n, U8(64))
	JGE(LabelRef("whole"))
	TESTQ(n, n)
	JLE(LabelRef("done"))
	MOVQ(I32(-1), reg.RCX)
	BZHIQ(n, reg.RCX, reg.RCX)
	KMOVQ(reg.RCX, reg.K1)
	Label("whole")
	TESTQ(cols, cols)
	JEQ(LabelRef("put"))
	VMOVDQU8_Z(Mem{Base: cols, Index: i, Scale: 1}, reg.K1, zmm[1])
	VPADDB(zmm[0], zmm[1], zmm[1])
	Label("put")
	VMOVDQU8(zmm[1], reg.K1, Mem{Base: dst, Index: i, Scale: 1})
	ADDQ(U8(64), i)
	SUBQ(U8(64), n)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}
