package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets in fewEntries.
const (
	fewNumbers    = 0
	fewEntryFreq  = 256
	fewEntryStart = fewEntryFreq + 128
	fewEntryLow   = fewEntryStart + 128
	fewEntryHigh  = fewEntryLow + 128
)

// A fewEncoder is the registers of an encoder of bytes of up to 64 values, of which
// all that is known lies in registers, by numbers that the values have. States lie
// as in stepEncoder, and so do quotients of a round that may have to be put right.
type fewEncoder struct {
	*stepEncoder
	p, at                  reg.Register // bytes, and where those of the round after the next are
	numbers                [4]reg.VecPhysical
	freq, start, low, high [2]reg.VecPhysical // words; low and high are of reciprocals as floats
}

// Registers that values of rounds are in from one to the next.
var (
	fewNumber = zmm[4] // numbers of the next round's bytes, in the order that unpacking sorts
	fewFree   = zmm[:19]
)

// encodeFew512 encodes rounds of 64 lanes of bytes of up to 64 values, the last
// first.
func encodeFew512() {
	TEXT("encodeFewAVX512", NOSPLIT, "func(e, few, symbols, words *byte, at, rounds int, out *byte) (written int)")
	Pragma("noescape")
	Doc("encodeFewAVX512 encodes rounds whole rounds of 64 lanes, at least one, the last first, words before words[at], and returns the bytes written. It asks for as much from out on, which it does not change.")
	e := Load(Param("e"), GP64())
	few := Load(Param("few"), GP64())
	k := &fewEncoder{
		stepEncoder: &stepEncoder{lanes: 64, e: e, order: zmm[19], zero: fewFree[5], one: fewFree[6]},
		numbers:     [4]reg.VecPhysical{zmm[20], zmm[21], zmm[22], zmm[23]},
		freq:        [2]reg.VecPhysical{zmm[24], zmm[25]}, start: [2]reg.VecPhysical{zmm[26], zmm[27]},
		low: [2]reg.VecPhysical{zmm[28], zmm[29]}, high: [2]reg.VecPhysical{zmm[30], zmm[31]},
	}
	k.p = Load(Param("symbols"), GP64())
	k.dst = Load(Param("words"), GP64())
	at := Load(Param("at"), GP64())
	LEAQ(Mem{Base: k.dst, Index: at, Scale: 2}, k.dst)
	rounds := Load(Param("rounds"), GP64())
	start := GP64()
	MOVQ(k.dst, start)
	// What is written will be copied to out: it is near by then, line by line.
	mirror := Load(Param("out"), GP64())
	ADDQ(k.dst, mirror)
	k.at = at
	MOVQ(rounds, k.at)
	SUBQ(U8(1), k.at)
	SHLQ(U8(6), k.at)
	none := GP64()
	XORQ(none, none)
	k.minus = GP64()
	MOVQ(I32(-1), k.minus)
	VMOVDQU64(unpackOrder(), k.order)
	for i, z := range k.numbers {
		VMOVDQU64(Mem{Base: few, Disp: fewNumbers + 64*i}, z)
	}
	for i := range 2 {
		VMOVDQU64(Mem{Base: few, Disp: fewEntryFreq + 64*i}, k.freq[i])
		VMOVDQU64(Mem{Base: few, Disp: fewEntryStart + 64*i}, k.start[i])
		VMOVDQU64(Mem{Base: few, Disp: fewEntryLow + 64*i}, k.low[i])
		VMOVDQU64(Mem{Base: few, Disp: fewEntryHigh + 64*i}, k.high[i])
	}
	k.loadStates()
	next := func() {
		SUBQ(U8(64), k.at)
		CMOVQLT(none, k.at)
	}
	b := newBlock(zmm[5:19], reg.K3)
	k.look(b)
	b.emit()
	next()
	Label("round")
	k.body()
	near := GP64()
	MOVQ(mirror, near)
	SUBQ(k.dst, near)
	PREFETCHT0(Mem{Base: near})
	KORTESTD(heldBorrow, heldBorrow)
	JNE(LabelRef("borrow"))
	Label("borrowed")
	next()
	SUBQ(U8(1), rounds)
	JNE(LabelRef("round"))
	k.storeStates()
	SUBQ(k.dst, start)
	Store(start, ReturnIndex(0))
	VZEROUPPER()
	RET()
	Label("borrow")
	k.borrow()
	JMP(LabelRef("borrowed"))
}

// body encodes a round, while it finds the numbers of the next.
func (k *fewEncoder) body() {
	b := newBlock(fewFree, reg.K1, reg.K2, reg.K3, reg.K4, reg.K5, reg.K6)
	dst := reg.Register(k.dst)
	number := b.in(fewNumber)
	var q [2]reg.VecVirtual
	for h := 1; h >= 0; h-- {
		q[h], dst = k.put(b, h, number, dst)
	}
	b.MOVQ(dst, k.dst)
	least, zeros := b.ZMM(), b.K()
	b.VPMINUW(q[0], q[1], least)
	b.VPTESTNMW(least, least, zeros)
	b.out(zeros, heldBorrow)
	k.look(b)
	b.emit()
}

// look finds the numbers of a round's bytes.
func (k *fewEncoder) look(b *block) {
	bytes, high, far := b.ZMM(), b.K(), b.ZMM()
	b.VPERMQ(Mem{Base: k.p, Index: k.at, Scale: 1}, k.order, bytes)
	b.VPMOVB2M(bytes, high)
	b.VMOVDQA64(bytes, far)
	b.VPERMI2B(k.numbers[1], k.numbers[0], bytes)
	b.VPERMI2B(k.numbers[3], k.numbers[2], far)
	b.VMOVDQU8(far, high, bytes)
	b.out(bytes, fewNumber)
}

// put encodes the bytes of 32 lanes. It returns the low words of quotients, of which
// some are one too high, and where what was written begins, which was before dst.
func (k *fewEncoder) put(b *block, h int, number reg.VecVirtual, dst reg.Register) (q reg.VecVirtual, to reg.Register) {
	lo, hi, n := b.in(heldLo[h]), b.in(heldHi[h]), b.ZMM()
	if h == 0 {
		b.VPUNPCKLBW(number, number, n) // the low six bits are looked at
	} else {
		b.VPUNPCKHBW(number, number, n)
	}
	lookup := func(table [2]reg.VecPhysical) reg.VecVirtual {
		z := b.ZMM()
		b.VMOVDQA64(n, z)
		b.VPERMI2W(table[1], table[0], z)
		return z
	}
	f, most, full := lookup(k.freq), b.ZMM(), b.K()
	b.VPSLLW(U8(3), f, most)
	b.VPCMPUW(U8(5), most, hi, full) // x >= f << 19
	to = b.write(k.minus, lo, full, dst)
	b.VMOVDQU16(hi, full, lo)
	b.VPSUBW(hi, hi, full, hi)
	// q = x / f, or one more: it is below 2^19, and what is gained by rounding up all
	// along is less than one.
	low, high := lookup(k.low), lookup(k.high)
	var quotients [2]reg.VecVirtual
	for i := range quotients {
		x, y, z := b.ZMM(), b.ZMM(), b.ZMM()
		if i == 0 {
			b.VPUNPCKLWD(high, low, y)
			b.VPUNPCKLWD(hi, lo, x)
		} else {
			b.VPUNPCKHWD(high, low, y)
			b.VPUNPCKHWD(hi, lo, x)
		}
		b.VCVTDQ2PS_RU_SAE(x, x)
		b.VMULPS_RZ_SAE(x, y, z)
		quotients[i] = b.ZMM()
		b.VCVTTPS2DQ(z, quotients[i])
	}
	q = b.ZMM()
	product, over, more, right, up := b.ZMM(), b.ZMM(), b.ZMM(), b.ZMM(), b.ZMM()
	b.VMOVDQU64(unpackedWords(0), q)
	b.VPERMI2W(quotients[1], quotients[0], q)
	b.VMOVDQU64(unpackedWords(1), hi)
	b.VPERMI2W(quotients[1], quotients[0], hi)
	b.VPMULLW(f, q, product)
	b.VPSUBW(product, lo, lo) // the remainder, or below 0
	b.VPSRAW(U8(15), lo, over)
	b.VPADDW(f, lo, more)
	b.VPMINUW(more, lo, lo)
	b.VPADDW(over, q, right)
	b.VPADDW(lookup(k.start), lo, lo)
	b.VPSHLDW(U8(12), right, hi, hi)
	b.VPSLLW(U8(12), right, up)
	b.VPADDW(up, lo, lo)
	b.out(q, heldQ[h])
	b.out(over, heldOver[h])
	b.out(lo, heldLo[h])
	b.out(hi, heldHi[h])
	return q, to
}

// borrow takes from the high words of states what low words of quotients needed
// that were 0, and one more than the quotient.
func (k *fewEncoder) borrow() {
	b := fewFree[5]
	for h := range 2 {
		VPTESTNMW(heldQ[h], heldQ[h], reg.K3)
		VPTESTMW(heldOver[h], heldOver[h], reg.K3, reg.K3)
		words(1<<12, b)
		VPSUBW(b, heldHi[h], reg.K3, heldHi[h])
	}
}

// write writes the low words of 32 lanes that full names before dst, and returns
// where. Minus is -1.
func (b *block) write(minus reg.GPVirtual, lo reg.Register, full reg.OpmaskVirtual, dst reg.Register) (to reg.Register) {
	count, mask, out, store := GP64(), GP64(), b.ZMM(), b.K()
	at := GP64()
	b.KMOVD(full, count.As32())
	b.VPCOMPRESSW_Z(lo, full, out)
	b.POPCNTL(count.As32(), count.As32())
	b.BZHIL(count.As32(), minus.As32(), mask.As32())
	b.KMOVD(mask.As32(), store)
	b.NEGQ(count)
	b.LEAQ(Mem{Base: dst, Index: count, Scale: 2}, at)
	b.VMOVDQU16(out, store, Mem{Base: at})
	return at
}
