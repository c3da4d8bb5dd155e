package family

// price is what a base must save, of the bits that target takes stand-alone.
// Chance alone makes one of many bases look 0.2 % better to random bytes, and
// what depends on another tensor costs reads.
const price = 0.01

// Saves tells whether a delta of bits a unit saves enough of what a tensor takes
// stand-alone for it to depend on another.
func Saves(bits, alone float64) bool { return bits < alone*(1-price) }
