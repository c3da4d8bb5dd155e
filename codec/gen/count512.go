package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// rowSums512 adds up the symbols of rows, and what the curve expects of them.
func rowSums512() {
	TEXT("rowSumsAVX512", NOSPLIT, "func(sums, symbols, ctx, curve *byte, row, rows int)")
	Pragma("noescape")
	Doc("rowSumsAVX512 adds up symbols and, for each context of ctx, what curve has: 64 low bytes, then 64 high bytes. It fills sums with two dwords for each row.")
	sums := Load(Param("sums"), GP64())
	symbols := Load(Param("symbols"), GP64())
	ctx := Load(Param("ctx"), GP64())
	curve := Load(Param("curve"), GP64())
	row := Load(Param("row"), GP64())
	rows := Load(Param("rows"), GP64())
	lo, hi, zero := zmm[31], zmm[30], zmm[29]
	sum, sumLo, sumHi := zmm[8], zmm[9], zmm[10]
	VMOVDQU64(Mem{Base: curve}, lo)
	VMOVDQU64(Mem{Base: curve, Disp: 64}, hi)
	VPXORQ(zero, zero, zero)
	whole, i := wholeOf(row), GP64()
	add := func() {
		for k, to := range []reg.VecPhysical{sum, sumLo, sumHi} {
			x := []reg.VecPhysical{zmm[0], zmm[2], zmm[3]}[k]
			VPSADBW(zero, x, x)
			VPADDQ(x, to, to)
		}
	}
	Label("row")
	SUBQ(U8(1), rows)
	JL(LabelRef("done"))
	for _, z := range []reg.VecPhysical{sum, sumLo, sumHi} {
		VPXORQ(z, z, z)
	}
	XORL(i.As32(), i.As32())
	Label("whole")
	CMPQ(i, whole)
	JGE(LabelRef("rest"))
	VMOVDQU64(Mem{Base: symbols, Index: i, Scale: 1}, zmm[0])
	VMOVDQU64(Mem{Base: ctx, Index: i, Scale: 1}, zmm[1])
	VPERMB(lo, zmm[1], zmm[2])
	VPERMB(hi, zmm[1], zmm[3])
	add()
	ADDQ(U8(64), i)
	JMP(LabelRef("whole"))
	Label("rest")
	CMPQ(i, row)
	JGE(LabelRef("next"))
	VMOVDQU8_Z(Mem{Base: symbols, Index: i, Scale: 1}, reg.K1, zmm[0])
	VMOVDQU8_Z(Mem{Base: ctx, Index: i, Scale: 1}, reg.K1, zmm[1])
	VPERMB_Z(lo, zmm[1], reg.K1, zmm[2])
	VPERMB_Z(hi, zmm[1], reg.K1, zmm[3])
	add()
	Label("next")
	VPSLLQ(U8(8), sumHi, sumHi)
	VPADDQ(sumHi, sumLo, sumLo)
	VPUNPCKHQDQ(sumLo, sum, zmm[0])
	VPUNPCKLQDQ(sumLo, sum, sum)
	VPADDQ(zmm[0], sum, sum)
	VEXTRACTI64X4(U8(1), sum, zmm[0].AsY())
	VPADDQ(zmm[0].AsY(), sum.AsY(), sum.AsY())
	VEXTRACTI128(U8(1), sum.AsY(), zmm[0].AsX())
	VPADDQ(zmm[0].AsX(), sum.AsX(), sum.AsX())
	VPSHUFD(U8(2<<2), sum.AsX(), sum.AsX())
	VMOVQ(sum.AsX(), Mem{Base: sums})
	ADDQ(U8(8), sums)
	ADDQ(row, symbols)
	ADDQ(row, ctx)
	JMP(LabelRef("row"))
	Label("done")
	VZEROUPPER()
	RET()
}

// nonzero512 puts bytes together that are not 0.
func nonzero512() {
	TEXT("nonzeroAVX512", NOSPLIT, "func(dst, src *byte, n int) (nonzero int)")
	Pragma("noescape")
	Doc("nonzeroAVX512 fills dst with those of n bytes that are not 0, and returns how many; n is a multiple of 64, and there is room for 63 more.")
	dst := Load(Param("dst"), GP64())
	src := Load(Param("src"), GP64())
	n := Load(Param("n"), GP64())
	start, count := GP64(), GP64()
	MOVQ(dst, start)
	Label("loop")
	SUBQ(U8(64), n)
	JL(LabelRef("done"))
	VMOVDQU64(Mem{Base: src}, zmm[0])
	VPTESTMB(zmm[0], zmm[0], reg.K1)
	ADDQ(U8(64), src)
	KMOVQ(reg.K1, count)
	TESTQ(count, count)
	JEQ(LabelRef("loop"))
	VPCOMPRESSBZ(zmm[0], reg.K1, zmm[0])
	POPCNTQ(count, count)
	VMOVDQU64(zmm[0], Mem{Base: dst})
	ADDQ(count, dst)
	JMP(LabelRef("loop"))
	Label("done")
	SUBQ(start, dst)
	Store(dst, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// movedKeys512 is keys512 of elements that moved only.
func movedKeys512() {
	TEXT("movedKeysAVX512", NOSPLIT, "func(keys, ctx, symbols *byte, n int) (moved int)")
	Pragma("noescape")
	Doc("movedKeysAVX512 fills keys with ctx<<8 | symbols of those symbols that are not 0, and returns how many; n is a multiple of 32, and there is room for 31 keys more.")
	keys := Load(Param("keys"), GP64())
	ctx := Load(Param("ctx"), GP64())
	symbols := Load(Param("symbols"), GP64())
	n := Load(Param("n"), GP64())
	moved, count := GP64(), GP64()
	XORQ(moved, moved)
	Label("loop")
	SUBQ(U8(32), n)
	JL(LabelRef("done"))
	VPMOVZXBW(Mem{Base: ctx}, zmm[0])
	VPMOVZXBW(Mem{Base: symbols}, zmm[1])
	VPTESTMW(zmm[1], zmm[1], reg.K1)
	VPSLLW(U8(8), zmm[0], zmm[0])
	VPORQ(zmm[1], zmm[0], zmm[0])
	VPCOMPRESSWZ(zmm[0], reg.K1, zmm[0])
	KMOVD(reg.K1, count.As32())
	POPCNTL(count.As32(), count.As32())
	VMOVDQU64(zmm[0], Mem{Base: keys, Index: moved, Scale: 2})
	ADDQ(count, moved)
	ADDQ(U8(32), ctx)
	ADDQ(U8(32), symbols)
	JMP(LabelRef("loop"))
	Label("done")
	Store(moved, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// columnSums512 is rowSums512 for columns.
func columnSums512() {
	TEXT("columnSumsAVX512", NOSPLIT, "func(sums, symbols, ctx, curve *byte, stride, rows, n int)")
	Pragma("noescape")
	Doc("columnSumsAVX512 fills three arrays of n words, rounded up to 64, at sums: of each column, over up to 256 rows that are stride bytes apart, the sums of symbols, of what the low half of curve has for ctx, and of what its high half has.")
	sums := Load(Param("sums"), GP64())
	symbols := Load(Param("symbols"), GP64())
	ctx := Load(Param("ctx"), GP64())
	curve := Load(Param("curve"), GP64())
	stride := Load(Param("stride"), GP64())
	rows := Load(Param("rows"), GP64())
	left := GP64()
	Load(Param("n"), left)
	lo, hi, zero, first, second := zmm[31], zmm[30], zmm[29], zmm[28], zmm[27]
	VMOVDQU64(Mem{Base: curve}, lo)
	VMOVDQU64(Mem{Base: curve, Disp: 64}, hi)
	VPXORQ(zero, zero, zero)
	VMOVDQU64(unpackedPairs(0), first)
	VMOVDQU64(unpackedPairs(1), second)
	n, at, sp, cp, out := GP64(), GP64(), GP64(), GP64(), GP64()
	MOVQ(left, n)
	ADDQ(U8(63), n)
	ANDQ(I8(-64), n)
	KXNORQ(reg.K1, reg.K1, reg.K1)
	Label("block")
	TESTQ(left, left)
	JLE(LabelRef("done"))
	CMPQ(left, U8(64))
	JGE(LabelRef("whole"))
	MOVQ(I32(-1), reg.RCX)
	BZHIQ(left, reg.RCX, reg.RCX)
	KMOVQ(reg.RCX, reg.K1)
	Label("whole")
	for i := range 6 {
		VPXORQ(zmm[i], zmm[i], zmm[i])
	}
	MOVQ(symbols, sp)
	MOVQ(ctx, cp)
	MOVQ(rows, at)
	Label("row")
	VMOVDQU8_Z(Mem{Base: sp}, reg.K1, zmm[6])
	VMOVDQU8_Z(Mem{Base: cp}, reg.K1, zmm[8])
	VPERMB(lo, zmm[8], zmm[7])
	VPERMB(hi, zmm[8], zmm[8])
	for i := range 3 { // in words, eight of sixteen columns and the others
		VPUNPCKLBW(zero, zmm[6+i], zmm[9+i])
		VPUNPCKHBW(zero, zmm[6+i], zmm[6+i])
		VPADDW(zmm[9+i], zmm[2*i], zmm[2*i])
		VPADDW(zmm[6+i], zmm[2*i+1], zmm[2*i+1])
	}
	ADDQ(stride, sp)
	ADDQ(stride, cp)
	DECQ(at)
	JNZ(LabelRef("row"))
	MOVQ(sums, out)
	for i := range 3 {
		for k, order := range []reg.VecPhysical{first, second} {
			VMOVDQA64(order, zmm[6])
			VPERMI2Q(zmm[2*i+1], zmm[2*i], zmm[6])
			VMOVDQU64(zmm[6], Mem{Base: out, Disp: 64 * k})
		}
		LEAQ(Mem{Base: out, Index: n, Scale: 2}, out)
	}
	ADDQ(U8(64), symbols)
	ADDQ(U8(64), ctx)
	ADDQ(U32(128), sums)
	SUBQ(U8(64), left)
	JMP(LabelRef("block"))
	Label("done")
	VZEROUPPER()
	RET()
}

// count counts keys, in two tables in turn, so that one key after another waits
// less for its own store.
func count() {
	TEXT("countKeys", NOSPLIT, "func(counts, other, keys *byte, n int)")
	Pragma("noescape")
	Doc("countKeys adds one to the dword of counts or other that each of n keys, words below 2^14, names; n is a multiple of 4.")
	counts := Load(Param("counts"), GP64())
	other := Load(Param("other"), GP64())
	keys := Load(Param("keys"), GP64())
	n := Load(Param("n"), GP64())
	Label("loop")
	SUBQ(U8(4), n)
	JL(LabelRef("done"))
	countFour(counts, other, Mem{Base: keys})
	ADDQ(U8(8), keys)
	JMP(LabelRef("loop"))
	Label("done")
	RET()
}

// countFour counts four keys.
func countFour(counts, other reg.Register, keys Mem) {
	four := GP64()
	MOVQ(keys, four)
	for i := range 4 {
		k := GP64()
		MOVWQZX(four.As16(), k)
		table := counts
		if i&1 == 1 {
			table = other
		}
		INCL(Mem{Base: table, Index: k, Scale: 4})
		if i < 3 {
			SHRQ(U8(16), four)
		}
	}
}

// count512 joins contexts and symbols to keys, and counts those of the 32 before
// meanwhile.
func count512() {
	TEXT("countAVX512", NOSPLIT, "func(counts, other, keys, ctx, symbols *byte, n int)")
	Pragma("noescape")
	Doc("countAVX512 adds one to the dword of counts or other that each of n keys ctx<<8 | symbol names; n is a multiple of 32, not 0, and keys has room for as many words.")
	counts := Load(Param("counts"), GP64())
	other := Load(Param("other"), GP64())
	keys := Load(Param("keys"), GP64())
	ctx := Load(Param("ctx"), GP64())
	symbols := Load(Param("symbols"), GP64())
	n := Load(Param("n"), GP64())
	join := func(to Mem) {
		VPMOVZXBW(Mem{Base: ctx}, zmm[0])
		VPMOVZXBW(Mem{Base: symbols}, zmm[1])
		VPSLLW(U8(8), zmm[0], zmm[0])
		VPORQ(zmm[1], zmm[0], zmm[0])
		VMOVDQU64(zmm[0], to)
		ADDQ(U8(32), ctx)
		ADDQ(U8(32), symbols)
	}
	join(Mem{Base: keys})
	Label("loop")
	SUBQ(U8(32), n)
	JEQ(LabelRef("last"))
	join(Mem{Base: keys, Disp: 64})
	for i := range 8 {
		countFour(counts, other, Mem{Base: keys, Disp: 8 * i})
	}
	ADDQ(U8(64), keys)
	JMP(LabelRef("loop"))
	Label("last")
	for i := range 8 {
		countFour(counts, other, Mem{Base: keys, Disp: 8 * i})
	}
	VZEROUPPER()
	RET()
}

// addCounts512 adds counts, context by context.
func addCounts512() {
	TEXT("addCountsAVX512", NOSPLIT, "func(counts, other, totals *byte)")
	Pragma("noescape")
	Doc("addCountsAVX512 adds other's dwords, 256 for each of 64 contexts, to those of counts, and makes them 0. It fills totals with 64 dwords, their sums, and 64 quadwords, one more than the highest that is not 0, rounded up to sixteen.")
	counts := Load(Param("counts"), GP64())
	other := Load(Param("other"), GP64())
	totals := Load(Param("totals"), GP64())
	c, high := GP64(), GP64()
	sum, zero, a, b := zmm[0], zmm[1], zmm[2], zmm[3]
	XORL(c.As32(), c.As32())
	VPXORQ(zero, zero, zero)
	Label("context")
	VPXORQ(sum, sum, sum)
	XORL(high.As32(), high.As32())
	for i := range 16 {
		next := fmt.Sprintf("next%d", i)
		VMOVDQU32(Mem{Base: counts, Disp: 64 * i}, a)
		VMOVDQU32(Mem{Base: other, Disp: 64 * i}, b)
		VPORD(a, b, zmm[4])
		VPTESTMD(zmm[4], zmm[4], reg.K1)
		KORTESTW(reg.K1, reg.K1)
		JEQ(LabelRef(next))
		VPADDD(b, a, a)
		VPADDD(a, sum, sum)
		VMOVDQU32(a, Mem{Base: counts, Disp: 64 * i})
		VMOVDQU32(zero, Mem{Base: other, Disp: 64 * i})
		MOVL(U32(16*(i+1)), high.As32())
		Label(next)
	}
	VEXTRACTI64X4(U8(1), sum, a.AsY())
	VPADDD(a.AsY(), sum.AsY(), sum.AsY())
	VEXTRACTI128(U8(1), sum.AsY(), a.AsX())
	VPADDD(a.AsX(), sum.AsX(), sum.AsX())
	for _, order := range []int{2 | 3<<2, 1} {
		VPSHUFD(U8(order), sum.AsX(), a.AsX())
		VPADDD(a.AsX(), sum.AsX(), sum.AsX())
	}
	VMOVD(sum.AsX(), Mem{Base: totals, Index: c, Scale: 4})
	MOVQ(high, Mem{Base: totals, Disp: 256, Index: c, Scale: 8})
	ADDQ(U32(1024), counts)
	ADDQ(U32(1024), other)
	INCQ(c)
	CMPQ(c, U8(64))
	JNE(LabelRef("context"))
	VZEROUPPER()
	RET()
}
