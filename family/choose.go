package family

// price is what a base must save, of the bits that target takes stand-alone.
// Chance alone makes one of many bases look 0.2 % better to random bytes, and
// what depends on another tensor costs reads.
const price = 0.01

// Saves tells whether a delta of bits a unit saves enough of what a tensor takes
// stand-alone for it to depend on another.
func Saves(bits, alone float64) bool { return bits < alone*(1-price) }

// Choose returns the index of the base against which target takes the fewest
// bits by [Estimate], and these bits for one unit. The index is -1 where no
// base saves a hundredth of what target takes stand-alone. Of equal bases the
// first wins: put those first that are trusted most ([Hints], the same name,
// the same run).
func Choose(target Sample, bases []*Sample) (int, float64) {
	alone := Estimate(target, nil)
	best, least := -1, alone*(1-price)
	for i, b := range bases {
		if n := Estimate(target, b); n < least {
			best, least = i, n
		}
	}
	if best < 0 {
		return best, alone
	}
	return best, least
}
