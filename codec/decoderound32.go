package codec

import "math/bits"

// decodeFound32 is decodeFound16 for steps of 32 bits.
func (d *laneDecoder) decodeFound32(k int, fours uint64, src []byte) ([]byte, error) {
	t := &d.round
	var low uint64
	if k%4 == 0 {
		low = t.takeAll32(&d.states, k)
	} else {
		low = t.takeSome32(&d.states, k)
	}
	src, err := d.renormalise(src, low)
	if err != nil || fours == 0 {
		return src, err
	}
	lanes, all := uint64(0), k == maxLanes && bits.OnesCount64(fours&foursRest) > manyFours
	if !all {
		lanes = t.withRest(fours)
	}
	for i := range t.rest {
		if all {
			low = t.takeRestAll32(&t.rest[i], &d.states)
		} else {
			low = t.takeRest32(&t.rest[i], &d.states, lanes)
		}
		if src, err = d.renormalise(src, low); err != nil || fours&foursThird == 0 {
			break
		}
	}
	return src, err
}

// manyFours is from how many fours with further portions on these are taken from all
// lanes.
const manyFours = maxLanes / 4 / 2

// takeAll32 is takeAll16 for steps of 32 bits.
func (t *roundTables) takeAll32(states *[maxLanes]uint32, k int) (low uint64) {
	_, _ = t.mask[0], states[0]
	for j := min(k, maxLanes) - 1; j >= 1; j -= 2 {
		e := t.found[j]
		x, raw := t.take(states[j], e)
		_, borrow := bits.Sub64(x, laneLow, 0)
		low, _ = bits.Add64(low, low, borrow)
		s := uint8(e)
		states[j], t.steps32[j], t.symbol[j] = uint32(x), raw>>freqBits+t.step[s], s
		e = t.found[j-1]
		x, raw = t.take(states[j-1], e)
		_, borrow = bits.Sub64(x, laneLow, 0)
		low, _ = bits.Add64(low, low, borrow)
		s = uint8(e)
		states[j-1], t.steps32[j-1], t.symbol[j-1] = uint32(x), raw>>freqBits+t.step[s], s
	}
	return low
}

// takeSome32 is takeSome16 for steps of 32 bits.
func (t *roundTables) takeSome32(states *[maxLanes]uint32, k int) (low uint64) {
	_, _ = t.mask[0], states[0]
	for j := k - 1; j >= 0; j-- {
		i := j & (maxLanes - 1)
		e := t.found[i]
		x, raw := t.take(states[i], e)
		low = low*2 + (x-laneLow)>>63
		states[i] = uint32(x)
		t.steps32[i] = raw>>16 + t.step[uint8(e)]
	}
	return low
}

// takeRest32 takes a further portion from each of lanes. It returns which lanes are
// low.
func (t *roundTables) takeRest32(p *portions, states *[maxLanes]uint32, lanes uint64) (low uint64) {
	_, _ = t.mask[0], states[0]
	for ; lanes != 0; lanes &= lanes - 1 {
		j := bits.TrailingZeros64(lanes) & (maxLanes - 1)
		s := uint8(t.found[j])
		add, x := p.take(states[j], s)
		states[j] = x
		t.steps32[j] += add
		low |= uint64((x-laneLow)>>31) << j
	}
	return low
}

// takeRestAll32 takes the portion from all lanes, which is faster if many have it.
// It returns which lanes are low, and if any has a further portion, all.
func (t *roundTables) takeRestAll32(p *portions, states *[maxLanes]uint32) (low uint64) {
	_, _, _ = t.mask[0], p.n[0], states[0]
	for j := maxLanes - 1; j > 0; j -= 2 {
		s := t.symbol[j]
		add, x := p.take(states[j], s)
		_, borrow := bits.Sub64(uint64(x), laneLow, 0)
		low, _ = bits.Add64(low, low, borrow)
		states[j] = x
		t.steps32[j] += add
		s = t.symbol[j-1]
		add, x = p.take(states[j-1], s)
		_, borrow = bits.Sub64(uint64(x), laneLow, 0)
		low, _ = bits.Add64(low, low, borrow)
		states[j-1] = x
		t.steps32[j-1] += add
	}
	return low
}
