package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets in laneEncoder.
const (
	encStates = 0
	encTable  = 256
)

// encode512 encodes rounds of 16, 32 or 64 lanes, the last first.
func encode512(name string, width int) {
	TEXT(name, NOSPLIT, "func(e, keys, z, words *byte, at, rounds, lanes int) (written int)")
	Pragma("noescape")
	Doc(name + " encodes rounds whole rounds, the last first, words before words[at], and returns the bytes written.")
	e := Load(Param("e"), GP64())
	keys := Load(Param("keys"), GP64())
	z := Load(Param("z"), GP64())
	dst := Load(Param("words"), GP64())
	at := Load(Param("at"), GP64())
	LEAQ(Mem{Base: dst, Index: at, Scale: 2}, dst)
	rounds := Load(Param("rounds"), GP64())
	lanes := Load(Param("lanes"), GP64())
	start := GP64()
	table := GP64()
	MOVQ(dst, start)
	// Keys and steps are read from the end.
	MOVQ(rounds, at)
	IMULQ(lanes, at)
	keyWidth := uint8(2)
	if width == 8 {
		keyWidth = 1
	}
	LEAQ(Mem{Base: keys, Index: at, Scale: keyWidth}, keys)
	LEAQ(Mem{Base: z, Index: at, Scale: uint8(width / 8)}, z)
	LEAQ(Mem{Base: e, Disp: encTable}, table)

	state := zmm[0:4]
	key := zmm[4:8]
	val := zmm[8:12]
	slots, byteMask, one, five, fifteen, ones, thirtyone := zmm[20], zmm[21], zmm[22], zmm[23], zmm[24], zmm[25], zmm[26]
	twentyone, iota, twenty := zmm[27], zmm[28], zmm[30]
	if width == 8 {
		dwords(4095, slots)
	} else {
		dwords(1023, slots)
	}
	dwords(0xff, byteMask)
	dwords(1, one)
	dwords(5, five)
	dwords(15, fifteen)
	dwords(31, thirtyone)
	dwords(21, twentyone)
	dwords(20, twenty)
	VPTERNLOGD(U8(0xff), ones, ones, ones)
	VMOVDQU32(iotaWords(), iota.AsY())
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
		if width == 8 { // keys are bytes, and there are no steps
			SUBQ(U8(16*groups), keys)
			for g := groups - 1; g >= 0; g-- {
				VPMOVZXBD(Mem{Base: keys, Disp: 16 * g}, key[g])
				symbols512(width, state[g], key[g], val[g], val[g], table, dst, slots, five, ones, twentyone, iota)
			}
			JMP(LabelRef("lanes" + suffix))
			continue
		}
		SUBQ(U32(32*groups), keys)
		SUBQ(U32(16*groups*width/8), z)
		for g := range groups {
			VPMOVZXWD(Mem{Base: keys, Disp: 32 * g}, key[g])
			if width == 32 {
				VMOVDQU32(Mem{Base: z, Disp: 64 * g}, val[g])
			} else {
				VPMOVZXWD(Mem{Base: z, Disp: 32 * g}, val[g])
			}
		}
		// raw bits of each symbol
		raws := zmm[12:16]
		for g := range groups {
			VPANDD(byteMask, key[g], raws[g])
			VPSRLD(U8(3), raws[g], raws[g])
			VPSUBUSW(one, raws[g], raws[g])
		}
		any := zmm[16]
		switch groups {
		case 1:
			VMOVDQA32(raws[0], any)
		case 2:
			VPMAXUD(raws[0], raws[1], any)
		case 4:
			VPMAXUD(raws[0], raws[1], any)
			VPMAXUD(raws[2], raws[3], zmm[17])
			VPMAXUD(zmm[17], any, any)
		}
		VPCMPUD(U8(6), five, any, reg.K2)
		KORTESTW(reg.K2, reg.K2)
		JNE(LabelRef("more" + suffix))
		Label("symbols" + suffix)
		for g := groups - 1; g >= 0; g-- {
			symbols512(width, state[g], key[g], val[g], raws[g], table, dst, slots, five, ones, twentyone, iota)
		}
		JMP(LabelRef("lanes" + suffix))

		Label("more" + suffix)
		if width == 32 {
			VPCMPUD(U8(6), twenty, any, reg.K2)
			KORTESTW(reg.K2, reg.K2)
			JEQ(LabelRef("second" + suffix))
			for g := groups - 1; g >= 0; g-- {
				putPortion512(state[g], val[g], raws[g], twenty, fifteen, ones, thirtyone, one, iota, dst, 20)
			}
			Label("second" + suffix)
		}
		for g := groups - 1; g >= 0; g-- {
			putPortion512(state[g], val[g], raws[g], five, fifteen, ones, thirtyone, one, iota, dst, 5)
		}
		JMP(LabelRef("symbols" + suffix))
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

// putPortion512 encodes the up to fifteen raw bits from bit at on.
func putPortion512(x, val, raw, from, fifteen, ones, thirtyone, one, iota reg.VecPhysical, dst reg.Register, at int) {
	n, limit := zmm[19], zmm[17]
	VPSUBUSW(from, raw, n)
	VPMINUD(fifteen, n, n)
	// x >= 1 << (31 - n)
	VPSUBD(n, thirtyone, limit)
	VPSLLVD(limit, one, limit)
	VPCMPUD(U8(5), limit, x, reg.K2)
	emit512(x, iota, dst)
	VPSLLVD(n, ones, zmm[17])
	VPSRLD(U8(at), val, zmm[18])
	VPANDND(zmm[18], zmm[17], zmm[17])
	VPSLLVD(n, x, x)
	VPORD(zmm[17], x, x)
}

// symbols512 encodes a symbol and the first raw bits in each lane.
func symbols512(width int, x, key, val, raw reg.VecPhysical, table, dst reg.Register, slots, five, ones, twentyone, iota reg.VecPhysical) {
	entry, f, n, a, b := zmm[31], zmm[16], zmm[19], zmm[17], zmm[18]
	KXNORW(reg.K1, reg.K1, reg.K1)
	VPXORD(entry, entry, entry)
	VPGATHERDD(Mem{Base: table, Index: key, Scale: 4}, reg.K1, entry)
	bits := uint64(10)
	if width == 8 {
		bits = 12
	}
	VPSRLD(U8(bits), entry, f)
	if width == 8 {
		VPSLLD(U8(31-bits), f, a)
	} else {
		VPMINUD(five, raw, n)
		VPSUBD(n, twentyone, a)
		VPSLLVD(a, f, a)
	}
	VPCMPUD(U8(5), a, x, reg.K2)
	emit512(x, iota, dst)
	if width > 8 {
		VPSLLVD(n, ones, a)
		VPANDND(val, a, a)
		VPSLLVD(n, x, x)
		VPORD(a, x, x)
	}
	// q = x / f, below 2^21: by a reciprocal, then put right by at most one. x is
	// below 2^31, as is every product here.
	VCVTDQ2PS(f, key)
	VCVTDQ2PS(x, b)
	VDIVPS(key, b, b)
	VCVTTPS2DQ(b, a) // q, perhaps one too many
	VPMULLD(f, a, b)
	VPSUBD(b, x, b) // remainder, perhaps negative
	// One too many: the remainder is negative.
	VPMOVD2M(b, reg.K2)
	VPADDD(f, b, reg.K2, b)
	VPADDD(ones, a, reg.K2, a)
	// One too few: it is at least f.
	VPCMPUD(U8(5), f, b, reg.K2)
	VPSUBD(f, b, reg.K2, b)
	VPSUBD(ones, a, reg.K2, a)
	VPSLLD(U8(bits), a, a)
	VPADDD(b, a, a)
	VPANDD(slots, entry, b)
	VPADDD(b, a, x)
}
