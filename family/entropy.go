package family

import "math"

// A histogram counts symbols below 256.
type histogram [256]int32

// bits returns what it takes to code all the symbols counted, each by its
// share. The share of a symbol in a sample is never right, which makes the
// plain entropy too small by about (symbols-1)/(2 ln 2) bits; that is added
// (Miller and Madow).
func (h *histogram) bits() float64 {
	total, used := 0, 0
	sum := 0.0
	for s := range h {
		if n := int(h[s]); n > 0 {
			total += n
			used++
			sum += nLog(n)
		}
	}
	if used < 2 {
		return 0
	}
	return nLog(total) - sum + float64(used-1)/(2*math.Ln2)
}

// nLog returns n log2 n.
func nLog(n int) float64 {
	if n < len(nLogs) {
		return nLogs[n]
	}
	return float64(n) * math.Log2(float64(n))
}

var nLogs = func() (list [512]float64) {
	for n := range list[1:] {
		list[n+1] = float64(n+1) * math.Log2(float64(n+1))
	}
	return list
}()

// total returns how many symbols were counted.
func (h *histogram) total() int {
	n := 0
	for _, c := range h {
		n += int(c)
	}
	return n
}

// add counts the bytes of the low width bits of v in planes, the lowest first.
func add(planes []histogram, v uint64) {
	for i := range planes {
		planes[i][byte(v>>(8*i))]++
	}
}

// planeBits returns what it takes to code all planes, each coded by its
// histogram or as it is, whichever is less.
func planeBits(planes []histogram, width int) float64 {
	sum := 0.0
	for i := range planes {
		plane := min(8, width-8*i) // bits
		sum += min(planes[i].bits(), float64(plane*planes[i].total()))
	}
	return sum
}
