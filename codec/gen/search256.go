package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets in laneDecoder of what kernels with AVX2 look up: quadTables.
const (
	quadNumber = decQuads
	quadMask   = quadNumber + 64
	quadScale  = quadMask + 16
	quadFirst  = quadScale + 2*16
	quadQuarts = quadFirst + 16
	quadAfter  = quadQuarts + 3*16
	quadCode   = quadAfter + 3*32
	quadFull   = quadCode + 4*32
)

// A searcher256 is where a decoder with AVX2 keeps what it knows of a round.
// Symbols are searched for 32 lanes at a time, in bytes; all else is done for
// sixteen, in words, the low and the high words of the states apart, which lie so
// in the decoder while a kernel runs. AVX2 shifts all words of a vector alike:
// each by its own amount they are shifted by multiplication.
//
// Bytes of 32 lanes lie as VPACKUSWB packs two vectors of words, so that unpacking
// their low and high halves makes words in order.
type searcher256 struct {
	d, src, places reg.Register
	width          int
	top            Mem
	value, high    [4]Mem // one more than the step, its low and high words
	first, rest    [2]Mem // raw bits, of a half: those taken with the symbol, and those that are left
	labels         int
}

// search256 is search512 for AVX2.
func search256(name string, width int) {
	TEXT(name, NOSPLIT, "func(d, z, ctx, src *byte, size, rounds, lanes int) (done, read int)")
	Pragma("noescape")
	Doc(name + " decodes up to rounds rounds while at least 512 of the size bytes at src are left.")
	s := newSearcher256(width)
	z := Load(Param("z"), GP64())
	ctx := Load(Param("ctx"), GP64())
	s.rounds(func(half, lanes int) {
		s.packed(ctx, 32*half, lanes, ymm[0])
	}, func(lanes int) {
		for g := range lanes / 16 {
			s.store(g, z)
		}
		ADDQ(U8(lanes), ctx)
		ADDQ(U32(lanes*width/8), z)
	})
}

// searchFloat256 is searchFloat512 for AVX2.
func searchFloat256(f floatKind) {
	TEXT(f.name, NOSPLIT, "func(d, dst, base, shift, src *byte, size, rounds, lanes, stride, top int) (done, read int)")
	Pragma("noescape")
	Doc(f.name + " decodes up to rounds rounds while at least 512 of the size bytes at src are left. A round's shifts are stride bytes after the last one's.")
	s := newSearcher256(f.width)
	dst := Load(Param("dst"), GP64())
	base := Load(Param("base"), GP64())
	shift := Load(Param("shift"), GP64())
	stride := Load(Param("stride"), GP64())
	top := GP64()
	Load(Param("top"), top)
	VMOVD(top.As32(), reg.X0)
	if f.width == 16 {
		VPBROADCASTW(reg.X0, ymm[0])
	} else {
		VPBROADCASTD(reg.X0, ymm[0])
	}
	s.top = AllocLocal(32)
	VMOVDQU(ymm[0], s.top)
	s.rounds(func(half, lanes int) {
		s.contexts(f, half, lanes, base, shift)
	}, func(lanes int) {
		for g := range lanes / 16 {
			if f.width == 16 {
				s.walk16(g, dst, base)
			} else {
				s.walk32(g, dst, base)
			}
		}
		ADDQ(stride, shift)
		ADDQ(U32(lanes*f.width/8), base)
		ADDQ(U32(lanes*f.width/8), dst)
	})
}

func newSearcher256(width int) *searcher256 {
	s := &searcher256{d: Load(Param("d"), GP64()), src: Load(Param("src"), GP64()), places: GP64(), width: width}
	for g := range s.value {
		s.value[g] = AllocLocal(32)
		if width == 32 {
			s.high[g] = AllocLocal(32)
		}
	}
	for h := range s.first {
		s.first[h], s.rest[h] = AllocLocal(32), AllocLocal(32)
	}
	LEAQ(placesOfMask(), s.places)
	return s
}

// rounds is the body of a decoder: next puts the contexts of 32 lanes, or of 16
// twice, in ymm[0], put takes a round's values.
func (s *searcher256) rounds(next func(half, lanes int), put func(lanes int)) {
	end := GP64()
	Load(Param("size"), end)
	ADDQ(s.src, end)
	SUBQ(U32(512), end)
	left := Load(Param("rounds"), GP64())
	r := GP64()
	Load(Param("lanes"), r)
	CMPQ(r, U8(32))
	JEQ(LabelRef("lanes32"))
	JL(LabelRef("lanes16"))
	for _, lanes := range []int{64, 32, 16} {
		suffix := fmt.Sprint(lanes)
		halves := (lanes + 31) / 32
		groups := min(lanes, 32) / 16
		Label("lanes" + suffix)
		for g := range lanes / 16 {
			s.splitStates(g)
		}
		Label("round" + suffix)
		TESTQ(left, left)
		JLE(LabelRef("finish" + suffix))
		CMPQ(s.src, end)
		JA(LabelRef("finish" + suffix))
		for half := range halves {
			next(half, lanes)
			s.symbols(half, groups)
		}
		VMOVDQU(s.rest[0], ymm[0])
		if halves == 2 {
			VPOR(s.rest[1], ymm[0], ymm[0])
		}
		VPTEST(ymm[0], ymm[0])
		JNE(LabelRef("more" + suffix))
		Label("put" + suffix)
		put(lanes)
		DECQ(left)
		JMP(LabelRef("round" + suffix))

		Label("more" + suffix)
		for portion := range s.width / 16 {
			if portion == 1 {
				VMOVDQU(s.rest[0], ymm[0])
				if halves == 2 {
					VPOR(s.rest[1], ymm[0], ymm[0])
				}
				VPTEST(ymm[0], ymm[0])
				JEQ(LabelRef("put" + suffix))
			}
			for half := range halves {
				s.more(half, groups, portion)
			}
		}
		JMP(LabelRef("put" + suffix))
		Label("finish" + suffix)
		for g := range lanes / 16 {
			s.joinStates(g)
		}
		JMP(LabelRef("finish"))
	}
	Label("finish")
	done := GP64()
	Load(Param("rounds"), done)
	SUBQ(left, done)
	Store(done, ReturnIndex(0))
	Load(Param("src"), done)
	SUBQ(done, s.src)
	Store(s.src, ReturnIndex(1))
	VZEROUPPER()
	RET()
}

// lo and hi are the low and the high words of sixteen states.
func (s *searcher256) lo(g int) Mem { return Mem{Base: s.d, Disp: decStates + 64*g} }
func (s *searcher256) hi(g int) Mem { return Mem{Base: s.d, Disp: decStates + 64*g + 32} }

func (s *searcher256) splitStates(g int) {
	lo, hi := ymm[0:2], ymm[2:4]
	for i := range 2 {
		VMOVDQU(Mem{Base: s.d, Disp: decStates + 64*g + 32*i}, lo[i])
		VPSRLD(U8(16), lo[i], hi[i])
		VPAND(repeated(0xffff), lo[i], lo[i])
	}
	for i, y := range [][]reg.VecPhysical{lo, hi} {
		VPACKUSDW(y[1], y[0], y[0])
		VPERMQ(U8(0xd8), y[0], y[0])
		VMOVDQU(y[0], Mem{Base: s.d, Disp: decStates + 64*g + 32*i})
	}
}

func (s *searcher256) joinStates(g int) {
	VMOVDQU(s.lo(g), ymm[0])
	VMOVDQU(s.hi(g), ymm[1])
	paired256(ymm[0], ymm[1], ymm[2], ymm[3])
	VMOVDQU(ymm[2], s.lo(g))
	VMOVDQU(ymm[3], s.hi(g))
}

// paired256 makes dwords a, then b, of low and high words.
func paired256(lo, hi, a, b reg.VecPhysical) {
	VPUNPCKLWD(hi, lo, a)
	VPUNPCKHWD(hi, lo, b)
	inOrder(a, b, lo)
}

// packed loads a byte for each of 32 lanes, or of 16 twice.
func (s *searcher256) packed(at reg.Register, disp, lanes int, y reg.VecPhysical) {
	if lanes == 16 {
		VMOVDQU(Mem{Base: at}, y.AsX())
		VPERMQ(U8(0x50), y, y)
		return
	}
	VPERMQ(U8(0xd8), Mem{Base: at, Disp: disp}, y)
}

// contexts is that of searcher.
func (s *searcher256) contexts(f floatKind, half, lanes int, base, shift reg.Register) {
	c, words := ymm[0], ymm[2:4]
	for g := range min(2, lanes/16) {
		x := words[g]
		if f.width == 16 {
			VMOVDQU(Mem{Base: base, Disp: 64*half + 32*g}, x)
			VPSRLW(U8(f.exponent), x, x)
			VPAND(repeated(f.mask<<16|f.mask), x, x)
			VMOVDQU(s.top, ymm[4])
			VPSUBUSW(x, ymm[4], x)
			continue
		}
		for i, y := range []reg.VecPhysical{x, ymm[5]} {
			VMOVDQU(Mem{Base: base, Disp: 128*half + 64*g + 32*i}, y)
			VPSRLD(U8(f.exponent), y, y)
			VPAND(repeated(f.mask), y, y)
			VMOVDQU(s.top, ymm[4])
			VPSUBUSW(y, ymm[4], y)
		}
		VPACKUSDW(ymm[5], x, x)
		VPERMQ(U8(0xd8), x, x)
	}
	VPACKUSWB(words[min(2, lanes/16)-1], words[0], words[0])
	s.packed(shift, 32*half, lanes, c)
	VPMINUB(repeated(0x1f1f1f1f), words[0], words[0])
	VPADDB(words[0], words[0], words[0])
	VPADDB(words[0], c, c)
	VPXOR(ymm[1], ymm[1], ymm[1])
	VPMAXSB(ymm[1], c, c)
	VPMINSB(repeated(0x3f3f3f3f), c, c)
}

// lookup sets y to what sixteen bytes of the decoder have for index.
func (s *searcher256) lookup(at int, index, y reg.VecPhysical) {
	VBROADCASTI128(Mem{Base: s.d, Disp: at}, y)
	VPSHUFB(index, y, y)
}

// lookup32 does so in 32 bytes, of which the second half is XORed with the first;
// less is index - 16.
func (s *searcher256) lookup32(at int, index, less, y, t reg.VecPhysical) {
	s.lookup(at, index, y)
	s.lookup(at+16, less, t)
	VPXOR(t, y, y)
}

// constants256 looks up index in a table of sixteen bytes.
func constants256(name string, of func(i int) int, index, y reg.VecPhysical) {
	b := make([]byte, 32)
	for i := range b {
		b[i] = byte(of(i & 15))
	}
	VMOVDQU(constant(name, b), y)
	VPSHUFB(index, y, y)
}

// symbols takes a symbol and its first raw bits from the states of groups of
// sixteen lanes, in the contexts ymm[0].
func (s *searcher256) symbols(half, groups int) {
	c, table, mask := ymm[0], ymm[1], ymm[2]
	s.lookup(quadNumber, c, table)
	for i := 1; i < 4; i++ {
		VPSUBB(repeated(0x10101010), c, c)
		s.lookup(quadNumber+16*i, c, ymm[2])
		VPXOR(ymm[2], table, table)
	}
	// Slots, and their lowest bytes or 255.
	s.lookup(quadMask, table, mask)
	slot, sat := ymm[5:7], ymm[7]
	VPCMPEQD(ymm[3], ymm[3], ymm[3])
	for g := range groups {
		unpack(g, mask, ymm[3], slot[g])
		VPAND(s.lo(2*half+g), slot[g], slot[g])
	}
	VPACKUSWB(slot[groups-1], slot[0], sat)

	last, code := s.find(table, sat)
	// Of the slot's place among its symbol's, the symbol's frequency, and the first
	// of its slots: those of a table's last symbol are all that are left.
	place, next, start, freqHi := ymm[8], ymm[9], sat, ymm[4]
	VPSUBB(place, sat, start)
	VPSUBB(next, place, ymm[8])
	VPXOR(ymm[9], ymm[9], ymm[9])
	VPCMPEQB(start, ymm[9], freqHi)
	VPSUBB(freqHi, mask, freqHi)
	VPAND(last, freqHi, freqHi)
	s.lookup(quadScale, table, ymm[9])
	s.lookup(quadScale+16, table, ymm[10])
	factor := ymm[11:13] // frequency << (16 - bits)
	for g := range groups {
		unpack(g, freqHi, ymm[8], factor[g])
		unpack(g, ymm[10], ymm[9], ymm[13])
		VPMULLW(ymm[13], factor[g], factor[g])
	}

	raw, head, n := ymm[4], code, ymm[0]
	VPSRLW(U8(3), code, raw)
	VPAND(repeated(0x1f1f1f1f), raw, raw)
	VPAND(repeated(0x07070707), code, head)
	s.lookup(quadFirst, table, n)
	VPMINUB(raw, n, n)
	VPSUBB(n, raw, ymm[2])
	VMOVDQU(ymm[2], s.rest[half])
	VMOVDQU(n, s.first[half])
	value := []reg.VecPhysical{ymm[10], ymm[8]}
	s.heads(half, groups, head, raw, value)
	ones, scale := ymm[2], ymm[4]
	lowBits(n, ones)
	scaleDown(n, scale)

	hi, low := []reg.VecPhysical{ymm[0], ymm[14]}, ymm[11:13]
	for g := range groups {
		s.take(2*half+g, slot[g], start, factor[g], hi[g])
		zero := ymm[13]
		unpack(g, zero, ones, ymm[1])
		VPAND(slot[g], ymm[1], ymm[1])
		VPOR(ymm[1], value[g], value[g])
		VMOVDQU(value[g], s.value[2*half+g])
		unpack(g, scale, zero, ymm[1])
		shiftDown(slot[g], hi[g], ymm[1], zero, ymm[3], ymm[9])
		isLow(slot[g], hi[g], zero, low[g])
	}
	s.renorm(half, groups, slot, hi, low)
}

// find searches the symbols of slots sat. It leaves in ymm[8] the slots' places
// in their symbols, in ymm[9] how far the slots are, below 0, from the next
// symbol's first, and returns which symbols are last in their tables, and the
// symbols' codes.
func (s *searcher256) find(table, sat reg.VecPhysical) (last, code reg.VecPhysical) {
	place, next, index, less := ymm[8], ymm[9], ymm[10], ymm[0]
	found := ymm[11:14]
	last, code = ymm[14], ymm[3]
	VPADDB(table, table, index)
	VPADDB(index, index, index)
	// A slot less a first one that is higher is more than the slot, modulo 256: so
	// the least is that of the symbol, and the most that of the next.
	compare := func(first, t, place0, next0 reg.VecPhysical) {
		VPSUBB(first, sat, first)
		VPMINUB(first, place0, place)
		VPMAXUB(first, next0, next)
		VPCMPEQB(first, place, t)
	}
	// Which four of the table's symbols, then which of these.
	for q := range 3 {
		s.lookup(quadQuarts+16*q, table, ymm[3])
		if q == 0 {
			compare(ymm[3], last, sat, sat)
		} else {
			compare(ymm[3], last, place, next)
		}
		VPSUBB(last, index, index)
	}
	VPSUBB(repeated(0x10101010), index, less)
	for k := range 3 {
		s.lookup32(quadAfter+32*k, index, less, ymm[3], ymm[4])
		compare(ymm[3], found[k], place, next)
	}
	VPAND(found[2], last, last)
	s.lookup32(quadCode, index, less, code, ymm[4])
	for k := range 3 {
		s.lookup32(quadCode+32*(k+1), index, less, ymm[4], ymm[15])
		VPBLENDVB(found[k], ymm[4], code, code)
	}
	return last, code
}

// unpack makes words of the bytes of group g: low and high bytes.
func unpack(g int, high, low, y reg.VecPhysical) {
	if g == 0 {
		VPUNPCKLBW(high, low, y)
	} else {
		VPUNPCKHBW(high, low, y)
	}
}

// lowBits sets y to 2^n - 1 for n up to 8, and to 255 above.
func lowBits(n, y reg.VecPhysical) {
	constants256("lowBits", func(i int) int { return 1<<min(i, 8) - 1 }, n, y)
}

// scaleDown sets y to the high byte of 2^(16-n), or to 0 for n = 0.
func scaleDown(n, y reg.VecPhysical) {
	constants256("scaleDown", func(i int) int { return 1 << (16 - i) >> 8 }, n, y)
}

// powersBelow sets y to 2^n, or to 0 for n above 7.
func powersBelow(n, y reg.VecPhysical) {
	constants256("powersBelow", func(i int) int { return 1 << i }, n, y)
}

// heads sets value to head << raw.
func (s *searcher256) heads(half, groups int, head, raw reg.VecPhysical, value []reg.VecPhysical) {
	t, lo, hi, zero := ymm[2], ymm[9], ymm[13], ymm[14]
	VPADDUSB(repeated(0x70707070), raw, t) // PSHUFB gives 0 above 15
	pows := func(index reg.VecPhysical) {
		powersBelow(index, lo)
		constants256("powersAbove", func(i int) int { return 1 << i >> 8 }, index, hi)
	}
	pows(t)
	VPXOR(zero, zero, zero)
	for g := range groups {
		h := ymm[15]
		unpack(g, zero, head, h)
		unpack(g, hi, lo, t)
		VPMULLW(t, h, value[g])
		if s.width == 32 {
			VPMULHUW(t, h, h)
			VMOVDQU(h, s.high[2*half+g])
		}
	}
	if s.width == 16 {
		return
	}
	VPSUBB(repeated(0x10101010), raw, t)
	pows(t)
	for g := range groups {
		h := ymm[15]
		unpack(g, zero, head, h)
		unpack(g, hi, lo, t)
		VPMULLW(t, h, h)
		VPADDW(s.high[2*half+g], h, h)
		VMOVDQU(h, s.high[2*half+g])
	}
}

// take sets lo, which is the slot, and hi to frequency * (state >> bits) + slot -
// start, which is factor * (state - slot) >> 16 + slot - start. It leaves 0 in
// ymm[13].
func (s *searcher256) take(g int, lo, start, factor, hi reg.VecPhysical) {
	zero, t, u := ymm[13], ymm[1], ymm[3]
	VMOVDQU(s.hi(g), hi)
	VPXOR(zero, zero, zero)
	unpack(g&1, zero, start, t)
	VPSUBW(t, lo, t)
	VPXOR(s.lo(g), lo, lo)
	VPMULHUW(factor, lo, lo)
	VPADDW(t, lo, lo)
	VPMULLW(factor, hi, u)
	VPMULHUW(factor, hi, hi)
	VPADDW(u, lo, lo)
	VPSUBUSW(lo, u, u) // more than 0: the sum overflowed
	VPMINUW(repeated(1<<16|1), u, u)
	VPADDW(u, hi, hi)
	// A symbol that is alone in its table has a factor of 2^16, and takes nothing.
	CMPL(Mem{Base: s.d, Disp: quadFull}, U8(0))
	done := s.label()
	JEQ(LabelRef(done))
	VPCMPEQW(zero, factor, t)
	VPBLENDVB(t, s.lo(g), lo, lo)
	VPBLENDVB(t, s.hi(g), hi, hi)
	Label(done)
}

func (s *searcher256) label() string {
	s.labels++
	return fmt.Sprintf("label%d", s.labels)
}

// shiftDown shifts lo and hi by n; scale is 2^(16-n), or 0 for n = 0.
func shiftDown(lo, hi, scale, zero, t, u reg.VecPhysical) {
	VPMULHUW(scale, lo, t)
	VPMULLW(scale, hi, u)
	VPOR(u, t, t)
	VPMULHUW(scale, hi, u)
	VPCMPEQW(zero, scale, scale)
	VPBLENDVB(scale, lo, t, lo)
	VPBLENDVB(scale, hi, u, hi)
}

// isLow tells which states are below 2^15.
func isLow(lo, hi, zero, low reg.VecPhysical) {
	VPSRLW(U8(15), lo, low)
	VPOR(hi, low, low)
	VPCMPEQW(zero, low, low)
}

// renorm moves a word into each lane that is low, and puts the states away. It
// uses ymm[1] and ymm[3].
func (s *searcher256) renorm(half, groups int, lo, hi, low []reg.VecPhysical) {
	set, next := GP64(), GP64()
	VPACKSSWB(low[groups-1], low[0], ymm[1])
	VPMOVMSKB(ymm[1], set.As32())
	for g := range groups {
		w, at := ymm[1], ymm[3]
		a, b, n := GP64(), GP64(), GP64()
		if g == 1 {
			SHRL(U8(8), set.As32())
		}
		// Bits 0 to 7 are the first eight lanes', 16 to 23 the others'.
		MOVBLZX(set.As8(), a.As32())
		MOVL(set.As32(), b.As32())
		ANDL(U32(0xff0000), b.As32())
		POPCNTL(a.As32(), n.As32())
		VMOVDQU(Mem{Base: s.src}, w.AsX())
		VINSERTI128(U8(1), Mem{Base: s.src, Index: n, Scale: 2}, w, w)
		POPCNTL(b.As32(), next.As32())
		ADDL(n.As32(), next.As32())
		LEAQ(Mem{Base: s.src, Index: next, Scale: 2}, s.src)
		SHLL(U8(4), a.As32())
		SHRL(U8(12), b.As32())
		VMOVDQU(Mem{Base: s.places, Index: a, Scale: 1}, at.AsX())
		VINSERTI128(U8(1), Mem{Base: s.places, Index: b, Scale: 1}, at, at)
		VPSHUFB(at, w, w)
		VPBLENDVB(low[g], lo[g], hi[g], hi[g])
		VPBLENDVB(low[g], w, lo[g], lo[g])
		VMOVDQU(hi[g], s.hi(2*half+g))
		VMOVDQU(lo[g], s.lo(2*half+g))
	}
}

// more takes up to fifteen more raw bits.
func (s *searcher256) more(half, groups, portion int) {
	n, left, t, zero := ymm[0], ymm[2], ymm[1], ymm[13]
	masks, scales, up := ymm[4:6], ymm[6:8], ymm[8]
	VMOVDQU(s.rest[half], left)
	VPMINUB(repeated(0x0f0f0f0f), left, n)
	VPSUBB(n, left, left)
	VMOVDQU(left, s.rest[half])
	lowBits(n, masks[0])
	constants256("lowBitsAbove", func(i int) int { return 1<<max(i-8, 0) - 1 }, n, masks[1])
	constants256("scaleDownBelow", func(i int) int { return 1 << (16 - max(i, 1)) }, n, scales[0])
	scaleDown(n, scales[1])
	VMOVDQU(s.first[half], t)
	if portion == 1 { // behind the first and fifteen more
		VPCMPEQD(up, up, up)
		VPADDB(up, t, t)
	}
	powersBelow(t, up)
	VPXOR(zero, zero, zero)
	lo, hi, low := []reg.VecPhysical{ymm[9], ymm[10]}, []reg.VecPhysical{ymm[11], ymm[12]}, []reg.VecPhysical{ymm[14], ymm[15]}
	for g := range groups {
		at := 2*half + g
		VMOVDQU(s.lo(at), lo[g])
		VMOVDQU(s.hi(at), hi[g])
		bits, by := ymm[1], ymm[3]
		unpack(g, masks[1], masks[0], bits)
		VPAND(lo[g], bits, bits)
		unpack(g, zero, up, by)
		if portion == 0 {
			VPMULLW(by, bits, ymm[2])
			VPOR(s.value[at], ymm[2], ymm[2])
			VMOVDQU(ymm[2], s.value[at])
			if s.width == 32 {
				VPMULHUW(by, bits, ymm[2])
			}
		} else {
			VPMULLW(by, bits, ymm[2])
		}
		if s.width == 32 {
			VPADDW(s.high[at], ymm[2], ymm[2])
			VMOVDQU(ymm[2], s.high[at])
		}
		unpack(g, scales[1], scales[0], bits)
		shiftDown(lo[g], hi[g], bits, zero, ymm[2], ymm[3])
		isLow(lo[g], hi[g], zero, low[g])
	}
	s.renorm(half, groups, lo, hi, low)
}

// store writes the steps of sixteen lanes.
func (s *searcher256) store(g int, z reg.Register) {
	VPCMPEQD(ymm[4], ymm[4], ymm[4])
	VMOVDQU(s.value[g], ymm[0])
	if s.width == 16 {
		VPADDW(ymm[4], ymm[0], ymm[0])
		VMOVDQU(ymm[0], Mem{Base: z, Disp: 32 * g})
		return
	}
	VMOVDQU(s.high[g], ymm[1])
	paired256(ymm[0], ymm[1], ymm[2], ymm[3])
	for i := range 2 {
		VPADDD(ymm[4], ymm[2+i], ymm[2+i])
		VMOVDQU(ymm[2+i], Mem{Base: z, Disp: 64*g + 32*i})
	}
}

// walk16 writes the elements that are steps from base's.
func (s *searcher256) walk16(g int, dst, base reg.Register) {
	VMOVDQU(s.value[g], ymm[0])
	walked256(lanes256[16], ymm[0], Mem{Base: base, Disp: 32 * g}, 0x7fff7fff)
	VMOVDQU(ymm[0], Mem{Base: dst, Disp: 32 * g})
}

func (s *searcher256) walk32(g int, dst, base reg.Register) {
	VMOVDQU(s.value[g], ymm[0])
	VMOVDQU(s.high[g], ymm[1])
	paired256(ymm[0], ymm[1], ymm[4], ymm[5])
	for i := range 2 {
		walked256(lanes256[32], ymm[4+i], Mem{Base: base, Disp: 64*g + 32*i}, 0x7fffffff)
		VMOVDQU(ymm[4+i], Mem{Base: dst, Disp: 64*g + 32*i})
	}
}

// walked256 sets v, one more than steps, to the floats that are those steps from
// base's. The sign need not be flipped, as it would be twice.
func walked256(l lane256, v reg.VecPhysical, base Mem, magnitude uint32) {
	b, t := ymm[1], ymm[2]
	VPCMPEQD(t, t, t)
	l.add(t, v, v)
	l.left(U8(l.bits-1), v, t)
	l.signed(U8(l.bits-1), t, t)
	l.right(U8(1), v, v)
	VPXOR(t, v, v)
	VMOVDQU(base, b)
	for _, x := range []reg.VecPhysical{b, v} {
		l.signed(U8(l.bits-1), x, t)
		VPAND(repeated(magnitude), t, t)
		VPXOR(t, x, x)
		if x == b {
			l.add(b, v, v)
		}
	}
}

// placesOfMask has for each set of eight lanes which bytes of words each of its
// lanes takes, the first lane the first word, and 0x80 for the others.
func placesOfMask() Mem {
	b := make([]byte, 256*16)
	for set := range 256 {
		word := byte(0)
		for lane := range 8 {
			b[16*set+2*lane], b[16*set+2*lane+1] = 0x80, 0x80
			if set>>lane&1 == 1 {
				b[16*set+2*lane], b[16*set+2*lane+1] = 2*word, 2*word+1
				word++
			}
		}
	}
	return constant("placesOfMask", b)
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
