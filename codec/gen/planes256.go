package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Planes of elements of four and eight bytes with AVX2: 32 elements at a time, the
// first sixteen in the low halves of as many vectors as there are planes, the
// others in the high halves. Within each half bytes are put together by plane,
// then transposed between vectors.

// planeBytes256 is planeBytes for PSHUFB.
func planeBytes256(width int, join bool) Mem {
	b := make([]byte, 32)
	n := 16 / width
	for p := range width {
		for e := range n {
			of, in := width*e+width-1-p, n*p+e
			if join {
				of, in = in, of
			}
			b[in], b[16+in] = byte(of), byte(of)
		}
	}
	return constant(fmt.Sprintf("planeBytes256_%d%v", width, join), b)
}

// transpose256 transposes parts of half-vectors between as many vectors, and
// returns where they are then. Each round of unpacking turns the number of a part,
// vector and place, by one bit.
func transpose256(x []reg.VecPhysical, spare reg.VecPhysical) []reg.VecPhysical {
	low, high := VPUNPCKLDQ, VPUNPCKHDQ
	if len(x) == 8 {
		low, high = VPUNPCKLWD, VPUNPCKHWD
	}
	n := len(x)
	for range map[int]int{4: 2, 8: 3}[n] {
		next := make([]reg.VecPhysical, n)
		for i := range n / 2 {
			a, b := x[i], x[i+n/2]
			low(b, a, spare)
			high(b, a, b)
			next[2*i], next[2*i+1], spare = spare, b, a
		}
		x = next
	}
	return x
}

// move256 moves the sign of x below the exponent, or back.
func (w element64) move256(x, a, b reg.VecPhysical, down bool) {
	bits := 8*w.width - 1
	exponent, sign := uint64(1)<<bits-1<<w.mantissa, uint64(1)<<bits
	mantissa := uint64(1)<<w.mantissa - 1
	far := U8(bits - w.mantissa)
	if down {
		exponent, sign = exponent<<1, uint64(1)<<w.mantissa
		w.left(U8(1), x, a)
		w.right(far, x, b)
	} else {
		w.right(U8(1), x, a)
		w.left(far, x, b)
	}
	VPAND(w.repeated(exponent), a, a)
	VPAND(w.repeated(sign), b, b)
	VPAND(w.repeated(mantissa), x, x)
	VPOR(a, b, b)
	VPOR(b, x, x)
}

// repeated is a vector of the element x.
func (w element64) repeated(x uint64) Mem {
	if w.width == 4 {
		return repeated(uint32(x))
	}
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(x >> (8 * (i & 7)))
	}
	return constant(fmt.Sprintf("repeated%016x", x), b)
}

// each32 is each64 for AVX2.
func each32(name, does string, w element64, float, join bool) {
	stride, done := planesSignature(name, does, 32, join)
	planes := Load(Param("planes"), GP64())
	data := Load(Param("data"), GP64())
	base := Load(Param("base"), GP64())
	n := Load(Param("n"), GP64())
	a, b, index := ymm[13], ymm[14], ymm[15]
	VMOVDQU(planeBytes256(w.width, join), index)
	at := GP64()
	half := 16 * w.width
	// load loads the i'th sixteen bytes of both halves.
	load := func(from reg.Register, i int, y reg.VecPhysical) {
		VMOVDQU(Mem{Base: from, Disp: 16 * i}, y.AsX())
		VINSERTI128(U8(1), Mem{Base: from, Disp: half + 16*i}, y, y)
	}
	TESTQ(base, base)
	JEQ(LabelRef("alone"))
	for _, l := range []string{"based", "alone"} {
		xor := func(i int, y reg.VecPhysical) {
			if l == "based" {
				load(base, i, a)
				VPXOR(a, y, y)
			}
		}
		x, spare := ymm[0:w.width], ymm[12]
		Label(l)
		SUBQ(U8(32), n)
		JL(LabelRef("done"))
		if join {
			for i, y := range x {
				MOVQ(Mem{Base: planes, Disp: 8 * i}, at)
				VMOVDQU(Mem{Base: at, Index: done, Scale: 1}, y)
			}
			for i, y := range transpose256(x, spare) {
				VPSHUFB(index, y, y)
				if float {
					w.move256(y, a, b, false)
				}
				xor(i, y)
				VMOVDQU(y.AsX(), Mem{Base: data, Disp: 16 * i})
				VEXTRACTI128(U8(1), y, Mem{Base: data, Disp: half + 16*i})
			}
			ADDQ(U8(32), done)
		} else {
			for i, y := range x {
				load(data, i, y)
				xor(i, y)
				if float {
					w.move256(y, a, b, true)
				}
				VPSHUFB(index, y, y)
			}
			MOVQ(planes, at)
			for _, y := range transpose256(x, spare) {
				VMOVDQU(y, Mem{Base: at})
				ADDQ(stride, at)
			}
			ADDQ(U8(32), planes)
		}
		ADDQ(U32(uint32(32*w.width)), data)
		if l == "based" {
			ADDQ(U32(uint32(32*w.width)), base)
		}
		JMP(LabelRef(l))
	}
	Label("done")
	VZEROUPPER()
	RET()
}

// split256 splits elements of 16 bits.
func split256(name string, bfloat bool) {
	TEXT(name, NOSPLIT, "func(hi, lo, src *byte, n int)")
	Pragma("noescape")
	Doc(name + " splits n elements, a multiple of 32, into planes.")
	hi := Load(Param("hi"), GP64())
	lo := Load(Param("lo"), GP64())
	src := Load(Param("src"), GP64())
	n := Load(Param("n"), GP64())
	Label("loop")
	SUBQ(U8(32), n)
	JL(LabelRef("done"))
	high, low := ymm[0:2], ymm[2:4]
	for i := range 2 {
		x, sign := ymm[4], ymm[5]
		VMOVDQU(Mem{Base: src, Disp: 32 * i}, x)
		VPSRLW(U8(8), x, high[i])
		VPAND(repeated(0x00ff00ff), x, low[i])
		if bfloat {
			VPAND(repeated(0x00800080), high[i], sign)
			VPADDW(x, x, high[i])
			VPSRLW(U8(8), high[i], high[i])
			VPAND(repeated(0x007f007f), low[i], low[i])
			VPOR(sign, low[i], low[i])
		}
	}
	for i, y := range [][]reg.VecPhysical{high, low} {
		VPACKUSWB(y[1], y[0], y[0])
		VPERMQ(U8(0xd8), y[0], y[0])
		VMOVDQU(y[0], Mem{Base: []reg.Register{hi, lo}[i]})
	}
	ADDQ(U8(32), hi)
	ADDQ(U8(32), lo)
	ADDQ(U8(64), src)
	JMP(LabelRef("loop"))
	Label("done")
	VZEROUPPER()
	RET()
}
