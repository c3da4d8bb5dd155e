package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets in laneEncoder.
const (
	encStates  = 0
	encTable   = 256
	encQuarter = encTable + 4*8*256
	encFirst   = encQuarter + 64
	encFreqLo  = encFirst + 4*64
	encFreqHi  = encFreqLo + 128
	encMostLo  = encFreqHi + 128
	encMostHi  = encMostLo + 128
	encBegin   = encMostHi + 128
	encPack    = encBegin + 128
	encRest    = encPack + 128
)

// A stepEncoder is what an encoder has in registers all along. The low and high
// words of 32 states lie apart. What is a byte for each lane lies such that
// unpacking to words sorts.
type stepEncoder struct {
	width, lanes            int
	e, ctx, symbols, z, dst reg.Register
	at, none                reg.GPVirtual   // where the symbols of the round after the next are, and 0
	minus                   reg.GPVirtual   // -1
	order                   reg.VecPhysical // of bytes, by eights
	zero, one               reg.VecPhysical // words
}

// Registers that values of rounds are in from one to the next.
var (
	heldLo, heldHi = zmm[0:2], zmm[2:4] // words of states
	heldIndex      = zmm[4]             // where the symbols of the next round are in the tables
	heldMost       = zmm[5:7]           // words that the high ones of states must stay below
	heldFreq       = zmm[7:9]
	heldWay        = zmm[9:11]  // raw bits that go with the symbol, bits of its table from bit 4, its first slot from bit 8
	heldRest       = zmm[11]    // bytes: the symbol's other raw bits
	heldQ          = zmm[12:14] // low words of quotients of the round before, or one more
	heldBits       = zmm[14:16] // and bits of the tables, in four bits
	heldMore       = reg.K1     // bytes of rest that are not 0
	heldBorrow     = reg.K2     // words of q that are 0
	heldOver       = zmm[16:18] // words, all ones where q was one more than the quotient
	lowLanes       = reg.K7     // the lowest 16
)

// encodeSteps512 encodes rounds of 16, 32 or 64 lanes of steps of width bits, the
// last first.
func encodeSteps512(name string, width int) {
	TEXT(name, NOSPLIT, "func(e, ctx, symbols, z, words *byte, at, rounds, lanes int, out *byte) (written int)")
	Pragma("noescape")
	Doc(name + " encodes rounds whole rounds, at least one, the last first, words before words[at], and returns the bytes written. It asks for as much from out on, which it does not change.")
	s := newStepEncoder(width)
	rounds := Load(Param("rounds"), GP64())
	lanes := Load(Param("lanes"), GP64())
	start := GP64()
	MOVQ(s.dst, start)
	// What is written will be copied to out: it is near by then, line by line.
	mirror := Load(Param("out"), GP64())
	ADDQ(s.dst, mirror)
	// Everything is read from the end.
	MOVQ(rounds, s.at)
	SUBQ(U8(1), s.at)
	IMULQ(lanes, s.at)
	LEAQ(Mem{Base: s.z, Index: s.at, Scale: uint8(width / 8)}, s.z)
	s.loadStates()
	CMPQ(lanes, U8(32))
	JEQ(LabelRef("lanes32"))
	JL(LabelRef("lanes16"))
	for _, lanes := range []int{64, 32, 16} {
		suffix := map[int]string{64: "64", 32: "32", 16: "16"}[lanes]
		s.lanes = lanes
		Label("lanes" + suffix)
		if lanes == 16 {
			r := GP32()
			MOVL(U32(1<<16-1), r)
			KMOVD(r, lowLanes)
		}
		s.begin()
		Label("round" + suffix)
		KORTESTQ(heldMore, heldMore)
		JNE(LabelRef("more" + suffix))
		s.body(false)
		Label("next" + suffix)
		if lanes == 64 {
			near := GP64()
			MOVQ(mirror, near)
			SUBQ(s.dst, near)
			PREFETCHT0(Mem{Base: near})
		}
		KORTESTD(heldBorrow, heldBorrow)
		JNE(LabelRef("borrow" + suffix))
		Label("borrowed" + suffix)
		SUBQ(U32(lanes*width/8), s.z)
		SUBQ(U8(lanes), s.at)
		CMOVQLT(s.none, s.at)
		SUBQ(U8(1), rounds)
		JNE(LabelRef("round" + suffix))
		JMP(LabelRef("finish"))
		Label("more" + suffix)
		if width == 32 {
			VMOVDQU64(repeated(0x0f0f0f0f), zmm[16])
			VPCMPUB(U8(6), zmm[16], heldRest, reg.K3)
			KORTESTQ(reg.K3, reg.K3)
			JNE(LabelRef("third" + suffix))
			Label("second" + suffix)
		}
		s.body(true)
		JMP(LabelRef("next" + suffix))
		if width == 32 {
			Label("third" + suffix)
			s.third()
			JMP(LabelRef("second" + suffix))
		}
		Label("borrow" + suffix)
		s.borrow()
		JMP(LabelRef("borrowed" + suffix))
	}
	Label("finish")
	s.storeStates()
	SUBQ(s.dst, start)
	Store(start, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

func newStepEncoder(width int) *stepEncoder {
	s := &stepEncoder{width: width, order: zmm[29], zero: zmm[30], one: zmm[31]}
	s.e = Load(Param("e"), GP64())
	s.ctx = Load(Param("ctx"), GP64())
	s.symbols = Load(Param("symbols"), GP64())
	s.z = Load(Param("z"), GP64())
	s.dst = Load(Param("words"), GP64())
	at := Load(Param("at"), GP64())
	LEAQ(Mem{Base: s.dst, Index: at, Scale: 2}, s.dst)
	s.minus, s.at, s.none = GP64(), GP64(), GP64()
	MOVQ(I32(-1), s.minus)
	XORQ(s.none, s.none)
	VMOVDQU64(unpackOrder(), s.order)
	VPXORQ(s.zero, s.zero, s.zero)
	words(1, s.one)
	return s
}

// loadStates splits the states.
func (s *stepEncoder) loadStates() {
	for h, lo := range heldLo {
		a, b, hi := zmm[12], zmm[13], heldHi[h]
		VMOVDQU64(Mem{Base: s.e, Disp: encStates + 128*h}, a)
		VMOVDQU64(Mem{Base: s.e, Disp: encStates + 128*h + 64}, b)
		VMOVDQU64(evenWords(), lo)
		VMOVDQU64(oddWords(), hi)
		VPERMI2W(b, a, lo)
		VPERMI2W(b, a, hi)
	}
}

// storeStates joins them.
func (s *stepEncoder) storeStates() {
	for h, lo := range heldLo {
		for half := range 2 {
			x := zmm[12]
			VMOVDQU64(pairedWords(half), x)
			VPERMI2W(heldHi[h], lo, x)
			VMOVDQU64(x, Mem{Base: s.e, Disp: encStates + 128*h + 64*half})
		}
	}
}

// A roundBlock is a block of a round, or part of one. What it has of 32 lanes is in
// order of the halves.
type roundBlock struct {
	*block
	*stepEncoder
	halves      int
	lo, hi, way [2]reg.VecVirtual
	plus        [2]reg.VecVirtual    // low words of steps and one more
	wide        [2][2]reg.VecVirtual // the same of 32 bits, 16 lanes each
	q           [2]reg.VecVirtual    // see heldQ
	rest        reg.VecVirtual       // bytes
	dst         reg.Register         // before what was written
}

// newBlock begins a block that may use vectors and masks.
func (s *stepEncoder) newBlock(vectors []reg.VecPhysical, masks ...reg.Physical) *roundBlock {
	if s.lanes > 16 {
		masks = append(masks, lowLanes)
	}
	return &roundBlock{block: newBlock(vectors, masks...), stepEncoder: s, halves: (s.lanes + 31) / 32}
}

// begin looks up the first round's symbols, and finds the second's.
func (s *stepEncoder) begin() {
	k := s.newBlock(zmm[18:29], reg.K3, reg.K4, reg.K5, reg.K6)
	k.lookup(k.search())
	k.emit()
	SUBQ(U8(s.lanes), s.at)
	CMOVQLT(s.none, s.at)
	k = s.newBlock(zmm[18:29], reg.K3, reg.K4, reg.K5, reg.K6)
	k.out(k.search(), heldIndex)
	k.emit()
	SUBQ(U8(s.lanes), s.at)
	CMOVQLT(s.none, s.at)
}

// body encodes a round, while it looks up the symbols of the next and finds those
// of the one after that.
func (s *stepEncoder) body(more bool) {
	k := s.newBlock(zmm[:29], reg.K1, reg.K2, reg.K3, reg.K4, reg.K5, reg.K6)
	k.dst = s.dst
	for h := range k.halves {
		k.lo[h], k.hi[h], k.way[h] = k.in(heldLo[h]), k.in(heldHi[h]), k.in(heldWay[h])
	}
	if more {
		k.rest = k.in(heldRest)
		k.portions()
	}
	for h := k.halves - 1; h >= 0; h-- {
		k.put(h)
	}
	k.MOVQ(k.dst, s.dst)
	zeros := k.K()
	if k.halves == 2 {
		q := k.ZMM()
		k.VPMINUW(k.q[0], k.q[1], q)
		k.VPTESTNMW(q, q, zeros)
	} else {
		k.VPTESTNMW(k.q[0], k.q[0], zeros)
	}
	k.out(zeros, heldBorrow)
	k.lookup(k.in(heldIndex))
	k.out(k.search(), heldIndex)
	k.emit()
}

// third encodes what raw bits come after fifteen further ones.
func (s *stepEncoder) third() {
	k := s.newBlock(zmm[12:29], reg.K3, reg.K4, reg.K5, reg.K6)
	k.dst = s.dst
	for h := range k.halves {
		k.lo[h], k.hi[h], k.way[h] = k.in(heldLo[h]), k.in(heldHi[h]), k.in(heldWay[h])
	}
	k.rest = k.in(heldRest)
	k.thirdPortions()
	k.MOVQ(k.dst, s.dst)
	for h := range k.halves {
		k.out(k.lo[h], heldLo[h])
		k.out(k.hi[h], heldHi[h])
		k.out(k.way[h], heldWay[h])
	}
	k.out(k.rest, heldRest)
	k.emit()
}

// bytes loads a byte for each lane.
func (k *roundBlock) bytes(from reg.Register) reg.VecVirtual {
	m := Mem{Base: from, Index: k.at, Scale: 1}
	z := k.ZMM()
	switch k.lanes {
	case 64:
		k.VPERMQ(m, k.order, z)
		return z
	case 32:
		k.VMOVDQU32(m, z.AsY())
	case 16:
		k.VMOVDQU32(m, z.AsX())
	}
	sorted := k.ZMM()
	k.VPERMQ(z, k.order, sorted)
	return sorted
}

// search returns where the symbols of a round are in the tables. Each step halves
// the symbols that it may be.
func (k *roundBlock) search() reg.VecVirtual {
	c, u, one, index := k.bytes(k.ctx), k.bytes(k.symbols), k.ZMM(), k.ZMM()
	k.VPADDB(repeated(0x01010101), u, one)
	k.VPERMB(Mem{Base: k.e, Disp: encQuarter}, c, index)
	for i, by := range []uint32{2, 1, 32, 64} {
		t, up := k.ZMM(), k.K()
		k.VPERMB(Mem{Base: k.e, Disp: encFirst + 64*i}, index, t)
		k.VPCMPUB(U8(5), t, one, up)
		k.VPADDB(repeated(0x01010101*by), index, up, index)
	}
	return index
}

// lookup looks up what is known of a round's symbols.
func (k *roundBlock) lookup(index reg.VecVirtual) {
	at := func(disp int) reg.VecVirtual {
		z := k.ZMM()
		k.VMOVDQU64(Mem{Base: k.e, Disp: disp}, z)
		k.VPERMT2B(Mem{Base: k.e, Disp: disp + 64}, index, z)
		return z
	}
	words := func(lo, hi int, held []reg.VecPhysical) {
		l, h := at(lo), at(hi)
		for i := range k.halves {
			k.out(k.unpacked(i, h, l), held[i])
		}
	}
	words(encMostLo, encMostHi, heldMost)
	words(encPack, encBegin, heldWay)
	rest, more := at(encRest), k.K()
	k.VPTESTMB(rest, rest, more)
	k.out(rest, heldRest)
	k.out(more, heldMore)
	words(encFreqLo, encFreqHi, heldFreq)
}

// unpacked returns words of the bytes lo and hi of 32 lanes.
func (k *roundBlock) unpacked(h int, hi, lo reg.Register) reg.VecVirtual {
	z := k.ZMM()
	if h == 0 {
		k.VPUNPCKLBW(hi, lo, z)
	} else {
		k.VPUNPCKHBW(hi, lo, z)
	}
	return z
}

// put encodes the symbols and first raw bits of 32 lanes.
func (k *roundBlock) put(h int) {
	lo, hi, way, f := k.lo[h], k.hi[h], k.way[h], k.in(heldFreq[h])
	// x >= f << (31 - bits - n), whose low word is zero
	k.push(h, k.atLeast(hi, k.in(heldMost[h])), way, k.value(h), way)
	// q = x / f, or one more: below 2^23, it is a whole number of the float's steps,
	// and converting x adds less than f.
	var quotients [2]reg.VecVirtual
	for i := range quotients {
		a, b, x, y, q := k.ZMM(), k.ZMM(), k.ZMM(), k.ZMM(), k.ZMM()
		if i == 0 {
			k.VPUNPCKLWD(k.zero, f, a)
			k.VPUNPCKLWD(hi, lo, x)
		} else {
			k.VPUNPCKHWD(k.zero, f, a)
			k.VPUNPCKHWD(hi, lo, x)
		}
		k.VCVTDQ2PS(a, b)
		k.VCVTDQ2PS_RU_SAE(x, y)
		k.VDIVPS_RZ_SAE(b, y, q)
		quotients[i] = k.ZMM()
		k.VCVTTPS2DQ(q, quotients[i])
	}
	q, product, over, more, right := k.ZMM(), k.ZMM(), k.ZMM(), k.ZMM(), k.ZMM()
	k.VMOVDQU64(unpackedWords(0), q)
	k.VPERMI2W(quotients[1], quotients[0], q)
	k.VMOVDQU64(unpackedWords(1), hi)
	k.VPERMI2W(quotients[1], quotients[0], hi)
	k.VPMULLW(f, q, product)
	k.VPSUBW(product, lo, lo) // the remainder, or below 0
	k.VPSRAW(U8(15), lo, over)
	k.VPADDW(f, lo, more)
	k.VPMINUW(more, lo, lo)
	k.VPADDW(over, q, right)
	begin, bits, up := k.ZMM(), k.ZMM(), k.ZMM()
	k.VPSRLW(U8(8), way, begin)
	k.VPSRLW(U8(4), way, bits)
	k.VPADDW(begin, lo, lo)
	k.VPSHLDVW(bits, right, hi)
	k.VMOVDQA64(right, up)
	k.VPSHLDVW(bits, k.zero, up)
	k.VPADDW(up, lo, lo)
	k.q[h] = q
	k.out(q, heldQ[h])
	k.out(over, heldOver[h])
	k.out(bits, heldBits[h])
	k.out(lo, heldLo[h])
	k.out(hi, heldHi[h])
}

// borrow takes from the high words of states what low words of quotients needed
// that were 0, and one more than the quotient, which is one in some 100,000.
func (s *stepEncoder) borrow() {
	b := zmm[18]
	for h := range (s.lanes + 31) / 32 {
		VPTESTNMW(heldQ[h], heldQ[h], reg.K3)
		VPTESTMW(heldOver[h], heldOver[h], reg.K3, reg.K3)
		VMOVDQA64(s.one, b)
		VPSHLDVW(heldBits[h], s.zero, b)
		VPSUBW(b, heldHi[h], reg.K3, heldHi[h])
	}
}

// atLeast returns the lanes in which x is at least y.
func (k *roundBlock) atLeast(x, y reg.Register) reg.OpmaskVirtual {
	m := k.K()
	if k.lanes == 16 {
		k.VPCMPUW(U8(5), y, x, lowLanes, m)
	} else {
		k.VPCMPUW(U8(5), y, x, m)
	}
	return m
}

// value returns the steps of 32 lanes, and one more: their low words.
func (k *roundBlock) value(h int) reg.VecVirtual {
	if k.plus[h] != nil {
		return k.plus[h]
	}
	v := k.ZMM()
	k.plus[h] = v
	switch {
	case k.width == 32:
		for q := range min(2, k.lanes/16) {
			x := k.ZMM()
			k.VMOVDQU64(repeated(1), x)
			k.VPADDD(Mem{Base: k.z, Disp: 128*h + 64*q}, x, x)
			k.wide[h][q] = x
		}
		k.pick(h, evenWords(), v)
	case k.lanes == 16:
		k.VPADDW(Mem{Base: k.z}, k.one.AsY(), v.AsY())
	default:
		k.VPADDW(Mem{Base: k.z, Disp: 64 * h}, k.one, v)
	}
	return v
}

// pick sets v to words of the steps of 32 lanes, and one more, of 32 bits.
func (k *roundBlock) pick(h int, words Mem, v reg.Register) {
	x := k.wide[h]
	if k.lanes == 16 {
		x[1] = x[0] // of lanes that nothing looks at
	}
	k.VMOVDQU64(words, v)
	k.VPERMI2W(x[1], x[0], v)
}

// push writes the low words of 32 lanes that full names, shifts these lanes down,
// and then pushes the highest n bits of those up to top of v to all states.
func (k *roundBlock) push(h int, full reg.OpmaskVirtual, n, v, top reg.Register) {
	count, mask, to := GP64(), GP64(), GP64()
	lo, hi, out, store := k.lo[h], k.hi[h], k.ZMM(), k.K()
	k.KMOVD(full, count.As32())
	k.VPCOMPRESSW_Z(lo, full, out)
	k.POPCNTL(count.As32(), count.As32())
	k.BZHIL(count.As32(), k.minus.As32(), mask.As32())
	k.KMOVD(mask.As32(), store)
	k.NEGQ(count)
	k.LEAQ(Mem{Base: k.dst, Index: count, Scale: 2}, to)
	k.dst = to
	k.VMOVDQU16(hi, full, lo)
	k.VPSUBW(hi, hi, full, hi)
	k.VMOVDQU16(out, store, Mem{Base: to})
	t := k.ZMM()
	k.VMOVDQA64(v, t)
	k.VPSHRDVW(top, v, t)
	k.VPSHLDVW(n, lo, hi)
	k.VPSHLDVW(n, t, lo)
}

// portions encodes further raw bits.
func (k *roundBlock) portions() {
	for h := k.halves - 1; h >= 0; h-- {
		if k.width == 16 {
			n, top := k.unpacked(h, k.rest, k.rest), k.ZMM()
			k.VPADDW(n, k.way[h], top)
			k.push(h, k.room(h, n), n, k.value(h), top)
			continue
		}
		n, few, v, more := k.unpacked(h, k.zero, k.rest), k.ZMM(), k.ZMM(), k.ZMM()
		k.VPMINUW(repeated(15<<16|15), n, few)
		k.VMOVDQA64(k.value(h), v)
		k.pick(h, oddWords(), more)
		k.VPSHRDVW(k.way[h], more, v)
		k.push(h, k.room(h, few), few, v, few)
	}
}

// thirdPortions encodes raw bits that come after fifteen further ones.
func (k *roundBlock) thirdPortions() {
	for h := k.halves - 1; h >= 0; h-- {
		n, left, head, more := k.unpacked(h, k.zero, k.rest), k.ZMM(), k.ZMM(), k.ZMM()
		k.VPSUBUSW(repeated(15<<16|15), n, left)
		k.VPSUBW(k.one, k.way[h], head)
		k.value(h)
		k.pick(h, oddWords(), more)
		k.VPSHRDVW(head, k.zero, more)
		k.push(h, k.room(h, left), left, more, left)
	}
}

// room returns the lanes that have no room for n raw bits.
func (k *roundBlock) room(h int, n reg.Register) reg.OpmaskVirtual {
	t := k.ZMM()
	// x >= 1 << (31 - n)
	k.VMOVDQU64(repeated(1<<31|1<<15), t)
	k.VPSHRDVW(n, k.zero, t)
	return k.atLeast(k.hi[h], t)
}

// unpackOrder is the order of eight bytes such that those unpacked to words, half
// by half, lie in the order that they had before.
func unpackOrder() Mem {
	b := make([]byte, 64)
	for i := range 8 {
		b[8*i] = byte(i/2 + 4*(i&1))
	}
	return constant("unpackOrder", b)
}

// unpackedWords picks the low or high words of dwords that were unpacked.
func unpackedWords(high int) Mem {
	b := make([]byte, 64)
	for i := range 32 {
		b[2*i] = byte(2*(i/8*4+i&3) + 32*(i/4&1) + high)
	}
	return constant("unpackedWords"+string(rune('0'+high)), b)
}
