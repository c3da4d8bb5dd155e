package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func words(x uint16, z reg.VecPhysical) {
	r := GP32()
	MOVL(U32(uint32(x)), r)
	VPBROADCASTW(r, z)
}

// order512 maps floats of 16 bits to the order of the numbers: x ^ (sign | top).
func order512(x, t, top reg.VecPhysical) {
	VPSRAW(U8(15), x, t)
	VPORQ(top, t, t)
	VPXORQ(t, x, x)
}

// stepBlock is how many elements steps are computed of at a time.
const stepBlock = 2 << 10

// steps512 computes the steps, symbols and depths of floats of 16 bits.
func steps512() {
	TEXT("stepsFloat16AVX512", NOSPLIT, "func(z, symbols, depth, leaf, base *byte, n, exponent, mask, top int)")
	Pragma("noescape")
	Doc("stepsFloat16AVX512 fills z and symbols with the steps from base to leaf and their symbols, and depth with min(31, top - exponents of base), at least 0; n is a multiple of 64.")
	z := Load(Param("z"), GP64())
	symbols := Load(Param("symbols"), GP64())
	depth := Load(Param("depth"), GP64())
	leaf := Load(Param("leaf"), GP64())
	base := Load(Param("base"), GP64())
	n := Load(Param("n"), GP64())
	low, one, seven, bias := zmm[31], zmm[30], zmm[29], zmm[28]
	zero, mask, top, most, lowest := zmm[26], zmm[25], zmm[24], zmm[23], zmm[22]
	words(0x7fff, low)
	words(1, one)
	words(7, seven)
	words(8*(127+2)+1, bias)
	VPXORQ(zero, zero, zero)
	r := GP64()
	MOVL(U32(31), r.As32())
	VPBROADCASTB(r.As32(), most)
	Load(Param("mask"), r)
	VPBROADCASTB(r.As32(), mask)
	Load(Param("top"), r)
	VPBROADCASTB(r.As32(), top)
	Load(Param("exponent"), r)
	MOVQ(r, reg.X15)
	VMOVDQU64(lowBytes(), lowest)
	Label("loop")
	SUBQ(U8(64), n)
	JL(LabelRef("done"))
	for h := range 2 {
		a, b, t, v, d := zmm[h], zmm[2+h], zmm[4], zmm[5], zmm[6+h]
		VMOVDQU64(Mem{Base: leaf, Disp: 64 * h}, a)
		VMOVDQU64(Mem{Base: base, Disp: 64 * h}, b)
		// The next block is asked for early: it comes from far.
		PREFETCHT0(Mem{Base: leaf, Disp: 64*h + 2*stepBlock})
		PREFETCHT0(Mem{Base: base, Disp: 64*h + 2*stepBlock})
		VPSRLW(reg.X15, b, d)
		// In both orders the highest bit is wrong, which makes no difference.
		for _, x := range []reg.VecPhysical{a, b} {
			VPSRAW(U8(15), x, t)
			VPTERNLOGD(U8(0x78), low, t, x) // x ^ t & low
		}
		VPSUBW(b, a, a)
		VPSRAW(U8(15), a, t)
		VPADDW(a, a, a)
		VPXORQ(t, a, a)
		VMOVDQU64(a, Mem{Base: z, Disp: 64 * h})
		// The symbol of v = z+1 is v - 1 up to 8; above, the exponent of v as a float
		// and three bits of its mantissa. No z is taken for -1.
		VPADDW(one, a, v)
		VPUNPCKLWD(zero, v, t)
		VPUNPCKHWD(zero, v, v)
		VCVTDQ2PS(t, t)
		VCVTDQ2PS(v, v)
		VPSRLD(U8(20), t, t)
		VPSRLD(U8(20), v, v)
		VPACKUSDW(v, t, b)
		VPSUBW(bias, b, b)
		VPMINSW(seven, a, a)
		VPMAXSW(a, b, b)
	}
	for i, p := range []reg.Register{symbols, depth} {
		low, high := zmm[2+4*i], zmm[3+4*i]
		VPERMT2B(high, lowest, low)
		if p == depth {
			VPANDQ(mask, low, low)
			VPSUBUSB(low, top, low)
			VPMINUB(most, low, low)
		}
		VMOVDQU64(low, Mem{Base: p})
	}
	ADDQ(U32(128), leaf)
	ADDQ(U32(128), base)
	ADDQ(U32(128), z)
	ADDQ(U8(64), symbols)
	ADDQ(U8(64), depth)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// lowBytes picks the low bytes of the words of two vectors.
func lowBytes() Mem {
	b := make([]byte, 64)
	for i := range b {
		b[i] = byte(2 * i)
	}
	return constant("lowBytes", b)
}

// walk512 undoes steps.
func walk512() {
	TEXT("walkFloat16AVX512", NOSPLIT, "func(dst, base, z *byte, n int)")
	Pragma("noescape")
	Doc("walkFloat16AVX512 fills dst with the elements that are steps z from base's; n is a multiple of 32.")
	dst := Load(Param("dst"), GP64())
	base := Load(Param("base"), GP64())
	z := Load(Param("z"), GP64())
	n := Load(Param("n"), GP64())
	top, one, zero, a, b, t := zmm[31], zmm[30], zmm[29], zmm[0], zmm[1], zmm[2]
	words(0x8000, top)
	words(1, one)
	VPXORQ(zero, zero, zero)
	Label("loop")
	SUBQ(U8(32), n)
	JL(LabelRef("done"))
	VMOVDQU64(Mem{Base: z}, a)
	VMOVDQU64(Mem{Base: base}, b)
	VPANDQ(one, a, t)
	VPSUBW(t, zero, t)
	VPSRLW(U8(1), a, a)
	VPXORQ(t, a, a)
	order512(b, t, top)
	VPADDW(b, a, a)
	// x ^ (^sign | top)
	VPSRAW(U8(15), a, t)
	VPTERNLOGQ(U8(0xaf), top, t, t) // ^t | top
	VPXORQ(t, a, a)
	VMOVDQU64(a, Mem{Base: dst})
	ADDQ(U8(64), z)
	ADDQ(U8(64), base)
	ADDQ(U8(64), dst)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// depths512 computes depths of floats of 16 bits.
func depths512() {
	TEXT("depths16AVX512", NOSPLIT, "func(depth, base *byte, n, exponent, mask, top int)")
	Pragma("noescape")
	Doc("depths16AVX512 fills depth with min(31, top - exponents of base), at least 0; n is a multiple of 64.")
	depth := Load(Param("depth"), GP64())
	base := Load(Param("base"), GP64())
	n := Load(Param("n"), GP64())
	exponent := GP64()
	Load(Param("exponent"), exponent)
	mask := GP64()
	Load(Param("mask"), mask)
	topv := GP64()
	Load(Param("top"), topv)
	m, top, most := zmm[31], zmm[30], zmm[29]
	VPBROADCASTW(mask.As32(), m)
	VPBROADCASTW(topv.As32(), top)
	words(31, most)
	MOVQ(exponent, reg.X15)
	Label("loop")
	SUBQ(U8(64), n)
	JL(LabelRef("done"))
	for h := range 2 {
		a := zmm[h]
		VMOVDQU64(Mem{Base: base, Disp: 64 * h}, a)
		VPSRLW(reg.X15, a, a)
		VPANDQ(m, a, a)
		VPSUBUSW(a, top, a)
		VPMINUW(most, a, a)
		VPMOVWB(a, a.AsY())
		VMOVDQU32(a.AsY(), Mem{Base: depth, Disp: 32 * h})
	}
	ADDQ(U32(128), base)
	ADDQ(U8(64), depth)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

// context512 computes contexts of rows.
func context512() {
	TEXT("contextAVX512", NOSPLIT, "func(ctx, depth, cols, shifts *byte, row, rows, every, next, shift int)")
	Pragma("noescape")
	Doc("contextAVX512 fills ctx, in each of rows that are every times row apart, with clamp(shift + shifts + cols + 2·depth, 0, 63), where a row's byte of shifts is next after that of the one before; cols may be nil for zeros.")
	ctx := Load(Param("ctx"), GP64())
	depth := Load(Param("depth"), GP64())
	cols := Load(Param("cols"), GP64())
	shifts := Load(Param("shifts"), GP64())
	row := Load(Param("row"), GP64())
	rows := Load(Param("rows"), GP64())
	every := Load(Param("every"), GP64())
	next := Load(Param("next"), GP64())
	shift := GP64()
	Load(Param("shift"), shift)
	s, zero, most, all := zmm[31], zmm[30], zmm[29], zmm[28]
	VPBROADCASTB(shift.As32(), all)
	VPXORQ(zero, zero, zero)
	r := GP32()
	MOVL(U32(63), r)
	VPBROADCASTB(r, most)
	whole := wholeOf(row)
	IMULQ(row, every)
	i := GP64()
	TESTQ(cols, cols)
	JEQ(LabelRef("plain"))
	for _, l := range []string{"cols", "plain"} {
		body := func(load, store func(m Mem, z reg.VecPhysical)) {
			at := func(p reg.Register) Mem { return Mem{Base: p, Index: i, Scale: 1} }
			load(at(depth), zmm[0])
			VPADDB(zmm[0], zmm[0], zmm[0])
			VPADDB(s, zmm[0], zmm[0])
			if l == "cols" {
				load(at(cols), zmm[1])
				VPADDB(zmm[1], zmm[0], zmm[0])
			}
			VPMAXSB(zero, zmm[0], zmm[0])
			VPMINSB(most, zmm[0], zmm[0])
			store(at(ctx), zmm[0])
		}
		Label(l)
		SUBQ(U8(1), rows)
		JL(LabelRef("done"))
		VPBROADCASTB(Mem{Base: shifts}, s)
		VPADDB(all, s, s)
		XORL(i.As32(), i.As32())
		Label(l + "whole")
		CMPQ(i, whole)
		JGE(LabelRef(l + "rest"))
		body(func(m Mem, z reg.VecPhysical) { VMOVDQU64(m, z) }, func(m Mem, z reg.VecPhysical) { VMOVDQU64(z, m) })
		ADDQ(U8(64), i)
		JMP(LabelRef(l + "whole"))
		Label(l + "rest")
		CMPQ(i, row)
		JGE(LabelRef(l + "next"))
		body(func(m Mem, z reg.VecPhysical) { VMOVDQU8_Z(m, reg.K1, z) }, func(m Mem, z reg.VecPhysical) { VMOVDQU8(z, reg.K1, m) })
		Label(l + "next")
		ADDQ(every, ctx)
		ADDQ(every, depth)
		ADDQ(next, shifts)
		JMP(LabelRef(l))
	}
	Label("done")
	VZEROUPPER()
	RET()
}

// wholeOf returns how many bytes of a row are whole vectors, and sets K1 to those of
// one that are left.
func wholeOf(row reg.Register) reg.GPVirtual {
	whole := GP64()
	MOVQ(row, whole)
	ANDQ(I8(-64), whole)
	left := GP64()
	MOVQ(row, left)
	ANDQ(U8(63), left)
	MOVQ(I32(-1), reg.RCX)
	BZHIQ(left, reg.RCX, reg.RCX)
	KMOVQ(reg.RCX, reg.K1)
	return whole
}

// unpackedPairs orders the quadwords of two vectors of words that bytes were
// unpacked to: those of the first or second half of the bytes.
func unpackedPairs(half int) Mem {
	b := make([]byte, 64)
	for i := range 8 {
		b[8*i] = byte(4*half + i/4*2 + i&1 + i/2&1*8)
	}
	return constant("unpackedPairs"+string(rune('0'+half)), b)
}

// order512d is order512 for 32 bits.
func order512d(x, t, top reg.VecPhysical) {
	VPSRAD(U8(31), x, t)
	VPORD(top, t, t)
	VPXORD(t, x, x)
}

func steps512d() {
	TEXT("stepsFloat32AVX512", NOSPLIT, "func(z, symbols, leaf, base *byte, n int)")
	Pragma("noescape")
	Doc("stepsFloat32AVX512 fills z and symbols with the steps from base to leaf and their symbols; n is a multiple of 16.")
	z := Load(Param("z"), GP64())
	symbols := Load(Param("symbols"), GP64())
	leaf := Load(Param("leaf"), GP64())
	base := Load(Param("base"), GP64())
	n := Load(Param("n"), GP64())
	top, c28, ones, a, b, t := zmm[31], zmm[30], zmm[29], zmm[0], zmm[1], zmm[2]
	dwords(1<<31, top)
	dwords(28, c28)
	VPTERNLOGD(U8(0xff), ones, ones, ones)
	Label("loop")
	SUBQ(U8(16), n)
	JL(LabelRef("done"))
	VMOVDQU32(Mem{Base: leaf}, a)
	VMOVDQU32(Mem{Base: base}, b)
	PREFETCHT0(Mem{Base: leaf, Disp: 4 * stepBlock})
	PREFETCHT0(Mem{Base: base, Disp: 4 * stepBlock})
	order512d(a, t, top)
	order512d(b, t, top)
	VPSUBD(b, a, a)
	VPSRAD(U8(31), a, t)
	VPADDD(a, a, a)
	VPXORD(t, a, a)
	VMOVDQU32(a, Mem{Base: z})
	VPSUBD(ones, a, a)
	VPLZCNTD(a, t)
	VPMINUD(c28, t, t)
	VPSUBD(t, c28, t)
	VPSRLVD(t, a, a)
	VPSLLD(U8(3), t, t)
	VPADDD(t, a, a)
	VPADDD(ones, a, a)
	VPMOVDB(a, a.AsX())
	VMOVDQU32(a.AsX(), Mem{Base: symbols})
	ADDQ(U8(64), leaf)
	ADDQ(U8(64), base)
	ADDQ(U8(64), z)
	ADDQ(U8(16), symbols)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

func walk512d() {
	TEXT("walkFloat32AVX512", NOSPLIT, "func(dst, base, z *byte, n int)")
	Pragma("noescape")
	Doc("walkFloat32AVX512 fills dst with the elements that are steps z from base's; n is a multiple of 16.")
	dst := Load(Param("dst"), GP64())
	base := Load(Param("base"), GP64())
	z := Load(Param("z"), GP64())
	n := Load(Param("n"), GP64())
	top, one, zero, a, b, t := zmm[31], zmm[30], zmm[29], zmm[0], zmm[1], zmm[2]
	dwords(1<<31, top)
	dwords(1, one)
	VPXORQ(zero, zero, zero)
	Label("loop")
	SUBQ(U8(16), n)
	JL(LabelRef("done"))
	VMOVDQU32(Mem{Base: z}, a)
	VMOVDQU32(Mem{Base: base}, b)
	VPANDD(one, a, t)
	VPSUBD(t, zero, t)
	VPSRLD(U8(1), a, a)
	VPXORD(t, a, a)
	order512d(b, t, top)
	VPADDD(b, a, a)
	VPSRAD(U8(31), a, t)
	VPTERNLOGD(U8(0xaf), top, t, t)
	VPXORD(t, a, a)
	VMOVDQU32(a, Mem{Base: dst})
	ADDQ(U8(64), z)
	ADDQ(U8(64), base)
	ADDQ(U8(64), dst)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}

func depths512d() {
	TEXT("depthsFloat32AVX512", NOSPLIT, "func(depth, base *byte, n, top int)")
	Pragma("noescape")
	Doc("depthsFloat32AVX512 fills depth with min(31, top - exponents of base), at least 0; n is a multiple of 16.")
	depth := Load(Param("depth"), GP64())
	base := Load(Param("base"), GP64())
	n := Load(Param("n"), GP64())
	topv := GP64()
	Load(Param("top"), topv)
	m, top, most := zmm[31], zmm[30], zmm[29]
	dwords(0xff, m)
	dwords(31, most)
	VPBROADCASTD(topv.As32(), top)
	Label("loop")
	SUBQ(U8(16), n)
	JL(LabelRef("done"))
	VPSRLD(U8(23), Mem{Base: base}, zmm[0])
	VPANDD(m, zmm[0], zmm[0])
	VPSUBUSW(zmm[0], top, zmm[0])
	VPMINUD(most, zmm[0], zmm[0])
	VPMOVDB(zmm[0], zmm[0].AsX())
	VMOVDQU32(zmm[0].AsX(), Mem{Base: depth})
	ADDQ(U8(64), base)
	ADDQ(U8(16), depth)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}
