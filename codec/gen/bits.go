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

// bit256 makes bit512's kernels with AVX2.
func bit256() {
	signature := func(name, doc string) (raw, p, n, bit reg.Register) {
		TEXT(name, NOSPLIT, "func(raw, p *byte, n, bit int)")
		Pragma("noescape")
		Doc(name + " " + doc + "; n is a multiple of 64.")
		raw, p, n, bit = Load(Param("raw"), GP64()), Load(Param("p"), GP64()), Load(Param("n"), GP64()), reg.RCX
		Load(Param("bit"), bit)
		return raw, p, n, bit
	}
	next := func(raw, p reg.Register) {
		ADDQ(U8(8), raw)
		ADDQ(U8(64), p)
		JMP(LabelRef("loop"))
		Label("done")
		VZEROUPPER()
		RET()
	}
	raw, p, n, bit := signature("takeBitAVX2", "fills raw with that bit of each of n bytes")
	left, mask := GP64(), GP32()
	MOVQ(U32(7), left)
	SUBQ(bit, left)
	VMOVQ(left, reg.X15)
	Label("loop")
	SUBQ(U8(64), n)
	JL(LabelRef("done"))
	for h := range 2 {
		VMOVDQU(Mem{Base: p, Disp: 32 * h}, ymm[0])
		VPSLLW(reg.X15, ymm[0], ymm[0]) // to the top of each byte
		VPMOVMSKB(ymm[0], mask)
		MOVL(mask, Mem{Base: raw, Disp: 4 * h})
	}
	next(raw, p)
	raw, p, n, _ = signature("addBitAVX2", "sets that bit of those of n bytes that raw names")
	one := GP64()
	MOVQ(U32(1), one)
	SHLQ(reg.CL, one)
	set, powers, spread := ymm[15], ymm[14], ymm[13]
	VMOVD(one.As32(), set.AsX())
	VPBROADCASTB(set.AsX(), set)
	VPBROADCASTQ(bitOfByte(), powers)
	VMOVDQU(eighths(), spread)
	Label("loop")
	SUBQ(U8(64), n)
	JL(LabelRef("done"))
	for h := range 2 {
		VPBROADCASTD(Mem{Base: raw, Disp: 4 * h}, ymm[0])
		VPSHUFB(spread, ymm[0], ymm[0])
		VPAND(powers, ymm[0], ymm[0])
		VPCMPEQB(powers, ymm[0], ymm[0])
		VPAND(set, ymm[0], ymm[0])
		VPOR(Mem{Base: p, Disp: 32 * h}, ymm[0], ymm[0])
		VMOVDQU(ymm[0], Mem{Base: p, Disp: 32 * h})
	}
	next(raw, p)
}

// eighths is for each of 32 bytes which of four has its bit.
func eighths() Mem {
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(i / 8)
	}
	return constant("eighths", b)
}
