package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets in laneDecoder of its fewTables.
const (
	fewFirst  = decPlane + 4*4096 + 1024
	fewExact  = fewFirst + 2*64
	fewFreq   = fewExact + 2*64
	fewStart  = fewFreq + 2*32
	fewSymbol = fewStart + 2*32
)

// A few is the registers of a decoder of bytes that looks symbols up in
// fewTables, all of which lie in registers. The low and high words of 32 states lie
// apart. Nothing but where words begin do the two groups of 32 lanes have in
// common, so that one is looked up while the other waits.
type few struct {
	first, exact        [2]reg.VecPhysical
	freq, start, symbol reg.VecPhysical
	part, slots, sign   reg.VecPhysical
	mantissa            reg.VecPhysical
	lo, hi, number      [2]reg.VecPhysical
}

// few512 decodes rounds of 64 lanes of bytes, of at most 32 values, while at least
// 512 bytes of words are left; or, joined, elements of 16 bits of which those are
// the exponents.
func few512(name string, joined bool) {
	out, what := "p, ", "bytes"
	if joined {
		out, what = "dst, lo, ", "floats of 16 bits, of which lo has signs and mantissas,"
	}
	TEXT(name, NOSPLIT, "func(d, "+out+"src *byte, size, rounds int) (done, read int)")
	Pragma("noescape")
	Doc(name + " decodes up to rounds rounds of 64 " + what + " while at least 512 of the size bytes at src are left.")
	d := Load(Param("d"), GP64())
	src := Load(Param("src"), GP64())
	end := GP64()
	Load(Param("size"), end)
	ADDQ(src, end)
	rounds := Load(Param("rounds"), GP64())
	var p, lo reg.Register
	if joined {
		p, lo = Load(Param("dst"), GP64()), Load(Param("lo"), GP64())
	} else {
		p = Load(Param("p"), GP64())
	}
	start, done := GP64(), GP64()
	MOVQ(src, start)
	XORQ(done, done)
	SUBQ(U32(512), end)
	f := newFew(d, joined)
	s := &searcher{d: d, lo: f.lo, hi: f.hi}
	for g := range 2 {
		s.loadStates(g)
	}
	Label("round")
	CMPQ(rounds, done)
	JLE(LabelRef("finish"))
	CMPQ(src, end)
	JA(LabelRef("finish"))
	for g := range 2 {
		f.take(g, src)
		VPERMW(f.symbol, f.number[g], f.number[g])
		if joined {
			f.join(g, p, lo)
		} else {
			VPMOVWB(f.number[g], f.number[g].AsY())
			VMOVDQU32(f.number[g].AsY(), Mem{Base: p, Disp: 32 * g})
		}
	}
	if joined {
		ADDQ(U8(64), lo)
		ADDQ(U32(128), p)
	} else {
		ADDQ(U8(64), p)
	}
	INCQ(done)
	JMP(LabelRef("round"))
	Label("finish")
	for g := range 2 {
		s.storeStates(g, 64)
	}
	SUBQ(start, src)
	Store(done, ReturnIndex(0))
	Store(src, ReturnIndex(1))
	VZEROUPPER()
	RET()
}

func newFew(d reg.Register, joined bool) *few {
	f := &few{
		first: [2]reg.VecPhysical{zmm[31], zmm[30]}, exact: [2]reg.VecPhysical{zmm[29], zmm[28]},
		freq: zmm[27], start: zmm[26], symbol: zmm[25], part: zmm[24], slots: zmm[23], sign: zmm[22],
		mantissa: zmm[21],
		lo:       [2]reg.VecPhysical{zmm[16], zmm[17]}, hi: [2]reg.VecPhysical{zmm[18], zmm[19]},
		number: [2]reg.VecPhysical{zmm[0], zmm[8]},
	}
	for h := range 2 {
		VMOVDQU64(Mem{Base: d, Disp: fewFirst + 64*h}, f.first[h])
		VMOVDQU64(Mem{Base: d, Disp: fewExact + 64*h}, f.exact[h])
	}
	VMOVDQU64(Mem{Base: d, Disp: fewFreq}, f.freq)
	VMOVDQU64(Mem{Base: d, Disp: fewStart}, f.start)
	VMOVDQU64(Mem{Base: d, Disp: fewSymbol}, f.symbol)
	words(0x3f, f.part)
	words(0xfff, f.slots)
	words(0x8000, f.sign)
	if joined {
		words(0x7f, f.mantissa)
		VPSLLW(U8(7), f.symbol, f.symbol)
	}
	return f
}

// take takes a symbol from each state of 32 lanes, and a word into each that is
// low then. Number is the symbols' numbers.
func (f *few) take(g int, src reg.Register) {
	v := zmm[8*g : 8*g+8]
	lo, hi := f.lo[g], f.hi[g]
	number, exact, slot, freq, a, c := v[0], v[1], v[2], v[3], v[4], v[5]
	VPSRLW(U8(6), lo, number)
	VPERMI2W(f.first[1], f.first[0], number)
	VMOVDQA64(lo, exact)
	VPERMI2W(f.exact[1], f.exact[0], exact)
	VPANDQ(f.part, lo, slot)
	VPADDW(slot, number, slot)
	VPSRLW(U8(6), slot, slot)
	VPSHRDVW(number, exact, exact)
	VPSRAW(U8(15), number, number)
	VPTERNLOGD(U8(0xca), slot, exact, number) // number ? exact : slot
	// x = frequency · (x >> 12) + slot - start. The tables have frequencies times
	// 16, by which the state without its slot is multiplied, to be divided by 2^16.
	VPERMW(f.freq, number, freq)
	VPERMW(f.start, number, c)
	VPANDQ(f.slots, lo, slot)
	VPSUBW(c, slot, c)
	VPANDNQ(lo, f.slots, lo)
	VPMULHUW(freq, lo, lo)
	VPMULLW(freq, hi, a)
	VPMULHUW(freq, hi, hi)
	VPADDW(lo, c, c) // at most 16 times the frequency
	VPADDW(a, c, lo)
	// The carry is the highest bit of a and c where they have it both, or one of
	// them and the sum has not. So a state is low if none of the three has it, nor
	// its high word, yet without the carry, any bit.
	any := v[6]
	VMOVDQA64(lo, any)
	VPTERNLOGD(U8(0xfe), a, c, any)
	VPTERNLOGD(U8(0xec), f.sign, hi, any) // any & sign | hi
	VPTESTNMW(any, any, reg.K1)
	VPTERNLOGD(U8(0xd4), lo, a, c) // a & c | (a | c) &^ lo
	VPSRLW(U8(15), c, c)
	VPADDW(c, hi, hi)
	n := GP64()
	VMOVDQU16(lo, reg.K1, hi)
	VMOVDQU64(Mem{Base: src}, a)
	VPEXPANDW(a, reg.K1, lo)
	KMOVD(reg.K1, n.As32())
	POPCNTL(n.As32(), n.As32())
	LEAQ(Mem{Base: src, Index: n, Scale: 2}, src)
}

// join writes the floats of which a group's symbols are the exponents, in place,
// and lo has signs and mantissas.
func (f *few) join(g int, dst, lo reg.Register) {
	v := zmm[8*g : 8*g+8]
	x, l, s := v[0], v[1], v[2]
	VPMOVZXBW(Mem{Base: lo, Disp: 32 * g}, l)
	VPSLLW(U8(8), l, s)
	VPTERNLOGD(U8(0xf8), f.sign, s, x) // x | s & sign
	VPTERNLOGD(U8(0xf8), f.mantissa, l, x)
	VMOVDQU64(x, Mem{Base: dst, Disp: 64 * g})
}
