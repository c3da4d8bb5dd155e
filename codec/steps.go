package codec

// steps16 fills z and symbols with the steps from base's elements to leaf's, and
// their symbols.
func (n number) steps16(z []uint16, symbols []uint8, leaf, base []byte) {
	i := steps16Fast(n, z, symbols, leaf, base)
	z, symbols, leaf, base = z[i:], symbols[i:], leaf[2*i:], base[2*i:]
	if n.float {
		i = stepsFloat16(z, symbols, leaf, base)
		z, symbols, leaf, base = z[i:], symbols[i:], leaf[2*i:], base[2*i:]
	}
	o := n.ordering()
	for i := range z {
		a := o.step(uint32(le.Uint16(leaf[2*i:])), uint32(le.Uint16(base[2*i:])))
		z[i], symbols[i] = uint16(a), symbolOf(uint16(a))
	}
}

// stepsFloat16 is steps16 for floats, four at a time. It returns how many.
func stepsFloat16(z []uint16, symbols []uint8, leaf, base []byte) int {
	const few = symbolsFew - 1 // those of a table
	n := len(z)
	for len(z) > 4 && len(symbols) > 4 && len(leaf) > 8 && len(base) > 8 { // as in walkFloat16
		w := stepFloats16(le.Uint64(leaf), le.Uint64(base))
		z[0], z[1], z[2], z[3] = uint16(w), uint16(w>>16), uint16(w>>32), uint16(w>>48)
		s := (*[4]uint8)(symbols)
		if w&(lanes16*(1<<16-1)&^(lanes16*few)) == 0 {
			s[0], s[1], s[2], s[3] = symbolOfFew[w&few], symbolOfFew[w>>16&few], symbolOfFew[w>>32&few], symbolOfFew[w>>48&few]
		} else {
			s[0], s[1], s[2], s[3] = symbolOf(z[0]), symbolOf(z[1]), symbolOf(z[2]), symbolOf(z[3])
		}
		z, symbols = z[4:len(z):len(z)], symbols[4:len(symbols):len(symbols)]
		leaf, base = leaf[8:len(leaf):len(leaf)], base[8:len(base):len(base)]
	}
	return n - len(z)
}

// stepFloats16 returns the steps from the four floats of 16 bits b to a. In both
// orders the highest bit is wrong, which makes no difference.
func stepFloats16(a, b uint64) uint64 {
	const sign = 1 << 15 * lanes16
	minus := a & sign
	a ^= minus - minus>>15 // the magnitude of negative ones is flipped
	minus = b & sign
	b ^= minus - minus>>15
	d := (a | sign) - b&^sign ^ (a^^b)&sign // nothing is borrowed from one by the next
	minus = d & sign >> 15
	return d&^sign<<1 ^ (minus<<16 - minus)
}

// symbolOfFew is symbolOf for small steps.
var symbolOfFew = func() (t [symbolsFew]uint8) {
	for z := range t {
		t[z] = symbolOf(uint16(z))
	}
	return t
}()

const symbolsFew = 1 << 12

// steps32 is steps16 for elements of 32 bits.
func (n number) steps32(z []uint32, symbols []uint8, leaf, base []byte) {
	i := steps32Fast(n, z, symbols, leaf, base)
	z, symbols, leaf, base = z[i:], symbols[i:], leaf[4*i:], base[4*i:]
	low := n.ordering().low
	for len(z) > 2 && len(symbols) > 2 && len(leaf) > 8 && len(base) > 8 { // as in walkFloat16
		z[0] = step32(le.Uint32(leaf), le.Uint32(base), low)
		z[1] = step32(le.Uint32(leaf[4:]), le.Uint32(base[4:]), low)
		symbols[0], symbols[1] = symbolOf(z[0]), symbolOf(z[1])
		z, symbols = z[2:len(z):len(z)], symbols[2:len(symbols):len(symbols)]
		leaf, base = leaf[8:len(leaf):len(leaf)], base[8:len(base):len(base)]
	}
	for i := range z {
		z[i] = step32(le.Uint32(leaf[4*i:]), le.Uint32(base[4*i:]), low)
		symbols[i] = symbolOf(z[i])
	}
}

// step32 returns the step from b to a, elements of 32 bits of which low is
// flipped where they are negative.
func step32(a, b, low uint32) uint32 {
	a ^= uint32(int32(a)>>31) & low
	b ^= uint32(int32(b)>>31) & low
	a -= b
	return a<<1 ^ uint32(int32(a)>>31)
}

// symbolOf8 is symbolOf for steps of a byte.
var symbolOf8 = func() (t [256]uint8) {
	for z := range t {
		t[z] = symbolOf(uint16(z))
	}
	return t
}()

// steps8 is steps16 for elements of 8 bits.
func (n number) steps8(z []uint16, symbols []uint8, leaf, base []byte) {
	i := steps8Fast(n, z, symbols, leaf, base)
	z, symbols, leaf, base = z[i:], symbols[i:], leaf[i:], base[i:]
	low := uint8(n.ordering().low)
	symbols, leaf, base = symbols[:len(z)], leaf[:len(z)], base[:len(z)]
	for i := range z {
		a, b := leaf[i], base[i]
		a ^= uint8(int8(a)>>7) & low
		b ^= uint8(int8(b)>>7) & low
		a -= b
		a = a<<1 ^ uint8(int8(a)>>7)
		z[i], symbols[i] = uint16(a), symbolOf8[a]
	}
}
