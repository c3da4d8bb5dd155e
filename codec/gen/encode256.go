package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// An encoder256 is where an encoder with AVX2 keeps what it knows of a round,
// which it encodes in groups of eight lanes.
type encoder256 struct {
	e, keys, z, dst, table, ends reg.Register
	width                        int
	ones, fifteen, rawMask       reg.VecPhysical
	entries                      Mem
}

// encode256 is encode512 for AVX2.
func encode256(name string, width int) {
	TEXT(name, NOSPLIT, "func(e, keys, z, words *byte, at, rounds, lanes int) (written int)")
	Pragma("noescape")
	Doc(name + " encodes rounds whole rounds, the last first, words before words[at], and returns the bytes written.")
	s := &encoder256{e: Load(Param("e"), GP64()), keys: Load(Param("keys"), GP64()), z: Load(Param("z"), GP64()), dst: Load(Param("words"), GP64()),
		table: GP64(), ends: GP64(), width: width, ones: ymm[15], fifteen: ymm[14], rawMask: ymm[13], entries: AllocLocal(256)}
	at := Load(Param("at"), GP64())
	LEAQ(Mem{Base: s.dst, Index: at, Scale: 2}, s.dst)
	rounds := Load(Param("rounds"), GP64())
	lanes := Load(Param("lanes"), GP64())
	start := GP64()
	MOVQ(s.dst, start)
	// Keys and steps are read from the end.
	MOVQ(rounds, at)
	IMULQ(lanes, at)
	if width == 8 {
		ADDQ(at, s.keys)
	} else {
		LEAQ(Mem{Base: s.keys, Index: at, Scale: 2}, s.keys)
		LEAQ(Mem{Base: s.z, Index: at, Scale: uint8(width / 8)}, s.z)
	}
	LEAQ(Mem{Base: s.e, Disp: encTable}, s.table)
	LEAQ(endsOfMask(), s.ends)
	VPCMPEQD(s.ones, s.ones, s.ones)
	if width == 8 {
		dwords256(4095, s.fifteen)
	} else {
		dwords256(15, s.fifteen)
		dwords256(31, s.rawMask)
	}
	CMPQ(lanes, U8(32))
	JEQ(LabelRef("lanes32"))
	JL(LabelRef("lanes16"))
	for _, groups := range []int{8, 4, 2} {
		suffix := map[int]string{8: "64", 4: "32", 2: "16"}[groups]
		Label("lanes" + suffix)
		SUBQ(U8(1), rounds)
		JL(LabelRef("finish"))
		if width == 8 { // keys are bytes, and there are no steps
			SUBQ(U8(8*groups), s.keys)
			for g := groups - 1; g >= 0; g-- {
				s.byte(g)
			}
			JMP(LabelRef("lanes" + suffix))
			continue
		}
		SUBQ(U32(16*groups), s.keys)
		SUBQ(U32(8*groups*width/8), s.z)
		s.gather(groups)
		JNE(LabelRef("more" + suffix))
		Label("symbols" + suffix)
		for g := groups - 1; g >= 0; g-- {
			s.step(g)
		}
		JMP(LabelRef("lanes" + suffix))

		Label("more" + suffix)
		if width == 32 {
			VPCMPGTD(repeated(30), ymm[0], ymm[0])
			VPTEST(ymm[0], ymm[0])
			JEQ(LabelRef("second" + suffix))
			for g := groups - 1; g >= 0; g-- {
				s.portion(g, 15)
			}
			Label("second" + suffix)
		}
		for g := groups - 1; g >= 0; g-- {
			s.portion(g, 0)
		}
		JMP(LabelRef("symbols" + suffix))
	}
	Label("finish")
	SUBQ(s.dst, start)
	Store(start, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// gather looks up the entries of a round, and tells by the flags whether any of
// its symbols has more raw bits than go with it; ymm[0] has the most bits of any
// with its probability's.
func (s *encoder256) gather(groups int) {
	most := ymm[0]
	for g := range groups {
		key, mask, e, bits, raw := ymm[1+3*(g&1)], ymm[2+3*(g&1)], ymm[3+3*(g&1)], ymm[7+2*(g&1)], ymm[8+2*(g&1)]
		VPMOVZXWD(Mem{Base: s.keys, Disp: 16 * g}, key)
		gather256(s.table, key, mask, e)
		VMOVDQU(e, s.entries.Offset(32*g))
		VPSRLD(U8(7), e, bits)
		VPAND(s.fifteen, bits, bits)
		VPAND(s.rawMask, e, raw)
		if g == 0 {
			VPADDD(raw, bits, most)
			continue
		}
		VPADDD(raw, bits, bits)
		VPMAXUD(bits, most, most)
	}
	VPCMPGTD(s.fifteen, most, ymm[1])
	VPTEST(ymm[1], ymm[1])
}

// value loads one more than the steps of group g.
func (s *encoder256) value(g int, v reg.VecPhysical) {
	if s.width == 32 {
		VMOVDQU(Mem{Base: s.z, Disp: 32 * g}, v)
	} else {
		VPMOVZXWD(Mem{Base: s.z, Disp: 16 * g}, v)
	}
	VPSUBD(s.ones, v, v)
}

// first sets n to how many raw bits of entries go with the symbol, and bits to
// those of the probabilities.
func (s *encoder256) first(entry, bits, n reg.VecPhysical) {
	VPSRLD(U8(7), entry, bits)
	VPAND(s.fifteen, bits, bits)
	VPSUBD(bits, s.fifteen, n)
	VPAND(s.rawMask, entry, ymm[12])
	VPMINUD(ymm[12], n, n)
}

// emit writes the low word of the lanes of x that are above limit before dst, in
// order, and shifts those lanes down. It uses ymm[11] and ymm[12].
func (s *encoder256) emit(x, limit reg.VecPhysical) {
	mask, w := ymm[11], ymm[12]
	n := GP64()
	set := GP64()
	VPCMPGTD(limit, x, mask)
	VMOVMSKPS(mask, set.As32())
	VPSHUFB(lowWords(), x, w)
	VPERMQ(U8(0x08), w, w)
	POPCNTL(set.As32(), n.As32())
	SHLL(U8(4), set.As32())
	VPSHUFB(Mem{Base: s.ends, Index: set, Scale: 1}, w.AsX(), w.AsX())
	VMOVDQU(w.AsX(), Mem{Base: s.dst, Disp: -16})
	NEGQ(n)
	LEAQ(Mem{Base: s.dst, Index: n, Scale: 2}, s.dst)
	VPAND(repeated(16), mask, mask)
	VPSRLVD(mask, x, x)
}

// raw puts the n low bits of v below x. It uses ymm[11].
func (s *encoder256) raw(x, v, n reg.VecPhysical) {
	VPSLLVD(n, s.ones, ymm[11])
	VPANDN(v, ymm[11], ymm[11])
	VPSLLVD(n, x, x)
	VPOR(ymm[11], x, x)
}

// portion encodes up to fifteen of the raw bits that do not go with the symbol,
// from the at'th of them on.
func (s *encoder256) portion(g, at int) {
	state := Mem{Base: s.e, Disp: encStates + 32*g}
	x, entry, bits, n, v, all, limit := ymm[0], ymm[1], ymm[2], ymm[3], ymm[4], ymm[5], ymm[6]
	VMOVDQU(s.entries.Offset(32*g), entry)
	s.first(entry, bits, n)
	s.value(g, v)
	VPSRLVD(n, v, v)
	VPAND(s.rawMask, entry, all)
	VPSUBD(n, all, all)
	if at > 0 {
		VPSRLD(U8(at), v, v)
		VPSUBUSW(s.fifteen, all, all)
	}
	VPMINUD(s.fifteen, all, all)
	// x >= 1 << (31 - n)
	VPSRLD(U8(1), s.ones, limit)
	VPSRLVD(all, limit, limit)
	VMOVDQU(state, x)
	s.emit(x, limit)
	s.raw(x, v, all)
	VMOVDQU(x, state)
}

// step encodes a symbol and its first raw bits in eight lanes.
func (s *encoder256) step(g int) {
	state := Mem{Base: s.e, Disp: encStates + 32*g}
	x, entry, bits, n, v, f, limit := ymm[0], ymm[1], ymm[2], ymm[3], ymm[4], ymm[5], ymm[6]
	VMOVDQU(s.entries.Offset(32*g), entry)
	s.first(entry, bits, n)
	s.value(g, v)
	VPSRLD(U8(19), entry, f)
	// x >= f << (31 - bits - n); that is at most 2^31
	VMOVDQU(repeated(31), limit)
	VPSUBD(bits, limit, limit)
	VPSUBD(n, limit, limit)
	VPSLLVD(limit, f, limit)
	VPADDD(s.ones, limit, limit)
	VMOVDQU(state, x)
	s.emit(x, limit)
	s.raw(x, v, n)
	q, r := ymm[7], ymm[8]
	s.divide(x, f, q, r)
	VPSLLVD(bits, q, q)
	VPADDD(r, q, q)
	VPSRLD(U8(11), entry, x)
	VPAND(repeated(255), x, x)
	VPADDD(q, x, x)
	VMOVDQU(x, state)
}

// byte encodes a byte in eight lanes.
func (s *encoder256) byte(g int) {
	state := Mem{Base: s.e, Disp: encStates + 32*g}
	x, entry, f, q, r, limit := ymm[0], ymm[1], ymm[5], ymm[7], ymm[8], ymm[6]
	VPMOVZXBD(Mem{Base: s.keys, Disp: 8 * g}, ymm[2])
	gather256(s.table, ymm[2], ymm[3], entry)
	VMOVDQU(state, x)
	VPSRLD(U8(12), entry, f)
	VPSLLD(U8(31-12), f, limit)
	VPADDD(s.ones, limit, limit)
	s.emit(x, limit)
	s.divide(x, f, q, r)
	VPSLLD(U8(12), q, q)
	VPADDD(r, q, q)
	VPAND(s.fifteen, entry, x)
	VPADDD(q, x, x)
	VMOVDQU(x, state)
}

// divide is divide512. It uses ymm[9] and ymm[10].
func (s *encoder256) divide(x, f, q, r reg.VecPhysical) {
	t, u := ymm[9], ymm[10]
	VCVTDQ2PS(f, t)
	VCVTDQ2PS(x, r)
	VDIVPS(t, r, r)
	VCVTTPS2DQ(r, q) // perhaps one too many
	VPMULLD(f, q, r)
	VPSUBD(r, x, r) // perhaps negative
	// One too many: the remainder is negative.
	VPSRAD(U8(31), r, t)
	VPADDD(t, q, q)
	VPAND(f, t, t)
	VPADDD(t, r, r)
	// One too few: it is at least f.
	VPCMPGTD(r, f, t) // not so
	VPSUBD(s.ones, q, q)
	VPADDD(t, q, q)
	VPANDN(f, t, u)
	VPSUBD(u, r, r)
}

// endsOfMask has for each set of eight lanes how their words come to the end of
// sixteen bytes, in order.
func endsOfMask() Mem {
	b := make([]byte, 256*16)
	for set := range 256 {
		at := 7
		for lane := 7; lane >= 0; lane-- {
			if set>>lane&1 == 1 {
				b[16*set+2*at], b[16*set+2*at+1] = byte(2*lane), byte(2*lane+1)
				at--
			}
		}
	}
	return constant("endsOfMask", b)
}
