package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// bit512 makes the kernels that take one bit of each byte, and put it back.
func bit512() {
	for _, k := range []struct{ name, signature, doc string }{
		{"takeBitAVX512", "func(raw, p *byte, n, bit int)", "fills raw with that bit of each of n bytes"},
		{"addBitAVX512", "func(raw, p *byte, n, bit int)", "sets that bit of those of n bytes that raw names"},
	} {
		TEXT(k.name, NOSPLIT, k.signature)
		Pragma("noescape")
		Doc(k.name + " " + k.doc + "; n is a multiple of 64.")
		raw := Load(Param("raw"), GP64())
		p := Load(Param("p"), GP64())
		n := Load(Param("n"), GP64())
		Load(Param("bit"), reg.RCX)
		one := GP64()
		MOVQ(U32(1), one)
		SHLQ(reg.CL, one)
		bit, x := zmm[0], zmm[1]
		VPBROADCASTB(one.As32(), bit)
		Label("loop")
		SUBQ(U8(64), n)
		JL(LabelRef("done"))
		if k.name == "takeBitAVX512" {
			VPTESTMB(Mem{Base: p}, bit, reg.K1)
			KMOVQ(reg.K1, Mem{Base: raw})
		} else {
			KMOVQ(Mem{Base: raw}, reg.K1)
			VMOVDQU64(Mem{Base: p}, x)
			VMOVDQU8_Z(bit, reg.K1, zmm[2])
			VPORQ(zmm[2], x, x)
			VMOVDQU64(x, Mem{Base: p})
		}
		ADDQ(U8(8), raw)
		ADDQ(U8(64), p)
		JMP(LabelRef("loop"))
		Label("done")
		VZEROUPPER()
		RET()
	}
}
