package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A searcher256 is where a decoder with AVX2 keeps what it knows of a round.
// Symbols are searched for 32 lanes at a time, in bytes; all else is done for
// eight, in dwords.
type searcher256 struct {
	d, z, ctx, src, perms reg.Register
	width                 int
	low, ones             reg.VecPhysical
	any                   reg.VecPhysical // rest of all lanes so far
	bits, slot, freq      Mem             // of 32 lanes: bytes, dwords, words
	start, head, raw      Mem             // bytes
	first, rest           Mem             // bytes, of all lanes
}

// search256 is search512 for AVX2.
func search256(name string, width int) {
	TEXT(name, NOSPLIT, "func(d, z, ctx, src *byte, size, rounds, lanes int) (done, read int)")
	Pragma("noescape")
	Doc(name + " decodes up to rounds rounds while at least 512 of the size bytes at src are left.")
	s := &searcher256{d: Load(Param("d"), GP64()), z: Load(Param("z"), GP64()), ctx: Load(Param("ctx"), GP64()), src: Load(Param("src"), GP64()),
		perms: GP64(), width: width, low: ymm[15], ones: ymm[14], any: ymm[12]}
	end := GP64()
	Load(Param("size"), end)
	ADDQ(s.src, end)
	rounds := Load(Param("rounds"), GP64())
	lanes := Load(Param("lanes"), GP64())
	start, done := GP64(), GP64()
	MOVQ(s.src, start)
	XORQ(done, done)
	LEAQ(wordsOfMask(), s.perms)
	SUBQ(U32(512), end)
	s.bits, s.slot, s.freq = AllocLocal(32), AllocLocal(128), AllocLocal(64)
	s.start, s.head, s.raw = AllocLocal(32), AllocLocal(32), AllocLocal(32)
	s.first, s.rest = AllocLocal(64), AllocLocal(64)
	dwords256(1<<15, s.low)
	VPCMPEQD(s.ones, s.ones, s.ones)
	CMPQ(lanes, U8(32))
	JEQ(LabelRef("lanes32"))
	JL(LabelRef("lanes16"))
	for _, lanes := range []int{64, 32, 16} {
		suffix := map[int]string{64: "64", 32: "32", 16: "16"}[lanes]
		groups := lanes / 8
		Label("lanes" + suffix)
		CMPQ(rounds, done)
		JLE(LabelRef("finish"))
		CMPQ(s.src, end)
		JA(LabelRef("finish"))
		VPXOR(s.any, s.any, s.any)
		for half := range (lanes + 31) / 32 {
			s.symbols(half, min(groups, 4))
			for g := range min(groups, 4) {
				s.step(4*half, g)
			}
		}
		VPTEST(s.any, s.any)
		JNE(LabelRef("more" + suffix))
		Label("next" + suffix)
		ADDQ(U8(lanes), s.ctx)
		ADDQ(U32(lanes*width/8), s.z)
		INCQ(done)
		JMP(LabelRef("lanes" + suffix))

		Label("more" + suffix)
		s.more(groups, 0)
		if width == 32 {
			s.more(groups, 15)
		}
		JMP(LabelRef("next" + suffix))
	}
	Label("finish")
	SUBQ(start, s.src)
	Store(done, ReturnIndex(0))
	Store(s.src, ReturnIndex(1))
	VZEROUPPER()
	RET()
}

// broadcast loads sixteen bytes of the decoder twice.
func (s *searcher256) broadcast(at int, y reg.VecPhysical) {
	VBROADCASTI128(Mem{Base: s.d, Disp: at}, y)
}

// symbols searches the symbols of 32 lanes, of which groups of eight are there,
// and leaves in memory what there is to know of them.
func (s *searcher256) symbols(half, groups int) {
	c, t, sat, index := ymm[0], ymm[1], ymm[2], ymm[3]
	bits := ymm[4]
	if groups < 4 {
		VMOVDQU(Mem{Base: s.ctx}, c.AsX())
	} else {
		VMOVDQU(Mem{Base: s.ctx, Disp: 32 * half}, c)
	}
	// The table's number: of each quarter of the contexts, then by bits 4 and 5.
	s.choose(decNumber, 4, c, t, []reg.VecPhysical{ymm[4], ymm[5], ymm[6], ymm[7]})
	s.broadcast(decTableBits, bits)
	VPSHUFB(t, bits, bits)
	VMOVDQU(bits, s.bits)
	for g := range groups {
		b, x := ymm[8], ymm[4+g]
		VPMOVZXBD(s.bits.Offset(8*g), b)
		VPSLLVD(b, s.ones, b)
		VPANDN(Mem{Base: s.d, Disp: decStates + 128*half + 32*g}, b, x)
		VMOVDQU(x, s.slot.Offset(32*g))
	}
	if groups < 4 {
		VPXOR(ymm[6], ymm[6], ymm[6])
		VPXOR(ymm[7], ymm[7], ymm[7])
	}
	VPACKUSDW(ymm[5], ymm[4], ymm[4])
	VPACKUSDW(ymm[7], ymm[6], ymm[6])
	VPACKUSWB(ymm[6], ymm[4], ymm[4])
	VMOVDQU(packedOrder(), ymm[5])
	VPERMD(ymm[4], ymm[5], sat)
	// Which four of the table's symbols, then which of these.
	VPADDB(t, t, index)
	VPADDB(index, index, index)
	first := ymm[9] // slot of the symbol: the highest that is not above the lane's
	VPXOR(first, first, first)
	for q := range 3 {
		y := ymm[4]
		s.broadcast(decTableQuarts+16*q, y)
		VPSHUFB(t, y, y)
		VPMAXUB(sat, y, ymm[5])
		VPCMPEQB(sat, ymm[5], ymm[5])
		VPSUBB(ymm[5], index, index)
		VPAND(ymm[5], y, y)
		VPMAXUB(y, first, first)
	}
	for k := range 3 {
		s.choose(decTableAfter+32*k, 2, index, ymm[10], []reg.VecPhysical{ymm[7], ymm[8]})
		VPMAXUB(sat, ymm[10], ymm[4+k])
		VPCMPEQB(sat, ymm[4+k], ymm[4+k])
		VPAND(ymm[4+k], ymm[10], ymm[10])
		VPMAXUB(ymm[10], first, first)
	}
	VMOVDQU(first, s.start)
	VPADDB(index, index, index)
	VPADDB(index, index, index)
	for k := range 3 {
		VPSUBB(ymm[4+k], index, index)
	}
	// Only a table's last symbol has a frequency of more than a byte.
	high := c
	s.broadcast(decTableLast, high)
	VPSHUFB(t, high, high)
	VPOR(repeated(0xf0f0f0f0), index, ymm[4])
	VPCMPEQB(s.ones, ymm[4], ymm[4])
	VPAND(ymm[4], high, high)
	all := []reg.VecPhysical{ymm[4], ymm[5], ymm[6], ymm[7], ymm[8], ymm[9], ymm[10], ymm[11]}
	s.choose(decFreqLo, 8, index, t, all)
	VPUNPCKLBW(high, t, ymm[4])
	VPUNPCKHBW(high, t, ymm[5])
	VMOVDQU(ymm[4], s.freq)
	VMOVDQU(ymm[5], s.freq.Offset(32))
	s.choose(decCode, 8, index, t, all)
	raw, now := ymm[5], ymm[4]
	VPAND(repeated(0x07070707), t, c)
	VMOVDQU(c, s.head)
	VPSRLW(U8(3), t, raw)
	VPAND(repeated(0x1f1f1f1f), raw, raw)
	VMOVDQU(raw, s.raw)
	VMOVDQU(repeated(0x0f0f0f0f), now)
	VPSUBB(s.bits, now, now)
	VPMINUB(raw, now, now)
	VMOVDQU(now, s.first.Offset(32*half))
	VPSUBB(now, raw, raw)
	VMOVDQU(raw, s.rest.Offset(32*half))
	if groups < 4 {
		VMOVDQU(raw.AsX(), raw.AsX()) // of lanes that are there
	}
	VPOR(raw, s.any, s.any)
}

// choose looks up index, below 16 times parts, in so many bytes of the decoder.
// It uses parts registers and, of more than two, dst.
func (s *searcher256) choose(at, parts int, index, dst reg.VecPhysical, temps []reg.VecPhysical) {
	for i := range parts {
		s.broadcast(at+16*i, temps[i])
		VPSHUFB(index, temps[i], temps[i])
	}
	for bit, n := 4, parts; n > 1; bit, n = bit+1, n/2 {
		VPSLLW(U8(7-bit), index, dst)
		for i := 0; i < n; i += 2 {
			to := temps[i/2]
			if n == 2 {
				to = dst
			}
			VPBLENDVB(dst, temps[i+1], temps[i], to)
		}
	}
}

// step takes the symbols found from eight states.
func (s *searcher256) step(before, g int) {
	x, t, f, raw, n, v := ymm[0], ymm[1], ymm[2], ymm[4], ymm[5], ymm[6]
	state := Mem{Base: s.d, Disp: decStates + 32*(before+g)}
	VPMOVZXBD(s.bits.Offset(8*g), t)
	VMOVDQU(state, x)
	VPSRLVD(t, x, x)
	// Words lie as they were unpacked.
	VPMOVZXWD(s.freq.Offset(32*(g&1)+16*(g>>1)), f)
	VPMULLD(f, x, x)
	VPADDD(s.slot.Offset(32*g), x, x)
	VPMOVZXBD(s.start.Offset(8*g), t)
	VPSUBD(t, x, x)
	VPMOVZXBD(s.raw.Offset(8*g), raw)
	VPMOVZXBD(s.first.Offset(8*(before+g)), n)
	VPMOVZXBD(s.head.Offset(8*g), v)
	VPSLLVD(raw, v, v)
	VPSLLVD(n, s.ones, t)
	VPANDN(x, t, t)
	VPOR(t, v, v)
	VPADDD(s.ones, v, v)
	VPSRLVD(n, x, x)
	renorm256(x, s.low, s.src, s.perms)
	VMOVDQU(x, state)
	if s.width == 32 {
		VMOVDQU(v, Mem{Base: s.z, Disp: 32 * (before + g)})
		return
	}
	s.words(v)
	VMOVDQU(v.AsX(), Mem{Base: s.z, Disp: 16 * (before + g)})
}

// words packs the low words of v.
func (s *searcher256) words(v reg.VecPhysical) {
	VPSHUFB(lowWords(), v, v)
	VPERMQ(U8(0x08), v, v)
}

// more takes up to fifteen of the further raw bits, from the at'th on.
func (s *searcher256) more(groups, at int) {
	x, n, first, b := ymm[0], ymm[4], ymm[5], ymm[6]
	for g := range groups {
		state := Mem{Base: s.d, Disp: decStates + 32*g}
		VPMOVZXBD(s.rest.Offset(8*g), n)
		VPMOVZXBD(s.first.Offset(8*g), first)
		if at > 0 {
			VPSUBUSW(repeated(uint32(at)), n, n)
			VPADDD(repeated(uint32(at)), first, first)
		}
		VPMINUD(repeated(15), n, n)
		VMOVDQU(state, x)
		VPSLLVD(n, s.ones, b)
		VPANDN(x, b, b)
		VPSLLVD(first, b, b)
		VPSRLVD(n, x, x)
		renorm256(x, s.low, s.src, s.perms)
		VMOVDQU(x, state)
		if s.width == 32 {
			to := Mem{Base: s.z, Disp: 32 * g}
			VPADDD(to, b, b)
			VMOVDQU(b, to)
			continue
		}
		to := Mem{Base: s.z, Disp: 16 * g}
		s.words(b)
		VPADDW(to, b.AsX(), b.AsX())
		VMOVDQU(b.AsX(), to)
	}
}

// packedOrder puts what VPACKUSDW and VPACKUSWB made of four vectors in order.
func packedOrder() Mem {
	b := make([]byte, 32)
	for i, d := range []byte{0, 4, 1, 5, 2, 6, 3, 7} {
		b[4*i] = d
	}
	return constant("packedOrder", b)
}

// lowWords picks the low words of each half.
func lowWords() Mem {
	b := make([]byte, 32)
	for i := range b {
		b[i] = 0x80
		if i&15 < 8 {
			b[i] = byte(i&7)>>1*4 + byte(i&1)
		}
	}
	return constant("lowWords", b)
}
