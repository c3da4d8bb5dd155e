package main

import (
	"fmt"
	"slices"

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
	decAfter  = decQuarts + 3*64
	decStart  = decAfter + 3*64
	decFreqLo = decStart + 128
	decFreqHi = decFreqLo + 128
	decFirst  = decFreqHi + 128
	decRest   = decFirst + 128
	decStep   = decRest + 128
	decQuads  = decStep + 4*128
	decPlane  = decQuads + 64 + (1+2+1+3)*16 + (3+4)*32 + 4
)

// A stepDecoder is what a decoder has in registers all along. The low and high
// words of 32 states lie apart. What is a byte for each lane lies such that
// unpacking to words sorts.
type stepDecoder struct {
	width, lanes    int
	d, src          reg.Register
	states          searcher
	last, next      reg.GPVirtual   // where the round before and the next one are, in elements
	order           reg.VecPhysical // of bytes, by eights
	zero, ones, top reg.VecPhysical // top: bytes, or unused
}

// Registers that values of rounds are in from one to the next.
var (
	decodedLo, decodedHi = zmm[2:4], zmm[4:6] // words of states
	decodedValue         = zmm[6:8]           // of the round before: words of steps and one more
	decodedHigh          = zmm[8:10]          // their high words, of steps of 32 bits
	decodedIndex         = zmm[27]            // where its symbols are in the tables
	decodedMore          = reg.K1             // bytes of symbols that have further raw bits
	aheadBits            = zmm[10]            // of the round's contexts: bits of their tables
	aheadOf              = zmm[11]            // the tables' numbers
	aheadQuarts          = zmm[12:15]         // first slots of symbols 4, 8 and 12
	decodedBytes         = reg.K6             // which bytes are lanes
	decodedWords         = reg.K7             // the lowest 16
)

// A decodedKind is what decoders differ in.
type decodedKind struct {
	contexts func(k *decodedBlock) reg.VecVirtual // of the next round
	put      func(k *decodedBlock)                // writes what the round before decoded
	further  func()                               // goes on to a next round
}

// A decodedBlock is a block of a round, or part of one. What it has of 32 lanes is
// in order of the halves.
type decodedBlock struct {
	*block
	*stepDecoder
	halves      int
	lo, hi      [2]reg.VecVirtual
	value, high [2]reg.VecVirtual // of the round before, and then of this one
	src         reg.Register      // behind the words that were taken
}

func (s *stepDecoder) newBlock(vectors []reg.VecPhysical) *decodedBlock {
	masks := []reg.Physical{reg.K1, reg.K2, reg.K3, reg.K4, reg.K5}
	return &decodedBlock{block: newBlock(vectors, masks...), stepDecoder: s, halves: (s.lanes + 31) / 32, src: s.src}
}

func newStepDecoder(width int) *stepDecoder {
	s := &stepDecoder{width: width, order: zmm[31], zero: zmm[30], ones: zmm[29], top: zmm[28]}
	s.d = Load(Param("d"), GP64())
	s.src = Load(Param("src"), GP64())
	s.states = searcher{d: s.d, lo: [2]reg.VecPhysical(decodedLo), hi: [2]reg.VecPhysical(decodedHi)}
	s.last, s.next = GP64(), GP64()
	VMOVDQU64(unpackOrder(), s.order)
	VPXORQ(s.zero, s.zero, s.zero)
	VPTERNLOGD(U8(0xff), s.ones, s.ones, s.ones)
	return s
}

// rounds is the body of a decoder. A round's contexts do not wait for states, and
// what it decodes nothing waits for: so while states go through a round, contexts of
// the next one are looked up, and what the one before decoded is written. Further raw
// bits are taken as the next round begins. The first round writes what is no one's,
// where it will write its own.
func (s *stepDecoder) rounds(kind decodedKind) {
	end := GP64()
	Load(Param("size"), end)
	ADDQ(s.src, end)
	SUBQ(U32(512), end)
	left := Load(Param("rounds"), GP64())
	lanes := Load(Param("lanes"), GP64())
	at := GP64()
	XORQ(s.last, s.last)
	XORQ(at, at)
	XORQ(s.next, s.next)
	CMPQ(lanes, U8(32))
	JEQ(LabelRef("lanes32"))
	JL(LabelRef("lanes16"))
	for _, lanes := range []int{64, 32, 16} {
		suffix := fmt.Sprint(lanes)
		s.lanes = lanes
		Label("lanes" + suffix)
		s.masks()
		for g := range (lanes + 31) / 32 {
			s.states.loadStates(g)
		}
		KXORQ(decodedMore, decodedMore, decodedMore)
		k := s.newBlock(zmm[10:28])
		k.ahead(kind.contexts(k))
		k.emit()
		JMP(LabelRef("begin" + suffix))

		Label("round" + suffix)
		CMPQ(s.src, end)
		JA(LabelRef("finish" + suffix))
		KORTESTQ(decodedMore, decodedMore)
		JNE(LabelRef("more" + suffix))
		Label("body" + suffix)
		s.body(kind, false)
		Label("next" + suffix)
		MOVQ(at, s.last)
		MOVQ(s.next, at)
		SUBQ(U8(1), left)
		JEQ(LabelRef("finish" + suffix))
		Label("begin" + suffix)
		CMPQ(left, U8(1)) // the last one has itself as the next
		JEQ(LabelRef("round" + suffix))
		ADDQ(U8(lanes), s.next)
		kind.further()
		JMP(LabelRef("round" + suffix))

		Label("more" + suffix)
		if s.width == 32 { // of which one block would need too many registers
			s.further()
			JMP(LabelRef("body" + suffix))
		} else {
			s.body(kind, true)
			JMP(LabelRef("next" + suffix))
		}

		Label("finish" + suffix)
		KORTESTQ(decodedMore, decodedMore)
		JEQ(LabelRef("put" + suffix))
		s.further()
		Label("put" + suffix)
		k = s.newBlock(zmm[6:28])
		k.values()
		kind.put(k)
		k.emit()
		for g := range (lanes + 31) / 32 {
			s.states.storeStates(g, lanes)
		}
		JMP(LabelRef("finish"))
	}
	Label("finish")
	done := Load(Param("rounds"), GP64())
	SUBQ(left, done)
	Store(done, ReturnIndex(0))
	start := Load(Param("src"), GP64())
	SUBQ(start, s.src)
	Store(s.src, ReturnIndex(1))
	VZEROUPPER()
	RET()
}

// masks sets which words and bytes are lanes.
func (s *stepDecoder) masks() {
	r := GP64()
	if s.lanes == 16 {
		MOVL(U32(1<<16-1), r.As32())
		KMOVD(r.As32(), decodedWords)
	}
	if s.lanes < 64 {
		b := uint64(0)
		for i := range s.lanes {
			b |= 1 << (i/8*16 + i%8)
		}
		MOVQ(U64(b), r)
		KMOVQ(r, decodedBytes)
	}
}

// A searcher is where the low and high words of 32 states are, twice.
type searcher struct {
	d      reg.Register
	lo, hi [2]reg.VecPhysical
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

// load begins with the states and with what the round before decoded.
func (k *decodedBlock) load() {
	for g := range k.halves {
		k.lo[g], k.hi[g] = k.in(decodedLo[g]), k.in(decodedHi[g])
	}
	k.values()
}

func (k *decodedBlock) values() {
	for g := range k.halves {
		k.value[g] = k.in(decodedValue[g])
		if k.width == 32 {
			k.high[g] = k.in(decodedHigh[g])
		}
	}
}

// keep ends with them.
func (k *decodedBlock) keep() {
	for g := range k.halves {
		k.out(k.lo[g], decodedLo[g])
		k.out(k.hi[g], decodedHi[g])
		k.out(k.value[g], decodedValue[g])
		if k.width == 32 {
			k.out(k.high[g], decodedHigh[g])
		}
	}
	k.MOVQ(k.src, k.stepDecoder.src)
}

// body is a round; more: of which the one before has further raw bits.
func (s *stepDecoder) body(kind decodedKind, more bool) {
	k := s.newBlock(zmm[:28])
	k.load()
	if more {
		k.more()
	}
	kind.put(k)
	k.symbols()
	k.keep()
	k.ahead(kind.contexts(k))
	k.emit()
}

// further takes further raw bits of the round before.
func (s *stepDecoder) further() {
	k := s.newBlock(append(slices.Clone(zmm[:10]), zmm[15:28]...))
	k.load()
	k.more()
	k.keep()
	k.emit()
}

// ahead looks up what is known of the next round's contexts.
func (k *decodedBlock) ahead(c reg.VecVirtual) {
	look := func(disp int, at reg.VecPhysical) {
		z := k.ZMM()
		k.VPERMB(Mem{Base: k.d, Disp: disp}, c, z)
		k.out(z, at)
	}
	look(decBits, aheadBits)
	look(decOf, aheadOf)
	for q, at := range aheadQuarts {
		look(decQuarts+64*q, at)
	}
}

// bytes loads a byte for each lane.
func (k *decodedBlock) bytes(m Mem) reg.VecVirtual {
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

// lookup returns what the tables at disp have of symbols.
func (k *decodedBlock) lookup(disp int, index reg.Register) reg.VecVirtual {
	z := k.ZMM()
	k.loadFor(index, Mem{Base: k.d, Disp: disp}, z)
	k.VPERMT2B(Mem{Base: k.d, Disp: disp + 64}, index, z)
	return z
}

// words returns words of the bytes lo and hi of 32 lanes.
func (k *decodedBlock) words(g int, hi, lo reg.Register) reg.VecVirtual {
	z := k.ZMM()
	if g == 0 {
		k.VPUNPCKLBW(hi, lo, z)
	} else {
		k.VPUNPCKHBW(hi, lo, z)
	}
	return z
}

// symbols takes a symbol and its first raw bits from each state, and a word into
// each that is low then.
func (k *decodedBlock) symbols() {
	bits := k.in(aheadBits)
	var width, slot [2]reg.VecVirtual
	for g := range k.halves {
		width[g] = k.words(g, k.zero, bits)
		above := k.ZMM()
		k.VPSLLVW(width[g], k.ones, above)
		slot[g] = k.ZMM()
		k.VPANDNQ(k.lo[g], above, slot[g])
	}
	index := k.search(slot)
	k.out(index, decodedIndex)
	freqLo, freqHi, start := k.lookup(decFreqLo, index), k.lookup(decFreqHi, index), k.lookup(decStart, index)
	first, more := k.lookup(decFirst, index), k.K()
	if k.lanes == 64 {
		k.VPTESTMB(repeated(0x80808080), first, more)
	} else {
		k.VPTESTMB(repeated(0x80808080), first, decodedBytes, more)
	}
	k.out(more, decodedMore)
	n := k.firstBits(first)
	var step [4]reg.VecVirtual
	for i := range k.width / 8 {
		step[i] = k.lookup(decStep+128*i, index)
	}
	// The second half waits for where its words begin: the first comes first.
	for g := range k.halves {
		k.advance(g, k.words(g, freqHi, freqLo), k.words(g, k.zero, start), slot[g], width[g])
		k.value[g] = k.words(g, step[1], step[0])
		if k.width == 32 {
			k.high[g] = k.words(g, step[3], step[2])
		}
		k.take(g, k.words(g, k.zero, n))
	}
}

// firstBits returns how many raw bits go with symbols, without the mark.
func (k *decodedBlock) firstBits(first reg.VecVirtual) reg.VecVirtual {
	n := k.ZMM()
	k.VPANDQ(repeated(0x0f0f0f0f), first, n)
	return n
}

// search returns where the symbols of slots are in the tables: first which four of
// a table's sixteen, then which of these.
func (k *decodedBlock) search(slots [2]reg.VecVirtual) reg.VecVirtual {
	slot := k.ZMM()
	k.VPACKUSWB(slots[k.halves-1], slots[0], slot) // or 255
	var from [3]reg.VecVirtual
	for q := range from {
		from[q] = k.in(aheadQuarts[q])
	}
	index := k.find(slot, k.in(aheadOf), from, 3, 4)
	for q := range from {
		from[q] = k.ZMM()
		k.VPERMB(Mem{Base: k.d, Disp: decAfter + 64*q}, index, from[q])
	}
	return k.find(slot, index, from, 6, 5)
}

// find returns index with how many of three thresholds a slot has reached: the
// lower bit of that as bit low, the higher one as bit high. Thresholds are in order,
// and flipped: the highest bits of their averages with slots tell.
func (k *decodedBlock) find(slot, index reg.VecVirtual, flipped [3]reg.VecVirtual, low, high int) reg.VecVirtual {
	var reached [3]reg.VecVirtual
	for q := range reached {
		reached[q] = k.ZMM()
		k.VPAVGB(flipped[q], slot, reached[q])
	}
	found := k.ZMM()
	k.VMOVDQA64(index, found)
	set := func(x reg.VecVirtual, bit int) {
		shifted := k.ZMM()
		k.VPSRLW(U8(7-bit), x, shifted)
		k.VPTERNLOGD(U8(0xf8), repeated(0x01010101<<bit), shifted, found) // found | shifted & bit
	}
	set(reached[1], high)
	k.VPTERNLOGD(U8(0x96), reached[2], reached[1], reached[0]) // one or all three
	set(reached[0], low)
	return found
}

// advance takes a symbol from the states of 32 lanes:
// x = frequency * (x >> bits) + slot - first.
func (k *decodedBlock) advance(g int, f, start, slot, bits reg.VecVirtual) {
	q, y, lo, hi, rest, sum, carry := k.ZMM(), k.ZMM(), k.ZMM(), k.ZMM(), k.ZMM(), k.ZMM(), k.ZMM()
	k.VMOVDQA64(k.lo[g], q)
	k.VPSHRDVW(bits, k.hi[g], q)
	k.VPSRLVW(bits, k.hi[g], y)
	k.VPMULLW(f, y, y)
	k.VPMULHUW(f, q, hi)
	k.VPMULLW(f, q, lo)
	k.VPSUBW(start, slot, rest)
	k.VPADDW(y, hi, hi)
	// The carry: what is added is small, so only the highest bits tell.
	k.VPADDW(lo, rest, sum)
	k.VPANDNQ(lo, sum, carry)
	k.VPSRLW(U8(15), carry, carry)
	k.VPADDW(carry, hi, hi)
	k.lo[g], k.hi[g] = sum, hi
}

// take takes n raw bits from the states of 32 lanes to their values, and then moves
// a word into each state that is low.
func (k *decodedBlock) take(g int, n reg.VecVirtual) {
	above, value := k.ZMM(), k.ZMM()
	k.VPSLLVW(n, k.ones, above)
	k.VMOVDQA64(k.value[g], value)
	k.VPTERNLOGD(U8(0xf2), k.lo[g], above, value) // value | ^above & lo
	k.value[g] = value
	k.shift(g, n, above)
}

// shift shifts the states of 32 lanes right by n, and moves a word into each that
// is low then; above is -1 << n.
func (k *decodedBlock) shift(g int, n, above reg.VecVirtual) {
	high, lo, hi, words, low := k.ZMM(), k.ZMM(), k.ZMM(), k.ZMM(), k.K()
	// Before they are shifted: low is what has nothing in bits 15+n and on.
	k.VPSHLDW(U8(1), k.lo[g], k.hi[g], high)
	if k.lanes == 16 {
		k.VPTESTNMW(above, high, decodedWords, low)
	} else {
		k.VPTESTNMW(above, high, low)
	}
	k.VMOVDQA64(k.lo[g], lo)
	k.VPSHRDVW(n, k.hi[g], lo)
	k.VPSRLVW(n, k.hi[g], hi)
	k.VMOVDQU16(lo, low, hi)
	k.loadFor(lo, Mem{Base: k.src}, words)
	k.VPEXPANDW(words, low, lo)
	k.lo[g], k.hi[g] = lo, hi
	count, to := GP64(), GP64()
	k.KMOVD(low, count.As32())
	k.POPCNTL(count.As32(), count.As32())
	k.LEAQ(Mem{Base: k.src, Index: count, Scale: 2}, to)
	k.src = to
}

// more takes the round before's further raw bits: up to fifteen, then, of steps of
// 32 bits, the others.
func (k *decodedBlock) more() {
	index := k.in(decodedIndex)
	n, rest := k.firstBits(k.lookup(decFirst, index)), k.lookup(decRest, index)
	for portion := range k.width / 16 {
		for g := range k.halves {
			n, at, above, raw := k.portion(portion, k.words(g, k.zero, rest)), k.words(g, k.zero, n), k.ZMM(), k.ZMM()
			k.VPSLLVW(n, k.ones, above)
			k.VPANDNQ(k.lo[g], above, raw)
			k.join(g, portion, raw, at)
			k.shift(g, n, above)
		}
	}
}

// portion returns how many raw bits the first or second portion of rest has.
func (k *decodedBlock) portion(portion int, rest reg.VecVirtual) reg.VecVirtual {
	n := k.ZMM()
	switch {
	case k.width == 16:
		return rest
	case portion == 0:
		k.VPMINUW(repeated(15<<16|15), rest, n)
	default:
		k.VPSUBUSW(repeated(15<<16|15), rest, n)
	}
	return n
}

// join adds raw bits, the first portion of which begins at bit at of values, to
// these.
func (k *decodedBlock) join(g, portion int, raw, at reg.VecVirtual) {
	add := func(to *reg.VecVirtual, x reg.VecVirtual) {
		sum := k.ZMM()
		k.VPORQ(x, *to, sum)
		*to = sum
	}
	shifted := k.ZMM()
	if portion == 1 { // fifteen bits later
		above := k.ZMM()
		k.VPADDW(k.ones, at, above)
		k.VPSLLVW(above, raw, shifted)
		add(&k.high[g], shifted)
		return
	}
	k.VPSLLVW(at, raw, shifted)
	add(&k.value[g], shifted)
	if k.width == 32 {
		below, carried := k.ZMM(), k.ZMM()
		k.loadFor(raw, repeated(16<<16|16), below)
		k.VPSUBW(at, below, below)
		k.VPSRLVW(below, raw, carried)
		add(&k.high[g], carried)
	}
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

// repeated is a vector of the dword x.
func repeated(x uint32) Mem {
	b := make([]byte, 64)
	for i := range b {
		b[i] = byte(x >> (8 * (i & 3)))
	}
	return constant(fmt.Sprintf("repeated%08x", x), b)
}

// decode512 decodes steps of width bits, in contexts that are given.
func decode512(name string, width int) {
	TEXT(name, NOSPLIT, "func(d, z, ctx, src *byte, size, rounds, lanes int) (done, read int)")
	Pragma("noescape")
	Doc(name + " decodes up to rounds rounds, at least one, while at least 512 of the size bytes at src are left.")
	s := newStepDecoder(width)
	z := Load(Param("z"), GP64())
	ctx := Load(Param("ctx"), GP64())
	s.rounds(decodedKind{
		contexts: func(k *decodedBlock) reg.VecVirtual {
			return k.bytes(Mem{Base: ctx, Index: s.next, Scale: 1})
		},
		put: func(k *decodedBlock) {
			for g := range k.halves {
				k.store(g, Mem{Base: z, Index: s.last, Scale: uint8(width / 8)})
			}
		},
		further: func() {},
	})
}

// store writes steps.
func (k *decodedBlock) store(g int, z Mem) {
	if k.width == 32 {
		for h := range min(2, k.lanes/16) {
			k.VMOVDQU64(k.dwords(g, h), z.Offset(128*g+64*h))
		}
		return
	}
	v := k.ZMM()
	k.VPADDW(k.ones, k.value[g], v)
	if k.lanes == 16 {
		k.VMOVDQU32(v.AsY(), z)
	} else {
		k.VMOVDQU64(v, z.Offset(64*g))
	}
}
