package codec

// depths fills depth with by how many powers of two each element is below top.
func (n number) depths(depth []uint8, base []byte, top uint32) {
	if !n.float {
		clear(depth)
		return
	}
	i := depthsFast(n, depth, base, top)
	depth, base = depth[i:], base[i*n.width:]
	if len(depth) < fewDepths {
		for i := range depth {
			depth[i] = n.depthOf(n.load(base, i), top)
		}
		return
	}
	t := n.depthTable(top)
	switch n.width {
	case 1:
		for i, x := range base[:len(depth)] {
			depth[i] = t[uint32(x)<<1]
		}
	case 2:
		t.of16(depth, base)
	default:
		t.of32(depth, base)
	}
}

func (n number) depthOf(x, top uint32) uint8 {
	if !n.float {
		return 0
	}
	return uint8(min(top-min(top, n.exponentOf(x)), maxDepth))
}

// fewDepths is up to how many depths are found faster than a table of them.
const fewDepths = 128

// A depthTable is depths by the highest nine bits of an element, which in all
// floats hold its exponent.
type depthTable [1 << depthBits]uint8

const depthBits = 9

func (n number) depthTable(top uint32) (t depthTable) {
	const half = len(t) / 2 // the others are negative
	shift := n.exponent + depthBits - n.bits()
	from := min(int(top-min(top, maxDepth))<<shift, half)
	fill(t[:from], []byte{maxDepth})
	for i := from; i < min(int(top+1)<<shift, half); i++ {
		t[i] = uint8(int(top) - i>>shift)
	}
	copy(t[half:], t[:half])
	return t
}

// of16 fills depth with those of elements of 16 bits.
func (t *depthTable) of16(depth []uint8, base []byte) {
	_ = t[0]
	for len(depth) > 8 && len(base) > 16 { // as in walkFloat16
		d, b := (*[8]uint8)(depth), (*[16]byte)(base)
		d[0], d[1] = t[le.Uint16(b[0:])>>7], t[le.Uint16(b[2:])>>7]
		d[2], d[3] = t[le.Uint16(b[4:])>>7], t[le.Uint16(b[6:])>>7]
		d[4], d[5] = t[le.Uint16(b[8:])>>7], t[le.Uint16(b[10:])>>7]
		d[6], d[7] = t[le.Uint16(b[12:])>>7], t[le.Uint16(b[14:])>>7]
		depth, base = depth[8:len(depth):len(depth)], base[16:len(base):len(base)]
	}
	for i := range depth {
		depth[i] = t[le.Uint16(base[2*i:])>>7]
	}
}

// of32 fills depth with those of elements of 32 bits.
func (t *depthTable) of32(depth []uint8, base []byte) {
	_ = t[0]
	for len(depth) > 4 && len(base) > 16 {
		d, b := (*[4]uint8)(depth), (*[16]byte)(base)
		d[0], d[1] = t[le.Uint32(b[0:])>>23], t[le.Uint32(b[4:])>>23]
		d[2], d[3] = t[le.Uint32(b[8:])>>23], t[le.Uint32(b[12:])>>23]
		depth, base = depth[4:len(depth):len(depth)], base[16:len(base):len(base)]
	}
	for i := range depth {
		depth[i] = t[le.Uint32(base[4*i:])>>23]
	}
}
