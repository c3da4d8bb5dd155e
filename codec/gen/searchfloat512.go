package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// searchFloat512 is search512 to floats that are steps from base's, in contexts that are
// shift and twice how far base's exponents are below top.
func searchFloat512(f floatKind) {
	TEXT(f.name, NOSPLIT, "func(d, dst, base, shift, src *byte, size, rounds, lanes, stride, top int) (done, read int)")
	Pragma("noescape")
	Doc(f.name + " decodes up to rounds rounds while at least 512 of the size bytes at src are left. A round's shifts are stride bytes after the last one's.")
	d := Load(Param("d"), GP64())
	s := newSearcher(d)
	dst := Load(Param("dst"), GP64())
	base := Load(Param("base"), GP64())
	shift := Load(Param("shift"), GP64())
	stride := Load(Param("stride"), GP64())
	topv := GP64()
	Load(Param("top"), topv)
	VPBROADCASTB(topv.As32(), s.top)
	s.rounds(f.width, func(groups, lanes int) reg.VecPhysical {
		return s.contexts(f, groups, lanes, base, shift)
	}, func(groups, lanes int) {
		for g := range groups {
			if f.width == 16 {
				s.walk16(g, lanes, dst, base)
			} else {
				s.walk32(g, lanes, dst, base)
			}
		}
		ADDQ(stride, shift)
		ADDQ(U32(lanes*f.width/8), base)
		ADDQ(U32(lanes*f.width/8), dst)
	})
}

// search512b is searchFloat512 to elements of one byte, of whatever kind.
func search512b() {
	name := "decode8AVX512"
	TEXT(name, NOSPLIT, "func(d, dst, base, shift, kind, src *byte, size, rounds, lanes, stride int) (done, read int)")
	Pragma("noescape")
	Doc(name + " decodes up to rounds rounds while at least 512 of the size bytes at src are left. A round's shifts are stride bytes after the last one's.")
	d := Load(Param("d"), GP64())
	s := newSearcher(d)
	dst := Load(Param("dst"), GP64())
	base := Load(Param("base"), GP64())
	shift := Load(Param("shift"), GP64())
	kind := Load(Param("kind"), GP64())
	stride := Load(Param("stride"), GP64())
	VMOVDQU64(Mem{Base: kind, Disp: byteTop}, s.top)
	s.rounds(16, func(_, lanes int) reg.VecPhysical {
		e := zmm[1]
		VMOVDQA64(s.woven(base, lanes), e)
		VPSRLW(Mem{Base: kind, Disp: byteShift}, e, e)
		VPANDQ(Mem{Base: kind, Disp: byteMask}, e, e) // without what comes from the byte above
		VPSUBUSB(e, s.top, e)
		VPMINUB(repeated(0x1f1f1f1f), e, e)
		return s.bounded(s.woven(shift, lanes), e)
	}, func(groups, lanes int) {
		s.walk8(groups, lanes, dst, base, kind)
		ADDQ(stride, shift)
		ADDQ(U8(lanes), base)
		ADDQ(U8(lanes), dst)
	})
}

// walk8 writes the elements that are steps from base's.
func (s *searcher) walk8(groups, lanes int, dst, base, kind reg.Register) {
	z, t := s.value, zmm[10]
	for g := range groups {
		s.unzigzag16(z[g])
	}
	VPANDQ(s.low, z[0], z[0])
	if groups == 2 {
		VPSLLW(U8(8), z[1], z[1])
		VPORQ(z[1], z[0], z[0])
	}
	b := s.woven(base, lanes)
	order := func() { // what is its own inverse, but for the highest bit
		VPMOVB2M(b, reg.K1)
		VMOVDQU8_Z(Mem{Base: kind, Disp: byteLow}, reg.K1, t)
		VPXORQ(t, b, b)
	}
	order()
	VPADDB(z[0], b, b)
	order()
	VMOVDQU64(unweaveBytes(), t)
	VPERMB(b, t, b)
	switch lanes {
	case 64:
		VMOVDQU64(b, Mem{Base: dst})
	case 32:
		VMOVDQU32(b.AsY(), Mem{Base: dst})
	case 16:
		VMOVDQU32(b.AsX(), Mem{Base: dst})
	}
}

// contexts returns clamp(shift + 2·depth, 0, 63) for each lane, where depth is
// min(31, top - the exponent of base), at least 0.
func (s *searcher) contexts(f floatKind, groups, lanes int, base, shift reg.Register) reg.VecPhysical {
	c, e := s.woven(shift, lanes), [2]reg.VecPhysical{zmm[1], zmm[2]}
	for g := range groups {
		if f.width == 32 {
			s.highWords(lanes, base, 128*g, e[g])
		} else if lanes == 16 {
			VMOVDQU32(Mem{Base: base}, e[g].AsY())
		} else {
			VMOVDQU64(Mem{Base: base, Disp: 64 * g}, e[g])
		}
	}
	// A word's exponent goes to its low byte, or of the second group to the high one.
	down := f.exponent & 15
	VPSRLW(U8(down), e[0], e[0])
	if groups == 2 {
		if down < 8 {
			VPSLLW(U8(8-down), e[1], e[1])
		} else {
			VPSRLW(U8(down-8), e[1], e[1])
		}
		VPTERNLOGD(U8(0xe4), s.low, e[1], e[0]) // low ? e[0] : e[1]
	}
	if f.mask != 0xff {
		VPANDQ(repeated(f.mask*0x01010101), e[0], e[0])
	}
	VPSUBUSB(e[0], s.top, e[0])
	VPMINUB(repeated(0x1f1f1f1f), e[0], e[0])
	return s.bounded(c, e[0])
}

// highWords loads the high words of 32 elements, or of 16, to e.
func (s *searcher) highWords(lanes int, base reg.Register, at int, e reg.VecPhysical) {
	VMOVDQU64(oddWords(), e)
	if lanes == 16 {
		VPERMW(Mem{Base: base, Disp: at}, e, e)
		return
	}
	x := zmm[3]
	VMOVDQU64(Mem{Base: base, Disp: at}, x)
	VPERMI2W(Mem{Base: base, Disp: at + 64}, x, e)
}

// bounded returns clamp(c + 2·depth, 0, 63), in c.
func (s *searcher) bounded(c, depth reg.VecPhysical) reg.VecPhysical {
	VPADDB(depth, depth, depth)
	VPADDB(depth, c, c)
	VPXORQ(depth, depth, depth)
	VPMAXSB(depth, c, c)
	VPMINSB(repeated(0x3f3f3f3f), c, c)
	return c
}

// walk16 writes the elements that are steps from base's. What it computes is in
// number.go.
func (s *searcher) walk16(g, lanes int, dst, base reg.Register) {
	z, b, t := s.value[g], zmm[9], zmm[10]
	s.unzigzag16(z)
	if lanes == 16 {
		VMOVDQU32(Mem{Base: base}, b.AsY())
	} else {
		VMOVDQU64(Mem{Base: base, Disp: 64 * g}, b)
	}
	VPSRAW(U8(15), b, t)
	VPTERNLOGD(U8(0x1e), repeated(0x80008000), t, b) // b ^ (t | top)
	VPADDW(b, z, z)
	VPSRAW(U8(15), z, t)
	VPTERNLOGD(U8(0x4b), repeated(0x80008000), t, z) // z ^ (^t | top)
	if lanes == 16 {
		VMOVDQU32(z.AsY(), Mem{Base: dst})
	} else {
		VMOVDQU64(z, Mem{Base: dst, Disp: 64 * g})
	}
}

func (s *searcher) walk32(g, lanes int, dst, base reg.Register) {
	for h := range 2 {
		if lanes == 16 && h == 1 {
			break
		}
		z, b, t := zmm[9], zmm[10], zmm[11]
		VMOVDQU64(pairedWords(h), z)
		VPERMI2W(s.valueHi[g], s.value[g], z)
		VPADDD(s.ones, z, z)
		VPTESTMD(repeated(1), z, reg.K1)
		VPSRLD(U8(1), z, z)
		VPSUBD(z, s.ones, reg.K1, z) // ^z
		VMOVDQU64(Mem{Base: base, Disp: 128*g + 64*h}, b)
		VPSRAD(U8(31), b, t)
		VPTERNLOGD(U8(0x1e), repeated(0x80000000), t, b)
		VPADDD(b, z, z)
		VPSRAD(U8(31), z, t)
		VPTERNLOGD(U8(0x4b), repeated(0x80000000), t, z)
		VMOVDQU64(z, Mem{Base: dst, Disp: 128*g + 64*h})
	}
}

// rowShifts512 adds up the shifts of a row.
func rowShifts512() {
	TEXT("rowShiftsAVX512", NOSPLIT, "func(dst, cols *byte, n, shift int)")
	Pragma("noescape")
	Doc("rowShiftsAVX512 fills dst with shift + cols for any n; cols may be nil for zeros.")
	dst := Load(Param("dst"), GP64())
	cols := Load(Param("cols"), GP64())
	n := Load(Param("n"), GP64())
	shift := GP64()
	Load(Param("shift"), shift)
	i := GP64()
	VPBROADCASTB(shift.As32(), zmm[0])
	VMOVDQA64(zmm[0], zmm[1])
	XORQ(i, i)
	KXNORQ(reg.K1, reg.K1, reg.K1)
	Label("loop")
	CMPQ(n, U8(64))
	JGE(LabelRef("whole"))
	TESTQ(n, n)
	JLE(LabelRef("done"))
	MOVQ(I32(-1), reg.RCX)
	BZHIQ(n, reg.RCX, reg.RCX)
	KMOVQ(reg.RCX, reg.K1)
	Label("whole")
	TESTQ(cols, cols)
	JEQ(LabelRef("put"))
	VMOVDQU8_Z(Mem{Base: cols, Index: i, Scale: 1}, reg.K1, zmm[1])
	VPADDB(zmm[0], zmm[1], zmm[1])
	Label("put")
	VMOVDQU8(zmm[1], reg.K1, Mem{Base: dst, Index: i, Scale: 1})
	ADDQ(U8(64), i)
	SUBQ(U8(64), n)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}
