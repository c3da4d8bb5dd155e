package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Where a shortTable has what encodes: how many steps have a symbol, and the
// entries, of which each has a reciprocal, from which state on a word is given up,
// what is added, and the complement of the frequency.
const (
	shortSymbols = 4 << 10
	shortEntries = shortSymbols + 8
	entryFull    = 8
	entryStart   = 12
	entryComp    = 14
)

// shortEncoder declares the encoder of short deltas, which undoes short: from the
// last pair to the first, it stops behind a pair of which one has raw bits or is
// the escape.
func shortEncoder() {
	TEXT("encodeShortAMD64", NOSPLIT, "func(states, z, ctx, tables, raw, words *byte, at, pairs int) (left, to int)")
	Pragma("noescape")
	Doc("encodeShortAMD64 encodes the last of so many pairs of steps, words at z, to words below the one numbered at, and returns how many pairs are left and the first word's number. Tables are pointers to those of contexts, and raw tells how many raw bits contexts have.")
	z := Load(Param("z"), GP64())
	ctx := Load(Param("ctx"), GP64())
	tables := Load(Param("tables"), GP64())
	raw := Load(Param("raw"), GP64())
	pairs := Load(Param("pairs"), GP64())
	words, at := GP64(), GP64()
	Load(Param("words"), words)
	Load(Param("at"), at)
	LEAQ(Mem{Base: words, Index: at, Scale: 2}, words)
	x, y := GP64(), GP64()
	states := Load(Param("states"), at)
	MOVL(Mem{Base: states}, x.As32())
	MOVL(Mem{Base: states, Disp: 4}, y.As32())
	Label("pair")
	TESTQ(pairs, pairs)
	JEQ(LabelRef("finish"))
	a, b, first, second := GP64(), GP64(), GP64(), GP64()
	MOVBQZX(Mem{Base: ctx, Index: pairs, Scale: 2, Disp: -2}, a)
	MOVBQZX(Mem{Base: ctx, Index: pairs, Scale: 2, Disp: -1}, b)
	MOVBQZX(Mem{Base: raw, Index: a, Scale: 1}, first)
	ORB(Mem{Base: raw, Index: b, Scale: 1}, first.As8())
	JNE(LabelRef("finish"))
	MOVQ(Mem{Base: tables, Index: a, Scale: 8}, a)
	MOVQ(Mem{Base: tables, Index: b, Scale: 8}, b)
	MOVWQZX(Mem{Base: z, Index: pairs, Scale: 4, Disp: -4}, first)
	MOVWQZX(Mem{Base: z, Index: pairs, Scale: 4, Disp: -2}, second)
	for _, s := range []struct{ z, table reg.GPVirtual }{{first, a}, {second, b}} {
		CMPL(s.z.As32(), Mem{Base: s.table, Disp: shortSymbols})
		JCC(LabelRef("finish"))
		SHLL(U8(4), s.z.As32())
		ADDQ(s.z, s.table)
	}
	DECQ(pairs)
	for _, s := range []struct{ x, table, t reg.GPVirtual }{{y, b, second}, {x, a, first}} {
		entry := func(at int) Mem { return Mem{Base: s.table, Disp: shortEntries + at} }
		MOVW(s.x.As16(), Mem{Base: words, Disp: -2})
		below := GP64()
		LEAQ(Mem{Base: words, Disp: -2}, below)
		MOVL(s.x.As32(), s.t.As32())
		SHRL(U8(16), s.t.As32())
		CMPL(s.x.As32(), entry(entryFull))
		CMOVLCC(s.t.As32(), s.x.As32())
		CMOVQCC(below, words)
		MOVL(s.x.As32(), reg.EDX)
		MULXQ(entry(0), below, s.t)
		MOVWLZX(entry(entryStart), below.As32())
		ADDL(below.As32(), s.x.As32())
		MOVWLZX(entry(entryComp), below.As32())
		IMULL(below.As32(), s.t.As32())
		ADDL(s.t.As32(), s.x.As32())
	}
	JMP(LabelRef("pair"))
	Label("finish")
	Load(Param("states"), at)
	MOVL(x.As32(), Mem{Base: at})
	MOVL(y.As32(), Mem{Base: at, Disp: 4})
	SUBQ(Load(Param("words"), GP64()), words)
	SHRQ(U8(1), words)
	Store(pairs, ReturnIndex(0))
	Store(words, ReturnIndex(1))
	RET()
}
