package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A floatKind is what floats of a decoder are like that takes contexts from them,
// and takes the steps.
type floatKind struct {
	name     string
	width    int
	exponent uint64 // its lowest bit
	mask     uint32
}

// decodeFloat512 decodes floats that are steps from base's, in contexts that are
// shift and twice how far base's exponents are below top.
func decodeFloat512(f floatKind) {
	TEXT(f.name, NOSPLIT, "func(d, dst, base, shift, src *byte, size, rounds, lanes, stride, top int) (done, read int)")
	Pragma("noescape")
	Doc(f.name + " decodes up to rounds rounds, at least one, while at least 512 of the size bytes at src are left. A round's shifts are stride bytes after the last one's.")
	s := newStepDecoder(f.width)
	dst := Load(Param("dst"), GP64())
	base := Load(Param("base"), GP64())
	shift := Load(Param("shift"), GP64())
	stride := Load(Param("stride"), GP64())
	top := GP64()
	Load(Param("top"), top)
	VPBROADCASTB(top.As32(), s.top)
	scale := uint8(f.width / 8)
	s.rounds(decodedKind{
		contexts: func(k *decodedBlock) reg.VecVirtual {
			return k.floatContexts(f, Mem{Base: base, Index: s.next, Scale: scale}, Mem{Base: shift})
		},
		put: func(k *decodedBlock) {
			to, from := Mem{Base: dst, Index: s.last, Scale: scale}, Mem{Base: base, Index: s.last, Scale: scale}
			for g := range k.halves {
				if f.width == 16 {
					k.walk16(g, to, from)
				} else {
					k.walk32(g, to, from)
				}
			}
		},
		further: func() { ADDQ(stride, shift) },
	})
}

// decode512b is decodeFloat512 of elements of one byte, of whatever kind.
func decode512b() {
	name := "decode8AVX512"
	TEXT(name, NOSPLIT, "func(d, dst, base, shift, kind, src *byte, size, rounds, lanes, stride int) (done, read int)")
	Pragma("noescape")
	Doc(name + " decodes up to rounds rounds, at least one, while at least 512 of the size bytes at src are left. A round's shifts are stride bytes after the last one's.")
	s := newStepDecoder(16)
	dst := Load(Param("dst"), GP64())
	base := Load(Param("base"), GP64())
	shift := Load(Param("shift"), GP64())
	kind := Load(Param("kind"), GP64())
	stride := Load(Param("stride"), GP64())
	VMOVDQU64(Mem{Base: kind, Disp: byteTop}, s.top)
	s.rounds(decodedKind{
		contexts: func(k *decodedBlock) reg.VecVirtual {
			e, f := k.ZMM(), k.ZMM()
			k.VPSRLW(Mem{Base: kind, Disp: byteShift}, k.bytes(Mem{Base: base, Index: s.next, Scale: 1}), e)
			k.VPANDQ(Mem{Base: kind, Disp: byteMask}, e, f) // without what comes from the byte above
			return k.bounded(k.bytes(Mem{Base: shift}), f)
		},
		put: func(k *decodedBlock) {
			k.walk8(Mem{Base: dst, Index: s.last, Scale: 1}, Mem{Base: base, Index: s.last, Scale: 1}, kind)
		},
		further: func() { ADDQ(stride, shift) },
	})
}

// floatContexts returns contexts, given where the base and the shifts are.
func (k *decodedBlock) floatContexts(f floatKind, base, shift Mem) reg.VecVirtual {
	var w [2]reg.VecVirtual // words of which the high bytes have the exponents
	for g := range k.halves {
		w[g] = k.ZMM()
		switch {
		case f.width == 32:
			k.highWords(base.Offset(128*g), w[g])
			k.VPSLLW(U8(1), w[g], w[g])
		case f.mask == 0xff && k.lanes == 16:
			k.VPSLLW(U8(1), base, w[g].AsY())
		case f.mask == 0xff:
			k.VPSLLW(U8(1), base.Offset(64*g), w[g])
		case k.lanes == 16:
			k.VMOVDQU32(base, w[g].AsY())
		default:
			k.VMOVDQU64(base.Offset(64*g), w[g])
		}
	}
	e := k.ZMM()
	k.loadFor(w[0], highBytes(), e)
	k.VPERMI2B(w[k.halves-1], w[0], e)
	if f.mask != 0xff { // two bits of the mantissa are below
		k.VPSRLW(U8(2), e, e)
		k.VPANDQ(repeated(f.mask*0x01010101), e, e)
	}
	return k.bounded(k.bytes(shift), e)
}

// highWords loads the high words of 32 elements, or of 16, to w.
func (k *decodedBlock) highWords(base Mem, w reg.VecVirtual) {
	if k.lanes == 16 {
		k.VMOVDQU64(oddWords(), w)
		k.VPERMW(base, w, w)
		return
	}
	x := k.ZMM()
	k.VMOVDQU64(base, x)
	k.loadFor(x, oddWords(), w)
	k.VPERMI2W(base.Offset(64), x, w)
}

// bounded returns clamp(shift + 2·depth, 0, 63), where depth is min(31, top - e),
// at least 0.
func (k *decodedBlock) bounded(shift, e reg.VecVirtual) reg.VecVirtual {
	depth, c := k.ZMM(), k.ZMM()
	k.VPSUBUSB(e, k.top, depth)
	k.VPMINUB(repeated(0x1f1f1f1f), depth, depth)
	k.VPADDB(depth, depth, depth)
	k.VPADDB(depth, shift, c)
	k.VPMAXSB(k.zero, c, c)
	k.VPMINSB(repeated(0x3f3f3f3f), c, c)
	return c
}

// unzigzag16 makes differences of values that are one more than steps.
func (k *decodedBlock) unzigzag16(value reg.VecVirtual) reg.VecVirtual {
	z, half, odd := k.ZMM(), k.ZMM(), k.K()
	k.VPADDW(k.ones, value, z)
	k.VPTESTMW(repeated(0x00010001), z, odd)
	k.VPSRLW(U8(1), z, half)
	k.VPSUBW(half, k.ones, odd, half) // ^half
	return half
}

// walk16 writes elements that are steps from base's. What it computes is in
// number.go.
func (k *decodedBlock) walk16(g int, dst, base Mem) {
	z, b, t, u := k.unzigzag16(k.value[g]), k.ZMM(), k.ZMM(), k.ZMM()
	if k.lanes == 16 {
		k.VMOVDQU32(base, b.AsY())
	} else {
		k.loadFor(z, base.Offset(64*g), b)
	}
	k.VPSRAW(U8(15), b, t)
	k.VPTERNLOGD(U8(0x1e), repeated(0x80008000), t, b) // b ^ (t | top)
	k.VPADDW(b, z, z)
	k.VPSRAW(U8(15), z, u)
	k.VPTERNLOGD(U8(0x4b), repeated(0x80008000), u, z) // z ^ (^u | top)
	if k.lanes == 16 {
		k.VMOVDQU32(z.AsY(), dst)
	} else {
		k.VMOVDQU64(z, dst.Offset(64*g))
	}
}

// walk32 is walk16 for elements of 32 bits.
func (k *decodedBlock) walk32(g int, dst, base Mem) {
	for h := range min(2, k.lanes/16) {
		z, odd, b, t, u := k.dwords(g, h), k.K(), k.ZMM(), k.ZMM(), k.ZMM()
		k.VPTESTMD(repeated(1), z, odd)
		k.VPSRLD(U8(1), z, z)
		k.VPSUBD(z, k.ones, odd, z) // ^z
		k.loadFor(z, base.Offset(128*g+64*h), b)
		k.VPSRAD(U8(31), b, t)
		k.VPTERNLOGD(U8(0x1e), repeated(0x80000000), t, b)
		k.VPADDD(b, z, z)
		k.VPSRAD(U8(31), z, u)
		k.VPTERNLOGD(U8(0x4b), repeated(0x80000000), u, z)
		k.VMOVDQU64(z, dst.Offset(128*g+64*h))
	}
}

// dwords returns sixteen steps of 32 bits.
func (k *decodedBlock) dwords(g, h int) reg.VecVirtual {
	z := k.ZMM()
	k.loadFor(k.value[g], pairedWords(h), z)
	k.VPERMI2W(k.high[g], k.value[g], z)
	k.VPADDD(k.ones, z, z)
	return z
}

// walk8 writes the elements that are steps from base's.
func (k *decodedBlock) walk8(dst, base Mem, kind reg.Register) {
	var z [2]reg.VecVirtual
	for g := range k.halves {
		z[g] = k.ZMM()
		k.VPANDQ(repeated(0x00ff00ff), k.unzigzag16(k.value[g]), z[g])
	}
	steps := k.ZMM()
	k.VPACKUSWB(z[k.halves-1], z[0], steps)
	b := k.bytes(base)
	order := func() { // what is its own inverse, but for the highest bit
		t, negative := k.ZMM(), k.K()
		k.VPMOVB2M(b, negative)
		k.VMOVDQU8_Z(Mem{Base: kind, Disp: byteLow}, negative, t)
		k.VPXORQ(t, b, b)
	}
	order()
	k.VPADDB(steps, b, b)
	order()
	sorted := k.ZMM()
	k.loadFor(b, packedOrder512(), sorted)
	k.VPERMQ(b, sorted, sorted)
	switch k.lanes {
	case 64:
		k.VMOVDQU64(sorted, dst)
	case 32:
		k.VMOVDQU32(sorted.AsY(), dst)
	case 16:
		k.VMOVDQU32(sorted.AsX(), dst)
	}
}

// highBytes picks the high bytes of two vectors of words, as they are packed.
func highBytes() Mem {
	b := make([]byte, 64)
	for i := range 32 {
		b[i/8*16+i%8], b[i/8*16+8+i%8] = byte(2*i+1), byte(64+2*i+1)
	}
	return constant("highBytes", b)
}

// packedOrder512 undoes unpackOrder.
func packedOrder512() Mem {
	b := make([]byte, 64)
	for i := range 8 {
		b[8*(i/2+4*(i&1))] = byte(i)
	}
	return constant("packedOrder512", b)
}

// Offsets in byteKind.
const (
	byteShift = 0
	byteMask  = 16
	byteTop   = byteMask + 64
	byteLow   = byteTop + 64
)
