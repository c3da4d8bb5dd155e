//go:build amd64 && !purego

package codec

import (
	"math"
	"unsafe"

	"golang.org/x/sys/cpu"
)

//go:generate go -C gen run . -out ../kernels_amd64.s -stubs ../kernels_amd64.go -pkg codec

// A tier is a set of kernels. What a tier lacks is portable.
type tier int

const (
	portable tier = iota
	avx2
	avx512
)

// use is the tier that runs. Tests set it to compare tiers.
var use = func() tier {
	x := &cpu.X86
	switch {
	case x.HasAVX512F && x.HasAVX512BW && x.HasAVX512DQ && x.HasAVX512VL && x.HasAVX512CD && x.HasAVX512VBMI && x.HasAVX512VBMI2 && x.HasBMI2 && x.HasPOPCNT:
		return avx512
	case x.HasAVX2 && x.HasBMI2 && x.HasPOPCNT:
		return avx2
	}
	return portable
}()

func bytesOf[T any](s []T) *byte { return (*byte)(unsafe.Pointer(unsafe.SliceData(s))) }

// spare is how many bytes of words the kernels want to see before they decode a
// round; a round takes at most 384.
const spare = 512

// encodeRoundsFast encodes whole rounds, words below e.words[p], and returns
// where they begin, and false if it did nothing. They will be copied to out, which
// may be too small.
func encodeRoundsFast[Z step](e *laneEncoder, ctx, symbols []uint8, z []Z, lanes, p int, out []byte) (bool, int) {
	if use == portable || lanes < 16 {
		return false, p
	}
	if len(z) == 0 {
		return true, p
	}
	wide := unsafe.Sizeof(z[0]) == 4
	written := 0
	if use == avx2 {
		kernel := encode16AVX2
		if wide {
			kernel = encode32AVX2
		}
		written = kernel((*byte)(unsafe.Pointer(e)), bytesOf(ctx), bytesOf(symbols), bytesOf(z), bytesOf(e.words), p, len(z)/lanes, lanes)
	} else {
		kernel := encode16AVX512
		if wide {
			kernel = encode32AVX512
		}
		written = kernel((*byte)(unsafe.Pointer(e)), bytesOf(ctx), bytesOf(symbols), bytesOf(z), bytesOf(e.words), p, len(z)/lanes, lanes, bytesOf(out))
	}
	return true, p - written/2
}

// encodeBytesFast is encodeRoundsFast for bytes.
func encodeBytesFast(e *laneEncoder, p []byte, lanes, at int, out []byte) (bool, int) {
	if use == portable || lanes < 16 {
		return false, at
	}
	if len(p) == 0 {
		return true, at
	}
	var few fewEntries
	if fewFast(lanes) && few.set(e) {
		written := encodeFewAVX512((*byte)(unsafe.Pointer(e)), (*byte)(unsafe.Pointer(&few)), bytesOf(p), bytesOf(e.words), at, len(p)/lanes, bytesOf(out))
		return true, at - written/2
	}
	kernel := encodeBytesAVX512
	if use == avx2 {
		kernel = encodeBytesAVX2
	}
	written := kernel((*byte)(unsafe.Pointer(e)), bytesOf(p), bytesOf(e.words), at, len(p)/lanes, lanes)
	return true, at - written/2
}

// fewEntries are what is known of the bytes of a plane of few values, as a kernel
// looks it up: by a number for each value. Low and high are words of the
// frequencies' reciprocals as floats, rounded up. The kernel knows where the
// fields are.
type fewEntries struct {
	numbers                [256]uint8
	freq, start, low, high [64]uint16
}

// set sets t to what e has for bytes, and returns false if those are too many.
func (t *fewEntries) set(e *laneEncoder) bool {
	n := 0
	for b, entry := range e.table[:256] {
		freq := uint32(entry >> ransBits)
		if freq == 0 {
			continue
		}
		if known := byte(b) & e.mask; int(known) != b {
			t.numbers[b] = t.numbers[known]
			continue
		}
		if n == len(t.freq) {
			return false
		}
		r := math.Float32bits(1 / float32(freq))
		if float64(math.Float32frombits(r))*float64(freq) < 1 {
			r++
		}
		t.numbers[b] = uint8(n)
		t.freq[n], t.start[n] = uint16(freq), uint16(entry&ransMask)
		t.low[n], t.high[n] = uint16(r), uint16(r>>16)
		n++
	}
	return true
}

// appendWords appends words, little-endian.
func appendWords(dst []byte, words []uint16) []byte {
	return append(dst, unsafe.Slice(bytesOf(words), 2*len(words))...)
}

// steps16Fast fills z and symbols as far as it can, and returns how far that is.
func steps16Fast(n number, z []uint16, symbols []uint8, leaf, base []byte) int {
	k := len(z) &^ 31
	switch {
	case k == 0:
		return 0
	case use == avx2:
		steps16AVX2(bytesOf(z), bytesOf(symbols), bytesOf(leaf), bytesOf(base), k, int(n.ordering().low))
	default:
		return 0
	}
	return k
}

// floats16Fast is steps16Fast of floats, and fills depth too.
func floats16Fast(n number, z []uint16, symbols, depth []uint8, leaf, base []byte, top uint32) int {
	k := len(z) &^ 63
	if use != avx512 || !n.float || k == 0 {
		return 0
	}
	stepsFloat16AVX512(bytesOf(z), bytesOf(symbols), bytesOf(depth), bytesOf(leaf), bytesOf(base), k, int(n.exponent), int(n.mask), int(top))
	return k
}

// steps8Fast is steps16Fast for elements of 8 bits.
func steps8Fast(n number, z []uint16, symbols []uint8, leaf, base []byte) int {
	k := len(z) &^ 63
	if use == portable || k == 0 {
		return 0
	}
	if use == avx2 {
		steps8AVX2(bytesOf(z), bytesOf(symbols), bytesOf(leaf), bytesOf(base), k, int(n.ordering().low))
		return k
	}
	steps8AVX512(bytesOf(z), bytesOf(symbols), bytesOf(leaf), bytesOf(base), &symbolOf8[0], k, int(n.ordering().low))
	return k
}

// steps32Fast is steps16Fast for elements of 32 bits.
func steps32Fast(n number, z []uint32, symbols []uint8, leaf, base []byte) int {
	k := len(z) &^ 31
	switch {
	case k == 0:
		return 0
	case use == avx2:
		steps32AVX2(bytesOf(z), bytesOf(symbols), bytesOf(leaf), bytesOf(base), k, int(n.ordering().low))
	case use == avx512 && n.float:
		stepsFloat32AVX512(bytesOf(z), bytesOf(symbols), bytesOf(leaf), bytesOf(base), k)
	default:
		return 0
	}
	return k
}

// depthsFast fills depth as far as it can, and returns how far that is.
func depthsFast(n number, depth []uint8, base []byte, top uint32) int {
	k := len(depth) &^ 63
	if use == portable || k == 0 {
		return 0
	}
	switch {
	case n.width == 1:
		depths8AVX2(bytesOf(depth), bytesOf(base), k, int(n.exponent), int(n.mask), int(top))
	case n.width == 2 && use == avx2:
		depths16AVX2(bytesOf(depth), bytesOf(base), k, int(n.exponent), int(n.mask), int(top))
	case n.width == 2:
		depths16AVX512(bytesOf(depth), bytesOf(base), k, int(n.exponent), int(n.mask), int(top))
	case use == avx2:
		depthsFloat32AVX2(bytesOf(depth), bytesOf(base), k, int(top))
	default:
		depthsFloat32AVX512(bytesOf(depth), bytesOf(base), k, int(top))
	}
	return k
}

// contextFast fills ctx with the contexts of elements of one row whose shift and
// the anchor add up to shift, and returns how far it came.
func contextFast(ctx, depth []uint8, cols []int8, shift int) int {
	switch use {
	case avx512:
		contextAVX512(bytesOf(ctx), bytesOf(depth), bytesOf(cols), &noShift, len(ctx), 1, 0, 0, shift)
		return len(ctx)
	case avx2:
		k := len(ctx) &^ 31
		contextAVX2(bytesOf(ctx), bytesOf(depth), bytesOf(cols), k, shift)
		return k
	}
	return 0
}

var noShift byte

// rowsContextsFast is contextFast of one in every of n whole rows, of row elements
// each. Rows and cols, or one of them, may be nil.
func rowsContextsFast(ctx, depth []uint8, rows, cols []int8, row, n, every int) bool {
	if use != avx512 {
		return false
	}
	shifts, next := &noShift, 0
	if rows != nil {
		shifts, next = bytesOf(rows), every
	}
	contextAVX512(bytesOf(ctx), bytesOf(depth), bytesOf(cols), shifts, row, (n+every-1)/every, every, next, anchor)
	return true
}

// rowSumsFast is rowSums of the first done elements.
func rowSumsFast(symbols, ctx []uint8, curve *[2][contexts]uint8) (done int, sums stepSums) {
	k := len(ctx) &^ 31
	if use != avx2 || k == 0 {
		return 0, stepSums{}
	}
	s, e := rowSumsAVX2(bytesOf(symbols), bytesOf(ctx), &curve[0][0], k)
	return k, stepSums{uint32(s), uint32(e)}
}

// rowsSumsFast fills sums with those of rows that are whole, of row elements each.
func rowsSumsFast(sums []stepSums, symbols, ctx []uint8, curve *[2][contexts]uint8, row int) bool {
	if use != avx512 {
		return false
	}
	rowSumsAVX512(bytesOf(sums), bytesOf(symbols), bytesOf(ctx), &curve[0][0], row, len(sums))
	return true
}

// shiftsFast finds the shifts of the first sums, and returns how many. It may look
// at shiftsSpare more, and fill as many.
func shiftsFast(dst []int8, sums []stepSums, search *shiftSearch) int {
	if use != avx512 {
		return 0
	}
	_, _ = dst[:len(sums)+shiftsSpare], sums[:len(sums)+shiftsSpare]
	shiftsAVX512(bytesOf(dst), bytesOf(sums), (*byte)(unsafe.Pointer(search)), (len(sums)+15)/16)
	return len(sums)
}

// nonzeroFast fills dst with those of the first bytes of src that are not 0. It
// returns how many those are, and how far it came.
func nonzeroFast(dst, src []byte) (nonzero, done int) {
	k := len(src) &^ 63
	if use != avx512 || k == 0 {
		return 0, 0
	}
	_ = dst[k+62]
	return nonzeroAVX512(bytesOf(dst), bytesOf(src), k), k
}

// movedKeysFast fills keys with those of the first symbols that are not 0. It
// returns how many those are, and how far it came.
func movedKeysFast(keys []uint16, ctx, symbols []uint8) (moved, done int) {
	k := len(ctx) &^ 31
	if use != avx512 || k == 0 {
		return 0, 0
	}
	_, _ = symbols[k-1], keys[k+30]
	return movedKeysAVX512(bytesOf(keys), bytesOf(ctx), bytesOf(symbols), k), k
}

// columnSumsFast fills sums, expected-low and expected-high, stride apart, of the
// first done columns over whole rows of row elements, every so many of them. Sums
// has room for rows that are rounded up to 64.
func columnSumsFast(sums []uint16, symbols, ctx []uint8, curve *[2][contexts]uint8, row, every, rows int) (done, stride int) {
	k := row &^ 31
	if use == portable || k == 0 || rows == 0 {
		return 0, 0
	}
	if use == avx2 {
		columnSumsAVX2(bytesOf(sums), bytesOf(symbols), bytesOf(ctx), &curve[0][0], row*every, rows, k)
		return k, k
	}
	columnSumsAVX512(bytesOf(sums), bytesOf(symbols), bytesOf(ctx), &curve[0][0], row*every, rows, row)
	return row, (row + 63) &^ 63
}

// splitFast splits the first elements of src, XORed with base's unless base is
// nil, into planes of stride bytes, and returns how many.
func splitFast(l layout, planes, src, base []byte, stride int) int {
	if l.width() == 2 {
		if base != nil {
			return 0
		}
		return split16Fast(l, planes[:stride], planes[stride:], src)
	}
	k := len(src) / l.width() &^ 63
	if use == portable || k == 0 || l == layoutBytes {
		return 0
	}
	// Called by name: else what they are given would escape.
	p, d, b := bytesOf(planes), bytesOf(src), bytesOf(base)
	switch {
	case use == avx2 && l == layout32:
		split32AVX2(p, d, b, k, stride)
	case use == avx2 && l == layoutF32:
		splitF32AVX2(p, d, b, k, stride)
	case use == avx2 && l == layout64:
		split64AVX2(p, d, b, k, stride)
	case use == avx2 && l == layoutF64:
		splitF64AVX2(p, d, b, k, stride)
	case use == avx512 && l == layout32:
		split32AVX512(p, d, b, k, stride)
	case use == avx512 && l == layoutF32:
		splitF32AVX512(p, d, b, k, stride)
	case use == avx512 && l == layout64:
		split64AVX512(p, d, b, k, stride)
	case use == avx512 && l == layoutF64:
		splitF64AVX512(p, d, b, k, stride)
	}
	return k
}

// split16Fast is splitFast for elements of 16 bits.
func split16Fast(l layout, hi, lo, src []byte) int {
	k := len(src) / 2 &^ 31
	switch {
	case use == portable || k == 0:
		return 0
	case l == layoutBF16 && use == avx2:
		splitBF16AVX2(bytesOf(hi), bytesOf(lo), bytesOf(src), k)
	case l == layoutBF16:
		splitBF16AVX512(bytesOf(hi), bytesOf(lo), bytesOf(src), k)
	case use == avx2:
		split16AVX2(bytesOf(hi), bytesOf(lo), bytesOf(src), k)
	default:
		split16AVX512(bytesOf(hi), bytesOf(lo), bytesOf(src), k)
	}
	return k
}

// seenFast returns how many of the first bytes of p, in blocks, are known to be in
// set.
func seenFast(p []byte, set *[32]uint8) int {
	k := len(p) &^ (seenBlock - 1)
	if use == portable || k == 0 {
		return 0
	}
	if use == avx2 {
		return seenAVX2(bytesOf(p), &set[0], k)
	}
	return seenAVX512(bytesOf(p), &set[0], k)
}

// takeBitFast fills raw with that bit of the first bytes of p, and returns of how
// many.
func takeBitFast(raw, p []byte, bit uint) int {
	k := len(p) &^ 63
	if use == portable || k == 0 {
		return 0
	}
	_ = raw[k/8-1]
	if use == avx2 {
		takeBitAVX2(bytesOf(raw), bytesOf(p), k, int(bit))
	} else {
		takeBitAVX512(bytesOf(raw), bytesOf(p), k, int(bit))
	}
	return k
}

// addBitFast sets that bit of the first bytes of p that raw names, and returns how
// many it looked at.
func addBitFast(p, raw []byte, bit uint) int {
	k := len(p) &^ 63
	if use == portable || k == 0 {
		return 0
	}
	_ = raw[k/8-1]
	if use == avx2 {
		addBitAVX2(bytesOf(raw), bytesOf(p), k, int(bit))
	} else {
		addBitAVX512(bytesOf(raw), bytesOf(p), k, int(bit))
	}
	return k
}

// countFast counts the first symbols in c and other, and returns how many. Keys is
// room for as many, up to countWindow.
func countFast(c, other *stepCounts, keys []uint16, ctx, symbols []uint8) int {
	k := len(ctx) &^ 31
	if use == portable || k == 0 {
		return 0
	}
	_, _ = keys[k-1], symbols[k-1]
	counts, others := (*byte)(unsafe.Pointer(c)), (*byte)(unsafe.Pointer(other))
	if use == avx512 {
		countAVX512(counts, others, bytesOf(keys), bytesOf(ctx), bytesOf(symbols), k)
		return k
	}
	keysAVX2(bytesOf(keys), bytesOf(ctx), bytesOf(symbols), k)
	countKeys(counts, others, bytesOf(keys), k)
	return k
}

// addFast is add, if it returns true.
func addFast(c, other *stepCounts, t *stepTotals) bool {
	if use != avx512 {
		return false
	}
	addCountsAVX512((*byte)(unsafe.Pointer(c)), (*byte)(unsafe.Pointer(other)), (*byte)(unsafe.Pointer(t)))
	return true
}

// belowFast returns how many of the first symbols, in units, are known to be not
// above what most has for their contexts.
func belowFast(ctx, symbols []uint8, most *[contexts]uint8) int {
	k := len(ctx) &^ (belowUnit - 1)
	if use == portable || k == 0 {
		return 0
	}
	kernel := belowAVX512
	if use == avx2 {
		kernel = belowAVX2
	}
	return kernel(bytesOf(ctx), bytesOf(symbols), &most[0], k)
}

// encodeShortFast encodes the last pairs of steps z in states x and y, down to one
// that has raw bits or is the escape, to words below words[at]. It returns how many
// steps are left, and where the words begin.
func encodeShortFast[Z step](all *shortSet, x, y *uint32, z []Z, ctx []uint8, words []uint16, at int) (left, to int) {
	if use == portable || len(z) == 0 || unsafe.Sizeof(z[0]) != 2 {
		return len(z), at
	}
	states := [2]uint32{*x, *y}
	_ = ctx[len(z)-1]
	_ = words[at-len(z)-1]
	left, to = encodeShortAMD64((*byte)(unsafe.Pointer(&states)), bytesOf(z), bytesOf(ctx), (*byte)(unsafe.Pointer(&all.of)), &all.raw[0], bytesOf(words), at, len(z)/2)
	*x, *y = states[0], states[1]
	return 2 * left, to
}

// predictFast predicts elements of a row, with its factors, from a column on, if it
// returns true.
func predictFast(pred []byte, places []uint16, base []byte, l *lowRank, row []int16, column int, scale float32) bool {
	if use == portable || len(places) < 32 {
		return false
	}
	var factors [maxRank]int16 // zeros to the end of the last pair
	copy(factors[:], row)
	pairs := (len(row) + 1) / 2
	_, _, _ = pred[2*len(places)-1], base[2*len(places)-1], l.words[pairs*l.columns-1]
	words := l.words[column : column+len(places)]
	of, to, stride, bits := (*byte)(unsafe.Pointer(&factors)), bytesOf(pred), 4*l.columns, int(math.Float32bits(scale))
	if use == avx2 { // called by name: else factors would escape
		predictAVX2(to, bytesOf(places), bytesOf(base), bytesOf(words), of, len(places), pairs, stride, bits)
	} else {
		predictAVX512(to, bytesOf(places), bytesOf(base), bytesOf(words), of, len(places), pairs, stride, bits)
	}
	return true
}

// placeContextsFast fills ctx with the contexts of the first places, and returns how
// many.
func placeContextsFast(ctx []uint8, places []uint16, level int) int {
	k := len(places) &^ 63
	if use == portable || k == 0 {
		return 0
	}
	_ = ctx[k-1]
	kernel := placeContextsAVX512
	if use == avx2 {
		kernel = placeContextsAVX2
	}
	both := uint16(level - unitHalves)
	kernel(bytesOf(ctx), bytesOf(places), k, int(both)*0x10001)
	return k
}

// turnFast is turn of the first steps, and returns how many.
func turnFast(z, places []uint16) int {
	k := len(places) &^ 31
	if use == portable || k == 0 {
		return 0
	}
	_ = z[k-1]
	if use == avx2 {
		turnAVX2(bytesOf(z), bytesOf(places), k)
	} else {
		turnAVX512(bytesOf(z), bytesOf(places), k)
	}
	return k
}
