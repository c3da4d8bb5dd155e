package codec

// walk16 fills dst with the elements that are steps z from base's.
func (n number) walk16(dst, base []byte, z []uint16) {
	o := n.ordering()
	if n.width == 1 {
		i := walk8Fast(n, dst, base, z)
		walk8(dst[i:], base[i:], z[i:], uint8(o.low))
		return
	}
	i := walk16Fast(n, dst, base, z)
	if n.float {
		walkFloat16(dst[2*i:], base[2*i:], z[i:])
		return
	}
	for ; i < len(z); i++ {
		le.PutUint16(dst[2*i:], uint16(o.walk(uint32(le.Uint16(base[2*i:])), uint32(z[i]))))
	}
}

// walkFloat16 is walk16 for floats of 16 bits, whose ordering is constant: eight
// at a time. That more than eight are left, and no more capacity, spares a slice
// half of its instructions.
func walkFloat16(dst, base []byte, z []uint16) {
	for len(z) > 8 && len(base) > 16 && len(dst) > 16 {
		le.PutUint64(dst, walkFloats16(le.Uint64(base), four(z)))
		le.PutUint64(dst[8:], walkFloats16(le.Uint64(base[8:]), four(z[4:])))
		dst, base, z = dst[16:len(dst):len(dst)], base[16:len(base):len(base)], z[8:len(z):len(z)]
	}
	for i, z := range z {
		le.PutUint16(dst[2*i:], uint16(walkFloats16(uint64(le.Uint16(base[2*i:])), uint64(z))))
	}
}

// four returns the first four of z, the first one lowest.
func four(z []uint16) uint64 {
	return uint64(z[0]) | uint64(z[1])<<16 | uint64(z[2])<<32 | uint64(z[3])<<48
}

// walkFloats16 returns the four floats of 16 bits that are steps z from those of
// x. As in steps16, the highest bit of the order is wrong.
func walkFloats16(x, z uint64) uint64 {
	const sign = 1 << 15 * lanes16
	minus, odd := x&sign, z&lanes16<<15
	x ^= minus - minus>>15 // the magnitude of negative ones is flipped
	z = z>>1&^sign ^ (odd - odd>>15)
	x = x&^sign + z ^ (minus ^ odd) // nothing is carried from one to the next
	minus = x & sign
	return x ^ (minus - minus>>15)
}

func (n number) walk32(dst, base []byte, z []uint32) {
	o := n.ordering()
	i := walk32Fast(n, dst, base, z)
	if n.float {
		walkFloat32(dst[4*i:], base[4*i:], z[i:])
		return
	}
	for ; i < len(z); i++ {
		le.PutUint32(dst[4*i:], o.walk(le.Uint32(base[4*i:]), z[i]))
	}
}

// walk8 undoes steps8.
func walk8(dst, base []byte, z []uint16, low uint8) {
	dst, base = dst[:len(z)], base[:len(z)]
	for i, z := range z {
		b := base[i]
		b ^= uint8(int8(b)>>7) & low
		b += uint8(z>>1 ^ -(z & 1))
		dst[i] = b ^ uint8(int8(b)>>7)&low
	}
}

// walkFloat32 is walk32 for floats.
func walkFloat32(dst, base []byte, z []uint32) {
	for len(z) > 4 && len(base) > 16 && len(dst) > 16 {
		le.PutUint32(dst, walkFloat(le.Uint32(base), z[0]))
		le.PutUint32(dst[4:], walkFloat(le.Uint32(base[4:]), z[1]))
		le.PutUint32(dst[8:], walkFloat(le.Uint32(base[8:]), z[2]))
		le.PutUint32(dst[12:], walkFloat(le.Uint32(base[12:]), z[3]))
		dst, base, z = dst[16:len(dst):len(dst)], base[16:len(base):len(base)], z[4:len(z):len(z)]
	}
	for i, z := range z {
		le.PutUint32(dst[4*i:], walkFloat(le.Uint32(base[4*i:]), z))
	}
}

// walkFloat returns the float of 32 bits that is step z from x. As in steps32,
// the highest bit of the order is wrong.
func walkFloat(x, z uint32) uint32 {
	x ^= uint32(int32(x)>>31) >> 1 // the magnitude of negative ones is flipped
	x += z>>1 ^ -(z & 1)
	return x ^ uint32(int32(x)>>31)>>1
}
