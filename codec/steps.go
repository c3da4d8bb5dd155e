package codec

// steps16 fills z and symbols with the steps from base's elements to leaf's, and
// their symbols.
func (n number) steps16(z []uint16, symbols []uint8, leaf, base []byte) {
	i := steps16Fast(n, z, symbols, leaf, base)
	z, symbols, leaf, base = z[i:], symbols[i:], leaf[2*i:], base[2*i:]
	low := uint16(n.ordering().low)
	symbols, leaf, base = symbols[:len(z)], leaf[:2*len(z)], base[:2*len(z)]
	for i := range z {
		// In both orders the highest bit is wrong, which makes no difference.
		a, b := le.Uint16(leaf[2*i:]), le.Uint16(base[2*i:])
		a ^= uint16(int16(a)>>15) & low
		b ^= uint16(int16(b)>>15) & low
		a -= b
		a = a<<1 ^ uint16(int16(a)>>15)
		if z[i] = a; a < uint16(len(symbolOf8)) {
			symbols[i] = symbolOf8[a]
			continue
		}
		symbols[i] = symbolOf(a)
	}
}

// steps32 is steps16 for elements of 32 bits.
func (n number) steps32(z []uint32, symbols []uint8, leaf, base []byte) {
	i := steps32Fast(n, z, symbols, leaf, base)
	z, symbols, leaf, base = z[i:], symbols[i:], leaf[4*i:], base[4*i:]
	low := n.ordering().low
	symbols, leaf, base = symbols[:len(z)], leaf[:4*len(z)], base[:4*len(z)]
	for i := range z {
		a, b := le.Uint32(leaf[4*i:]), le.Uint32(base[4*i:])
		a ^= uint32(int32(a)>>31) & low
		b ^= uint32(int32(b)>>31) & low
		a -= b
		a = a<<1 ^ uint32(int32(a)>>31)
		z[i], symbols[i] = a, symbolOf(a)
	}
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

