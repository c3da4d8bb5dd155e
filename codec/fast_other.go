//go:build !amd64 || purego

package codec

func encodeRoundsFast[Z step](_ *laneEncoder, _, _ []uint8, _ []Z, _, p int, _ []byte) (bool, int) {
	return false, p
}

func decodeRoundsFast[Z step](_ *laneDecoder, _ []Z, _ []uint8, src []byte, _ int) (int, []byte) {
	return 0, src
}

func steps16Fast(number, []uint16, []uint8, []byte, []byte) int { return 0 }

func steps8Fast(number, []uint16, []uint8, []byte, []byte) int { return 0 }

func steps32Fast(number, []uint32, []uint8, []byte, []byte) int { return 0 }

func walk16Fast(number, []byte, []byte, []uint16) int { return 0 }

func walk8Fast(number, []byte, []byte, []uint16) int { return 0 }

func walk32Fast(number, []byte, []byte, []uint32) int { return 0 }

func depthsFast(number, []uint8, []byte, uint32) int { return 0 }

func floats16Fast(number, []uint16, []uint8, []uint8, []byte, []byte, uint32) int { return 0 }

func contextFast([]uint8, []uint8, []int8, int) int { return 0 }

func rowsContextsFast(_, _ []uint8, _, _ []int8, _, _, _ int) bool { return false }

func rowsSumsFast(_ []stepSums, _, _ []uint8, _ *[2][contexts]uint8, _ int) bool { return false }

func rowSumsFast(_, _ []uint8, _ *[2][contexts]uint8) (int, stepSums) { return 0, stepSums{} }

func shiftsFast([]int8, []stepSums, *shiftSearch) int { return 0 }

func nonzeroFast(_, _ []byte) (nonzero, done int) { return 0, 0 }

func movedKeysFast(_ []uint16, _, _ []uint8) (moved, done int) { return 0, 0 }

func columnSumsFast([]uint16, []uint8, []uint8, *[2][contexts]uint8, int, int, int) (int, int) {
	return 0, 0
}

func encodeBytesFast(_ *laneEncoder, _ []byte, _, at int, _ []byte) (bool, int) { return false, at }

func decodeBytesFast(_ *laneDecoder, _, src []byte, _ int) (int, []byte) { return 0, src }

func fewFast(int) bool { return false }

func decodeFewFast(_ *laneDecoder, _, src []byte) (int, []byte) { return 0, src }

func decodeFewRawFast(_ *laneDecoder, _, src []byte, _ rawBits) (int, []byte) { return 0, src }

func decodeFewBF16Fast(_ *laneDecoder, _, _, src []byte) (int, []byte) { return 0, src }

func decodeFewF16Fast(_ *laneDecoder, _, _, _, src []byte) (int, []byte) { return 0, src }

func seenFast([]byte, *[32]uint8) int { return 0 }

func takeBitFast(_, _ []byte, _ uint) int { return 0 }

func addBitFast(_, _ []byte, _ uint) int { return 0 }

// appendWords appends words, little-endian.
func appendWords(dst []byte, words []uint16) []byte {
	for _, w := range words {
		dst = le.AppendUint16(dst, w)
	}
	return dst
}

func splitFast(layout, []byte, []byte, []byte, int) int { return 0 }

func joinFast(layout, []byte, *planeSet, []byte) int { return 0 }

func countFast(_, _ *stepCounts, _ []uint16, _, _ []uint8) int { return 0 }

func decodeFusedFast(_ *laneDecoder, _ number, _, _ []byte, _ []int8, _ uint32, src []byte, _ int) (int, []byte) {
	return 0, src
}

func rowShiftsFast(_, _ []int8, _ int) int { return 0 }

func fused(number, int) bool { return false }

func addFast(_, _ *stepCounts, _ *stepTotals) bool { return false }

func belowFast(_, _ []uint8, _ *[contexts]uint8) int { return 0 }

func encodeShortFast[Z step](_ *shortSet, _, _ *uint32, z []Z, _ []uint8, _ []uint16, at int) (left, to int) {
	return len(z), at
}

func decodeShortFast[Z step](_ *shortSet, _, _ *uint32, _ []Z, _ []uint8, _ []byte, _ *bitUnstack, _ number) (pairs, read int) {
	return 0, 0
}

func predictFast(_ []byte, _ []uint16, _ []byte, _ *lowRank, _ []int16, _ int, _ float32) bool {
	return false
}

func placeContextsFast([]uint8, []uint16, int) int { return 0 }

func turnFast(_, _ []uint16) int { return 0 }
