package codec

import "math/bits"

// decodeFound16 decodes steps of 16 bits of the first k lanes, whose entries were
// found. All is in one function, as a call takes as long as a few lanes.
func (d *laneDecoder) decodeFound16(k int, fours uint64, src []byte) ([]byte, error) {
	t, words := &d.round, d.roundWords(src)
	var low uint64
	if k%4 == 0 {
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
	} else {
		low = t.takeSome16(&d.states, k)
	}
	at := 0
	for ; low != 0; low &= low - 1 {
		j := bits.TrailingZeros64(low) & (maxLanes - 1)
		d.states[j] = d.states[j]<<16 | uint32(le.Uint16(words[at&(roundWords-2):]))
		at += 2
	}
	if fours == 0 {
		return left(src, at)
	}
	for rest := t.withRest(fours); rest != 0; rest &= rest - 1 { // no step of 16 bits has a third portion
		j := bits.TrailingZeros64(rest) & (maxLanes - 1)
		add, x := t.rest[0].take(d.states[j], uint8(t.found[j]>>entryShift))
		t.putStep(j, t.stepAt(j)+uint16(add))
		low := (x - laneLow) >> 31
		d.states[j] = x<<(low<<4&31) | uint32(le.Uint16(words[at&(roundWords-2):]))&-low
		at += int(2 * low)
	}
	return left(src, at)
}

// takeSome16 takes a symbol and its first portion from each of the first k lanes.
// It returns which are low.
func (t *roundTables) takeSome16(states *[maxLanes]uint32, k int) (low uint64) {
	_, _ = t.mask[0], states[0]
	for j := k - 1; j >= 0; j-- {
		i := j & (maxLanes - 1)
		e := t.found[i]
		x, s, raw := t.take(states[i], e)
		low = low*2 + (x-laneLow)>>63
		states[i] = uint32(x)
		t.putStep(i, uint16((raw+t.step16[s])>>16))
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
