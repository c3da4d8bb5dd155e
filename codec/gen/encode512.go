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
	encBits    = encQuarter + 64
	encFirst   = encBits + 64
	encFreqLo  = encFirst + 4*64
	encFreqHi  = encFreqLo + 128
	encMostLo  = encFreqHi + 128
	encMostHi  = encMostLo + 128
	encBegin   = encMostHi + 128
	encHead    = encBegin + 128
	encRest    = encHead + 128
)

// A stepEncoder is the registers of an encoder. The low and high words of 32
// states lie apart. What is a byte for each lane lies such that unpacking to words
// sorts.
type stepEncoder struct {
	e, ctx, symbols, z, dst reg.Register
	width                   int
	lo, hi                  [2]reg.VecPhysical
	order                   reg.VecPhysical // of bytes, by eights
	zero, one               reg.VecPhysical // words
	index, bits             reg.VecPhysical // of the next round: symbols, and bits of their tables
	freqLo, freqHi          reg.VecPhysical // bytes for each lane
	mostLo, mostHi          reg.VecPhysical
	begin, head, rest, wide reg.VecPhysical
	minus                   reg.GPVirtual // -1
}

// encodeSteps512 encodes rounds of 16, 32 or 64 lanes of steps of width bits, the
// last first.
func encodeSteps512(name string, width int) {
	TEXT(name, NOSPLIT, "func(e, ctx, symbols, z, words *byte, at, rounds, lanes int) (written int)")
	Pragma("noescape")
	Doc(name + " encodes rounds whole rounds, at least one, the last first, words before words[at], and returns the bytes written.")
	s := newStepEncoder(width)
	rounds := Load(Param("rounds"), GP64())
	lanes := Load(Param("lanes"), GP64())
	start, at := GP64(), GP64()
	MOVQ(s.dst, start)
	// Everything is read from the end.
	MOVQ(rounds, at)
	SUBQ(U8(1), at)
	IMULQ(lanes, at)
	ADDQ(at, s.ctx)
	ADDQ(at, s.symbols)
	LEAQ(Mem{Base: s.z, Index: at, Scale: uint8(width / 8)}, s.z)
	s.loadStates()
	CMPQ(lanes, U8(32))
	JEQ(LabelRef("lanes32"))
	JL(LabelRef("lanes16"))
	for _, lanes := range []int{64, 32, 16} {
		suffix := map[int]string{64: "64", 32: "32", 16: "16"}[lanes]
		halves := (lanes + 31) / 32
		Label("lanes" + suffix)
		if lanes == 16 {
			r := GP32()
			MOVL(U32(1<<16-1), r)
			KMOVD(r, reg.K7)
		}
		byTurns(s.search(lanes))
		Label("round" + suffix)
		s.lookup()
		JNE(LabelRef("more" + suffix))
		Label("symbols" + suffix)
		back := GP64() // to the next round, if there is one
		XORQ(back, back)
		r := GP64()
		MOVQ(U32(lanes), r)
		CMPQ(rounds, U8(1))
		CMOVQNE(r, back)
		SUBQ(back, s.ctx)
		SUBQ(back, s.symbols)
		var streams [][]func()
		for h := halves - 1; h >= 0; h-- {
			streams = append(streams, s.put(h, lanes))
		}
		byTurns(append(streams, s.search(lanes))...)
		SUBQ(U32(lanes*width/8), s.z)
		SUBQ(U8(1), rounds)
		JNE(LabelRef("round" + suffix))
		JMP(LabelRef("finish"))
		Label("more" + suffix)
		s.more(lanes, suffix)
		JMP(LabelRef("symbols" + suffix))
	}
	Label("finish")
	s.storeStates()
	SUBQ(s.dst, start)
	Store(start, ReturnIndex(0))
	VZEROUPPER()
	RET()
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

func newStepEncoder(width int) *stepEncoder {
	s := &stepEncoder{
		width: width,
		lo:    [2]reg.VecPhysical{zmm[0], zmm[1]}, hi: [2]reg.VecPhysical{zmm[2], zmm[3]},
		freqLo: zmm[4], freqHi: zmm[5], mostLo: zmm[6], mostHi: zmm[7],
		begin: zmm[8], head: zmm[9], rest: zmm[10], wide: zmm[11],
		index: zmm[27], bits: zmm[28], order: zmm[29], zero: zmm[30], one: zmm[31],
	}
	s.e = Load(Param("e"), GP64())
	s.ctx = Load(Param("ctx"), GP64())
	s.symbols = Load(Param("symbols"), GP64())
	s.z = Load(Param("z"), GP64())
	s.dst = Load(Param("words"), GP64())
	at := Load(Param("at"), GP64())
	LEAQ(Mem{Base: s.dst, Index: at, Scale: 2}, s.dst)
	s.minus = GP64()
	MOVQ(I32(-1), s.minus)
	VMOVDQU64(unpackOrder(), s.order)
	VPXORQ(s.zero, s.zero, s.zero)
	words(1, s.one)
	return s
}

// loadStates splits the states.
func (s *stepEncoder) loadStates() {
	for h := range s.lo {
		a, b := zmm[12], zmm[13]
		VMOVDQU64(Mem{Base: s.e, Disp: encStates + 128*h}, a)
		VMOVDQU64(Mem{Base: s.e, Disp: encStates + 128*h + 64}, b)
		VMOVDQU64(evenWords(), s.lo[h])
		VMOVDQU64(oddWords(), s.hi[h])
		VPERMI2W(b, a, s.lo[h])
		VPERMI2W(b, a, s.hi[h])
	}
}

// storeStates joins them.
func (s *stepEncoder) storeStates() {
	for h := range s.lo {
		for half := range 2 {
			x := zmm[12]
			VMOVDQU64(pairedWords(half), x)
			VPERMI2W(s.hi[h], s.lo[h], x)
			VMOVDQU64(x, Mem{Base: s.e, Disp: encStates + 128*h + 64*half})
		}
	}
}

// load loads a byte for each lane.
func (s *stepEncoder) load(at reg.Register, lanes int, to reg.VecPhysical) {
	switch lanes {
	case 64:
		VPERMQ(Mem{Base: at}, s.order, to)
		return
	case 32:
		VMOVDQU32(Mem{Base: at}, to.AsY())
	case 16:
		VMOVDQU32(Mem{Base: at}, to.AsX())
	}
	VPERMQ(to, s.order, to)
}

// search sets index to where the symbols of a round are in the tables, and bits.
// Each step halves the symbols that it may be.
func (s *stepEncoder) search(lanes int) []func() {
	c, u, t := zmm[24], zmm[25], zmm[26]
	f := []func(){
		func() { s.load(s.ctx, lanes, c) },
		func() { s.load(s.symbols, lanes, u) },
		func() { VPERMB(Mem{Base: s.e, Disp: encQuarter}, c, s.index) },
		func() { VPADDB(repeated(0x01010101), u, u) },
		func() { VPERMB(Mem{Base: s.e, Disp: encBits}, c, s.bits) },
	}
	for k, by := range []uint32{2, 1, 32, 64} {
		f = append(f,
			func() { VPERMB(Mem{Base: s.e, Disp: encFirst + 64*k}, s.index, t) },
			func() { VPCMPUB(U8(5), t, u, reg.K5) },
			func() { VPADDB(repeated(0x01010101*by), s.index, reg.K5, s.index) },
		)
	}
	return f
}

// lookup sets what is known of a round's symbols; the flags say whether any of
// them has raw bits that do not go with it.
func (s *stepEncoder) lookup() {
	for _, x := range []struct {
		at int
		to reg.VecPhysical
	}{
		{encRest, s.rest}, {encHead, s.head}, {encMostLo, s.mostLo}, {encMostHi, s.mostHi},
		{encFreqLo, s.freqLo}, {encFreqHi, s.freqHi}, {encBegin, s.begin},
	} {
		VMOVDQU64(Mem{Base: s.e, Disp: x.at}, x.to)
		VPERMT2B(Mem{Base: s.e, Disp: x.at + 64}, s.index, x.to)
	}
	VPTESTMB(s.rest, s.rest, reg.K1)
	VMOVDQA64(s.bits, s.wide)
	KORTESTQ(reg.K1, reg.K1)
}

// unpackHalf makes words of the bytes lo and hi of 32 lanes.
func unpackHalf(h int, hi, lo, to reg.VecPhysical) {
	if h == 0 {
		VPUNPCKLBW(hi, lo, to)
	} else {
		VPUNPCKHBW(hi, lo, to)
	}
}

// A half is the registers and masks that 32 lanes use beside those of all.
type half struct {
	f, begin, bits, a, b, c reg.VecPhysical
	full, store             reg.OpmaskPhysical
}

func halfOf(h int) half {
	z := zmm[12+6*h : 18+6*h]
	return half{z[0], z[1], z[2], z[3], z[4], z[5], []reg.OpmaskPhysical{reg.K1, reg.K3}[h], []reg.OpmaskPhysical{reg.K2, reg.K4}[h]}
}

// put encodes the symbols and first raw bits of 32 lanes.
func (s *stepEncoder) put(h, lanes int) []func() {
	r := halfOf(h)
	lo, hi, f, n, v := s.lo[h], s.hi[h], r.f, r.a, r.b
	out := []func(){
		func() { unpackHalf(h, s.mostHi, s.mostLo, v) },
		func() { unpackHalf(h, s.head, s.head, n) },
		// x >= f << (31 - bits - n), whose low word is zero
		func() { s.atLeast(hi, v, lanes, r.full) },
	}
	out = append(out, s.emit(h, r)...)
	out = append(out, s.value(h, lanes, r, v, nil)...)
	out = append(out, s.push(h, n, n, v, r.c)...)
	return append(out,
		func() { unpackHalf(h, s.freqHi, s.freqLo, f) },
		func() { VPUNPCKLWD(s.zero, f, r.a) },
		func() { VPUNPCKLWD(hi, lo, r.b) },
		func() { VCVTDQ2PS(r.a, r.a) },
		func() { VCVTDQ2PS_RZ_SAE(r.b, r.b) },
		// x / f, below 2^23, or one less.
		func() { VDIVPS_RZ_SAE(r.a, r.b, r.b) },
		func() { VPUNPCKHWD(s.zero, f, r.a) },
		func() { VPUNPCKHWD(hi, lo, r.c) },
		func() { VCVTDQ2PS(r.a, r.a) },
		func() { VCVTDQ2PS_RZ_SAE(r.c, r.c) },
		func() { VDIVPS_RZ_SAE(r.a, r.c, r.c) },
		func() { VCVTTPS2DQ(r.b, r.b) },
		func() { VCVTTPS2DQ(r.c, r.c) },
		func() { VMOVDQU64(unpackedWords(0), r.a) },
		func() { VPERMI2W(r.c, r.b, r.a) },
		func() { VMOVDQU64(unpackedWords(1), hi) },
		func() { VPERMI2W(r.c, r.b, hi) },
		func() { VPMULLW(f, r.a, r.b) },
		func() { VPSUBW(r.b, lo, lo) },
		func() { VPCMPUW(U8(5), f, lo, r.full) },
		func() { VPADDW(s.one, r.a, r.full, r.a) },
		func() { VPTESTNMW(r.a, r.a, r.full, r.store) },
		func() { VPADDW(s.one, hi, r.store, hi) },
		func() { VPSUBW(f, lo, r.full, lo) },
		func() { unpackHalf(h, s.zero, s.begin, r.begin) },
		func() { unpackHalf(h, s.zero, s.wide, r.bits) },
		func() { VPADDW(r.begin, lo, lo) },
		func() { VPSHLDVW(r.bits, r.a, hi) },
		func() { VPSLLVW(r.bits, r.a, r.a) },
		func() { VPADDW(r.a, lo, lo) },
	)
}

// atLeast sets k to the lanes in which x is at least y.
func (s *stepEncoder) atLeast(x, y reg.VecPhysical, lanes int, k reg.OpmaskPhysical) {
	if lanes == 16 {
		VPCMPUW(U8(5), y, x, reg.K7, k)
	} else {
		VPCMPUW(U8(5), y, x, k)
	}
}

// value sets v to the steps of 32 lanes, and one more: their low words, and if they
// have high ones and more is not nil, these in more.
func (s *stepEncoder) value(h, lanes int, r half, v, more reg.VecPhysical) []func() {
	if s.width == 16 {
		return []func(){func() {
			if lanes == 16 {
				VPADDW(Mem{Base: s.z}, s.one.AsY(), v.AsY())
			} else {
				VPADDW(Mem{Base: s.z, Disp: 64 * h}, s.one, v)
			}
		}}
	}
	var out []func()
	for q, x := range []reg.VecPhysical{r.c, r.begin}[:min(2, lanes/16)] {
		out = append(out,
			func() { VMOVDQU64(repeated(1), x) },
			func() { VPADDD(Mem{Base: s.z, Disp: 128*h + 64*q}, x, x) },
		)
	}
	pick := func(words Mem, to reg.VecPhysical) {
		out = append(out,
			func() { VMOVDQU64(words, to) },
			func() { VPERMI2W(r.begin, r.c, to) },
		)
	}
	pick(evenWords(), v)
	if more != nil {
		pick(oddWords(), more)
	}
	return out
}

// push pushes the highest bits of those up to top of v to the states, n of them.
func (s *stepEncoder) push(h int, n, top, v, t reg.VecPhysical) []func() {
	return []func(){
		func() { VMOVDQA64(v, t) },
		func() { VPSHRDVW(top, v, t) },
		func() { VPSHLDVW(n, s.lo[h], s.hi[h]) },
		func() { VPSHLDVW(n, t, s.lo[h]) },
	}
}

// emit writes the low words of 32 lanes that r.full names, and shifts these lanes
// down.
func (s *stepEncoder) emit(h int, r half) []func() {
	count, mask, to := GP64(), GP64(), GP64()
	lo, hi := s.lo[h], s.hi[h]
	return []func(){
		func() { KMOVD(r.full, count.As32()) },
		func() { VPCOMPRESSWZ(lo, r.full, r.c) },
		func() { POPCNTL(count.As32(), count.As32()) },
		func() { BZHIL(count.As32(), s.minus.As32(), mask.As32()) },
		func() { KMOVD(mask.As32(), r.store) },
		func() { ADDQ(count, count) },
		func() {
			SUBQ(count, s.dst)
			MOVQ(s.dst, to)
		},
		func() { VMOVDQU16(hi, r.full, lo) },
		func() { VPSUBW(hi, hi, r.full, hi) },
		func() { VMOVDQU16(r.c, r.store, Mem{Base: to}) },
	}
}

// more encodes the rest of the raw bits, before the symbols.
func (s *stepEncoder) more(lanes int, suffix string) {
	portions := func(portion func(h, lanes int) []func()) {
		var streams [][]func()
		for h := (lanes+31)/32 - 1; h >= 0; h-- {
			streams = append(streams, portion(h, lanes))
		}
		byTurns(streams...)
	}
	if s.width == 16 {
		portions(s.portion16)
		return
	}
	VMOVDQU64(repeated(0x0f0f0f0f), zmm[12])
	VPCMPUB(U8(6), zmm[12], s.rest, reg.K1)
	KORTESTQ(reg.K1, reg.K1)
	JEQ(LabelRef("second" + suffix))
	portions(s.third32) // the last portion first
	Label("second" + suffix)
	portions(s.second32)
}

// portion16 encodes further raw bits of 32 lanes.
func (s *stepEncoder) portion16(h, lanes int) []func() {
	r := halfOf(h)
	n, top, v := r.a, r.f, r.b
	out := []func(){
		func() { unpackHalf(h, s.rest, s.rest, n) },
		func() { VPADDB(s.rest, s.head, top) },
		func() { unpackHalf(h, top, top, top) },
	}
	out = append(out, s.room(h, lanes, r, n, v)...)
	out = append(out, s.value(h, lanes, r, v, nil)...)
	return append(out, s.push(h, n, top, v, r.c)...)
}

// second32 encodes the raw bits of 32 lanes that come after the first.
func (s *stepEncoder) second32(h, lanes int) []func() {
	r := halfOf(h)
	n, head, v, more := r.a, r.f, r.b, r.bits
	out := []func(){
		func() { unpackHalf(h, s.zero, s.rest, n) },
		func() { VPMINUW(repeated(15<<16|15), n, n) },
		func() { unpackHalf(h, s.head, s.head, head) },
	}
	out = append(out, s.room(h, lanes, r, n, v)...)
	out = append(out, s.value(h, lanes, r, v, more)...)
	out = append(out, func() { VPSHRDVW(head, more, v) })
	return append(out, s.push(h, n, n, v, r.c)...)
}

// third32 encodes the raw bits of 32 lanes that come after fifteen more.
func (s *stepEncoder) third32(h, lanes int) []func() {
	r := halfOf(h)
	n, head, v, more := r.a, r.f, r.b, r.bits
	out := []func(){
		func() { unpackHalf(h, s.zero, s.rest, n) },
		func() { VPSUBUSW(repeated(15<<16|15), n, n) },
		func() { unpackHalf(h, s.zero, s.head, head) },
		func() { VPSUBW(s.one, head, head) },
	}
	out = append(out, s.room(h, lanes, r, n, v)...)
	out = append(out, s.value(h, lanes, r, v, more)...)
	out = append(out, func() { VPSHRDVW(head, s.zero, more) })
	return append(out, s.push(h, n, n, more, r.c)...)
}

// room makes room for n raw bits in 32 lanes.
func (s *stepEncoder) room(h, lanes int, r half, n, t reg.VecPhysical) []func() {
	return append([]func(){
		// x >= 1 << (31 - n)
		func() { VMOVDQU64(repeated(1<<31|1<<15), t) },
		func() { VPSHRDVW(n, s.zero, t) },
		func() { s.atLeast(s.hi[h], t, lanes, r.full) },
	}, s.emit(h, r)...)
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
