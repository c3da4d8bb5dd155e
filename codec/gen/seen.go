package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// seen declares a kernel that looks for bytes that are not in a set of 256 bits, 128
// at a time; find jumps to "done" if there is one.
func seen(name string, load func(set reg.Register), find func(p reg.Register)) {
	TEXT(name, NOSPLIT, "func(p, set *byte, n int) (done int)")
	Pragma("noescape")
	Doc(name + " returns how many of n bytes, a multiple of 128, come before the first 128 of which one is not in set, of 32 bytes.")
	p := Load(Param("p"), GP64())
	set := Load(Param("set"), GP64())
	n := Load(Param("n"), GP64())
	start := GP64()
	MOVQ(p, start)
	ADDQ(p, n)
	load(set)
	Label("loop")
	CMPQ(p, n)
	JE(LabelRef("done"))
	find(p)
	SUBQ(I32(-128), p)
	JMP(LabelRef("loop"))
	Label("done")
	SUBQ(start, p)
	Store(p, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

func seen512() {
	table, powers := zmm[31], zmm[30]
	seen("seenAVX512", func(set reg.Register) {
		VBROADCASTI64X4(Mem{Base: set}, table)
		VPBROADCASTQ(bitOfByte(), powers)
	}, func(p reg.Register) {
		for h, k := range []reg.OpmaskPhysical{reg.K1, reg.K2} {
			b, t := zmm[2*h], zmm[2*h+1]
			VMOVDQU64(Mem{Base: p, Disp: 64 * h}, b)
			VPSRLW(U8(3), b, t)
			VPERMB(table, t, t) // by the low six bits, of which five are the byte's
			VPERMB(powers, b, b)
			VPTESTNMB(b, t, k)
		}
		KORTESTQ(reg.K1, reg.K2)
		JNE(LabelRef("done"))
	})
}

func seen256() {
	low, high, powers, nibble := ymm[15], ymm[14], ymm[13], ymm[12]
	seen("seenAVX2", func(set reg.Register) {
		VBROADCASTI128(Mem{Base: set}, low)
		VBROADCASTI128(Mem{Base: set, Disp: 16}, high)
		VPBROADCASTQ(bitOfByte(), powers)
		words256(0x0f0f, nibble)
	}, func(p reg.Register) {
		zero, missing := ymm[11], ymm[10]
		VPXOR(zero, zero, zero)
		VPXOR(missing, missing, missing)
		for q := range 4 {
			b, i, t, u := ymm[0], ymm[1], ymm[2], ymm[3]
			VMOVDQU(Mem{Base: p, Disp: 32 * q}, b)
			VPSRLW(U8(3), b, i)
			VPAND(nibble, i, i)
			VPSHUFB(i, low, t)
			VPSHUFB(i, high, u)
			VPBLENDVB(b, u, t, t)
			VPAND(nibble, b, b)
			VPSHUFB(b, powers, b)
			VPAND(b, t, t)
			VPCMPEQB(zero, t, t)
			VPOR(t, missing, missing)
		}
		VPTEST(missing, missing)
		JNE(LabelRef("done"))
	})
}

// bitOfByte is the powers of two by the low bits of a byte.
func bitOfByte() Mem { return constant("bitOfByte", []byte{1, 2, 4, 8, 16, 32, 64, 128}) }
