package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// An encoder256 is where an encoder with AVX2 keeps what it knows of a round. It
// encodes groups of eight lanes, two at a time that take their steps in turn,
// since each waits for itself.
type encoder256 struct {
	e, ctx, symbols, z, dst reg.Register // symbols are the bytes themselves of planes
	table, ends             reg.Register
	frame                   reg.Register // entries of all lanes, then quarters
	width                   int
}

const quartersAt = 256

// pair256 calls fn for both groups of a pair, the later first, with the registers
// that each has to itself.
func pair256(pair int, fn func(g int, y []reg.VecPhysical)) {
	for i := range 2 {
		fn(2*pair+1-i, half256(i))
	}
}

// encode256 is encode512 for AVX2.
func encode256(name string, width int) {
	params := "ctx, symbols, z"
	if width == 8 {
		params = "symbols"
	}
	TEXT(name, NOSPLIT, "func(e, "+params+", words *byte, at, rounds, lanes int) (written int)")
	Pragma("noescape")
	Doc(name + " encodes rounds whole rounds, the last first, words before words[at], and returns the bytes written.")
	s := &encoder256{e: Load(Param("e"), GP64()), symbols: Load(Param("symbols"), GP64()), dst: Load(Param("words"), GP64()),
		table: GP64(), ends: GP64(), frame: alignedFrame(quartersAt + 64), width: width}
	if width > 8 {
		s.ctx, s.z = Load(Param("ctx"), GP64()), Load(Param("z"), GP64())
	}
	at := Load(Param("at"), GP64())
	LEAQ(Mem{Base: s.dst, Index: at, Scale: 2}, s.dst)
	rounds := Load(Param("rounds"), GP64())
	lanes := Load(Param("lanes"), GP64())
	start := GP64()
	MOVQ(s.dst, start)
	// Everything is read from the end.
	MOVQ(rounds, at)
	IMULQ(lanes, at)
	ADDQ(at, s.symbols)
	if width > 8 {
		ADDQ(at, s.ctx)
		LEAQ(Mem{Base: s.z, Index: at, Scale: uint8(width / 8)}, s.z)
	}
	LEAQ(Mem{Base: s.e, Disp: encTable}, s.table)
	LEAQ(endsOfMask(), s.ends)
	CMPQ(lanes, U8(32))
	JEQ(LabelRef("lanes32"))
	JL(LabelRef("lanes16"))
	for _, groups := range []int{8, 4, 2} {
		suffix := map[int]string{8: "64", 4: "32", 2: "16"}[groups]
		Label("lanes" + suffix)
		SUBQ(U8(1), rounds)
		JL(LabelRef("finish"))
		SUBQ(U8(8*groups), s.symbols)
		if width == 8 {
			for pair := groups/2 - 1; pair >= 0; pair-- {
				s.byte(pair)
			}
			JMP(LabelRef("lanes" + suffix))
			continue
		}
		SUBQ(U8(8*groups), s.ctx)
		SUBQ(U32(8*groups*width/8), s.z)
		s.gather(groups)
		JNE(LabelRef("more" + suffix))
		Label("symbols" + suffix)
		for pair := groups/2 - 1; pair >= 0; pair-- {
			s.step(pair)
		}
		JMP(LabelRef("lanes" + suffix))

		Label("more" + suffix)
		if width == 32 {
			VPCMPGTD(repeated(30), ymm[0], ymm[0])
			VPTEST(ymm[0], ymm[0])
			JEQ(LabelRef("second" + suffix))
			for pair := groups/2 - 1; pair >= 0; pair-- {
				s.portion(pair, 15)
			}
			Label("second" + suffix)
		}
		for pair := groups/2 - 1; pair >= 0; pair-- {
			s.portion(pair, 0)
		}
		JMP(LabelRef("symbols" + suffix))
	}
	Label("finish")
	SUBQ(s.dst, start)
	Store(start, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

// tables looks up the tables of a round's contexts: one of four times sixteen
// bytes.
func (s *encoder256) tables(groups int) {
	c, bit, a, b, t := ymm[1], ymm[2], ymm[3], ymm[4], ymm[5]
	for at := 0; at < 8*groups; at += 32 {
		if groups == 2 {
			VMOVDQU(Mem{Base: s.ctx}, c.AsX())
		} else {
			VMOVDQU(Mem{Base: s.ctx, Disp: at}, c)
		}
		pick := func(k int, to reg.VecPhysical) {
			VBROADCASTI128(Mem{Base: s.e, Disp: encQuarter + 16*k}, to)
			VPSHUFB(c, to, to)
		}
		VPSLLW(U8(3), c, bit) // the highest bit of each byte counts
		for k, to := range []reg.VecPhysical{a, b} {
			pick(2*k, to)
			pick(2*k+1, t)
			VPBLENDVB(bit, t, to, to)
		}
		VPSLLW(U8(2), c, bit)
		VPBLENDVB(bit, b, a, a)
		VMOVDQA(a, Mem{Base: s.frame, Disp: quartersAt + at})
	}
}

// gather looks up the entries of a round, and tells by the flags whether any of
// its symbols has more raw bits than go with it; ymm[0] has the most bits of any
// with its probability's.
func (s *encoder256) gather(groups int) {
	s.tables(groups)
	most := ymm[0]
	for g := range groups {
		y := ymm[1+5*(g%3):]
		key, mask, e, bits, raw := y[0], y[1], y[2], y[3], y[4]
		VPMOVZXBD(Mem{Base: s.frame, Disp: quartersAt + 8*g}, key)
		VPMOVZXBD(Mem{Base: s.symbols, Disp: 8 * g}, e)
		VPSLLD(U8(6), key, key)
		VPOR(e, key, key)
		gather256(s.table, key, mask, e)
		VMOVDQA(e, Mem{Base: s.frame, Disp: 32 * g})
		VPSRLD(U8(7), e, bits)
		VPAND(repeated(15), bits, bits)
		VPAND(repeated(31), e, raw)
		if g == 0 {
			VPADDD(raw, bits, most)
			continue
		}
		VPADDD(raw, bits, bits)
		VPMAXUD(bits, most, most)
	}
	VPCMPGTD(repeated(15), most, ymm[1])
	VPTEST(ymm[1], ymm[1])
}

// prepare loads entries y[1] and values, one more than steps, y[4], and sets y[2]
// to the bits of the entries' probabilities and y[3] to how many raw bits go
// with the symbol.
func (s *encoder256) prepare(pair int) {
	const entry, bits, n, v, t = 1, 2, 3, 4, 6
	pair256(pair, func(g int, y []reg.VecPhysical) { VMOVDQA(Mem{Base: s.frame, Disp: 32 * g}, y[entry]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSRLD(U8(7), y[entry], y[bits]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPAND(repeated(15), y[bits], y[bits]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VMOVDQU(repeated(15), y[n]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSUBD(y[bits], y[n], y[n]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPAND(repeated(31), y[entry], y[t]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPMINUD(y[t], y[n], y[n]) })
	pair256(pair, func(g int, y []reg.VecPhysical) {
		if s.width == 32 {
			VMOVDQU(Mem{Base: s.z, Disp: 32 * g}, y[v])
		} else {
			VPMOVZXWD(Mem{Base: s.z, Disp: 16 * g}, y[v])
		}
	})
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPADDD(repeated(1), y[v], y[v]) })
}

// emit loads states y[0], writes the low words of those that are above y[6] before
// dst, in order, and shifts these down. It uses y[7].
func (s *encoder256) emit(pair int) {
	const x, mask, w = 0, 6, 7
	pair256(pair, func(g int, y []reg.VecPhysical) { VMOVDQU(s.state(g), y[x]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPCMPGTD(y[mask], y[x], y[mask]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSHUFB(lowWords(), y[x], y[w]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPERMQ(U8(0x08), y[w], y[w]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) {
		n, set := GP64(), GP64()
		VMOVMSKPS(y[mask], set.As32())
		POPCNTL(set.As32(), n.As32())
		SHLL(U8(4), set.As32())
		VPSHUFB(Mem{Base: s.ends, Index: set, Scale: 1}, y[w].AsX(), y[w].AsX())
		VMOVDQU(y[w].AsX(), Mem{Base: s.dst, Disp: -16})
		NEGQ(n)
		LEAQ(Mem{Base: s.dst, Index: n, Scale: 2}, s.dst)
	})
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPAND(repeated(16), y[mask], y[mask]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSRLVD(y[mask], y[x], y[x]) })
}

func (s *encoder256) state(g int) Mem { return Mem{Base: s.e, Disp: encStates + 32*g} }

// raw puts as many low bits of y[4] below the states as the n'th register says.
// It uses y[6].
func (s *encoder256) raw(pair, n int) {
	const x, v, t = 0, 4, 6
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPCMPEQD(y[t], y[t], y[t]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSLLVD(y[n], y[t], y[t]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPANDN(y[v], y[t], y[t]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSLLVD(y[n], y[x], y[x]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPOR(y[t], y[x], y[x]) })
}

// portion encodes up to fifteen of the raw bits that do not go with the symbol,
// from the at'th of them on.
func (s *encoder256) portion(pair, at int) {
	const x, entry, first, v, n, limit = 0, 1, 3, 4, 5, 6
	s.prepare(pair)
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSRLVD(y[first], y[v], y[v]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPAND(repeated(31), y[entry], y[n]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSUBD(y[first], y[n], y[n]) })
	if at > 0 {
		pair256(pair, func(_ int, y []reg.VecPhysical) { VPSRLD(U8(at), y[v], y[v]) })
		pair256(pair, func(_ int, y []reg.VecPhysical) { VPSUBUSW(repeated(uint32(at)), y[n], y[n]) })
	}
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPMINUD(repeated(15), y[n], y[n]) })
	// x >= 1 << (31 - n)
	pair256(pair, func(_ int, y []reg.VecPhysical) { VMOVDQU(repeated(1<<31-1), y[limit]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSRLVD(y[n], y[limit], y[limit]) })
	s.emit(pair)
	s.raw(pair, n)
	pair256(pair, func(g int, y []reg.VecPhysical) { VMOVDQU(y[x], s.state(g)) })
}

// step encodes symbols and their first raw bits.
func (s *encoder256) step(pair int) {
	const x, entry, bits, n, f, limit = 0, 1, 2, 3, 5, 6
	s.prepare(pair)
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSRLD(U8(19), y[entry], y[f]) })
	// x >= f << (31 - bits - n); that is at most 2^31
	pair256(pair, func(_ int, y []reg.VecPhysical) { VMOVDQU(repeated(31), y[limit]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSUBD(y[bits], y[limit], y[limit]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSUBD(y[n], y[limit], y[limit]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSLLVD(y[limit], y[f], y[limit]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPADDD(repeated(1<<32-1), y[limit], y[limit]) })
	s.emit(pair)
	s.raw(pair, n)
	const q, r = 6, 4
	s.divide(pair)
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSLLVD(y[bits], y[q], y[q]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPADDD(y[r], y[q], y[q]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSRLD(U8(11), y[entry], y[x]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPAND(repeated(255), y[x], y[x]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPADDD(y[q], y[x], y[x]) })
	pair256(pair, func(g int, y []reg.VecPhysical) { VMOVDQU(y[x], s.state(g)) })
}

// byte encodes bytes.
func (s *encoder256) byte(pair int) {
	const x, entry, f, limit = 0, 1, 5, 6
	pair256(pair, func(g int, y []reg.VecPhysical) { VPMOVZXBD(Mem{Base: s.symbols, Disp: 8 * g}, y[2]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { gather256(s.table, y[2], y[3], y[entry]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSRLD(U8(12), y[entry], y[f]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSLLD(U8(31-12), y[f], y[limit]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPADDD(repeated(1<<32-1), y[limit], y[limit]) })
	s.emit(pair)
	const q, r = 6, 4
	s.divide(pair)
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSLLD(U8(12), y[q], y[q]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPADDD(y[r], y[q], y[q]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPAND(repeated(4095), y[entry], y[x]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPADDD(y[q], y[x], y[x]) })
	pair256(pair, func(g int, y []reg.VecPhysical) { VMOVDQU(y[x], s.state(g)) })
}

// divide is divide512 of y[0] by y[5], to y[6] and y[4]. It uses y[3] and y[7].
func (s *encoder256) divide(pair int) {
	const x, f, q, r, t, u = 0, 5, 6, 4, 3, 7
	pair256(pair, func(_ int, y []reg.VecPhysical) { VCVTDQ2PS(y[f], y[t]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VCVTDQ2PS(y[x], y[r]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VDIVPS(y[t], y[r], y[r]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VCVTTPS2DQ(y[r], y[q]) }) // perhaps one too many
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPMULLD(y[f], y[q], y[r]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSUBD(y[r], y[x], y[r]) }) // perhaps negative
	// One too many: the remainder is negative.
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSRAD(U8(31), y[r], y[t]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPADDD(y[t], y[q], y[q]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPAND(y[f], y[t], y[t]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPADDD(y[t], y[r], y[r]) })
	// One too few: it is at least f.
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPCMPGTD(y[r], y[f], y[t]) }) // not so
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPADDD(repeated(1), y[q], y[q]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPADDD(y[t], y[q], y[q]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPANDN(y[f], y[t], y[u]) })
	pair256(pair, func(_ int, y []reg.VecPhysical) { VPSUBD(y[u], y[r], y[r]) })
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
