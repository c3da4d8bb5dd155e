package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets in bitUnstack.
const (
	unstackSrc  = 0
	unstackAt   = 24
	unstackAcc  = 32
	unstackHave = 40
	unstackOpen = 48
)

// A shortDecoder is the registers of the decoder of short deltas.
type shortDecoder struct {
	z, ctx, words reg.GPVirtual // z and ctx at the end of what is decoded in one run
	at            reg.GPVirtual // pairs until there, negative
	states, es    [2]reg.GPVirtual
	ten, eighteen reg.GPVirtual
}

// short declares the decoder of short deltas: two states in turn, by tables that
// lie in memory, in general registers. It stops before a pair of which one has raw
// bits that may not be there.
func short() {
	TEXT("decodeShort", NOSPLIT, "func(states, z, ctx, tables, raw, raws, words *byte, size, pairs, width int) (done, read int)")
	Pragma("noescape")
	Doc("decodeShort decodes up to so many pairs of steps of width bits to words at z, while four of the size bytes at words are left. Tables are pointers to those of contexts, which begin with 1024 slots, raw tells how many raw bits contexts have, and raws is the bitUnstack of these. It stops before a pair with raw bits if raws is not open or has fewer than eight bytes.")
	d := &shortDecoder{at: GP64(), ten: GP64(), eighteen: GP64()}
	d.states, d.es = [2]reg.GPVirtual{GP64(), GP64()}, [2]reg.GPVirtual{GP64(), GP64()}
	d.z, d.ctx, d.words = GP64(), GP64(), GP64()
	Load(Param("z"), d.z)
	Load(Param("ctx"), d.ctx)
	Load(Param("words"), d.words)
	tables := GP64()
	Load(Param("tables"), tables)
	states := GP64()
	Load(Param("states"), states)
	for i, x := range d.states {
		MOVL(Mem{Base: states, Disp: 4 * i}, x.As32())
	}
	MOVL(U32(10), d.ten.As32())
	MOVL(U32(18), d.eighteen.As32())
	t, u := GP64(), GP64()

	Load(Param("pairs"), d.at)
	LEAQ(Mem{Base: d.z, Index: d.at, Scale: 4}, d.z)
	LEAQ(Mem{Base: d.ctx, Index: d.at, Scale: 2}, d.ctx)
	NEGQ(d.at)
	JEQ(LabelRef("finish"))
	size, err := Param("size").Resolve()
	if err != nil {
		panic(err)
	}
	LEAQ(Mem{Base: d.words, Disp: -4}, t)
	ADDQ(t, size.Addr) // the last place of four bytes

	Label("pair")
	CMPQ(d.words, size.Addr)
	JGT(LabelRef("finish"))
	for i, e := range d.es {
		MOVBQZX(Mem{Base: d.ctx, Index: d.at, Scale: 2, Disp: i}, e)
	}
	for i, e := range d.es {
		MOVQ(Mem{Base: tables, Index: e, Scale: 8}, e)
		slot := [2]reg.GPVirtual{t, u}[i]
		BZHIL(d.ten.As32(), d.states[i].As32(), slot.As32())
		MOVL(Mem{Base: e, Index: slot, Scale: 4}, e.As32())
	}
	MOVL(d.es[0].As32(), t.As32())
	ORL(d.es[1].As32(), t.As32())
	JMI(LabelRef("special"))
	for i, e := range d.es {
		MOVL(e.As32(), t.As32())
		SHRL(U8(10), t.As32())
		MOVBLZX(t.As8(), t.As32())
		MOVW(t.As16(), Mem{Base: d.z, Index: d.at, Scale: 4, Disp: 2 * i})
	}
	Label("advance")
	for i, e := range d.es {
		x := d.states[i]
		SHRXL(d.eighteen.As32(), e.As32(), t.As32())
		BZHIL(d.ten.As32(), e.As32(), e.As32())
		SHRL(U8(10), x.As32())
		IMULL(t.As32(), x.As32())
		ADDL(e.As32(), x.As32())
	}
	// A state that is low takes the next of two words.
	w, next, with, after := t, u, d.es[0], d.es[1]
	MOVWLZX(Mem{Base: d.words}, w.As32())
	MOVWLZX(Mem{Base: d.words, Disp: 2}, next.As32())
	for i, x := range d.states {
		MOVL(x.As32(), with.As32())
		SHLL(U8(16), with.As32())
		ORL(w.As32(), with.As32())
		LEAQ(Mem{Base: d.words, Disp: 2}, after)
		CMPL(x.As32(), U32(1<<15))
		CMOVLCS(with.As32(), x.As32())
		if i == 0 {
			CMOVLCS(next.As32(), w.As32())
		}
		CMOVQCS(after, d.words)
	}
	INCQ(d.at)
	JNE(LabelRef("pair"))
	JMP(LabelRef("finish"))

	Label("special")
	d.special(t, u, tables)
	JMP(LabelRef("advance"))

	Label("finish")
	Load(Param("states"), t)
	for i, x := range d.states {
		MOVL(x.As32(), Mem{Base: t, Disp: 4 * i})
	}
	ADDQ(Load(Param("pairs"), t), d.at)
	Store(d.at, ReturnIndex(0))
	SUBQ(Load(Param("words"), t), d.words)
	Store(d.words, ReturnIndex(1))
	RET()
}

// special writes the steps of a pair whose entries are es, of which at least one
// is the escape or has raw bits.
func (d *shortDecoder) special(t, step, raws reg.GPVirtual) {
	acc, n := d.ten, d.eighteen
	Load(Param("raws"), raws)
	CMPB(Mem{Base: raws, Disp: unstackOpen}, U8(0))
	JEQ(LabelRef("finish"))
	CMPQ(Mem{Base: raws, Disp: unstackAt}, U8(8)) // each takes 25 bits at most
	JLT(LabelRef("finish"))
	for i, e := range d.es {
		suffix := [2]string{"First", "Second"}[i]
		MOVBQZX(Mem{Base: d.ctx, Index: d.at, Scale: 2, Disp: i}, n)
		MOVBQZX(Mem{Base: Load(Param("raw"), t), Index: n, Scale: 1}, n)
		MOVL(e.As32(), step.As32())
		SHRL(U8(10), step.As32())
		MOVBLZX(step.As8(), step.As32())
		CMPL(step.As32(), U32(255))
		JNE(LabelRef("symbol" + suffix))
		XORL(step.As32(), step.As32())
		Load(Param("width"), n)
		Label("symbol" + suffix)
		MOVQ(Mem{Base: raws, Disp: unstackAcc}, acc)
		Label("byte" + suffix)
		CMPQ(Mem{Base: raws, Disp: unstackHave}, n)
		JGE(LabelRef("bits" + suffix))
		DECQ(Mem{Base: raws, Disp: unstackAt})
		MOVQ(Mem{Base: raws, Disp: unstackAt}, t)
		ADDQ(Mem{Base: raws, Disp: unstackSrc}, t)
		MOVBQZX(Mem{Base: t}, t)
		SHLQ(U8(8), acc)
		ORQ(t, acc)
		ADDQ(U8(8), Mem{Base: raws, Disp: unstackHave})
		JMP(LabelRef("byte" + suffix))
		Label("bits" + suffix)
		SUBQ(n, Mem{Base: raws, Disp: unstackHave})
		MOVQ(Mem{Base: raws, Disp: unstackHave}, t)
		SHLXL(n.As32(), step.As32(), step.As32())
		SHRXQ(t, acc, n)
		ORL(n.As32(), step.As32())
		BZHIQ(t, acc, acc)
		MOVQ(acc, Mem{Base: raws, Disp: unstackAcc})
		MOVW(step.As16(), Mem{Base: d.z, Index: d.at, Scale: 4, Disp: 2 * i})
		BTRL(U8(31), e.As32())
	}
	Load(Param("tables"), raws)
	MOVL(U32(10), d.ten.As32())
	MOVL(U32(18), d.eighteen.As32())
}
