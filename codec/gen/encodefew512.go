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
// as in stepEncoder.
type fewEncoder struct {
	p, dst                 reg.Register
	lo, hi                 [2]reg.VecPhysical
	numbers                [4]reg.VecPhysical
	freq, start, low, high [2]reg.VecPhysical // words; low and high are of reciprocals as floats
	order, one             reg.VecPhysical
	ones                   reg.VecPhysical
	bytes, other           reg.VecPhysical // numbers of a round
	minus                  reg.GPVirtual   // -1
}

// encodeFew512 encodes rounds of 64 lanes of bytes of up to 64 values, the last
// first.
func encodeFew512() {
	TEXT("encodeFewAVX512", NOSPLIT, "func(e, few, symbols, words *byte, at, rounds int) (written int)")
	Pragma("noescape")
	Doc("encodeFewAVX512 encodes rounds whole rounds of 64 lanes, the last first, words before words[at], and returns the bytes written.")
	e := Load(Param("e"), GP64())
	few := Load(Param("few"), GP64())
	k := &fewEncoder{
		lo: [2]reg.VecPhysical(heldLo), hi: [2]reg.VecPhysical(heldHi),
		numbers: [4]reg.VecPhysical{zmm[4], zmm[5], zmm[6], zmm[7]},
		freq:    [2]reg.VecPhysical{zmm[8], zmm[9]}, start: [2]reg.VecPhysical{zmm[10], zmm[11]},
		low: [2]reg.VecPhysical{zmm[24], zmm[25]}, high: [2]reg.VecPhysical{zmm[26], zmm[27]},
		order: zmm[28], one: zmm[29], bytes: zmm[30], other: zmm[12], ones: zmm[31],
	}
	k.p = Load(Param("symbols"), GP64())
	k.dst = Load(Param("words"), GP64())
	at := Load(Param("at"), GP64())
	LEAQ(Mem{Base: k.dst, Index: at, Scale: 2}, k.dst)
	rounds := Load(Param("rounds"), GP64())
	start := GP64()
	MOVQ(k.dst, start)
	MOVQ(rounds, at)
	SHLQ(U8(6), at)
	ADDQ(at, k.p)
	k.minus = GP64()
	MOVQ(I32(-1), k.minus)
	VMOVDQU64(unpackOrder(), k.order)
	words(1, k.one)
	words(0xf000, k.ones)
	for i, z := range k.numbers {
		VMOVDQU64(Mem{Base: few, Disp: fewNumbers + 64*i}, z)
	}
	for i := range 2 {
		VMOVDQU64(Mem{Base: few, Disp: fewEntryFreq + 64*i}, k.freq[i])
		VMOVDQU64(Mem{Base: few, Disp: fewEntryStart + 64*i}, k.start[i])
		VMOVDQU64(Mem{Base: few, Disp: fewEntryLow + 64*i}, k.low[i])
		VMOVDQU64(Mem{Base: few, Disp: fewEntryHigh + 64*i}, k.high[i])
	}
	s := &stepEncoder{e: e}
	s.loadStates()
	Label("round")
	SUBQ(U8(1), rounds)
	JL(LabelRef("finish"))
	SUBQ(U8(64), k.p)
	k.look()
	byTurns(k.put(1), k.put(0))
	JMP(LabelRef("round"))
	Label("finish")
	s.storeStates()
	SUBQ(k.dst, start)
	Store(start, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// look sets bytes to the numbers of a round's bytes, in the order that unpacking
// sorts.
func (k *fewEncoder) look() {
	VPERMQ(Mem{Base: k.p}, k.order, k.bytes)
	VPMOVB2M(k.bytes, reg.K5)
	VMOVDQA64(k.bytes, k.other)
	VPERMI2B(k.numbers[1], k.numbers[0], k.bytes)
	VPERMI2B(k.numbers[3], k.numbers[2], k.other)
	VMOVDQU8(k.other, reg.K5, k.bytes)
}

// lookup sets to to what a table has for numbers; they may be one register.
func (k *fewEncoder) lookup(table [2]reg.VecPhysical, numbers, to reg.VecPhysical) {
	if to != numbers {
		VMOVDQA64(numbers, to)
	}
	VPERMI2W(table[1], table[0], to)
}

// put encodes the bytes of 32 lanes. The quotient is a product with a reciprocal,
// rounded down all along: it is below 2^19, and what is lost of it less than one.
func (k *fewEncoder) put(h int) []func() {
	z := zmm[12+6*h : 18+6*h]
	f, n, c, a, b, x := z[0], z[1], z[2], z[3], z[4], z[5]
	lo, hi := k.lo[h], k.hi[h]
	full, store := []reg.OpmaskPhysical{reg.K1, reg.K3}[h], []reg.OpmaskPhysical{reg.K2, reg.K4}[h]
	count, mask, to := GP64(), GP64(), GP64()
	return []func(){
		func() { unpackHalf(h, k.bytes, k.bytes, n) }, // the low six bits are looked at
		func() { k.lookup(k.freq, n, f) },
		func() { VPSLLW(U8(3), f, a) },
		func() { VPCMPUW(U8(5), a, hi, full) }, // x >= f << 19
		func() { KMOVD(full, count.As32()) },
		func() { VPCOMPRESSWZ(lo, full, c) },
		func() { POPCNTL(count.As32(), count.As32()) },
		func() { BZHIL(count.As32(), k.minus.As32(), mask.As32()) },
		func() { KMOVD(mask.As32(), store) },
		func() { ADDQ(count, count) },
		func() {
			SUBQ(count, k.dst)
			MOVQ(k.dst, to)
		},
		func() { VMOVDQU16(hi, full, lo) },
		func() { VPSUBW(hi, hi, full, hi) },
		func() { VMOVDQU16(c, store, Mem{Base: to}) },
		func() { k.lookup(k.low, n, a) },
		func() { k.lookup(k.high, n, c) },
		func() { k.lookup(k.start, n, n) },
		func() { VPUNPCKLWD(c, a, b) },
		func() { VPUNPCKHWD(c, a, a) },
		func() { VPUNPCKLWD(hi, lo, x) },
		func() { VPUNPCKHWD(hi, lo, c) },
		func() { VCVTDQ2PS_RZ_SAE(x, x) },
		func() { VCVTDQ2PS_RZ_SAE(c, c) },
		func() { VMULPS_RZ_SAE(x, b, b) },
		func() { VMULPS_RZ_SAE(c, a, c) },
		func() { VCVTTPS2DQ(b, b) },
		func() { VCVTTPS2DQ(c, c) },
		func() { VMOVDQU64(unpackedWords(0), a) },
		func() { VPERMI2W(c, b, a) },
		func() { VMOVDQU64(unpackedWords(1), hi) },
		func() { VPERMI2W(c, b, hi) },
		// All but what the remainder decides is done before it is known: one more of
		// the quotient, 4096 - f of the state, carries where its low bits are ones.
		func() { VPMULLW(f, a, b) },
		func() { VPSHLDW(U8(12), a, hi, hi) },
		func() { VPSLLW(U8(12), a, a) },
		func() { VPSUBW(b, lo, lo) },
		func() { VPCMPUW(U8(0), k.ones, a, store) },
		func() { VPADDW(n, a, a) },
		func() { VMOVDQU64(repeated(1<<28|1<<12), c) },
		func() { VPSUBW(f, c, c) },
		func() { VPCMPUW(U8(5), f, lo, full) },
		func() { VPCMPUW(U8(5), f, lo, store, store) },
		func() { VPADDW(a, lo, lo) },
		func() { VPADDW(k.one, hi, store, hi) },
		func() { VPADDW(c, lo, full, lo) },
	}
}

// byTurns puts instructions of streams in turn, such that all end together.
func byTurns(streams ...[]func()) {
	longest := 0
	for _, s := range streams {
		longest = max(longest, len(s))
	}
	done := make([]int, len(streams))
	for i := 1; i <= longest; i++ {
		for k, s := range streams {
			for ; done[k] < len(s)*i/longest; done[k]++ {
				s[done[k]]()
			}
		}
	}
}

// unpackHalf makes words of the bytes lo and hi of 32 lanes.
func unpackHalf(h int, hi, lo, to reg.VecPhysical) {
	if h == 0 {
		VPUNPCKLBW(hi, lo, to)
	} else {
		VPUNPCKHBW(hi, lo, to)
	}
}
