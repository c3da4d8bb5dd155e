package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A vectors is what AVX-512 and AVX2 write differently in the kernels of low rank.
type vectors struct {
	of           []reg.VecPhysical
	bytes        int // of a vector
	move         func(from, to Op)
	and, or, xor func(a, b, to Op)
	// keep sets x to base where that is infinite or no number.
	keep func(base, x, t Op)
	// fill sets a vector to a dword.
	fill func(x reg.GPVirtual, to reg.VecPhysical)
	// words and packed store the low halves of the dwords, or words, of some vectors.
	words, packed func(from []reg.VecPhysical, to Mem)
}

var vectors512 = vectors{
	of: zmm, bytes: 64,
	move: func(from, to Op) { VMOVDQU32(from, to) },
	and:  func(a, b, to Op) { VPANDD(a, b, to) },
	or:   func(a, b, to Op) { VPORD(a, b, to) },
	xor:  func(a, b, to Op) { VPXORD(a, b, to) },
	keep: func(base, x, t Op) {
		VPANDD(repeated(0x7f800000), base, t)
		VPCMPEQD(repeated(0x7f800000), t, reg.K1)
		VMOVDQA32(base, reg.K1, x)
	},
	fill: func(x reg.GPVirtual, to reg.VecPhysical) { VPBROADCASTD(x.As32(), to) },
	words: func(from []reg.VecPhysical, to Mem) {
		for i, z := range from {
			VPMOVDW(z, to.Offset(32*i))
		}
	},
	packed: func(from []reg.VecPhysical, to Mem) {
		for i, z := range from {
			VPMOVWB(z, to.Offset(32*i))
		}
	},
}

var vectors256 = vectors{
	of: ymm, bytes: 32,
	move: VMOVDQU,
	and:  VPAND, or: VPOR, xor: VPXOR,
	keep: func(base, x, t Op) {
		VPAND(repeated(0x7f800000), base, t)
		VPCMPEQD(repeated(0x7f800000), t, t)
		VPBLENDVB(t, base, x, x)
	},
	fill: func(x reg.GPVirtual, to reg.VecPhysical) {
		VMOVD(x.As32(), to.AsX())
		VPBROADCASTD(to.AsX(), to)
	},
	words: func(from []reg.VecPhysical, to Mem) {
		for i := 0; i < len(from); i += 2 {
			VPACKUSDW(from[i+1], from[i], from[i])
			VPERMQ(U8(0xd8), from[i], from[i])
			VMOVDQU(from[i], to.Offset(16*i))
		}
	},
	packed: func(from []reg.VecPhysical, to Mem) {
		for i := 0; i < len(from); i += 2 {
			VPACKUSWB(from[i+1], from[i], from[i])
			VPERMQ(U8(0xd8), from[i], from[i])
			VMOVDQU(from[i], to.Offset(16*i))
		}
	},
}

// predict predicts elements, 32 at a time: the last of them once more if their number
// is not a multiple. Factors of columns are in pairs of components, so that PMADDWD
// adds up two products; sums are not kept.
func (v vectors) predict(name string) {
	TEXT(name, NOSPLIT, "func(pred, places, base, factors, row *byte, n, pairs, stride, scale int)")
	Pragma("noescape")
	Doc(name + " predicts n elements, 32 or more, given pairs of a row's factors, and columns' factors, as many pairs, stride bytes apart.")
	pred := Load(Param("pred"), GP64())
	places := Load(Param("places"), GP64())
	base := Load(Param("base"), GP64())
	factors := Load(Param("factors"), GP64())
	row := Load(Param("row"), GP64())
	last := Load(Param("n"), GP64())
	pairs := Load(Param("pairs"), GP64())
	stride := Load(Param("stride"), GP64())
	scale := v.of[15]
	v.fill(Load(Param("scale"), GP64()).(reg.GPVirtual), scale)
	LEAQ(Mem{Base: row, Index: pairs, Scale: 4}, row)
	NEGQ(pairs)
	SUBQ(U8(32), last)
	i, at, pair := GP64(), GP64(), GP64()
	XORQ(i, i)

	sums := v.of[:128/v.bytes]
	half := v.bytes / 2
	Label("block")
	for _, s := range sums {
		v.xor(s, s, s)
	}
	LEAQ(Mem{Base: factors, Index: i, Scale: 4}, at)
	MOVQ(pairs, pair)
	Label("pair")
	VPBROADCASTD(Mem{Base: row, Index: pair, Scale: 4}, v.of[14])
	for j, s := range sums {
		t := v.of[len(sums)+j]
		VPMADDWD(Mem{Base: at, Disp: v.bytes * j}, v.of[14], t)
		VPADDD(t, s, s)
	}
	ADDQ(stride, at)
	INCQ(pair)
	JNE(LabelRef("pair"))

	for j := 0; j < len(sums); j += 2 {
		elements, found := v.of[4:6], sums[j:j+2]
		for h, s := range found {
			VPMOVZXWD(Mem{Base: base, Index: i, Scale: 2, Disp: half * (j + h)}, elements[h])
			v.place(s, elements[h], scale)
		}
		v.words(elements, Mem{Base: pred, Index: i, Scale: 2, Disp: half * j})
		v.words(found, Mem{Base: places, Index: i, Scale: 2, Disp: half * j})
	}
	CMPQ(i, last)
	JGE(LabelRef("done"))
	ADDQ(U8(32), i)
	CMPQ(i, last)
	CMOVQGT(last, i)
	JMP(LabelRef("block"))
	Label("done")
	VZEROUPPER()
	RET()
}

// place is predictOne: it replaces sums by places, and dwords of base by elements.
func (v vectors) place(sum, base, scale reg.VecPhysical) {
	x, off, gap, t := v.of[8], v.of[9], v.of[10], v.of[11]
	VPSLLD(U8(16), base, base)
	VCVTDQ2PS(sum, x)
	VMULPS(scale, x, x)
	VADDPS(x, base, x)
	v.keep(base, x, t)
	VPSRLD(U8(16), x, t)
	v.and(repeated(1), t, t)
	VPADDD(repeated(0x7fff), t, t)
	VPADDD(x, t, t)
	v.and(repeated(0xffff0000), t, off)
	VPSRLD(U8(16), t, base)
	VPSUBD(off, x, off)
	// near is in the exponent and the mantissa of the gap as a float
	VPABSD(off, t)
	v.move(repeated(1<<15+1), gap)
	VPSUBD(t, gap, gap)
	VCVTDQ2PS(gap, gap)
	VPSRLD(U8(21), gap, gap)
	VPSUBD(repeated(127<<2), gap, gap)
	VPSRLD(U8(17), x, t)
	v.and(repeated(0xff<<6), t, t)
	v.or(t, gap, gap)
	v.xor(x, off, off)
	VPSRLD(U8(16), off, off)
	v.and(repeated(1<<15), off, off)
	v.or(off, gap, sum)
}

// contexts finds contexts, 64 at a time.
func (v vectors) contexts(name string) {
	TEXT(name, NOSPLIT, "func(ctx, places *byte, n, level int)")
	Pragma("noescape")
	Doc(name + " fills ctx with the contexts of n places, a multiple of 64, at a level from which 25 is subtracted, in both halves of a dword.")
	ctx := Load(Param("ctx"), GP64())
	places := Load(Param("places"), GP64())
	n := Load(Param("n"), GP64())
	level := v.of[15]
	v.fill(Load(Param("level"), GP64()).(reg.GPVirtual), level)
	count := 128 / v.bytes
	Label("loop")
	SUBQ(U8(64), n)
	JL(LabelRef("done"))
	for j := range count {
		p, h, t := v.of[j], v.of[8], v.of[9]
		v.move(Mem{Base: places, Disp: v.bytes * j}, p)
		VPSRLW(U8(5), p, h)
		v.and(repeated(0x01fe01fe), h, h)
		VPSUBW(h, level, h)
		v.and(repeated(0x003f003f), p, p)
		VPADDW(h, h, t)
		VPSUBW(p, t, p) // 2h - near
		VPADDW(h, t, t)
		VPMINSW(h, t, t)
		VPADDW(repeated(nearMost*0x10001), t, t)
		VPADDW(repeated((2*unitHalves+nearAnchor)*0x10001), p, p)
		VPMINSW(repeated(nearMost*0x10001), p, p)
		VPMAXSW(t, p, p)
		VPMAXSW(repeated(0), p, p)
		VPMINSW(repeated(63*0x10001), p, p)
	}
	v.packed(v.of[:count], Mem{Base: ctx})
	ADDQ(U8(64), ctx)
	SUBQ(I8(-128), places)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// As lowrankpredict.go has them.
const (
	unitHalves = 25
	nearAnchor = 26
	nearMost   = 22
)

// turn negates steps.
func (v vectors) turn(name string) {
	TEXT(name, NOSPLIT, "func(z, places *byte, n int)")
	Pragma("noescape")
	Doc(name + " negates those of n steps, a multiple of 32, that places say.")
	z := Load(Param("z"), GP64())
	places := Load(Param("places"), GP64())
	n := Load(Param("n"), GP64())
	Label("loop")
	SUBQ(U8(32), n)
	JL(LabelRef("done"))
	for j := range 64 / v.bytes {
		t, changes, p := v.of[3*j], v.of[3*j+1], v.of[3*j+2]
		v.move(Mem{Base: z, Disp: v.bytes * j}, t)
		v.move(Mem{Base: places, Disp: v.bytes * j}, p)
		VPADDW(repeated(0xffffffff), t, t)
		v.move(repeated(0xfffefffe), changes)
		VPSUBUSW(t, changes, changes)
		VPMINUW(repeated(0x00010001), changes, changes)
		VPSRLW(U8(15), p, p)
		v.and(p, changes, changes)
		v.xor(changes, t, t)
		VPSUBW(repeated(0xffffffff), t, t)
		v.move(t, Mem{Base: z, Disp: v.bytes * j})
	}
	ADDQ(U8(64), z)
	ADDQ(U8(64), places)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}
