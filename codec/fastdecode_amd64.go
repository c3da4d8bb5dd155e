//go:build amd64 && !purego

package codec

import "unsafe"

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
		if d.few.wide {
			return decodeFewWideAVX512((*byte)(unsafe.Pointer(d)), bytesOf(p[at:]), bytesOf(src), len(src), rounds)
		}
		return decodeFewAVX512((*byte)(unsafe.Pointer(d)), bytesOf(p[at:]), bytesOf(src), len(src), rounds)
	})
}

// decodeFewRawFast is decodeFewFast of narrow tables, with the first of raw's bits.
func decodeFewRawFast(d *laneDecoder, p, src []byte, raw rawBits) (int, []byte) {
	which := 0
	for i, other := 0, int(^raw.mask); other != 0 && i < fewRaw; i, other = i+1, other&(other-1) {
		which |= (other & -other) << (8 * i)
	}
	// Fewer than three are the last again, of which no bit is taken.
	last := (min(raw.count(), fewRaw) - 1) * raw.each
	second := min(raw.each, last)
	return decodeInTwo(d, len(p), src, maxLanes, func(at int, src []byte, rounds int) (done, read int) {
		_ = raw.bits[last+(at+rounds*maxLanes)/8-1]
		return decodeFewRawAVX512((*byte)(unsafe.Pointer(d)), bytesOf(p[at:]), bytesOf(raw.bits[at/8:]), second, last, which, bytesOf(src), len(src), rounds)
	})
}

// decodeFewBF16Fast fills dst with as many floats of layoutBF16 in whole rounds
// as it can: those whose exponents it decodes, and whose other bytes are lo. It
// returns how many that were and the words that are left.
func decodeFewBF16Fast(d *laneDecoder, dst, lo, src []byte) (int, []byte) {
	return decodeInTwo(d, len(lo), src, maxLanes, func(at int, src []byte, rounds int) (done, read int) {
		return decodeFewBF16AVX512((*byte)(unsafe.Pointer(d)), bytesOf(dst[2*at:]), bytesOf(lo[at:]), bytesOf(src), len(src), rounds)
	})
}

// decodeFewF16Fast is decodeFewBF16Fast for floats of layout16, whose high bytes it
// decodes, but for the signs.
func decodeFewF16Fast(d *laneDecoder, dst, signs, lo, src []byte) (int, []byte) {
	return decodeInTwo(d, len(lo), src, maxLanes, func(at int, src []byte, rounds int) (done, read int) {
		_ = signs[(at+rounds*maxLanes)/8-1]
		return decodeFewF16AVX512((*byte)(unsafe.Pointer(d)), bytesOf(dst[2*at:]), bytesOf(signs[at/8:]), bytesOf(lo[at:]), bytesOf(src), len(src), rounds)
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

// decodeShortFast decodes pairs of steps of states x and y up to the first that has
// raw bits that raws may not have, or not yet. It returns how many, and the bytes of
// words that were read.
func decodeShortFast[Z step](all *shortSet, x, y *uint32, z []Z, ctx []uint8, words []byte, raws *bitUnstack, n number) (pairs, read int) {
	if use == portable || unsafe.Sizeof(z[0]) != 2 {
		return 0, 0
	}
	states := [2]uint32{*x, *y}
	_ = ctx[len(z)-1]
	pairs, read = decodeShort((*byte)(unsafe.Pointer(&states)), bytesOf(z), bytesOf(ctx), (*byte)(unsafe.Pointer(&all.of)), &all.raw[0], (*byte)(unsafe.Pointer(raws)), bytesOf(words), len(words), len(z)/2, int(n.bits()))
	*x, *y = states[0], states[1]
	return pairs, read
}
