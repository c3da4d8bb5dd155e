package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// below declares a kernel that looks for symbols above the most that their
// contexts have, 64 at a time; find jumps to "done" if there is one.
func below(name string, load func(most reg.Register), find func(ctx, symbols reg.Register)) {
	TEXT(name, NOSPLIT, "func(ctx, symbols, most *byte, n int) (done int)")
	Pragma("noescape")
	Doc(name + " returns how many of n symbols, a multiple of 64, come before the first 64 of which one is above what most has for its context.")
	ctx := Load(Param("ctx"), GP64())
	symbols := Load(Param("symbols"), GP64())
	most := Load(Param("most"), GP64())
	n := Load(Param("n"), GP64())
	start := GP64()
	MOVQ(ctx, start)
	ADDQ(ctx, n)
	load(most)
	Label("loop")
	CMPQ(ctx, n)
	JE(LabelRef("done"))
	find(ctx, symbols)
	ADDQ(U8(64), ctx)
	ADDQ(U8(64), symbols)
	JMP(LabelRef("loop"))
	Label("done")
	SUBQ(start, ctx)
	Store(ctx, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

func below512() {
	below("belowAVX512", func(most reg.Register) {
		VMOVDQU64(Mem{Base: most}, zmm[0])
	}, func(ctx, symbols reg.Register) {
		VMOVDQU64(Mem{Base: ctx}, zmm[1])
		VPERMB(zmm[0], zmm[1], zmm[1])
		VPCMPUB(U8(1), Mem{Base: symbols}, zmm[1], reg.K1) // most < symbol
		KORTESTQ(reg.K1, reg.K1)
		JNE(LabelRef("done"))
	})
}

func below256() {
	below("belowAVX2", func(most reg.Register) {
		for k := range 4 {
			VBROADCASTI128(Mem{Base: most, Disp: 16 * k}, ymm[k])
		}
	}, func(ctx, symbols reg.Register) {
		above := ymm[4]
		for h := range 2 {
			c, bit, a, b, t := ymm[5], ymm[6], ymm[7], ymm[8], ymm[9]
			VMOVDQU(Mem{Base: ctx, Disp: 32 * h}, c)
			VPSLLW(U8(3), c, bit) // the highest bit of each byte counts
			for k, to := range []reg.VecPhysical{a, b} {
				VPSHUFB(c, ymm[2*k], to)
				VPSHUFB(c, ymm[2*k+1], t)
				VPBLENDVB(bit, t, to, to)
			}
			VPSLLW(U8(2), c, bit)
			VPBLENDVB(bit, b, a, a)
			VMOVDQU(Mem{Base: symbols, Disp: 32 * h}, t)
			VPSUBUSB(a, t, t) // symbol - most
			if h == 0 {
				VMOVDQA(t, above)
			} else {
				VPOR(t, above, above)
			}
		}
		VPTEST(above, above)
		JNE(LabelRef("done"))
	})
}
