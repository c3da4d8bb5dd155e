//go:build amd64 && !purego

package codec

import (
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
// where they begin, and false if it did nothing.
func encodeRoundsFast[Z step](e *laneEncoder, ctx, symbols []uint8, z []Z, lanes, p int) (bool, int) {
	if use == portable || lanes < 16 {
		return false, p
	}
	if len(z) == 0 {
		return true, p
	}
	kernel := encode16AVX512
	switch wide := unsafe.Sizeof(z[0]) == 4; {
	case wide && use == avx2:
		kernel = encode32AVX2
	case wide:
		kernel = encode32AVX512
	case use == avx2:
		kernel = encode16AVX2
	}
	written := kernel((*byte)(unsafe.Pointer(e)), bytesOf(ctx), bytesOf(symbols), bytesOf(z), bytesOf(e.words), p, len(z)/lanes, lanes)
	return true, p - written/2
}

// encodeBytesFast is encodeRoundsFast for bytes.
func encodeBytesFast(e *laneEncoder, p []byte, lanes, at int) (bool, int) {
	if use == portable || lanes < 16 {
		return false, at
	}
	if len(p) == 0 {
		return true, at
	}
	var few fewEntries
	if fewFast(lanes) && few.set(e) {
		written := encodeFewAVX512((*byte)(unsafe.Pointer(e)), (*byte)(unsafe.Pointer(&few)), bytesOf(p), bytesOf(e.words), at, len(p)/lanes)
		return true, at - written/2
	}
	kernel := encodeBytesAVX512
	if use == avx2 {
		kernel = encodeBytesAVX2
	}
	written := kernel((*byte)(unsafe.Pointer(e)), bytesOf(p), bytesOf(e.words), at, len(p)/lanes, lanes)
	return true, at - written/2
}

// fewEntries are the entries of a byte plane of few values, as a kernel looks them
// up: by a number for each value. The kernel knows where the fields are.
type fewEntries struct {
	numbers [256]uint8
	entries [64]encEntry
}

// set sets t to what e has for bytes, and returns false if those are too many.
func (t *fewEntries) set(e *laneEncoder) bool {
	n := 0
	for b, entry := range e.table[:256] {
		if entry < 1<<ransBits { // no frequency
			continue
		}
		if n == len(t.entries) {
			return false
		}
		t.numbers[b], t.entries[n] = uint8(n), entry
		n++
	}
	return true
}

// appendWords appends words, little-endian.
func appendWords(dst []byte, words []uint16) []byte {
	return append(dst, unsafe.Slice(bytesOf(words), 2*len(words))...)
}

// decodeRoundsFast decodes as many whole rounds as it can, and returns how many
// steps that were and the words that are left.
func decodeRoundsFast[Z step](d *laneDecoder, z []Z, ctx []uint8, src []byte, lanes int) (int, []byte) {
	return decodeInTwo(d, len(z), src, lanes, func(at int, src []byte, rounds int) (done, read int) {
		_ = ctx[at+rounds*lanes-1]
		state, to, in := (*byte)(unsafe.Pointer(d)), bytesOf(z[at:]), bytesOf(ctx[at:])
		wide := unsafe.Sizeof(z[0]) == 4
		switch {
		case wide && use == avx2:
			return decode32AVX2(state, to, in, bytesOf(src), len(src), rounds, lanes)
		case wide:
			return decode32AVX512(state, to, in, bytesOf(src), len(src), rounds, lanes)
		case use == avx2:
			return decode16AVX2(state, to, in, bytesOf(src), len(src), rounds, lanes)
		}
		return decode16AVX512(state, to, in, bytesOf(src), len(src), rounds, lanes)
	})
}

// decodeFusedFast fills dst with as many elements in whole rounds as it can: those
// that are steps from base's, in contexts that are shifts, of each element or
// of all, and twice the depth. It returns how many elements that were and the
// words that are left.
func decodeFusedFast(d *laneDecoder, n number, dst, base []byte, shifts []int8, top uint32, src []byte, lanes int) (int, []byte) {
	return decodeInTwo(d, len(dst)/n.width, src, lanes, func(at int, src []byte, rounds int) (done, read int) {
		stride, from := lanes, at
		if len(shifts) == maxLanes {
			stride, from = 0, 0
		}
		_ = shifts[from+(rounds-1)*stride+lanes-1]
		state, to, b, sh := (*byte)(unsafe.Pointer(d)), bytesOf(dst[at*n.width:]), bytesOf(base[at*n.width:]), bytesOf(shifts[from:])
		if n.width == 1 {
			kind := n.byteKind(top)
			return decode8AVX512(state, to, b, sh, (*byte)(unsafe.Pointer(&kind)), bytesOf(src), len(src), rounds, lanes, stride)
		}
		kernel := decodeBF16AVX512
		switch f32, f16 := n.width == 4, n.exponent == 10; {
		case f32 && use == avx2:
			kernel = decodeF32AVX2
		case f32:
			kernel = decodeF32AVX512
		case f16 && use == avx2:
			kernel = decodeF16AVX2
		case f16:
			kernel = decodeF16AVX512
		case use == avx2:
			kernel = decodeBF16AVX2
		}
		return kernel(state, to, b, sh, bytesOf(src), len(src), rounds, lanes, stride, int(top))
	})
}

// rowShiftsFast fills dst with shift + cols, and returns how far it came.
func rowShiftsFast(dst, cols []int8, shift int) int {
	switch use {
	case avx512:
		rowShiftsAVX512(bytesOf(dst), bytesOf(cols), len(dst), shift)
		return len(dst)
	case avx2:
		k := len(dst) &^ 31
		rowShiftsAVX2(bytesOf(dst), bytesOf(cols), k, shift)
		return k
	}
	return 0
}

// decodeBytesFast is decodeRoundsFast for bytes.
func decodeBytesFast(d *laneDecoder, p, src []byte, lanes int) (int, []byte) {
	return decodeInTwo(d, len(p), src, lanes, func(at int, src []byte, rounds int) (done, read int) {
		if use == avx2 {
			return decodeBytesAVX2((*byte)(unsafe.Pointer(d)), bytesOf(p[at:]), bytesOf(src), len(src), rounds, lanes)
		}
		return decodeBytesAVX512((*byte)(unsafe.Pointer(d)), bytesOf(p[at:]), bytesOf(src), len(src), rounds, lanes)
	})
}

// fewFast tells whether there are kernels of fewTables and fewEntries for so many
// lanes.
func fewFast(lanes int) bool { return use == avx512 && lanes == maxLanes }

// decodeFewFast is decodeBytesFast by d.few.
func decodeFewFast(d *laneDecoder, p, src []byte) (int, []byte) {
	return decodeInTwo(d, len(p), src, maxLanes, func(at int, src []byte, rounds int) (done, read int) {
		return decodeFewAVX512((*byte)(unsafe.Pointer(d)), bytesOf(p[at:]), bytesOf(src), len(src), rounds)
	})
}

// decodeFewJoinedFast fills dst with as many floats of layoutBF16 in whole rounds
// as it can: those whose exponents it decodes, and whose other bytes are lo. It
// returns how many that were and the words that are left.
func decodeFewJoinedFast(d *laneDecoder, dst, lo, src []byte) (int, []byte) {
	return decodeInTwo(d, len(lo), src, maxLanes, func(at int, src []byte, rounds int) (done, read int) {
		return decodeFewBF16AVX512((*byte)(unsafe.Pointer(d)), bytesOf(dst[2*at:]), bytesOf(lo[at:]), bytesOf(src), len(src), rounds)
	})
}

// decodeInTwo calls kernel for as many of n steps as there are words well before
// the end of src, and again with a copy of the last words that has room behind
// it. It returns how many steps were decoded, and the words that are left.
func decodeInTwo(d *laneDecoder, n int, src []byte, lanes int, kernel func(at int, src []byte, rounds int) (done, read int)) (int, []byte) {
	if use == portable || lanes < 16 {
		return 0, src
	}
	done := 0
	run := func(src []byte) int {
		rounds := (n - done) / lanes
		if rounds == 0 || len(src) < spare {
			return 0
		}
		k, read := kernel(done, src, rounds)
		done += k * lanes
		return read
	}
	src = src[run(src):]
	if n-done >= lanes && len(src) < spare {
		clear(d.tail[:])
		copy(d.tail[:], src)
		read := run(d.tail[:])
		if read > len(src) { // into the zeros: too few words
			read = len(src)
			d.states[0] = 0 // which no good end has
		}
		src = src[read:]
	}
	return done, src
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

// walk16Fast fills dst as far as it can, and returns how many elements that is.
func walk16Fast(n number, dst, base []byte, z []uint16) int {
	k := len(z) &^ 31
	if use == portable || !n.float || k == 0 {
		return 0
	}
	if use == avx2 {
		walkFloat16AVX2(bytesOf(dst), bytesOf(base), bytesOf(z), k)
	} else {
		walkFloat16AVX512(bytesOf(dst), bytesOf(base), bytesOf(z), k)
	}
	return k
}

// walk8Fast is walk16Fast for elements of 8 bits.
func walk8Fast(n number, dst, base []byte, z []uint16) int {
	k := len(z) &^ 31
	if use == portable || k == 0 {
		return 0
	}
	walk8AVX2(bytesOf(dst), bytesOf(base), bytesOf(z), k, int(n.ordering().low))
	return k
}

// walk32Fast is walk16Fast for elements of 32 bits.
func walk32Fast(n number, dst, base []byte, z []uint32) int {
	k := len(z) &^ 15
	if use == portable || !n.float || k == 0 {
		return 0
	}
	if use == avx2 {
		walkFloat32AVX2(bytesOf(dst), bytesOf(base), bytesOf(z), k)
	} else {
		walkFloat32AVX512(bytesOf(dst), bytesOf(base), bytesOf(z), k)
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
func rowSumsFast(symbols, ctx []uint8, curve *[2][contexts]uint8) (done int, sum uint32, expected uint64) {
	k := len(ctx) &^ 31
	if use != avx2 || k == 0 {
		return 0, 0, 0
	}
	s, e := rowSumsAVX2(bytesOf(symbols), bytesOf(ctx), &curve[0][0], k)
	return k, uint32(s), uint64(e)
}

// rowsSumsFast fills sums with the sums of rows that are whole, of row elements
// each: two for each row.
func rowsSumsFast(sums []uint64, symbols, ctx []uint8, curve *[2][contexts]uint8, row int) bool {
	if use != avx512 {
		return false
	}
	rowSumsAVX512((*byte)(unsafe.Pointer(unsafe.SliceData(sums))), bytesOf(symbols), bytesOf(ctx), &curve[0][0], row, len(sums)/2)
	return true
}

// keysFast fills keys as far as it can, and returns how far that is.
func keysFast(keys []uint16, ctx, symbols []uint8) int {
	k := len(keys) &^ 31
	switch {
	case use == portable || k == 0:
		return 0
	case use == avx2:
		keysAVX2(bytesOf(keys), bytesOf(ctx), bytesOf(symbols), k)
	default:
		keysAVX512(bytesOf(keys), bytesOf(ctx), bytesOf(symbols), k)
	}
	return k
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

// joinFast undoes splitFast.
func joinFast(l layout, dst []byte, planes *planeSet, base []byte) int {
	if l.width() == 2 {
		if base != nil {
			return 0
		}
		return join16Fast(l, dst, planes[0], planes[1])
	}
	k := len(dst) / l.width() &^ 63
	if use == portable || k == 0 || l == layoutBytes {
		return 0
	}
	var at [maxWidth]*byte
	for i := range l.width() {
		at[i] = bytesOf(planes[i][:k])
	}
	// Called by name: else what they are given would escape.
	p, d, b := (*byte)(unsafe.Pointer(&at)), bytesOf(dst), bytesOf(base)
	switch {
	case use == avx2 && l == layout32:
		join32AVX2(p, d, b, k)
	case use == avx2 && l == layoutF32:
		joinF32AVX2(p, d, b, k)
	case use == avx2 && l == layout64:
		join64AVX2(p, d, b, k)
	case use == avx2 && l == layoutF64:
		joinF64AVX2(p, d, b, k)
	case use == avx512 && l == layout32:
		join32AVX512(p, d, b, k)
	case use == avx512 && l == layoutF32:
		joinF32AVX512(p, d, b, k)
	case use == avx512 && l == layout64:
		join64AVX512(p, d, b, k)
	case use == avx512 && l == layoutF64:
		joinF64AVX512(p, d, b, k)
	}
	return k
}

// join16Fast joins the first elements of two planes, and returns how many.
func join16Fast(l layout, dst, hi, lo []byte) int {
	k := len(dst) / 2 &^ 31
	switch {
	case use == portable || k == 0:
		return 0
	case l == layoutBF16 && use == avx2:
		joinBF16AVX2(bytesOf(dst), bytesOf(hi), bytesOf(lo), k)
	case l == layoutBF16:
		joinBF16AVX512(bytesOf(dst), bytesOf(hi), bytesOf(lo), k)
	case use == avx2:
		join16AVX2(bytesOf(dst), bytesOf(hi), bytesOf(lo), k)
	default:
		join16AVX512(bytesOf(dst), bytesOf(hi), bytesOf(lo), k)
	}
	return k
}

// countFast counts the first keys in c and other, and returns how many.
func countFast(c, other *stepCounts, keys []uint16) int {
	k := len(keys) &^ 3
	if use == portable || k == 0 {
		return 0
	}
	countKeys((*byte)(unsafe.Pointer(c)), (*byte)(unsafe.Pointer(other)), bytesOf(keys), k)
	return k
}

// fused tells whether decodeFusedFast can do anything.
func fused(n number, lanes int) bool {
	switch {
	case use == portable || lanes < 16:
		return false
	case n.width == 1:
		return use == avx512
	}
	return n.float
}

// A byteKind is how elements of a byte make contexts and an order, by bytes as
// the kernel uses them, which knows where the fields are.
type byteKind struct {
	shift          [2]uint64
	mask, top, low [maxLanes]uint8
}

func (n number) byteKind(top uint32) (k byteKind) {
	if !n.float {
		return k // as if all exponents were the top
	}
	k.shift[0] = uint64(n.exponent)
	fill(k.mask[:], []byte{uint8(n.mask)})
	fill(k.top[:], []byte{uint8(top)})
	fill(k.low[:], []byte{uint8(n.ordering().low)})
	return k
}

// addFast adds the counts of the first contexts, and returns how many.
func addFast(c, other *stepCounts) int {
	if use == portable {
		return 0
	}
	addDwords((*byte)(unsafe.Pointer(c)), (*byte)(unsafe.Pointer(other)), contexts*maxSymbols)
	return contexts
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

// decodeShortFast decodes pairs of steps of states x and y up to the first that has
// raw bits or is the escape. It returns how many, and the bytes of words that were
// read.
func decodeShortFast[Z step](all *shortSet, x, y *uint32, z []Z, ctx []uint8, words []byte) (pairs, read int) {
	if use == portable || unsafe.Sizeof(z[0]) != 2 {
		return 0, 0
	}
	states := [2]uint32{*x, *y}
	_ = ctx[len(z)-1]
	pairs, read = decodeShort((*byte)(unsafe.Pointer(&states)), bytesOf(z), bytesOf(ctx), (*byte)(unsafe.Pointer(&all.of)), &all.raw[0], bytesOf(words), len(words), len(z)/2)
	*x, *y = states[0], states[1]
	return pairs, read
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
