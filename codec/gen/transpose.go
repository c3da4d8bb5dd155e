package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Planes of elements of four and eight bytes: 64 elements at a time, whose bytes
// are first put together by plane within each vector, then transposed between
// vectors.

// planeBytes returns for VPERMB which byte of a vector of elements goes where,
// so that those of each plane lie together; or where they come from.
func planeBytes(width int, join bool) Mem {
	b := make([]byte, 64)
	n := 64 / width
	for p := range width {
		for e := range n {
			of, in := width*e+width-1-p, n*p+e
			if join {
				b[of] = byte(in)
			} else {
				b[in] = byte(of)
			}
		}
	}
	return constant(fmt.Sprintf("planeBytes%d%v", width, join), b)
}

// lanes4x4 transposes the 128-bit lanes of four vectors, by way of t.
func lanes4x4(v, t []reg.VecPhysical) {
	VSHUFI64X2(U8(0x44), v[1], v[0], t[0])
	VSHUFI64X2(U8(0xee), v[1], v[0], t[1])
	VSHUFI64X2(U8(0x44), v[3], v[2], t[2])
	VSHUFI64X2(U8(0xee), v[3], v[2], t[3])
	VSHUFI64X2(U8(0x88), t[2], t[0], v[0])
	VSHUFI64X2(U8(0xdd), t[2], t[0], v[1])
	VSHUFI64X2(U8(0x88), t[3], t[1], v[2])
	VSHUFI64X2(U8(0xdd), t[3], t[1], v[3])
}

// An element64 is the instructions for elements of four or eight bytes.
type element64 struct {
	width, mantissa int
	left, right     func(...Op)
}

var elements64 = map[int]element64{
	4: {4, 23, VPSLLD, VPSRLD},
	8: {8, 52, VPSLLQ, VPSRLQ},
}

// masks sets exponent and sign to where they are once the sign is below.
func (w element64) masks(exponent, sign reg.VecPhysical, down bool) {
	bits := 8*w.width - 1
	e, s := uint64(1)<<bits-1<<w.mantissa, uint64(1)<<bits
	if down {
		e, s = e<<1, uint64(1)<<w.mantissa
	}
	r := GP64()
	for _, m := range []struct {
		x uint64
		z reg.VecPhysical
	}{{e, exponent}, {s, sign}} {
		x := m.x
		if w.width == 4 {
			x = x&(1<<32-1) | x<<32
		}
		MOVQ(U64(x), r)
		VPBROADCASTQ(r, m.z)
	}
}

// move moves the sign of x below the exponent, or back.
func (w element64) move(x, exponent, sign, a, b, t reg.VecPhysical, down bool) {
	far := U8(8*w.width - 1 - w.mantissa)
	if down {
		w.left(U8(1), x, a)
		w.right(far, x, b)
	} else {
		w.right(U8(1), x, a)
		w.left(far, x, b)
	}
	VMOVDQA64(exponent, t)
	VPTERNLOGQ(U8(0xca), x, a, t) // exponent's bits of a, the others of x
	VMOVDQA64(sign, x)
	VPTERNLOGQ(U8(0xca), t, b, x) // the sign's of b
}

// planesSignature begins a kernel that splits or joins so many elements at a time.
// The planes that are made lie stride apart, those that are joined where pointers
// say; done is then zero.
func planesSignature(name, does string, many int, join bool) (stride, done reg.GPVirtual) {
	doc := fmt.Sprintf("%s %s n elements, a multiple of %d, XORed with base's unless that is nil; ", name, does, many)
	if join {
		TEXT(name, NOSPLIT, "func(planes, data, base *byte, n int)")
		Doc(doc + "planes are pointers to them.")
		done = GP64()
		XORQ(done, done)
	} else {
		TEXT(name, NOSPLIT, "func(planes, data, base *byte, n, stride int)")
		Doc(doc + "planes are stride bytes apart.")
		stride = GP64()
		Load(Param("stride"), stride)
	}
	Pragma("noescape")
	return stride, done
}

// each64 makes a kernel of one loop over 64 elements, with a base and without.
func each64(name, does string, w element64, float, join bool) {
	stride, done := planesSignature(name, does, 64, join)
	planes := Load(Param("planes"), GP64())
	data := Load(Param("data"), GP64())
	base := Load(Param("base"), GP64())
	n := Load(Param("n"), GP64())
	x, t := zmm[0:w.width], zmm[8:16]
	index, exponent, sign := zmm[31], zmm[30], zmm[29]
	VMOVDQU64(planeBytes(w.width, join), index)
	if float {
		w.masks(exponent, sign, !join)
	}
	at := GP64()
	TESTQ(base, base)
	JEQ(LabelRef("alone"))
	for _, l := range []string{"based", "alone"} {
		xor := func(i int) {
			if l == "based" {
				VPXORQ(Mem{Base: base, Disp: 64 * i}, x[i], x[i])
			}
		}
		Label(l)
		SUBQ(U8(64), n)
		JL(LabelRef("done"))
		if join {
			for i := range x {
				MOVQ(Mem{Base: planes, Disp: 8 * i}, at)
				VMOVDQU64(Mem{Base: at, Index: done, Scale: 1}, x[i])
			}
			for i, v := range w.transpose(x, t, true) {
				VPERMB(v, index, x[i])
			}
		}
		for i := range x {
			if !join {
				VMOVDQU64(Mem{Base: data, Disp: 64 * i}, x[i])
				xor(i)
			}
			if float {
				w.move(x[i], exponent, sign, t[0], t[1], t[2], !join)
			}
			if join {
				xor(i)
				VMOVDQU64(x[i], Mem{Base: data, Disp: 64 * i})
			} else {
				VPERMB(x[i], index, x[i])
			}
		}
		if join {
			ADDQ(U8(64), done)
		} else {
			MOVQ(planes, at)
			for _, v := range w.transpose(x, t, false) {
				VMOVDQU64(v, Mem{Base: at})
				ADDQ(stride, at)
			}
			ADDQ(U8(64), planes)
		}
		ADDQ(U32(uint32(64*w.width)), data)
		if l == "based" {
			ADDQ(U32(uint32(64*w.width)), base)
		}
		JMP(LabelRef(l))
	}
	Label("done")
	VZEROUPPER()
	RET()
}

// transpose transposes vectors x, whose parts are the planes' bytes, and returns
// where the planes are; or, of planes, where the elements' bytes are.
func (w element64) transpose(x, t []reg.VecPhysical, join bool) []reg.VecPhysical {
	if w.width == 4 {
		lanes4x4(x, t)
		return x
	}
	even, odd, spare := t[0:4], t[4:8], zmm[16:20]
	if join {
		for i := range 4 {
			VMOVDQA64(x[2*i], even[i])
			VMOVDQA64(x[2*i+1], odd[i])
		}
		lanes4x4(even, spare)
		lanes4x4(odd, spare)
		for i := range 4 {
			VPUNPCKLQDQ(odd[i], even[i], x[2*i])
			VPUNPCKHQDQ(odd[i], even[i], x[2*i+1])
		}
		return x
	}
	for i := range 4 {
		VPUNPCKLQDQ(x[2*i+1], x[2*i], even[i])
		VPUNPCKHQDQ(x[2*i+1], x[2*i], odd[i])
	}
	lanes4x4(even, spare)
	lanes4x4(odd, spare)
	return []reg.VecPhysical{even[0], odd[0], even[1], odd[1], even[2], odd[2], even[3], odd[3]}
}
