package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Offsets in laneDecoder.
const (
	decStates = 0
	decOf     = 256
	decBits   = decOf + 64
	decQuarts = decBits + 64
	decStart  = decQuarts + 3*64
	decAfter  = decStart + 128
	decFreqLo = decAfter + 3*128
	decFreqHi = decFreqLo + 128
	decCode   = decFreqHi + 128
	decQuads  = decCode + 128
	decPlane  = decQuads + 64 + (1+2+1+3)*16 + (3+4)*32 + 4
)

// A searcher is the registers of a decoder that searches symbols. The low and
// high words of 32 states lie apart. What is a byte for each lane lies so that
// the words' low bytes are the first 32 lanes', and the high bytes the others'.
type searcher struct {
	d                                  reg.Register
	weave                              reg.VecPhysical // what lies in order to such bytes
	ones, low, w255, one, three        reg.VecPhysical
	rawMask, fifteen, top              reg.VecPhysical
	start, freqLo, freqHi, code        reg.VecPhysical // of tables 0 to 3
	after                              [3]reg.VecPhysical
	lo, hi, slot, bits, value, valueHi [2]reg.VecPhysical
	lanes                              reg.OpmaskPhysical // of words
	bytes                              reg.OpmaskPhysical
}

// A floatKind is what floats of a decoder are like that takes contexts from them,
// and takes the steps.
type floatKind struct {
	name     string
	width    int
	exponent uint64 // its lowest bit
	mask     uint32
}

// search512 decodes rounds of 16, 32 or 64 lanes while at least 512 bytes of
// words are left: to steps, in contexts that are given, of width bits.
func search512(name string, width int) {
	TEXT(name, NOSPLIT, "func(d, z, ctx, src *byte, size, rounds, lanes int) (done, read int)")
	Pragma("noescape")
	Doc(name + " decodes up to rounds rounds while at least 512 of the size bytes at src are left.")
	d := Load(Param("d"), GP64())
	s := newSearcher(d)
	z := Load(Param("z"), GP64())
	ctx := Load(Param("ctx"), GP64())
	s.rounds(width, func(groups, lanes int) reg.VecPhysical {
		return s.woven(ctx, lanes)
	}, func(groups, lanes int) {
		for g := range groups {
			s.store(g, width, lanes, z)
		}
		ADDQ(U8(lanes), ctx)
		ADDQ(U32(lanes*width/8), z)
	})
}

// Offsets in byteKind.
const (
	byteShift = 0
	byteMask  = 16
	byteTop   = byteMask + 64
	byteLow   = byteTop + 64
)

// unzigzag16 makes differences of values that are one more than steps.
func (s *searcher) unzigzag16(z reg.VecPhysical) {
	VPADDW(s.ones, z, z)
	VPTESTMW(repeated(0x00010001), z, reg.K1)
	VPSRLW(U8(1), z, z)
	VPSUBW(z, s.ones, reg.K1, z) // ^z
}

// rounds is the body of a decoder: next gives a round's contexts, put takes its
// values.
func (s *searcher) rounds(width int, next func(groups, lanes int) reg.VecPhysical, put func(groups, lanes int)) {
	src := Load(Param("src"), GP64())
	end := GP64()
	Load(Param("size"), end)
	ADDQ(src, end)
	rounds := Load(Param("rounds"), GP64())
	lanes := Load(Param("lanes"), GP64())
	start, done := GP64(), GP64()
	MOVQ(src, start)
	XORQ(done, done)
	SUBQ(U32(512), end)
	CMPQ(lanes, U8(32))
	JEQ(LabelRef("lanes32"))
	JL(LabelRef("lanes16"))
	for _, lanes := range []int{64, 32, 16} {
		suffix := map[int]string{64: "64", 32: "32", 16: "16"}[lanes]
		groups := (lanes + 31) / 32
		Label("lanes" + suffix)
		s.masks(lanes)
		for g := range groups {
			s.loadStates(g)
		}
		Label("round" + suffix)
		CMPQ(rounds, done)
		JLE(LabelRef("finish" + suffix))
		CMPQ(src, end)
		JA(LabelRef("finish" + suffix))
		s.symbols(groups, next(groups, lanes), width, src)
		KORTESTQ(reg.K5, reg.K5)
		JNE(LabelRef("more" + suffix))
		Label("store" + suffix)
		put(groups, lanes)
		INCQ(done)
		JMP(LabelRef("round" + suffix))

		Label("more" + suffix)
		s.more(groups, width, src, "store"+suffix)
		JMP(LabelRef("store" + suffix))
		Label("finish" + suffix)
		for g := range groups {
			s.storeStates(g, lanes)
		}
		JMP(LabelRef("finish"))
	}
	Label("finish")
	SUBQ(start, src)
	Store(done, ReturnIndex(0))
	Store(src, ReturnIndex(1))
	VZEROUPPER()
	RET()
}

// woven loads a byte for each lane.
func (s *searcher) woven(at reg.Register, lanes int) reg.VecPhysical {
	c := zmm[0]
	switch lanes {
	case 64:
		VMOVDQU64(Mem{Base: at}, c)
	case 32:
		VMOVDQU32(Mem{Base: at}, c.AsY())
	case 16:
		VMOVDQU32(Mem{Base: at}, c.AsX())
	}
	VPERMB(c, s.weave, c)
	return c
}

// repeated is a vector of the dword x.
func repeated(x uint32) Mem {
	b := make([]byte, 64)
	for i := range b {
		b[i] = byte(x >> (8 * (i & 3)))
	}
	return constant(fmt.Sprintf("repeated%08x", x), b)
}

func newSearcher(d reg.Register) *searcher {
	s := &searcher{
		d: d, weave: zmm[31], ones: zmm[30], low: zmm[29], w255: zmm[29], three: zmm[28], one: zmm[27],
		rawMask: zmm[26], fifteen: zmm[25], start: zmm[24], freqLo: zmm[23], freqHi: zmm[22], code: zmm[21],
		lo: [2]reg.VecPhysical{zmm[17], zmm[18]}, hi: [2]reg.VecPhysical{zmm[19], zmm[20]},
		slot: [2]reg.VecPhysical{zmm[1], zmm[2]}, bits: [2]reg.VecPhysical{zmm[3], zmm[4]},
		value: [2]reg.VecPhysical{zmm[5], zmm[6]}, valueHi: [2]reg.VecPhysical{zmm[7], zmm[8]},
		lanes: reg.K7, bytes: reg.K6, top: zmm[16],
	}
	s.after = [3]reg.VecPhysical{zmm[13], zmm[14], zmm[15]}
	VMOVDQU64(weaveBytes(), s.weave)
	VPTERNLOGD(U8(0xff), s.ones, s.ones, s.ones)
	words(0xff, s.low)
	words(0x0303, s.three)
	words(0x0101, s.one)
	words(0x1f1f, s.rawMask)
	words(0x0f0f, s.fifteen)
	VMOVDQU64(Mem{Base: d, Disp: decStart}, s.start)
	VMOVDQU64(Mem{Base: d, Disp: decFreqLo}, s.freqLo)
	VMOVDQU64(Mem{Base: d, Disp: decFreqHi}, s.freqHi)
	VMOVDQU64(Mem{Base: d, Disp: decCode}, s.code)
	for k := range s.after {
		VMOVDQU64(Mem{Base: d, Disp: decAfter + 128*k}, s.after[k])
	}
	return s
}

// masks sets which words and bytes are lanes.
func (s *searcher) masks(lanes int) {
	r := GP64()
	MOVQ(U64(map[int]uint64{64: 1<<32 - 1, 32: 1<<32 - 1, 16: 1<<16 - 1}[lanes]), r)
	KMOVQ(r, s.lanes)
	MOVQ(U64(map[int]uint64{64: 1<<64 - 1, 32: 0x5555555555555555, 16: 0x55555555}[lanes]), r)
	KMOVQ(r, s.bytes)
}

// loadStates splits the states of 32 lanes.
func (s *searcher) loadStates(g int) {
	VMOVDQU64(Mem{Base: s.d, Disp: decStates + 128*g}, zmm[0])
	VMOVDQU64(Mem{Base: s.d, Disp: decStates + 128*g + 64}, zmm[1])
	VMOVDQU64(evenWords(), s.lo[g])
	VMOVDQU64(oddWords(), s.hi[g])
	VPERMI2W(zmm[1], zmm[0], s.lo[g])
	VPERMI2W(zmm[1], zmm[0], s.hi[g])
}

// storeStates joins them.
func (s *searcher) storeStates(g, lanes int) {
	for h := range 2 {
		VMOVDQU64(pairedWords(h), zmm[h])
		VPERMI2W(s.hi[g], s.lo[g], zmm[h])
		VMOVDQU64(zmm[h], Mem{Base: s.d, Disp: decStates + 128*g + 64*h})
		if lanes == 16 {
			break
		}
	}
}

// lookup replaces the symbols in index by what the table, of which lo is the
// first half, has for them.
func (s *searcher) lookup(lo reg.VecPhysical, at int, index reg.VecPhysical) {
	VPERMI2B(Mem{Base: s.d, Disp: at + 64}, lo, index)
}

// symbols takes a symbol and its first raw bits from each state, in the contexts
// c, and a word into each that is low then. Value is then one more than the step,
// but for further raw bits; the lanes that have some are in K5.
func (s *searcher) symbols(groups int, c reg.VecPhysical, width int, src reg.Register) {
	index, sat, t, bits := zmm[9], zmm[10], zmm[11], zmm[12]
	VPERMB(Mem{Base: s.d, Disp: decBits}, c, bits)
	VPERMB(Mem{Base: s.d, Disp: decOf}, c, index)
	VPANDQ(s.low, bits, s.bits[0])
	if groups == 2 {
		VPSRLW(U8(8), bits, s.bits[1])
	}
	for g := range groups {
		VPSLLVW(s.bits[g], s.ones, s.slot[g])
		VPANDNQ(s.lo[g], s.slot[g], s.slot[g])
	}
	VPMINUW(s.w255, s.slot[0], sat)
	if groups == 2 {
		VPMINUW(s.w255, s.slot[1], t)
		VPSLLW(U8(8), t, t)
		VPORQ(t, sat, sat)
	}
	// Which four of the table's sixteen symbols, then which of these: 3 less how
	// many of the first slots are higher.
	for q := range 3 {
		VPERMB(Mem{Base: s.d, Disp: decQuarts + 64*q}, c, zmm[5+q])
		VPSUBUSB(sat, zmm[5+q], zmm[5+q])
		VPMINUB(s.one, zmm[5+q], zmm[5+q])
	}
	VPADDB(zmm[5], zmm[6], zmm[6])
	VPADDB(zmm[6], zmm[7], zmm[7])
	VPSLLW(U8(2), zmm[7], zmm[7])
	VPSUBB(zmm[7], index, index)
	for k := range 3 {
		VMOVDQA64(index, zmm[5+k])
		s.lookup(s.after[k], decAfter+128*k, zmm[5+k])
		VPSUBUSB(sat, zmm[5+k], zmm[5+k])
		VPMINUB(s.one, zmm[5+k], zmm[5+k])
	}
	VPADDB(s.three, index, index)
	VPADDB(zmm[5], zmm[6], zmm[6])
	VPSUBB(zmm[7], index, index)
	VPSUBB(zmm[6], index, index)
	freqLo, freqHi, first, code := zmm[5], zmm[6], zmm[7], index
	VMOVDQA64(index, freqLo)
	VMOVDQA64(index, freqHi)
	VMOVDQA64(index, first)
	s.lookup(s.freqLo, decFreqLo, freqLo)
	s.lookup(s.freqHi, decFreqHi, freqHi)
	s.lookup(s.start, decStart, first)
	s.lookup(s.code, decCode, code)
	// What is a byte for each lane as words: frequencies, slots less the first.
	f, t := [2]reg.VecPhysical{zmm[8], freqHi}, zmm[11]
	VPSLLW(U8(8), freqHi, t)
	VMOVDQA64(freqLo, f[0])
	VPTERNLOGD(U8(0xea), t, s.low, f[0]) // f & low | t
	VPANDQ(s.low, first, t)
	VPSUBW(t, s.slot[0], s.slot[0])
	if groups == 2 {
		VPSRLW(U8(8), freqLo, t)
		VPTERNLOGD(U8(0xdc), s.low, t, f[1]) // f &^ low | t
		VPSRLW(U8(8), first, t)
		VPSUBW(t, s.slot[1], s.slot[1])
	}
	// Raw bits, all and those that are taken here.
	raw, head, n := zmm[12], zmm[10], zmm[11]
	VPSUBB(bits, s.fifteen, n)
	VPSRLW(U8(3), code, raw)
	VPANDQ(s.rawMask, raw, raw)
	VPANDQ(repeated(0x07070707), code, head)
	VPCMPUB(U8(6), n, raw, s.bytes, reg.K5)
	VPMINUB(raw, n, n)
	// The second group waits for where its words begin, so the first is done at
	// once.
	for g := range groups {
		s.advance(g, f[g])
		s.take(g, raw, head, n, width)
		s.renorm(g, src)
	}
}

// advance takes a symbol from the states of 32 lanes:
// x = frequency * (x >> bits) + slot, where slot is less the symbol's first.
func (s *searcher) advance(g int, f reg.VecPhysical) {
	y, lo, hi := zmm[9], s.lo[g], s.hi[g]
	VPSHRDVW(s.bits[g], hi, lo)
	VPSRLVW(s.bits[g], hi, y)
	VPMULLW(f, y, y)
	VPMULHUW(f, lo, hi)
	VPMULLW(f, lo, lo)
	VPADDW(y, hi, hi)
	// The carry: what is added is small, so only the highest bits tell.
	VPADDW(lo, s.slot[g], y)
	VPANDNQ(lo, y, lo)
	VPSRLW(U8(15), lo, lo)
	VPADDW(lo, hi, hi)
	VMOVDQA64(y, lo)
}

// take takes n of the symbols' raw bits from the states of 32 lanes, and makes
// values of these and head. What is a byte for each of all lanes is in raw, head
// and n.
func (s *searcher) take(g int, raw, head, n reg.VecPhysical, width int) {
	all, m := zmm[0], zmm[9]
	if g == 0 {
		VPANDQ(s.low, raw, all)
		VPANDQ(s.low, n, s.bits[0]) // from here on these are the raw bits
		VPANDQ(s.low, head, s.value[0])
	} else {
		VPSRLW(U8(8), raw, all)
		VPSRLW(U8(8), n, s.bits[1])
		VPSRLW(U8(8), head, s.value[1])
	}
	if width == 32 {
		// The high word: head << (all - 16), or head >> (16 - all).
		words(16, m)
		VPSUBW(all, m, s.slot[g])
		VPSRLVW(s.slot[g], s.value[g], s.valueHi[g])
		VPSUBW(m, all, s.slot[g])
		VPSLLVW(s.slot[g], s.value[g], s.slot[g])
		VPORQ(s.slot[g], s.valueHi[g], s.valueHi[g])
	}
	VPSLLVW(all, s.value[g], s.value[g])
	VPSLLVW(s.bits[g], s.ones, m)
	VPTERNLOGD(U8(0xf2), s.lo[g], m, s.value[g]) // value | ^m & lo
	VPSHRDVW(s.bits[g], s.hi[g], s.lo[g])
	VPSRLVW(s.bits[g], s.hi[g], s.hi[g])
	VPSUBW(s.bits[g], all, s.slot[g]) // and these how many are left
}

// renorm moves a word into each lane that is low.
func (s *searcher) renorm(g int, src reg.Register) {
	t, w := zmm[9], zmm[0]
	n := GP64()
	VMOVDQU64(Mem{Base: src}, w)
	VPSHLDW(U8(1), s.lo[g], s.hi[g], t)
	VPTESTNMW(t, t, s.lanes, reg.K1)
	VMOVDQU16(s.lo[g], reg.K1, s.hi[g])
	VPEXPANDW(w, reg.K1, s.lo[g])
	KMOVD(reg.K1, n.As32())
	POPCNTL(n.As32(), n.As32())
	LEAQ(Mem{Base: src, Index: n, Scale: 2}, src)
}

// more takes up to fifteen more raw bits, twice of steps of 32 bits.
func (s *searcher) more(groups, width int, src reg.Register, done string) {
	k, m, t := zmm[10], zmm[11], zmm[12]
	for portion := range width / 16 {
		words(15, m)
		for g := range groups {
			VPMINUW(m, s.slot[g], k)
			VPSUBW(k, s.slot[g], s.slot[g])
			VPSLLVW(k, s.ones, t)
			VPANDNQ(s.lo[g], t, t)
			VPSHRDVW(k, s.hi[g], s.lo[g])
			VPSRLVW(k, s.hi[g], s.hi[g])
			if portion == 1 { // behind the first and fifteen more
				VPADDW(s.ones, s.bits[g], s.bits[g])
				VPSLLVW(s.bits[g], t, t)
				VPORQ(t, s.valueHi[g], s.valueHi[g])
			} else {
				VPSLLVW(s.bits[g], t, k)
				VPORQ(k, s.value[g], s.value[g])
				if width == 32 {
					words(16, k)
					VPSUBW(s.bits[g], k, k)
					VPSRLVW(k, t, t)
					VPORQ(t, s.valueHi[g], s.valueHi[g])
				}
			}
			s.renorm(g, src)
			words(15, m)
		}
		if width == 32 && portion == 0 {
			VMOVDQA64(s.slot[0], k)
			if groups == 2 {
				VPORQ(s.slot[1], k, k)
			}
			VPTESTMW(k, k, s.lanes, reg.K1)
			KORTESTD(reg.K1, reg.K1)
			JEQ(LabelRef(done))
		}
	}
}

// store writes the steps of 32 lanes, or of 16.
func (s *searcher) store(g, width, lanes int, z reg.Register) {
	if width == 16 {
		VPADDW(s.ones, s.value[g], s.value[g])
		if lanes == 16 {
			VMOVDQU32(s.value[g].AsY(), Mem{Base: z})
		} else {
			VMOVDQU64(s.value[g], Mem{Base: z, Disp: 64 * g})
		}
		return
	}
	for h := range 2 {
		v := zmm[9]
		VMOVDQU64(pairedWords(h), v)
		VPERMI2W(s.valueHi[g], s.value[g], v)
		VPADDD(s.ones, v, v)
		VMOVDQU64(v, Mem{Base: z, Disp: 128*g + 64*h})
		if lanes == 16 {
			break
		}
	}
}

// weaveBytes sends byte i to 2i, and 32+i to 2i+1.
func weaveBytes() Mem {
	b := make([]byte, 64)
	for i := range 32 {
		b[2*i], b[2*i+1] = byte(i), byte(32+i)
	}
	return constant("weaveBytes", b)
}

// unweaveBytes undoes weaveBytes.
func unweaveBytes() Mem {
	b := make([]byte, 64)
	for i := range 32 {
		b[i], b[32+i] = byte(2*i), byte(2*i+1)
	}
	return constant("unweaveBytes", b)
}

// oddWords picks the odd words of two vectors.
func oddWords() Mem {
	b := make([]byte, 64)
	for i := range 32 {
		b[2*i] = byte(2*i + 1)
	}
	return constant("oddWords", b)
}

// pairedWords makes dwords of the low words in one vector and the high ones in
// another, of the first or second half.
func pairedWords(half int) Mem {
	b := make([]byte, 64)
	for i := range 16 {
		b[4*i], b[4*i+2] = byte(16*half+i), byte(32+16*half+i)
	}
	return constant("pairedWords"+string(rune('0'+half)), b)
}
