package codec

import (
	"math"
	"math/bits"
)

// A shiftSearch is how the shift of a row or column is found from how many times
// larger its symbols are than the curve expects: a binary tree, whose i'th node is
// the least ratio that goes to its upper branch, 2i+1. Ratios are floats, as their
// bits, which are in the order of the floats. A float's last bit is the same on all
// machines: each result here is of one operation.
type shiftSearch [1 << shiftDepth]int32

const shiftDepth = 6

// set makes t the search for the k whose mean[k], relative to that of no shift, is
// nearest. It leads to 0 if that is 0.
func (t *shiftSearch) set(mean *[2*maxShift + 1]uint64) {
	*t = shiftSearch{}
	zero := mean[maxShift]
	if zero == 0 {
		return
	}
	for i := 1; i < len(t); i++ {
		level := bits.Len(uint(i)) - 1
		k := (2*(i-1<<level)+1)<<(shiftDepth-1-level) - 1 // in order
		t[i] = math.MaxInt32
		if k < 2*maxShift {
			t[i] = int32(math.Float32bits(float32(mean[k]+mean[k+1]) / float32(2*zero)))
		}
	}
}

// significant is how many times larger than its expectation the square of a
// difference of symbols must be, for a shift to save more bits than it costs.
const significant = 6

// of returns the shift that makes elements as large as they are: 0 if chance
// explains the difference as well.
func (t *shiftSearch) of(sums stepSums) int8 {
	have, expected := float32(sums.symbols<<curveBits), float32(sums.expected)
	apart := have - expected
	if sums.expected == 0 || apart*apart <= significant<<curveBits*expected {
		return 0
	}
	ratio := int32(math.Float32bits(have / expected))
	i := 1
	for range shiftDepth { // without branches, which would be missed
		i += i + 1 - int(uint32(ratio-t[i&(len(t)-1)])>>31)
	}
	return int8(i - len(t) - maxShift)
}

// shifts fills dst with the shifts of rows or columns.
func (s *scaler) shifts(dst []int8, sums []stepSums) []int8 {
	dst = grow(dst, len(sums)+shiftsSpare)[:len(sums)]
	if s.ratio[maxShift] == 0 {
		clear(dst)
		return dst
	}
	for i := shiftsFast(dst, sums, &s.search); i < len(dst); i++ {
		dst[i] = s.search.of(sums[i])
	}
	return dst
}

// shiftsSpare is how many more sums kernels look at, and how many more shifts they
// write.
const shiftsSpare = 15

// room returns memory for n sums.
func (s *scaler) room(n int) []stepSums {
	s.sums = grow(s.sums, n+shiftsSpare)
	return s.sums[:n]
}
