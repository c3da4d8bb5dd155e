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
	fewFreq   = fewExact + 4*2*64
	fewStart  = fewFreq + 2*64
	fewSymbol = fewStart + 2*64
	fewBytes  = fewSymbol + 2*64
)

// A fewKind is a decoder of bytes that looks symbols up in fewTables, narrow ones or
// wide, and what it writes: the bytes, or elements of 16 bits whose first planes
// they are.
type fewKind struct {
	name   string
	wide   bool
	joined bool
	raw    bool // with up to three bits of bytes that are raw
}

// A few is the registers of such a decoder: all tables lie in registers. The low
// and high words of 32 states lie apart. Nothing but where words begin do the two
// groups of 32 lanes have in common, so that one is looked up while the other waits.
type few struct {
	fewKind
	first             [2]reg.VecPhysical
	exact             []reg.VecPhysical // pairs
	freq, start       [2]reg.VecPhysical
	symbol            reg.VecPhysical
	part, slots, sign reg.VecPhysical
	kept, even        reg.VecPhysical // bytes of the first group; which bytes of both are theirs
	bits              [3]reg.VecPhysical
	odd, high         reg.VecPhysical
	mantissa          reg.VecPhysical
	lo, hi            [2]reg.VecPhysical
	number            reg.VecPhysical
}

// few512 decodes rounds of 64 lanes of bytes, of at most 32 or 64 values, while at
// least 512 bytes of words are left; or, joined, elements of 16 bits.
func few512(k fewKind) {
	out, what := "p *byte, ", "bytes"
	switch {
	case k.raw:
		out, what = "p, raw *byte, second, third, bits int, ", "bytes, with those of three bits, bytes of bits, that raw, raw + second and raw + third have,"
	case k.joined && k.wide:
		out, what = "dst, signs, lo *byte, ", "floats of 16 bits, of which signs and lo have the signs and low bytes,"
	case k.joined:
		out, what = "dst, lo *byte, ", "floats of 16 bits, of which lo has signs and mantissas,"
	}
	TEXT(k.name, NOSPLIT, "func(d *byte, "+out+"src *byte, size, rounds int) (done, read int)")
	Pragma("noescape")
	Doc(k.name + " decodes up to rounds rounds of 64 " + what + " while at least 512 of the size bytes at src are left.")
	d := Load(Param("d"), GP64())
	src := Load(Param("src"), GP64())
	end := GP64()
	Load(Param("size"), end)
	ADDQ(src, end)
	rounds := Load(Param("rounds"), GP64())
	var p, lo, signs reg.Register
	if k.joined {
		p, lo = Load(Param("dst"), GP64()), Load(Param("lo"), GP64())
	} else {
		p = Load(Param("p"), GP64())
	}
	if k.joined && k.wide {
		signs = Load(Param("signs"), GP64())
	}
	var raw [3]reg.Register
	if k.raw {
		raw[0] = Load(Param("raw"), GP64())
		raw[1] = Load(Param("second"), GP64())
		raw[2] = Load(Param("third"), GP64())
		ADDQ(raw[0], raw[1])
		ADDQ(raw[0], raw[2])
	}
	start, done := GP64(), GP64()
	MOVQ(src, start)
	XORQ(done, done)
	SUBQ(U32(512), end)
	f := newFew(d, k)
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
		x := f.number
		if k.wide {
			VPERMB(f.symbol, x, x)
		} else {
			VPERMW(f.symbol, x, x)
		}
		switch {
		case k.joined && k.wide:
			f.joinF16(g, x, p, signs, lo)
		case k.joined:
			f.join(g, x, p, lo)
		case g == 0:
			VMOVDQA64(x, f.kept)
		default:
			VPERMT2B(x, f.even, f.kept)
			if k.raw {
				for i := range raw {
					KMOVQ(Mem{Base: raw[i], Index: done, Scale: 8}, reg.K2)
					VMOVDQU8_Z(f.bits[i], reg.K2, zmm[1+i])
				}
				VPTERNLOGD(U8(0xfe), zmm[1], zmm[2], f.kept)
				VPORQ(zmm[3], f.kept, f.kept)
			}
			VMOVDQU64(f.kept, Mem{Base: p})
		}
	}
	if k.joined {
		ADDQ(U8(64), lo)
		ADDQ(U32(128), p)
	} else {
		ADDQ(U8(64), p)
	}
	if k.joined && k.wide {
		ADDQ(U8(8), signs)
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

func newFew(d reg.Register, k fewKind) *few {
	f := &few{
		fewKind: k,
		first:   [2]reg.VecPhysical{zmm[31], zmm[30]},
		freq:    [2]reg.VecPhysical{zmm[29], zmm[28]}, start: [2]reg.VecPhysical{zmm[27], zmm[26]},
		symbol: zmm[25], part: zmm[24], slots: zmm[23], sign: zmm[22], mantissa: zmm[21],
		lo: [2]reg.VecPhysical{zmm[16], zmm[17]}, hi: [2]reg.VecPhysical{zmm[18], zmm[19]},
		exact: zmm[14:16],
	}
	tables := 1 // of 32 words each
	if k.wide {
		tables = 2
		f.exact = []reg.VecPhysical{zmm[20], zmm[21], zmm[15], zmm[14], zmm[13], zmm[12], zmm[11], zmm[10]}
	}
	for h := range 2 {
		VMOVDQU64(Mem{Base: d, Disp: fewFirst + 64*h}, f.first[h])
	}
	for i, z := range f.exact {
		VMOVDQU64(Mem{Base: d, Disp: fewExact + 64*i}, z)
	}
	for h := range tables {
		VMOVDQU64(Mem{Base: d, Disp: fewFreq + 64*h}, f.freq[h])
		VMOVDQU64(Mem{Base: d, Disp: fewStart + 64*h}, f.start[h])
	}
	if k.wide {
		VMOVDQU64(Mem{Base: d, Disp: fewBytes}, f.symbol)
	} else {
		VMOVDQU64(Mem{Base: d, Disp: fewSymbol}, f.symbol)
	}
	words(0x3f, f.part)
	words(0xfff, f.slots)
	words(0x8000, f.sign)
	if !k.joined {
		f.kept, f.even = zmm[7], zmm[21]
		if k.wide {
			f.even = zmm[6]
		}
		VMOVDQU64(lowBytes(), f.even)
	}
	if k.raw {
		bits := GP64()
		Load(Param("bits"), bits)
		for i := range f.bits {
			f.bits[i] = zmm[8+i]
			VPBROADCASTB(bits.As32(), f.bits[i])
			SHRQ(U8(8), bits)
		}
	}
	if k.wide {
		f.odd, f.high = zmm[9], zmm[8]
		words(1<<13, f.odd)
		words(1<<14, f.high)
	}
	if k.joined && !k.wide {
		words(0x7f, f.mantissa)
		VPSLLW(U8(7), f.symbol, f.symbol)
	}
	return f
}

// take takes a symbol from each state of 32 lanes, and a word into each that is
// low then. f.number is the symbols' numbers.
func (f *few) take(g int, src reg.Register) {
	v := zmm[0:8] // the registers of both groups: the processor renames them
	lo, hi := f.lo[g], f.hi[g]
	number, slot, freq, a, c := v[0], v[2], v[3], v[4], v[5]
	f.number = number
	f.search(lo, v)
	// x = frequency · (x >> 12) + slot - start. The tables have frequencies times
	// 16, by which the state without its slot is multiplied, to be divided by 2^16.
	f.lookup(f.freq, number, freq)
	f.lookup(f.start, number, c)
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
	any := v[1]
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

// search sets v[0] to the numbers of the symbols of states whose low words are lo.
func (f *few) search(lo reg.VecPhysical, v []reg.VecPhysical) {
	number, exact, slot := v[0], v[1:5], v[5]
	VPSRLW(U8(6), lo, number)
	VPERMI2W(f.first[1], f.first[0], number)
	for i := range len(f.exact) / 2 {
		VMOVDQA64(lo, exact[i])
		VPERMI2W(f.exact[2*i+1], f.exact[2*i], exact[i])
	}
	VPANDQ(f.part, lo, slot)
	VPADDW(slot, number, slot)
	VPSRLW(U8(6), slot, slot)
	if f.wide {
		VPTESTMW(f.odd, number, reg.K1)
		VPTESTMW(f.high, number, reg.K2)
		VPMOVW2M(number, reg.K3)
		VMOVDQU16(exact[1], reg.K1, exact[0])
		VMOVDQU16(exact[3], reg.K1, exact[2])
		VMOVDQU16(exact[2], reg.K2, exact[0])
		VPSHRDVW(number, exact[0], exact[0])
		VMOVDQU16(exact[0], reg.K3, slot)
		VMOVDQA64(slot, number)
		return
	}
	VPSHRDVW(number, exact[0], exact[0])
	VPSRAW(U8(15), number, number)
	VPTERNLOGD(U8(0xca), slot, exact[0], number) // number ? exact : slot
}

// lookup sets to to what a table of 32 or 64 words has for number.
func (f *few) lookup(table [2]reg.VecPhysical, number, to reg.VecPhysical) {
	if !f.wide {
		VPERMW(table[0], number, to)
		return
	}
	VMOVDQA64(number, to)
	VPERMI2W(table[1], table[0], to)
}

// join writes the floats of which a group's symbols x are the exponents, in place,
// and lo has signs and mantissas.
func (f *few) join(g int, x reg.VecPhysical, dst, lo reg.Register) {
	l, s := zmm[1], zmm[2]
	VPMOVZXBW(Mem{Base: lo, Disp: 32 * g}, l)
	VPSLLW(U8(8), l, s)
	VPTERNLOGD(U8(0xf8), f.sign, s, x) // x | s & sign
	VPTERNLOGD(U8(0xf8), f.mantissa, l, x)
	VMOVDQU64(x, Mem{Base: dst, Disp: 64 * g})
}

// joinF16 writes the floats of which a group's symbols are the high bytes but for
// the signs, and signs and lo have the rest.
func (f *few) joinF16(g int, x reg.VecPhysical, dst, signs, lo reg.Register) {
	KMOVD(Mem{Base: signs, Disp: 4 * g}, reg.K2)
	VPMOVZXBW(Mem{Base: lo, Disp: 32 * g}, zmm[1])
	VPSLLW(U8(8), x, x)
	VPORQ(zmm[1], x, x)
	VPADDW(f.sign, x, reg.K2, x) // which they do not have
	VMOVDQU64(x, Mem{Base: dst, Disp: 64 * g})
}
