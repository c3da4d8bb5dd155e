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
	first := zmm[12:16]
	slots, one, fifteen, ones, thirtyone := zmm[20], zmm[22], zmm[24], zmm[25], zmm[26]
	iota := zmm[28]
	k := encodeConstants{slots: slots, ones: ones, iota: iota, fifteen: fifteen, thirtyone: thirtyone, one: one, rawMask: zmm[21], starts: zmm[23]}
	if width == 8 {
		dwords(4095, slots)
	}
	dwords(1, one)
	dwords(15, fifteen)
	dwords(31, thirtyone)
	dwords(31, k.rawMask)
	dwords(255, k.starts)
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
				gatherEntries(table, key[g])
				byte512(state[g], key[g], dst, k)
			}
			JMP(LabelRef("lanes" + suffix))
			continue
		}
		SUBQ(U32(32*groups), keys)
		SUBQ(U32(16*groups*width/8), z)
		any := zmm[16]
		for g := range groups {
			VPMOVZXWD(Mem{Base: keys, Disp: 32 * g}, key[g])
			if width == 32 {
				VMOVDQU32(Mem{Base: z, Disp: 64 * g}, val[g])
			} else {
				VPMOVZXWD(Mem{Base: z, Disp: 32 * g}, val[g])
			}
			VPADDD(one, val[g], val[g])
			gatherEntries(table, key[g])
			// Of its raw bits, those that go with the symbol: at most 15 - bits.
			all := zmm[17]
			VPANDD(k.rawMask, key[g], all)
			VPSRLD(U8(7), key[g], first[g])
			VPANDD(fifteen, first[g], first[g])
			VPSUBD(first[g], fifteen, first[g])
			VPMINUD(first[g], all, first[g])
			VPSUBD(first[g], all, all)
			if g == 0 {
				VMOVDQA32(all, any)
			} else {
				VPMAXUD(all, any, any)
			}
		}
		VPTESTMD(any, any, reg.K2)
		KORTESTW(reg.K2, reg.K2)
		JNE(LabelRef("more" + suffix))
		Label("symbols" + suffix)
		for g := groups - 1; g >= 0; g-- {
			step512(state[g], key[g], val[g], first[g], dst, k)
		}
		JMP(LabelRef("lanes" + suffix))

		Label("more" + suffix)
		if width == 32 {
			VPCMPUD(U8(6), fifteen, any, reg.K2)
			KORTESTW(reg.K2, reg.K2)
			JEQ(LabelRef("second" + suffix))
			for g := groups - 1; g >= 0; g-- {
				putPortion512(state[g], key[g], val[g], first[g], dst, 15, k)
			}
			Label("second" + suffix)
		}
		for g := groups - 1; g >= 0; g-- {
			putPortion512(state[g], key[g], val[g], first[g], dst, 0, k)
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

// encodeConstants are the registers that an encoder keeps.
type encodeConstants struct {
	slots, ones, one, fifteen, thirtyone, rawMask, starts, iota reg.VecPhysical
}

// gatherEntries replaces keys by their entries.
func gatherEntries(table reg.Register, key reg.VecPhysical) {
	entry := zmm[31]
	KXNORW(reg.K1, reg.K1, reg.K1)
	VPXORD(entry, entry, entry)
	VPGATHERDD(Mem{Base: table, Index: key, Scale: 4}, reg.K1, entry)
	VMOVDQA32(entry, key)
}

// putPortion512 encodes up to fifteen of the raw bits that do not go with the
// symbol, from the at'th of them on.
func putPortion512(x, entry, val, first reg.VecPhysical, dst reg.Register, at int, k encodeConstants) {
	n, limit := zmm[19], zmm[17]
	VPANDD(k.rawMask, entry, n)
	VPSUBD(first, n, n)
	if at > 0 {
		VPSUBUSW(k.fifteen, n, n)
	}
	VPMINUD(k.fifteen, n, n)
	// x >= 1 << (31 - n)
	VPSUBD(n, k.thirtyone, limit)
	VPSLLVD(limit, k.one, limit)
	VPCMPUD(U8(5), limit, x, reg.K2)
	emit512(x, k.iota, dst)
	VPSLLVD(n, k.ones, zmm[17])
	VPSRLVD(first, val, zmm[18])
	if at > 0 {
		VPSRLD(U8(at), zmm[18], zmm[18])
	}
	VPANDND(zmm[18], zmm[17], zmm[17])
	VPSLLVD(n, x, x)
	VPORD(zmm[17], x, x)
}

// step512 encodes a symbol and the n first raw bits in each lane.
func step512(x, entry, val, n reg.VecPhysical, dst reg.Register, k encodeConstants) {
	f, a, b, bits := zmm[16], zmm[17], zmm[18], zmm[19]
	VPSRLD(U8(19), entry, f)
	VPSRLD(U8(7), entry, bits)
	VPANDD(k.fifteen, bits, bits)
	// x >= f << (31 - bits - n)
	VPSUBD(bits, k.thirtyone, a)
	VPSUBD(n, a, a)
	VPSLLVD(a, f, a)
	VPCMPUD(U8(5), a, x, reg.K2)
	emit512(x, k.iota, dst)
	VPSLLVD(n, k.ones, a)
	VPANDND(val, a, a)
	VPSLLVD(n, x, x)
	VPORD(a, x, x)
	divide512(x, f, a, b, zmm[31], k.ones)
	VPSLLVD(bits, a, a)
	VPADDD(b, a, a)
	VPSRLD(U8(11), entry, b)
	VPANDD(k.starts, b, b)
	VPADDD(b, a, x)
}

// byte512 encodes a byte in each lane.
func byte512(x, entry reg.VecPhysical, dst reg.Register, k encodeConstants) {
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

// divide512 sets q to x / f, below 2^23, and r to the remainder: by a reciprocal,
// then put right by at most one. x is below 2^31, as is every product here.
func divide512(x, f, q, r, t, ones reg.VecPhysical) {
	VCVTDQ2PS(f, t)
	VCVTDQ2PS(x, r)
	VDIVPS(t, r, r)
	VCVTTPS2DQ(r, q) // perhaps one too many
	VPMULLD(f, q, r)
	VPSUBD(r, x, r) // perhaps negative
	// One too many: the remainder is negative.
	VPMOVD2M(r, reg.K2)
	VPADDD(f, r, reg.K2, r)
	VPADDD(ones, q, reg.K2, q)
	// One too few: it is at least f.
	VPCMPUD(U8(5), f, r, reg.K2)
	VPSUBD(f, r, reg.K2, r)
	VPSUBD(ones, q, reg.K2, q)
}
