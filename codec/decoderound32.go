package codec

import "math/bits"

// decodeFound32 is decodeFound16 for steps of 32 bits.
func (d *laneDecoder) decodeFound32(k int, fours uint64, src []byte) ([]byte, error) {
	low := d.takeFirst32(k)
	src, err := d.renormalise(src, low)
	rest := d.round.withRest(fours)
	for i := 0; i < len(d.round.rest) && rest != 0 && err == nil; i++ {
		low, rest = d.takeRest32(i, rest)
		src, err = d.renormalise(src, low)
	}
	return src, err
}

// takeFirst32 takes a symbol and its first portion from each of the first k lanes.
// It returns which are low, and which have further portions.
func (d *laneDecoder) takeFirst32(k int) (low uint64) {
	t := &d.round
	if k%4 == 0 {
		for j := min(k, maxLanes) - 1; j >= 3; j -= 4 {
			var e, x, carry uint64
			var s uint8
			var raw uint32
			e = t.found[j]
			x, s, raw = t.take(d.states[j], e)
			d.states[j], t.steps32[j] = uint32(x), raw>>freqBits+t.step[s]
			_, carry = bits.Sub64(x, laneLow, 0)
			low, _ = bits.Add64(low, low, carry)
			e = t.found[j-1]
			x, s, raw = t.take(d.states[j-1], e)
			d.states[j-1], t.steps32[j-1] = uint32(x), raw>>freqBits+t.step[s]
			_, carry = bits.Sub64(x, laneLow, 0)
			low, _ = bits.Add64(low, low, carry)
			e = t.found[j-2]
			x, s, raw = t.take(d.states[j-2], e)
			d.states[j-2], t.steps32[j-2] = uint32(x), raw>>freqBits+t.step[s]
			_, carry = bits.Sub64(x, laneLow, 0)
			low, _ = bits.Add64(low, low, carry)
			e = t.found[j-3]
			x, s, raw = t.take(d.states[j-3], e)
			d.states[j-3], t.steps32[j-3] = uint32(x), raw>>freqBits+t.step[s]
			_, carry = bits.Sub64(x, laneLow, 0)
			low, _ = bits.Add64(low, low, carry)
		}
		return low
	}
	for j := k - 1; j >= 0; j-- {
		i := j & (maxLanes - 1)
		e := t.found[i]
		x, s, raw := t.take(d.states[i], e)
		d.states[i], t.steps32[i] = uint32(x), raw>>freqBits+t.step[s]
		low = low*2 + (x-laneLow)>>63
	}
	return low
}

// takeRest32 takes the second portion, or the third, from each of lanes. It returns
// which are low, and which have a third.
func (d *laneDecoder) takeRest32(i int, lanes uint64) (low, rest uint64) {
	t := &d.round
	p := &t.rest[i&1]
	for ; lanes != 0; lanes &= lanes - 1 {
		j := bits.TrailingZeros64(lanes) & (maxLanes - 1)
		s := uint8(t.found[j] >> entryShift)
		add, x := p.take(d.states[j], s)
		d.states[j] = x
		t.steps32[j] += add
		low |= uint64((x-laneLow)>>31) << j
		rest |= uint64(s/thirdFlag) << j
	}
	return low, rest
}

// finishFloats32 is finishFloats16 for floats of 32 bits. So many of these are low that
// each takes its word where it takes its bits: a loop over low lanes would take as
// long, and no CPU foresees where it ends.
func (d *laneDecoder) finishFloats32(dst, base *[4 * maxLanes]byte, fours uint64, src []byte) ([]byte, error) {
	words := d.roundWords(src)
	at := d.takeWords32(words)
	if fours == 0 {
		walkRound32(dst, base, &d.round.steps32)
		return skip(src, int(at))
	}
	at, pairs := d.walkRest32(dst, base, words, at)
	for ; pairs != 0; pairs &= pairs - 1 {
		at = d.walkThird32(dst, base, words, at, bits.TrailingZeros64(pairs))
	}
	return skip(src, int(at))
}

// takeWords32 takes a symbol and its first portion from each of all lanes, and gives a
// word to those that are low. It returns how many bytes these are.
func (d *laneDecoder) takeWords32(words *[roundWords]byte) (at uint64) {
	t := &d.round
	_, _ = d.states[0], words[0]
	for j := 0; j < maxLanes; j += 2 {
		x, s, raw := t.take(d.states[j], t.found[j])
		t.steps32[j] = raw>>freqBits + t.step[s]
		y := x<<16 | uint64(le.Uint16(words[at&(roundWords-2):]))
		at += (x - laneLow) >> 63 * 2
		if x < laneLow {
			x = y
		}
		d.states[j] = uint32(x)

		x, s, raw = t.take(d.states[j+1], t.found[j+1])
		t.steps32[j+1] = raw>>freqBits + t.step[s]
		y = x<<16 | uint64(le.Uint16(words[at&(roundWords-2):]))
		at += (x - laneLow) >> 63 * 2
		if x < laneLow {
			x = y
		}
		d.states[j+1] = uint32(x)
	}
	return at
}

// walkRest32 takes the second portion from each of all lanes, and words from at on,
// and fills dst with the floats that are steps from base's. It returns where words go
// on, and which pairs of lanes have a third portion, in the order that words have.
func (d *laneDecoder) walkRest32(dst, base *[4 * maxLanes]byte, words *[roundWords]byte, at uint64) (to, pairs uint64) {
	t, p := &d.round, &d.round.rest[0]
	_, _, _, _ = d.states[0], words[0], dst[0], base[0]
	for j := 0; j < maxLanes; j += 2 {
		b, o := base[4*j:4*j+8], dst[4*j:4*j+8]
		s0, s1 := uint8(t.found[j]>>entryShift), uint8(t.found[j+1]>>entryShift)
		pairs = pairs*2 + uint64((s0|s1)/thirdFlag)
		add, rest := p.take(d.states[j], s0)
		z, x := t.steps32[j]+add, uint64(rest)
		y := x<<16 | uint64(le.Uint16(words[at&(roundWords-2):]))
		at += (x - laneLow) >> 63 * 2
		if x < laneLow {
			x = y
		}
		d.states[j] = uint32(x)
		v := le.Uint32(b[0:])
		v ^= uint32(int32(v)>>31) >> 1
		v += z>>1 ^ -(z & 1)
		le.PutUint32(o[0:], v^uint32(int32(v)>>31)>>1)

		add, rest = p.take(d.states[j+1], s1)
		z, x = t.steps32[j+1]+add, uint64(rest)
		y = x<<16 | uint64(le.Uint16(words[at&(roundWords-2):]))
		at += (x - laneLow) >> 63 * 2
		if x < laneLow {
			x = y
		}
		d.states[j+1] = uint32(x)
		v = le.Uint32(b[4:])
		v ^= uint32(int32(v)>>31) >> 1
		v += z>>1 ^ -(z & 1)
		le.PutUint32(o[4:], v^uint32(int32(v)>>31)>>1)
	}
	return at, bits.Reverse64(pairs) >> (64 - maxLanes/2)
}

// walkThird32 takes the third portion from lanes of the pair with that number, and puts
// right what walkRest32 filled dst with.
func (d *laneDecoder) walkThird32(dst, base *[4 * maxLanes]byte, words *[roundWords]byte, at uint64, pair int) uint64 {
	p := &d.round.rest[1]
	for i := range 2 {
		j := (2*pair + i) & (maxLanes - 1)
		s := uint8(d.round.found[j] >> entryShift)
		if s < thirdFlag {
			continue
		}
		add, x := p.take(d.states[j], s)
		low := (x - laneLow) >> 31
		d.states[j] = x<<(low<<4&31) | uint32(le.Uint16(words[at&(roundWords-2):]))&-low
		at += uint64(2 * low)
		b := le.Uint32(base[4*j:])
		z := step32(le.Uint32(dst[4*j:]), b, 1<<31-1) + add
		le.PutUint32(dst[4*j:], walkFloat(b, z))
	}
	return at
}
