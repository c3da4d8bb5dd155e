package codec

import "math/bits"

// decodeFound16 decodes steps of 16 bits of the first k lanes, whose entries were
// found, fours of which have further portions.
func (d *laneDecoder) decodeFound16(k int, fours uint64, src []byte) ([]byte, error) {
	t := &d.round
	var low uint64
	if k%4 == 0 {
		low = t.takeAll16(&d.states, k)
	} else {
		low = t.takeSome16(&d.states, k)
	}
	src, err := d.renormalise(src, low)
	if err != nil || fours == 0 {
		return src, err
	}
	lanes := t.withRest(fours)
	for i := range t.rest {
		low = t.takeRest16(&t.rest[i], &d.states, lanes)
		if src, err = d.renormalise(src, low); err != nil || fours&foursThird == 0 {
			break
		}
	}
	return src, err
}

// takeAll16 takes a symbol and its first portion from each of the first k lanes, a
// multiple of four, and returns which are low.
func (t *roundTables) takeAll16(states *[maxLanes]uint32, k int) (low uint64) {
	_, _ = t.mask[0], states[0]
	for j := min(k, maxLanes) - 1; j >= 3; j -= 4 {
		e := t.found[j]
		x, raw := t.take(states[j], e)
		_, borrow := bits.Sub64(x, laneLow, 0)
		low, _ = bits.Add64(low, low, borrow)
		states[j] = uint32(x)
		z := uint64(raw + t.step16[uint8(e)])
		e = t.found[j-1]
		x, raw = t.take(states[j-1], e)
		_, borrow = bits.Sub64(x, laneLow, 0)
		low, _ = bits.Add64(low, low, borrow)
		states[j-1] = uint32(x)
		z = (z | uint64(raw+t.step16[uint8(e)])>>16) << 32
		e = t.found[j-2]
		x, raw = t.take(states[j-2], e)
		_, borrow = bits.Sub64(x, laneLow, 0)
		low, _ = bits.Add64(low, low, borrow)
		states[j-2] = uint32(x)
		z |= uint64(raw + t.step16[uint8(e)])
		e = t.found[j-3]
		x, raw = t.take(states[j-3], e)
		_, borrow = bits.Sub64(x, laneLow, 0)
		low, _ = bits.Add64(low, low, borrow)
		states[j-3] = uint32(x)
		t.steps16[j>>2] = z | uint64(raw+t.step16[uint8(e)])>>16
	}
	return low
}

// takeSome16 is takeAll16 for any number of lanes.
func (t *roundTables) takeSome16(states *[maxLanes]uint32, k int) (low uint64) {
	_, _ = t.mask[0], states[0]
	for j := k - 1; j >= 0; j-- {
		i := j & (maxLanes - 1)
		e := t.found[i]
		x, raw := t.take(states[i], e)
		low = low*2 + (x-laneLow)>>63
		states[i] = uint32(x)
		t.putStep(i, uint16((raw+t.step16[uint8(e)])>>16))
	}
	return low
}

// takeRest16 takes a further portion from each of lanes. It returns which lanes are
// low.
func (t *roundTables) takeRest16(p *portions, states *[maxLanes]uint32, lanes uint64) (low uint64) {
	_, _ = t.mask[0], states[0]
	for ; lanes != 0; lanes &= lanes - 1 {
		j := bits.TrailingZeros64(lanes) & (maxLanes - 1)
		s := uint8(t.found[j])
		add, x := p.take(states[j], s)
		states[j] = x
		t.putStep(j, t.stepAt(j)+uint16(add))
		low |= uint64((x-laneLow)>>31) << j
	}
	return low
}

// stepAt returns lane j's step of 16 bits.
func (t *roundTables) stepAt(j int) uint16 {
	return uint16(t.steps16[j/4&(maxLanes/4-1)] >> (16 * (j & 3)))
}

// putStep makes z lane j's step of 16 bits.
func (t *roundTables) putStep(j int, z uint16) {
	w := &t.steps16[j/4&(maxLanes/4-1)]
	*w = *w&^(0xffff<<(16*(j&3))) | uint64(z)<<(16*(j&3))
}
