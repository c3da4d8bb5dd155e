package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Tables of more than sixteen bytes are looked up by PSHUFB in parts, of which
// each but the first is XORed with the one before it. PSHUFB gives 0 where the
// index is negative, so that, the index less sixteen for each part, all parts up
// to the right one are XORed together: they are the right one.

// curve256 loads the 64 bytes of a curve so, in four registers.
func curve256(curve reg.Register, at int, parts []reg.VecPhysical) {
	for i := range parts {
		VBROADCASTI128(Mem{Base: curve, Disp: at + 16*i}, parts[i])
	}
	for i := len(parts) - 1; i > 0; i-- {
		VPXOR(parts[i-1], parts[i], parts[i])
	}
}

// rowSums256 is rowSums512 for whole vectors.
func rowSums256() {
	TEXT("rowSumsAVX2", NOSPLIT, "func(symbols, ctx, curve *byte, n int) (sum, expected int)")
	Pragma("noescape")
	Doc("rowSumsAVX2 adds up symbols and, for each context of ctx, what curve has: 64 low bytes, then 64 high bytes; n is a multiple of 32.")
	symbols := Load(Param("symbols"), GP64())
	ctx := Load(Param("ctx"), GP64())
	curve := Load(Param("curve"), GP64())
	n := Load(Param("n"), GP64())
	lo, hi := ymm[0:4], ymm[4:8]
	sums, zero := ymm[8:11], ymm[11]
	c, t := ymm[12], ymm[13]
	found := ymm[14:16]
	curve256(curve, 0, lo)
	curve256(curve, 64, hi)
	for _, y := range sums {
		VPXOR(y, y, y)
	}
	VPXOR(zero, zero, zero)
	Label("loop")
	SUBQ(U8(32), n)
	JL(LabelRef("done"))
	VMOVDQU(Mem{Base: ctx}, c)
	VPSADBW(Mem{Base: symbols}, zero, t)
	VPADDQ(t, sums[0], sums[0])
	for i := range lo {
		for k, parts := range [][]reg.VecPhysical{lo, hi} {
			if i == 0 {
				VPSHUFB(c, parts[i], found[k])
				continue
			}
			VPSHUFB(c, parts[i], t)
			VPXOR(t, found[k], found[k])
		}
		if i < 3 {
			VPSUBB(repeated(0x10101010), c, c)
		}
	}
	for k := range found {
		VPSADBW(zero, found[k], found[k])
		VPADDQ(found[k], sums[1+k], sums[1+k])
	}
	ADDQ(U8(32), symbols)
	ADDQ(U8(32), ctx)
	JMP(LabelRef("loop"))
	Label("done")
	VPSLLQ(U8(8), sums[2], sums[2])
	VPADDQ(sums[2], sums[1], sums[1])
	for i := range 2 {
		r := GP64()
		y := sums[i]
		VEXTRACTI128(U8(1), y, t.AsX())
		VPADDQ(t.AsX(), y.AsX(), y.AsX())
		VPSRLDQ(U8(8), y.AsX(), t.AsX())
		VPADDQ(t.AsX(), y.AsX(), y.AsX())
		VMOVQ(y.AsX(), r)
		Store(r, ReturnIndex(i))
	}
	VZEROUPPER()
	RET()
}

// columnSums256 is columnSums512.
func columnSums256() {
	TEXT("columnSumsAVX2", NOSPLIT, "func(sums, symbols, ctx, curve *byte, stride, rows, n int)")
	Pragma("noescape")
	Doc("columnSumsAVX2 fills three arrays of n words at sums: of each column, over up to 256 rows that are stride bytes apart, the sums of symbols, of what the low half of curve has for ctx, and of what its high half has. n is a multiple of 32.")
	sums := Load(Param("sums"), GP64())
	symbols := Load(Param("symbols"), GP64())
	ctx := Load(Param("ctx"), GP64())
	curve := Load(Param("curve"), GP64())
	stride := Load(Param("stride"), GP64())
	rows := Load(Param("rows"), GP64())
	n := GP64()
	Load(Param("n"), n)
	lo, zero := ymm[6:10], ymm[10]
	c, t := ymm[11], ymm[12]
	found := ymm[13:16] // first symbols
	hi := AllocLocal(128)
	curve256(curve, 64, lo)
	for i := range lo {
		VMOVDQU(lo[i], hi.Offset(32*i))
	}
	curve256(curve, 0, lo)
	VPXOR(zero, zero, zero)
	left, at, sp, cp, out := GP64(), GP64(), GP64(), GP64(), GP64()
	MOVQ(n, left)
	Label("block")
	SUBQ(U8(32), left)
	JL(LabelRef("done"))
	for i := range 6 {
		VPXOR(ymm[i], ymm[i], ymm[i])
	}
	MOVQ(symbols, sp)
	MOVQ(ctx, cp)
	MOVQ(rows, at)
	Label("row")
	VMOVDQU(Mem{Base: sp}, found[0])
	VMOVDQU(Mem{Base: cp}, c)
	for i := range lo {
		if i == 0 {
			VPSHUFB(c, lo[i], found[1])
			VMOVDQU(hi, found[2])
			VPSHUFB(c, found[2], found[2])
			continue
		}
		VPSUBB(repeated(0x10101010), c, c)
		VPSHUFB(c, lo[i], t)
		VPXOR(t, found[1], found[1])
		VMOVDQU(hi.Offset(32*i), t)
		VPSHUFB(c, t, t)
		VPXOR(t, found[2], found[2])
	}
	for k, y := range found {
		VPUNPCKLBW(zero, y, t)
		VPADDW(t, ymm[2*k], ymm[2*k])
		VPUNPCKHBW(zero, y, t)
		VPADDW(t, ymm[2*k+1], ymm[2*k+1])
	}
	ADDQ(stride, sp)
	ADDQ(stride, cp)
	DECQ(at)
	JNZ(LabelRef("row"))
	MOVQ(sums, out)
	for k := range found {
		inOrder(ymm[2*k], ymm[2*k+1], t)
		VMOVDQU(ymm[2*k], Mem{Base: out})
		VMOVDQU(ymm[2*k+1], Mem{Base: out, Disp: 32})
		LEAQ(Mem{Base: out, Index: n, Scale: 2}, out)
	}
	ADDQ(U8(32), symbols)
	ADDQ(U8(32), ctx)
	ADDQ(U8(64), sums)
	JMP(LabelRef("block"))
	Label("done")
	VZEROUPPER()
	RET()
}

// inOrder puts what was unpacked from the halves of a vector, low and high, in
// order.
func inOrder(low, high, t reg.VecPhysical) {
	VPERM2I128(U8(0x31), high, low, t)
	VPERM2I128(U8(0x20), high, low, low)
	VMOVDQA(t, high)
}

// keys256 is keys512.
func keys256() {
	TEXT("keysAVX2", NOSPLIT, "func(keys, ctx, symbols *byte, n int)")
	Pragma("noescape")
	Doc("keysAVX2 fills keys with ctx<<8 | symbols; n is a multiple of 32.")
	keys := Load(Param("keys"), GP64())
	ctx := Load(Param("ctx"), GP64())
	symbols := Load(Param("symbols"), GP64())
	n := Load(Param("n"), GP64())
	Label("loop")
	SUBQ(U8(32), n)
	JL(LabelRef("done"))
	VPERMQ(U8(0xd8), Mem{Base: ctx}, ymm[0])
	VPERMQ(U8(0xd8), Mem{Base: symbols}, ymm[1])
	VPUNPCKLBW(ymm[0], ymm[1], ymm[2])
	VPUNPCKHBW(ymm[0], ymm[1], ymm[3])
	VMOVDQU(ymm[2], Mem{Base: keys})
	VMOVDQU(ymm[3], Mem{Base: keys, Disp: 32})
	ADDQ(U8(32), ctx)
	ADDQ(U8(32), symbols)
	ADDQ(U8(64), keys)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}
