package codec

import "math/bits"

// decodeFound16 decodes steps of 16 bits of the first k lanes, whose entries were
// found, fours of which have further portions.
func (d *laneDecoder) decodeFound16(k int, fours uint64, src []byte) ([]byte, error) {
	var low uint64
	if k%4 == 0 {
		low = d.takeAll16(k)
	} else {
		low = d.takeSome16(k)
	}
	src, _, err := d.takeWords16(low, fours, src)
	return src, err
}

// finishFloats16 fills dst with the floats of 16 bits of all lanes, whose entries were
// found, fours of which have further portions. Where the loop over words ends is what
// no CPU foresees: what does not wait for it comes before.
func (d *laneDecoder) finishFloats16(dst, base *[2 * maxLanes]byte, fours uint64, src []byte) ([]byte, error) {
	low := d.takeAll16(maxLanes)
	walkRound16(dst, base, &d.round.steps16)
	src, lanes, err := d.takeWords16(low, fours, src)
	for ; lanes != 0; lanes &= lanes - 1 {
		j := bits.TrailingZeros64(lanes) & (maxLanes - 1)
		x := walkFloats16(uint64(le.Uint16(base[2*j:])), uint64(d.round.stepAt(j)))
		le.PutUint16(dst[2*j:], uint16(x))
	}
	return src, err
}

// takeAll16 takes a symbol and its first portion from each of the first k lanes, a
// multiple of four, and returns which are low.
func (d *laneDecoder) takeAll16(k int) (low uint64) {
	t := &d.round
	_ = d.states[0] // nil is looked for here, not in the loop
	for j := min(k, maxLanes) - 1; j >= 3; j -= 4 {
		var e, x, carry uint64
		var s uint8
		var raw uint32
		e = t.found[j]
		x, s, raw = t.take(d.states[j], e)
		d.states[j] = uint32(x)
		z := uint64(raw + t.step16[s])
		_, carry = bits.Sub64(x, laneLow, 0)
		low, _ = bits.Add64(low, low, carry)
		e = t.found[j-1]
		x, s, raw = t.take(d.states[j-1], e)
		d.states[j-1] = uint32(x)
		z = (z | uint64(raw+t.step16[s])>>16) << 32
		_, carry = bits.Sub64(x, laneLow, 0)
		low, _ = bits.Add64(low, low, carry)
		e = t.found[j-2]
		x, s, raw = t.take(d.states[j-2], e)
		d.states[j-2] = uint32(x)
		z |= uint64(raw + t.step16[s])
		_, carry = bits.Sub64(x, laneLow, 0)
		low, _ = bits.Add64(low, low, carry)
		e = t.found[j-3]
		x, s, raw = t.take(d.states[j-3], e)
		d.states[j-3] = uint32(x)
		t.steps16[j>>2] = z | uint64(raw+t.step16[s])>>16
		_, carry = bits.Sub64(x, laneLow, 0)
		low, _ = bits.Add64(low, low, carry)
	}
	return low
}

// takeSome16 is takeAll16 for any number of lanes.
func (d *laneDecoder) takeSome16(k int) (low uint64) {
	t := &d.round
	for j := k - 1; j >= 0; j-- {
		i := j & (maxLanes - 1)
		e := t.found[i]
		x, s, raw := t.take(d.states[i], e)
		low = low*2 + (x-laneLow)>>63
		d.states[i] = uint32(x)
		t.putStep(i, uint16((raw+t.step16[s])>>16))
	}
	return low
}

// takeWords16 gives a word of src to each of the lanes low, and takes the further
// portions of lanes of fours. It returns the words that are left, and which lanes had
// those. No step of 16 bits has a third portion.
func (d *laneDecoder) takeWords16(low, fours uint64, src []byte) (left []byte, rest uint64, err error) {
	t, words, at := &d.round, d.roundWords(src), 0
	for ; low != 0; low &= low - 1 {
		j := bits.TrailingZeros64(low) & (maxLanes - 1)
		d.states[j] = d.states[j]<<16 | uint32(le.Uint16(words[at&(roundWords-2):]))
		at += 2
	}
	if fours != 0 {
		rest = t.withRest(fours)
	}
	for lanes := rest; lanes != 0; lanes &= lanes - 1 {
		j := bits.TrailingZeros64(lanes) & (maxLanes - 1)
		add, x := t.rest[0].take(d.states[j], uint8(t.found[j]>>entryShift))
		t.putStep(j, t.stepAt(j)+uint16(add))
		low := (x - laneLow) >> 31
		d.states[j] = x<<(low<<4&31) | uint32(le.Uint16(words[at&(roundWords-2):]))&-low
		at += int(2 * low)
	}
	left, err = skip(src, at)
	return left, rest, err
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
