package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// short declares the decoder of short deltas: two states in turn, by tables that
// lie in memory, in general registers. It stops before a pair of which one has raw
// bits or is the escape.
func short() {
	TEXT("decodeShort", NOSPLIT, "func(states, z, ctx, tables, raw, words *byte, size, pairs int) (done, read int)")
	Pragma("noescape")
	Doc("decodeShort decodes up to so many pairs of steps without raw bits, to words at z, while four of the size bytes at words are left. Tables are pointers to those of contexts, which begin with 1024 slots, and raw tells how many raw bits contexts have.")
	z := Load(Param("z"), GP64())
	ctx := Load(Param("ctx"), GP64())
	tables := Load(Param("tables"), GP64())
	raw := Load(Param("raw"), GP64())
	words := Load(Param("words"), GP64())
	end := GP64()
	Load(Param("size"), end)
	ADDQ(words, end)
	SUBQ(U8(4), end)
	pairs, err := Param("pairs").Resolve()
	if err != nil {
		panic(err)
	}
	x, y, done := GP64(), GP64(), GP64()
	states := Load(Param("states"), GP64())
	MOVL(Mem{Base: states}, x.As32())
	MOVL(Mem{Base: states, Disp: 4}, y.As32())
	XORQ(done, done)
	Label("pair")
	CMPQ(done, pairs.Addr)
	JGE(LabelRef("finish"))
	CMPQ(words, end)
	JG(LabelRef("finish"))
	a, b, t := GP64(), GP64(), GP64()
	MOVBQZX(Mem{Base: ctx, Index: done, Scale: 2}, a)
	MOVBQZX(Mem{Base: ctx, Index: done, Scale: 2, Disp: 1}, b)
	MOVBQZX(Mem{Base: raw, Index: a, Scale: 1}, t)
	ORB(Mem{Base: raw, Index: b, Scale: 1}, t.As8())
	JNE(LabelRef("finish"))
	MOVQ(Mem{Base: tables, Index: a, Scale: 8}, a)
	MOVQ(Mem{Base: tables, Index: b, Scale: 8}, b)
	// The slots' entries: frequency, symbol of eight bits, slot less the first.
	for _, s := range []struct{ x, e reg.GPVirtual }{{x, a}, {y, b}} {
		MOVQ(s.x, t)
		ANDL(U32(1023), t.As32())
		MOVL(Mem{Base: s.e, Index: t, Scale: 4}, s.e.As32())
	}
	first, second := GP64(), GP64()
	for _, s := range []struct{ symbol, e reg.GPVirtual }{{first, a}, {second, b}} {
		MOVQ(s.e, s.symbol)
		SHRL(U8(10), s.symbol.As32())
		MOVBLZX(s.symbol.As8(), s.symbol.As32())
		CMPL(s.symbol.As32(), U32(255))
		JEQ(LabelRef("finish"))
	}
	MOVW(first.As16(), Mem{Base: z, Index: done, Scale: 4})
	MOVW(second.As16(), Mem{Base: z, Index: done, Scale: 4, Disp: 2})
	for _, s := range []struct{ x, e reg.GPVirtual }{{x, a}, {y, b}} {
		f := GP64()
		MOVQ(s.e, f)
		SHRL(U8(18), f.As32())
		ANDL(U32(1023), s.e.As32())
		SHRL(U8(10), s.x.As32())
		IMULL(f.As32(), s.x.As32())
		ADDL(s.e.As32(), s.x.As32())
	}
	// A state that is low takes the next of two words.
	w, next, with, after := first, second, a, b
	MOVWLZX(Mem{Base: words}, w.As32())
	MOVWLZX(Mem{Base: words, Disp: 2}, next.As32())
	MOVQ(x, with)
	SHLL(U8(16), with.As32())
	ORL(w.As32(), with.As32())
	LEAQ(Mem{Base: words, Disp: 2}, after)
	CMPL(x.As32(), U32(1<<15))
	CMOVLCS(with.As32(), x.As32())
	CMOVLCS(next.As32(), w.As32())
	CMOVQCS(after, words)
	MOVQ(y, with)
	SHLL(U8(16), with.As32())
	ORL(w.As32(), with.As32())
	LEAQ(Mem{Base: words, Disp: 2}, after)
	CMPL(y.As32(), U32(1<<15))
	CMOVLCS(with.As32(), y.As32())
	CMOVQCS(after, words)
	INCQ(done)
	JMP(LabelRef("pair"))
	Label("finish")
	Load(Param("states"), states)
	MOVL(x.As32(), Mem{Base: states})
	MOVL(y.As32(), Mem{Base: states, Disp: 4})
	SUBQ(Load(Param("words"), GP64()), words)
	Store(done, ReturnIndex(0))
	Store(words, ReturnIndex(1))
	RET()
}
