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
			depth[i] = t[x]
		}
	case 2:
		t.of16(depth, base, n.exponent)
	default:
		base = base[:4*len(depth)]
		for i := range depth {
			depth[i] = t[uint8(le.Uint32(base[4*i:])>>(n.exponent&31))]
		}
	}
}

func (n number) depthOf(x, top uint32) uint8 {
	if !n.float {
		return 0
	}
	return uint8(min(top-min(top, n.exponentOf(x)), maxDepth))
}

// fewDepths is up to how many depths are found faster than a table of them.
const fewDepths = 256

// A depthTable is depths, by an element of a byte, or by the lowest byte of a wider
// one from its exponent on.
type depthTable [256]uint8

func (n number) depthTable(top uint32) (t depthTable) {
	all := n.mask&(1<<8-1) + 1
	for e := range all {
		t[e&(1<<8-1)] = uint8(min(top-min(top, e), maxDepth))
	}
	if n.width > 1 {
		fill(t[all:], t[:all])
		return t
	}
	narrow := t
	for x := range t {
		t[x] = narrow[n.exponentOf(uint32(x))&(1<<8-1)]
	}
	return t
}

// of16 fills depth with those of elements of 16 bits.
func (t *depthTable) of16(depth []uint8, base []byte, exponent uint) {
	_ = t[0]
	i := 0
	for ; i <= len(depth)-8; i += 8 {
		d, b := (*[8]uint8)(depth[i:]), (*[16]byte)(base[2*i:])
		x := le.Uint64(b[:8]) >> (exponent & 15)
		d[0], d[1], d[2], d[3] = t[uint8(x)], t[uint8(x>>16)], t[uint8(x>>32)], t[uint8(x>>48)]
		x = le.Uint64(b[8:]) >> (exponent & 15)
		d[4], d[5], d[6], d[7] = t[uint8(x)], t[uint8(x>>16)], t[uint8(x>>32)], t[uint8(x>>48)]
	}
	for ; i < len(depth); i++ {
		depth[i] = t[uint8(le.Uint16(base[2*i:])>>(exponent&15))]
	}
}
