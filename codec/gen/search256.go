package main

import (
	"fmt"
	"math/bits"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets in quadTables.
const (
	quadNumber = 0
	quadMask   = quadNumber + 64
	quadScale  = quadMask + 16
	quadFirst  = quadScale + 2*16
	quadQuarts = quadFirst + 16
	quadAfter  = quadQuarts + 3*16
	quadCode   = quadAfter + 3*32
	quadFull   = quadCode + 4*32
	quadSize   = quadFull + 4
)

// Offsets in the frame of a kernel, which begins at a cache line: what lies across
// two takes longer. What there is of each half takes 32 bytes for each.
const (
	frameQuads = 0
	frameLo    = (quadSize + 63) &^ 63 // the low words of sixteen states, then their high words, four times
	frameHi    = frameLo + 32
	frameBits  = frameLo + 4*64  // raw bits: the low words
	frameHigh  = frameBits + 128 // and the high words
	frameFirst = frameHigh + 128 // how many raw bits are taken with the symbol
	frameRest  = frameFirst + 64 // and how many are left
	frameCode  = frameRest + 64
	frameTable = frameCode + 64  // the numbers of the contexts' tables
	frameMask  = frameTable + 64 // the high bytes of the slots' masks
	frameOver  = frameMask + 64  // the slots, or 255, flipped
	frameLast  = frameOver + 64  // which symbols are in their table's last four
	frameOnes  = frameLast + 64  // 2^first - 1
	frameScale = frameOnes + 64  // the high byte of 2^(16-first)
	frameSlots = frameScale + 64 // of sixteen lanes, four times
	frameTop   = frameSlots + 128
	frameSize  = frameTop + 32
)

// A searcher256 is where a decoder with AVX2 keeps what it knows of a round.
// Symbols are searched for 32 lanes at a time, in bytes; all else is done for
// sixteen, in words, the low and the high words of the states apart. AVX2 shifts
// all words of a vector alike: each by its own amount they are shifted by
// multiplication.
//
// Bytes of 32 lanes lie as VPACKUSWB packs two vectors of words, so that unpacking
// their low and high halves makes words in order.
type searcher256 struct {
	frame, src, places reg.Register
	left               reg.Register // rounds
	width              int
	labels             int
}

// search256 is decode512 for AVX2.
func search256(name string, width int) {
	TEXT(name, 0, "func(d, z, ctx, src *byte, size, rounds, lanes int) (done, read int)")
	Pragma("noescape")
	Doc(name + " decodes up to rounds rounds while at least 512 of the size bytes at src are left.")
	s := newSearcher256(width)
	z := Load(Param("z"), GP64())
	ctx := Load(Param("ctx"), GP64())
	s.rounds(func(half, lanes int, ahead bool) {
		from := s.ahead(ahead, ctx, func(further reg.Register) { SHLQ(U8(bits.Len(uint(lanes))-1), further) })
		s.packed(from, 32*half, lanes, ahead256[0])
	}, func(g int, lo, hi reg.VecPhysical) {
		s.store(g, lo, hi, z)
	}, func(lanes int) {
		ADDQ(U8(lanes), ctx)
		ADDQ(U32(lanes*width/8), z)
	})
}

// searchFloat256 is decodeFloat512 for AVX2.
func searchFloat256(f floatKind) {
	TEXT(f.name, 0, "func(d, dst, base, shift, src *byte, size, rounds, lanes, stride, top int) (done, read int)")
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
	VPBROADCASTB(reg.X0, ymm[0])
	VMOVDQA(ymm[0], s.at(frameTop))
	s.rounds(func(half, lanes int, ahead bool) {
		b := s.ahead(ahead, base, func(further reg.Register) { SHLQ(U8(bits.Len(uint(lanes*f.width/8))-1), further) })
		sh := s.ahead(ahead, shift, func(further reg.Register) { IMULQ(stride, further) })
		s.contexts(f, half, lanes, b, sh)
	}, func(g int, lo, hi reg.VecPhysical) {
		if f.width == 16 {
			s.walk16(g, lo, dst, base)
		} else {
			s.walk32(g, lo, hi, dst, base)
		}
	}, func(lanes int) {
		ADDQ(stride, shift)
		ADDQ(U32(lanes*f.width/8), base)
		ADDQ(U32(lanes*f.width/8), dst)
	})
}

func newSearcher256(width int) *searcher256 {
	s := &searcher256{frame: alignedFrame(frameSize), src: Load(Param("src"), GP64()), places: GP64(), left: GP64(), width: width}
	d := Load(Param("d"), GP64())
	for at := 0; at < quadSize; at += 32 { // and a few bytes after them
		VMOVDQU(Mem{Base: d, Disp: decQuads + at}, ymm[0])
		VMOVDQA(ymm[0], s.at(frameQuads+at))
	}
	for g := range 4 {
		s.splitStates(d, g)
	}
	LEAQ(placesOfMask(), s.places)
	return s
}

// alignedFrame returns where a kernel has size bytes that begin at a cache line.
func alignedFrame(size int) reg.Register {
	at := GP64()
	LEAQ(AllocLocal(size+64), at)
	ADDQ(U8(63), at)
	ANDQ(I8(-64), at)
	return at
}

// at is where the frame has something, of where it has the i'th of 32 bytes each.
func (s *searcher256) at(disp int) Mem    { return Mem{Base: s.frame, Disp: disp} }
func (s *searcher256) of(disp, i int) Mem { return s.at(disp + 32*i) }

// rounds is the body of a decoder: next puts the contexts of 32 lanes, or of 16
// twice, of this round or the one ahead, in the first register of ahead256; put
// takes the values of sixteen, one more than the steps, and after goes on to the
// next round.
//
// Contexts do not wait for states. So those of a round are looked up in the one
// before, where what does wait leaves room.
func (s *searcher256) rounds(next func(half, lanes int, ahead bool), put func(g int, lo, hi reg.VecPhysical), after func(lanes int)) {
	end := GP64()
	Load(Param("size"), end)
	ADDQ(s.src, end)
	SUBQ(U32(512), end)
	left := s.left
	Load(Param("rounds"), left)
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
		for half := range halves {
			next(half, lanes, false)
			s.tables(half)
		}
		Label("round" + suffix)
		TESTQ(left, left)
		JLE(LabelRef("finish"))
		CMPQ(s.src, end)
		JA(LabelRef("finish"))
		for half := range halves {
			s.slots(half, groups)
		}
		s.find(halves, groups)
		for half := range halves {
			next(half, lanes, true)
			s.tables(half)
			s.take(half, groups)
		}
		VMOVDQA(s.rest(0), ymm[0])
		if halves == 2 {
			VPOR(s.rest(1), ymm[0], ymm[0])
		}
		VPTEST(ymm[0], ymm[0])
		JNE(LabelRef("more" + suffix))
		Label("put" + suffix)
		for half := range halves {
			lo, hi := s.values(half, groups)
			for g := range groups {
				put(2*half+g, lo[g], hi[g])
			}
		}
		after(lanes)
		DECQ(left)
		JMP(LabelRef("round" + suffix))

		Label("more" + suffix)
		for portion := range s.width / 16 {
			if portion == 1 {
				VMOVDQA(s.rest(0), ymm[0])
				if halves == 2 {
					VPOR(s.rest(1), ymm[0], ymm[0])
				}
				VPTEST(ymm[0], ymm[0])
				JEQ(LabelRef("put" + suffix))
			}
			for half := range halves {
				s.more(half, groups, portion)
			}
		}
		JMP(LabelRef("put" + suffix))
	}
	Label("finish")
	done := GP64()
	Load(Param("d"), done)
	for g := range 4 {
		s.joinStates(done, g)
	}
	Load(Param("rounds"), done)
	SUBQ(left, done)
	Store(done, ReturnIndex(0))
	Load(Param("src"), done)
	SUBQ(done, s.src)
	Store(s.src, ReturnIndex(1))
	VZEROUPPER()
	RET()
}

// splitStates puts sixteen of d's states into the frame.
func (s *searcher256) splitStates(d reg.Register, g int) {
	lo, hi := ymm[0:2], ymm[2:4]
	for i := range 2 {
		VMOVDQU(Mem{Base: d, Disp: decStates + 64*g + 32*i}, lo[i])
		VPSRLD(U8(16), lo[i], hi[i])
		VPAND(repeated(0xffff), lo[i], lo[i])
	}
	for i, y := range [][]reg.VecPhysical{lo, hi} {
		VPACKUSDW(y[1], y[0], y[0])
		VPERMQ(U8(0xd8), y[0], y[0])
		VMOVDQA(y[0], s.at(frameLo+64*g+32*i))
	}
}

func (s *searcher256) joinStates(d reg.Register, g int) {
	VMOVDQA(s.lo(g), ymm[0])
	VMOVDQA(s.hi(g), ymm[1])
	paired256(ymm[0], ymm[1], ymm[2], ymm[3])
	for i := range 2 {
		VMOVDQU(ymm[2+i], Mem{Base: d, Disp: decStates + 64*g + 32*i})
	}
}

// lo and hi are the low and the high words of sixteen states, bits and high those
// of their raw bits; code is those of the symbols of 32, first and rest how many
// raw bits they have.
func (s *searcher256) lo(g int) Mem       { return s.at(frameLo + 64*g) }
func (s *searcher256) hi(g int) Mem       { return s.at(frameHi + 64*g) }
func (s *searcher256) bits(g int) Mem     { return s.at(frameBits + 32*g) }
func (s *searcher256) high(g int) Mem     { return s.at(frameHigh + 32*g) }
func (s *searcher256) code(half int) Mem  { return s.at(frameCode + 32*half) }
func (s *searcher256) first(half int) Mem { return s.at(frameFirst + 32*half) }
func (s *searcher256) rest(half int) Mem  { return s.at(frameRest + 32*half) }

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

// half256 is the registers that each half has to itself.
func half256(half int) []reg.VecPhysical { return ymm[8*half:][:8] }

// ahead256 is the registers for what is looked up ahead.
var ahead256 = []reg.VecPhysical{ymm[1], ymm[2], ymm[4], ymm[5], ymm[6], ymm[9]}

// ahead returns at, or where it is in the next round: further by what by makes of
// one. The last round has itself as the next.
func (s *searcher256) ahead(ahead bool, at reg.Register, by func(further reg.Register)) reg.Register {
	if !ahead {
		return at
	}
	further := GP64()
	XORL(further.As32(), further.As32())
	CMPQ(s.left, U8(1))
	SETNE(further.As8())
	by(further)
	ADDQ(at, further)
	return further
}

// contexts is floatContexts, but for those below 0: tables looks up 0 for them,
// which is the first context's table. A top is a byte.
func (s *searcher256) contexts(f floatKind, half, lanes int, base, shift reg.Register) {
	c, x, top := ahead256[0], ahead256[1:5], ahead256[5]
	per := 256 / f.width // elements of a vector
	vectors := min(32, lanes) / per
	for i := range vectors {
		VMOVDQU(Mem{Base: base, Disp: 32 * (half*32/per + i)}, x[i])
		if f.width == 16 {
			VPSRLW(U8(f.exponent), x[i], x[i])
			VPAND(repeated(f.mask<<16|f.mask), x[i], x[i])
		} else {
			VPSRLD(U8(f.exponent), x[i], x[i])
			VPAND(repeated(f.mask), x[i], x[i])
		}
	}
	depths := x[0]
	if f.width == 32 {
		// Sixteen lanes take their place twice.
		VPACKUSDW(x[1], x[0], x[0])
		if lanes > 16 {
			VPACKUSDW(x[3], x[2], x[2])
		}
		VPACKUSWB(x[min(2, vectors-2)], x[0], x[0])
		VMOVDQU(packedDwords(), x[1])
		VPERMD(depths, x[1], depths)
	} else {
		VPACKUSWB(x[vectors-1], x[0], depths)
	}
	VMOVDQA(s.at(frameTop), top)
	VPSUBUSB(depths, top, depths)
	VPMINUB(repeated(0x1f1f1f1f), depths, depths)
	VPADDB(depths, depths, depths)
	s.packed(shift, 32*half, lanes, c)
	VPADDB(depths, c, c)
	VPMINSB(repeated(0x3f3f3f3f), c, c)
}

// tables looks up which tables contexts have, and the masks of their slots.
func (s *searcher256) tables(half int) {
	c, table, t := ahead256[0], ahead256[1], ahead256[2]
	s.lookup(quadNumber, c, table)
	for i := 1; i < 4; i++ {
		VPSUBB(repeated(0x10101010), c, c)
		s.lookup(quadNumber+16*i, c, t)
		VPXOR(t, table, table)
	}
	VMOVDQA(table, s.of(frameTable, half))
	s.lookup(quadMask, table, t)
	VMOVDQA(t, s.of(frameMask, half))
}

// lookup sets y to what sixteen bytes of the tables have for index.
func (s *searcher256) lookup(at int, index, y reg.VecPhysical) {
	VBROADCASTI128(s.at(frameQuads+at), y)
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

// slots finds the states' slots. It leaves the tables in y[1], and in y[4] the
// lowest bytes of the slots, or 255, flipped.
func (s *searcher256) slots(half, groups int) {
	y := half256(half)
	table, mask, ones, slot := y[1], y[2], y[3], y[4:6]
	VMOVDQA(s.of(frameTable, half), table)
	VMOVDQA(s.of(frameMask, half), mask)
	VPCMPEQD(ones, ones, ones)
	for g := range groups {
		unpack(g, mask, ones, slot[g])
		VPAND(s.lo(2*half+g), slot[g], slot[g])
		VMOVDQA(slot[g], s.of(frameSlots, 2*half+g))
	}
	VPACKUSWB(slot[groups-1], slot[0], slot[0])
	VPXOR(ones, slot[0], slot[0])
	VMOVDQA(slot[0], s.of(frameOver, half))
}

// find searches the symbols of the slots. Halves take their steps in turn, since
// each waits for itself, and a processor does not look far enough ahead for the
// other. It leaves the first slots of the symbols in y[0], and frequency << (16 -
// bits) in y[3] and y[7].
//
// A first slot less one more than the lane's slot is, modulo 256, less than the
// lane's slot flipped if it is higher than the slot, and else at least that: so
// the most of all tells of the symbol, and the least of the next.
func (s *searcher256) find(halves, groups int) {
	each := func(fn func(h int, y []reg.VecPhysical)) {
		for h := range halves {
			fn(h, half256(h))
		}
	}
	const first, index, less, found, place, next = 5, 2, 0, 3, 6, 7
	compare := func(first, start int) {
		each(func(h int, y []reg.VecPhysical) { VPADDB(s.of(frameOver, h), y[first], y[first]) })
		each(func(h int, y []reg.VecPhysical) { VPMAXUB(y[first], y[start], y[place]) })
		if start == place {
			start = next
		}
		each(func(h int, y []reg.VecPhysical) { VPMINUB(y[first], y[start], y[next]) })
		each(func(h int, y []reg.VecPhysical) { VPCMPEQB(y[first], y[place], y[found]) })
	}
	each(func(h int, y []reg.VecPhysical) { VPADDB(y[1], y[1], y[index]) })
	each(func(h int, y []reg.VecPhysical) { VPADDB(y[index], y[index], y[index]) })
	// Which four of the table's symbols, then which of these.
	for q := range 3 {
		each(func(h int, y []reg.VecPhysical) { s.lookup(quadQuarts+16*q, y[1], y[first]) })
		if q == 0 {
			compare(first, 4)
		} else {
			compare(first, place)
		}
		each(func(h int, y []reg.VecPhysical) { VPSUBB(y[found], y[index], y[index]) })
	}
	each(func(h int, y []reg.VecPhysical) { VMOVDQA(y[found], s.of(frameLast, h)) })
	each(func(h int, y []reg.VecPhysical) { VPSUBB(repeated(0x10101010), y[index], y[less]) })
	const code = 1
	each(func(h int, y []reg.VecPhysical) { s.lookup32(quadCode, y[index], y[less], y[code], y[4]) })
	for k := range 3 {
		each(func(h int, y []reg.VecPhysical) { s.lookup32(quadAfter+32*k, y[index], y[less], y[3], y[4]) })
		compare(3, place)
		each(func(h int, y []reg.VecPhysical) { s.lookup32(quadCode+32*(k+1), y[index], y[less], y[4], y[5]) })
		each(func(h int, y []reg.VecPhysical) { VPBLENDVB(y[found], y[4], y[code], y[code]) })
	}
	s.factors(groups, each)
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

// packedDwords puts what VPACKUSDW and VPACKUSWB made of four vectors as VPACKUSWB
// alone would have made it of two.
func packedDwords() Mem {
	b := make([]byte, 32)
	for i, d := range []byte{0, 4, 2, 6, 1, 5, 3, 7} {
		b[4*i] = d
	}
	return constant("packedDwords", b)
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
