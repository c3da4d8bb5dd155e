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
	encQuarts  = encBits + 64
	encAfter   = encQuarts + 3*64
	encFreqLo  = encAfter + 3*64
	encFreqHi  = encFreqLo + 128
	encStart   = encFreqHi + 128
	encRaw     = encStart + 128
)

// A stepEncoder is the registers of an encoder that searches symbols as the
// decoders do: by bytes, in two steps of one in four. What it finds becomes, for
// each lane, a dword
//
//	frequency | first raw bits<<13 | start<<16 | bits<<24
//
// of a vector for each sixteen lanes.
type stepEncoder struct {
	e, ctx, symbols, z, dst      reg.Register
	width                        int
	state, entry                 []reg.VecPhysical
	order                        reg.VecPhysical // of dwords, such that unpacking sorts
	ones, one, thirtyone, freq   reg.VecPhysical
	start, even, step, fifteen   reg.VecPhysical // start picks an entry's third byte
	freqLo, freqHi, starts, raws reg.VecPhysical // of tables 0 to 3
	minus                        reg.GPVirtual   // -1
}

// encodeSteps512 encodes rounds of 16, 32 or 64 lanes of steps of width bits, the
// last first.
func encodeSteps512(name string, width int) {
	TEXT(name, NOSPLIT, "func(e, ctx, symbols, z, words *byte, at, rounds, lanes int) (written int)")
	Pragma("noescape")
	Doc(name + " encodes rounds whole rounds, the last first, words before words[at], and returns the bytes written.")
	s := newStepEncoder(width)
	rounds := Load(Param("rounds"), GP64())
	lanes := Load(Param("lanes"), GP64())
	start, at := GP64(), GP64()
	MOVQ(s.dst, start)
	// Everything is read from the end.
	MOVQ(rounds, at)
	IMULQ(lanes, at)
	ADDQ(at, s.ctx)
	ADDQ(at, s.symbols)
	LEAQ(Mem{Base: s.z, Index: at, Scale: uint8(width / 8)}, s.z)
	for g := range s.state {
		VMOVDQU32(Mem{Base: s.e, Disp: encStates + 64*g}, s.state[g])
	}
	CMPQ(lanes, U8(32))
	JEQ(LabelRef("lanes32"))
	JL(LabelRef("lanes16"))
	for _, groups := range []int{4, 2, 1} {
		suffix := map[int]string{4: "64", 2: "32", 1: "16"}[groups]
		Label("lanes" + suffix)
		used := GP64() // which bytes are lanes
		MOVQ(U64(map[int]uint64{4: 1<<64 - 1, 2: 0x00ff00ff00ff00ff, 1: 0x000f000f000f000f}[groups]), used)
		KMOVQ(used, reg.K7)
		Label("round" + suffix)
		SUBQ(U8(1), rounds)
		JL(LabelRef("finish"))
		SUBQ(U8(16*groups), s.ctx)
		SUBQ(U8(16*groups), s.symbols)
		SUBQ(U32(16*groups*width/8), s.z)
		rest := s.entries(groups)
		JNE(LabelRef("more" + suffix))
		Label("symbols" + suffix)
		for h := (groups - 1) / 2; h >= 0; h-- {
			s.put(2*h, min(2, groups))
		}
		JMP(LabelRef("round" + suffix))
		Label("more" + suffix)
		s.more(groups, rest, suffix)
		JMP(LabelRef("symbols" + suffix))
	}
	Label("finish")
	for g := range s.state {
		VMOVDQU32(s.state[g], Mem{Base: s.e, Disp: encStates + 64*g})
	}
	SUBQ(s.dst, start)
	Store(start, ReturnIndex(0))
	VZEROUPPER()
	RET()
}

func newStepEncoder(width int) *stepEncoder {
	s := &stepEncoder{
		width: width, state: zmm[0:4], entry: zmm[4:8],
		order: zmm[20], ones: zmm[21], freq: zmm[22], thirtyone: zmm[23], start: zmm[24],
		freqLo: zmm[25], freqHi: zmm[26], starts: zmm[27], raws: zmm[28], even: zmm[29], step: zmm[30], fifteen: zmm[31],
		one: zmm[19],
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
	VMOVDQU64(evenWords(), s.even)
	VMOVDQU64(thirdBytes(), s.start)
	VPTERNLOGD(U8(0xff), s.ones, s.ones, s.ones)
	dwords(1, s.one)
	dwords(31, s.thirtyone)
	dwords(1<<13-1, s.freq)
	words(0x0101, s.step)
	words(0x0f0f, s.fifteen)
	VMOVDQU64(Mem{Base: s.e, Disp: encFreqLo}, s.freqLo)
	VMOVDQU64(Mem{Base: s.e, Disp: encFreqHi}, s.freqHi)
	VMOVDQU64(Mem{Base: s.e, Disp: encStart}, s.starts)
	VMOVDQU64(Mem{Base: s.e, Disp: encRaw}, s.raws)
	return s
}

// ordered loads a byte for each lane of groups, in the order that unpacking
// wants.
func (s *stepEncoder) ordered(at reg.Register, groups int, to reg.VecPhysical) {
	switch groups {
	case 4:
		VPERMD(Mem{Base: at}, s.order, to)
		return
	case 2:
		VMOVDQU32(Mem{Base: at}, to.AsY())
	case 1:
		VMOVDQU32(Mem{Base: at}, to.AsX())
	}
	VPERMD(to, s.order, to)
}

// entries sets s.entry, and returns how many raw bits of each lane do not go with
// the symbol; the flags say whether there are any.
func (s *stepEncoder) entries(groups int) (rest reg.VecPhysical) {
	c, u, index, bits := zmm[8], zmm[9], zmm[10], zmm[11]
	masks := []reg.OpmaskPhysical{reg.K1, reg.K2, reg.K3}
	s.ordered(s.ctx, groups, c)
	s.ordered(s.symbols, groups, u)
	VPSUBB(s.ones, u, u)
	VPERMB(Mem{Base: s.e, Disp: encQuarter}, c, index)
	VPERMB(Mem{Base: s.e, Disp: encBits}, c, bits)
	for q, k := range masks {
		VPERMB(Mem{Base: s.e, Disp: encQuarts + 64*q}, c, zmm[12+q])
		VPCMPUB(U8(5), zmm[12+q], u, k)
	}
	for _, k := range masks {
		VPADDB(s.step, index, k, index)
	}
	for q, k := range masks {
		VPERMB(Mem{Base: s.e, Disp: encAfter + 64*q}, index, zmm[12+q])
		VPCMPUB(U8(5), zmm[12+q], u, k)
	}
	VPSLLW(U8(2), index, index)
	for _, k := range masks {
		VPADDB(s.step, index, k, index)
	}
	lookup := func(lo reg.VecPhysical, at int, to reg.VecPhysical) {
		VMOVDQA64(index, to)
		VPERMI2B(Mem{Base: s.e, Disp: at + 64}, lo, to)
	}
	raw, freqLo, freqHi, start, n, t := zmm[12], zmm[13], zmm[14], zmm[15], zmm[16], zmm[17]
	lookup(s.raws, encRaw, raw)
	lookup(s.freqLo, encFreqLo, freqLo)
	lookup(s.freqHi, encFreqHi, freqHi)
	lookup(s.starts, encStart, start)
	VPSUBB(bits, s.fifteen, n)
	VPCMPUB(U8(6), n, raw, reg.K7, reg.K1)
	VPMINUB(raw, n, n)
	VPSUBB(n, raw, raw)
	VPSLLW(U8(5), n, n)
	VPORQ(n, freqHi, freqHi)
	VPUNPCKLBW(freqHi, freqLo, n)
	VPUNPCKLBW(bits, start, t)
	VPUNPCKLWD(t, n, s.entry[0])
	if groups > 1 {
		VPUNPCKHWD(t, n, s.entry[1])
	}
	if groups > 2 {
		VPUNPCKHBW(freqHi, freqLo, n)
		VPUNPCKHBW(bits, start, t)
		VPUNPCKLWD(t, n, s.entry[2])
		VPUNPCKHWD(t, n, s.entry[3])
	}
	KORTESTQ(reg.K1, reg.K1)
	return raw
}

// firstRaw sets n to how many raw bits go with the symbols of group g.
func (s *stepEncoder) firstRaw(g int, n reg.VecPhysical) {
	VPSRLW(U8(13), s.entry[g], n) // the high words' bits are below 32
}

// values sets v to the steps of group g, and one more.
func (s *stepEncoder) values(g int, v reg.VecPhysical) {
	if s.width == 32 {
		VPSUBD(s.ones, s.loadSteps(g), v)
		return
	}
	VPMOVZXWD(Mem{Base: s.z, Disp: 32 * g}, v)
	VPSUBD(s.ones, v, v)
}

func (s *stepEncoder) loadSteps(g int) reg.VecPhysical {
	v := zmm[18]
	VMOVDQU32(Mem{Base: s.z, Disp: 64 * g}, v)
	return v
}

// put encodes the symbols and first raw bits of n groups from first on.
func (s *stepEncoder) put(first, n int) {
	f := func(g int) reg.VecPhysical { return zmm[8+g-first] }
	raw := func(g int) reg.VecPhysical { return zmm[10+g-first] }
	bits := func(g int) reg.VecPhysical { return zmm[12+g-first] }
	a, b, t := zmm[14], zmm[15], zmm[16]
	full := []reg.OpmaskPhysical{reg.K1, reg.K2}
	for g := first; g < first+n; g++ {
		VPANDD(s.freq, s.entry[g], f(g))
		s.firstRaw(g, raw(g))
		VPSRLD(U8(24), s.entry[g], bits(g))
		// x >= f << (31 - bits - n)
		VPSUBD(bits(g), s.thirtyone, a)
		VPSUBD(raw(g), a, a)
		VPSLLVD(a, f(g), a)
		VPCMPUD(U8(5), a, s.state[g], full[g-first])
	}
	s.emit(first, n)
	for g := first; g < first+n; g++ {
		x := s.state[g]
		s.values(g, a)
		VPRORVD(raw(g), a, a)
		VPSHLDVD(raw(g), a, x)
		// x / f, by the quotient of floats, which may be one too many or too few. x is
		// below 2^31, the quotient below 2^23.
		VCVTDQ2PS(f(g), a)
		VCVTDQ2PS(x, b)
		VDIVPS(a, b, b)
		VCVTTPS2DQ(b, b)
		VPMULLD(f(g), b, a)
		VPSUBD(a, x, a)
		VPMOVD2M(a, reg.K1)
		VPCMPD(U8(5), f(g), a, reg.K2)
		// quotient << bits + remainder = x + quotient * (1 << bits - f)
		VPSLLVD(bits(g), s.one, t)
		VPSUBD(f(g), t, t)
		VPMULLD(t, b, b)
		VPSHUFB(s.start, s.entry[g], a)
		VPADDD(a, x, x)
		VPADDD(b, x, x)
		VPSUBD(t, x, reg.K1, x)
		VPADDD(t, x, reg.K2, x)
	}
}

// emit writes the low words of the lanes of one or two groups from first on, that
// K1 and K2 name, and shifts these lanes down.
func (s *stepEncoder) emit(first, n int) {
	w, all := zmm[14], reg.K3
	lo, hi := s.state[first], s.state[first+n-1]
	count, mask := GP64(), GP64()
	VMOVDQA64(s.even, w)
	VPERMI2W(hi, lo, w)
	if n == 1 {
		all = reg.K1
	} else {
		KUNPCKWD(reg.K1, reg.K2, all)
	}
	VPCOMPRESSWZ(w, all, w)
	KMOVD(all, count.As32())
	POPCNTL(count.As32(), count.As32())
	BZHIL(count.As32(), s.minus.As32(), mask.As32())
	KMOVD(mask.As32(), reg.K4)
	ADDQ(count, count)
	SUBQ(count, s.dst)
	VMOVDQU16(w, reg.K4, Mem{Base: s.dst})
	VPSRLD(U8(16), lo, reg.K1, lo)
	if n == 2 {
		VPSRLD(U8(16), hi, reg.K2, hi)
	}
}

// more encodes the rest of the raw bits, before the symbols.
func (s *stepEncoder) more(groups int, rest reg.VecPhysical, suffix string) {
	zero, lo, hi := zmm[8], zmm[9], zmm[10]
	left := []reg.VecPhysical{zmm[11], rest, zmm[13], zmm[15]}
	VPXORQ(zero, zero, zero)
	VPUNPCKLBW(zero, rest, lo)
	VPUNPCKHBW(zero, rest, hi)
	VPUNPCKLWD(zero, lo, left[0])
	VPUNPCKHWD(zero, lo, left[1])
	VPUNPCKLWD(zero, hi, left[2])
	VPUNPCKHWD(zero, hi, left[3])
	if s.width == 32 { // the last portion first
		t, any := zmm[8], zmm[9]
		dwords(15, t)
		VMOVDQA32(left[0], any)
		for g := 1; g < groups; g++ {
			VPMAXUD(left[g], any, any)
		}
		VPCMPUD(U8(6), t, any, reg.K1)
		KORTESTW(reg.K1, reg.K1)
		JEQ(LabelRef("second" + suffix))
		for h := (groups - 1) / 2; h >= 0; h-- {
			s.portion(2*h, min(2, groups), left, 15)
		}
		Label("second" + suffix)
	}
	for h := (groups - 1) / 2; h >= 0; h-- {
		s.portion(2*h, min(2, groups), left, 0)
	}
}

// portion encodes up to fifteen of the raw bits that are left, of n groups from
// first on, from the at'th bit on.
func (s *stepEncoder) portion(first, n int, left []reg.VecPhysical, at int) {
	bits := func(g int) reg.VecPhysical { return zmm[9+g-first] }
	t, fifteen := zmm[14], zmm[8]
	dwords(15, fifteen)
	full := []reg.OpmaskPhysical{reg.K1, reg.K2}
	for g := first; g < first+n; g++ {
		if at > 0 {
			VPSUBUSW(fifteen, left[g], bits(g))
			VPMINUD(fifteen, bits(g), bits(g))
		} else {
			VPMINUD(fifteen, left[g], bits(g))
		}
		// x >= 1 << (31 - n)
		VPSUBD(bits(g), s.thirtyone, t)
		VPSLLVD(t, s.one, t)
		VPCMPUD(U8(5), t, s.state[g], full[g-first])
	}
	s.emit(first, n)
	for g := first; g < first+n; g++ {
		s.values(g, t)
		s.firstRaw(g, fifteen)
		VPSRLVD(fifteen, t, t)
		if at > 0 {
			VPSRLD(U8(at), t, t)
		}
		VPRORVD(bits(g), t, t)
		VPSHLDVD(bits(g), t, s.state[g])
	}
}

// unpackOrder is the order of sixteen dwords such that bytes unpacked to dwords,
// half by half, lie in the order that they had before.
func unpackOrder() Mem {
	b := make([]byte, 64)
	for q := range 4 {
		for r := range 4 {
			b[4*(4*q+r)] = byte(4*r + q)
		}
	}
	return constant("unpackOrder", b)
}

// thirdBytes picks the third byte of each dword.
func thirdBytes() Mem {
	b := make([]byte, 64)
	for i := range 16 {
		b[4*i] = byte(4*(i&3) + 2)
		b[4*i+1], b[4*i+2], b[4*i+3] = 0x80, 0x80, 0x80
	}
	return constant("thirdBytes", b)
}
