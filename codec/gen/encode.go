package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// encodeBytes512 encodes rounds of 16, 32 or 64 lanes of bytes, the last first.
func encodeBytes512() {
	TEXT("encodeBytesAVX512", NOSPLIT, "func(e, symbols, words *byte, at, rounds, lanes int) (written int)")
	Pragma("noescape")
	Doc("encodeBytesAVX512 encodes rounds whole rounds, the last first, words before words[at], and returns the bytes written.")
	e := Load(Param("e"), GP64())
	p := Load(Param("symbols"), GP64())
	dst := Load(Param("words"), GP64())
	at := Load(Param("at"), GP64())
	LEAQ(Mem{Base: dst, Index: at, Scale: 2}, dst)
	rounds := Load(Param("rounds"), GP64())
	lanes := Load(Param("lanes"), GP64())
	start := GP64()
	table := GP64()
	MOVQ(dst, start)
	// Bytes are read from the end.
	MOVQ(rounds, at)
	IMULQ(lanes, at)
	ADDQ(at, p)
	LEAQ(Mem{Base: e, Disp: encTable}, table)
	state := zmm[0:4]
	key := zmm[4]
	k := byteEncoder{slots: zmm[20], ones: zmm[25], iota: zmm[28]}
	dwords(4095, k.slots)
	VPTERNLOGD(U8(0xff), k.ones, k.ones, k.ones)
	VMOVDQU32(iotaWords(), k.iota.AsY())
	for g := range state {
		VMOVDQU32(Mem{Base: e, Disp: encStates + 64*g}, state[g])
	}
	CMPQ(lanes, U8(32))
	JEQ(LabelRef("lanes32"))
	JL(LabelRef("lanes16"))
	for _, groups := range []int{4, 2, 1} {
		suffix := map[int]string{4: "64", 2: "32", 1: "16"}[groups]
		Label("lanes" + suffix)
		SUBQ(U8(1), rounds)
		JL(LabelRef("finish"))
		SUBQ(U8(16*groups), p)
		for g := groups - 1; g >= 0; g-- {
			VPMOVZXBD(Mem{Base: p, Disp: 16 * g}, key)
			gatherEntries(table, key)
			byte512(state[g], key, dst, k)
		}
		JMP(LabelRef("lanes" + suffix))
	}
	Label("finish")
	for g := range state {
		VMOVDQU32(state[g], Mem{Base: e, Disp: encStates + 64*g})
	}
	SUBQ(dst, start)
	Store(start, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// iotaWords is 0, 1, … 15 as words.
func iotaWords() Mem {
	b := make([]byte, 32)
	for i := range 16 {
		b[2*i] = byte(i)
	}
	return constant("iotaWords", b)
}

// emit512 writes the low word of the lanes of x in K2 before dst, in order, and
// shifts those lanes down. It uses zmm[17] and zmm[18].
func emit512(x, iota reg.VecPhysical, dst reg.Register) {
	w, p := zmm[17], zmm[18]
	n := GP64()
	VPCOMPRESSD_Z(x, reg.K2, w)
	VPMOVDW(w, w.AsY())
	// To the end of the vector, so that what was written stays: rotate by n.
	KMOVW(reg.K2, n.As32())
	POPCNTL(n.As32(), n.As32())
	VPBROADCASTW(n.As32(), p.AsY())
	VPADDW(iota.AsY(), p.AsY(), p.AsY())
	VPERMW(w.AsY(), p.AsY(), w.AsY())
	VMOVDQU32(w.AsY(), Mem{Base: dst, Disp: -32})
	NEGQ(n)
	LEAQ(Mem{Base: dst, Index: n, Scale: 2}, dst)
	VPSRLD(U8(16), x, reg.K2, x)
}

// byteEncoder is the registers that the encoder of bytes keeps.
type byteEncoder struct{ slots, ones, iota reg.VecPhysical }

// gatherEntries replaces keys by their entries.
func gatherEntries(table reg.Register, key reg.VecPhysical) {
	entry := zmm[31]
	KXNORW(reg.K1, reg.K1, reg.K1)
	VPXORD(entry, entry, entry)
	VPGATHERDD(Mem{Base: table, Index: key, Scale: 4}, reg.K1, entry)
	VMOVDQA32(entry, key)
}

// byte512 encodes a byte in each lane.
func byte512(x, entry reg.VecPhysical, dst reg.Register, k byteEncoder) {
	f, a, b := zmm[16], zmm[17], zmm[18]
	VPSRLD(U8(12), entry, f)
	VPSLLD(U8(31-12), f, a)
	VPCMPUD(U8(5), a, x, reg.K2)
	emit512(x, k.iota, dst)
	divide512(x, f, a, b, zmm[31], k.ones)
	VPSLLD(U8(12), a, a)
	VPADDD(b, a, a)
	VPANDD(k.slots, entry, b)
	VPADDD(b, a, x)
}

// divide512 sets q to x / f, below 2^19, and r to the remainder: rounded down all
// along, it may be one too few. x is below 2^31, as is every product here.
func divide512(x, f, q, r, t, ones reg.VecPhysical) {
	VCVTDQ2PS(f, t)
	VCVTDQ2PS_RZ_SAE(x, r)
	VDIVPS_RZ_SAE(t, r, r)
	VCVTTPS2DQ(r, q)
	VPMULLD(f, q, r)
	VPSUBD(r, x, r)
	VPCMPUD(U8(5), f, r, reg.K2)
	VPSUBD(f, r, reg.K2, r)
	VPSUBD(ones, q, reg.K2, q)
}
