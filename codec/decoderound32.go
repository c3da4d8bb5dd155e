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
		rest |= t.found[j] >> 63 << j
	}
	return low, rest
}

// finish32 decodes a round of all lanes of 32 bits whose entries were found.
func (d *laneDecoder) finish32(dst, base *[4 * maxLanes]byte, src []byte) ([]byte, error) {
	words := d.roundWords(src)
	at, rest, third := d.takeInOrder32(words)
	if rest>>restBit&1 == 0 {
		walkRound32(dst, base, &d.round.steps32)
		return skip(src, int(at))
	}
	at = d.restInOrder32(dst, base, words, at)
	if third != 0 {
		at = d.third32(dst, base, words, at, bits.Reverse64(third))
	}
	return skip(src, int(at))
}

// third32 takes the third portion.
func (d *laneDecoder) third32(dst, base *[4 * maxLanes]byte, words *[roundWords]byte, at, lanes uint64) uint64 {
	t := &d.round
	p := &t.rest[1]
	for ; lanes != 0; lanes &= lanes - 1 {
		j := bits.TrailingZeros64(lanes) & (maxLanes - 1)
		s := uint8(t.found[j] >> entryShift)
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

func (d *laneDecoder) takeInOrder32(words *[roundWords]byte) (at, rest, third uint64) {
	t := &d.round
	_, _ = d.states[0], words[0]
	for j := 0; j < maxLanes; j += 2 {
		var e, p, x, y, carry uint64
		var s uint8
		var first uint32
		e = t.found[j]
		rest |= e
		s = uint8(e >> entryShift)
		p = uint64(d.states[j])*uint64(t.freq[s]) + e
		first = t.first[s]
		x = uint64(uint32(p >> (first & 63)))
		t.steps32[j] = uint32(p)&first>>freqBits + t.step[s]
		y = x<<16 | uint64(le.Uint16(words[at&(roundWords-2):]))
		at += 2 * ((x - laneLow) >> 63)
		if x < laneLow {
			x = y
		}
		d.states[j] = uint32(x)
		_, carry = bits.Add64(e, e, 0)
		third, _ = bits.Add64(third, third, carry)

		e = t.found[j+1]
		rest |= e
		s = uint8(e >> entryShift)
		p = uint64(d.states[j+1])*uint64(t.freq[s]) + e
		first = t.first[s]
		x = uint64(uint32(p >> (first & 63)))
		t.steps32[j+1] = uint32(p)&first>>freqBits + t.step[s]
		y = x<<16 | uint64(le.Uint16(words[at&(roundWords-2):]))
		at += 2 * ((x - laneLow) >> 63)
		if x < laneLow {
			x = y
		}
		d.states[j+1] = uint32(x)
		_, carry = bits.Add64(e, e, 0)
		third, _ = bits.Add64(third, third, carry)
	}
	return at, rest, third
}

func (d *laneDecoder) restInOrder32(dst, base *[4 * maxLanes]byte, words *[roundWords]byte, at uint64) uint64 {
	t := &d.round
	_, _, _, _ = d.states[0], words[0], dst[0], base[0]
	p := &t.rest[0]
	for j := 0; j < maxLanes; j += 2 {
		o, b := dst[4*j:4*j+8], base[4*j:4*j+8]
		var s uint8
		var z, v uint32
		var x, y uint64
		s = uint8(t.found[j] >> entryShift)
		z = t.steps32[j] + d.states[j]*p.scale[s]&p.mask[s]
		x = uint64(d.states[j] >> (p.n[s] & 31))
		y = x<<16 | uint64(le.Uint16(words[at&(roundWords-2):]))
		at += 2 * ((x - laneLow) >> 63)
		if x < laneLow {
			x = y
		}
		d.states[j] = uint32(x)
		v = le.Uint32(b[0:])
		v ^= uint32(int32(v)>>31) >> 1
		v += z>>1 ^ -(z & 1)
		le.PutUint32(o[0:], v^uint32(int32(v)>>31)>>1)

		s = uint8(t.found[j+1] >> entryShift)
		z = t.steps32[j+1] + d.states[j+1]*p.scale[s]&p.mask[s]
		x = uint64(d.states[j+1] >> (p.n[s] & 31))
		y = x<<16 | uint64(le.Uint16(words[at&(roundWords-2):]))
		at += 2 * ((x - laneLow) >> 63)
		if x < laneLow {
			x = y
		}
		d.states[j+1] = uint32(x)
		v = le.Uint32(b[4:])
		v ^= uint32(int32(v)>>31) >> 1
		v += z>>1 ^ -(z & 1)
		le.PutUint32(o[4:], v^uint32(int32(v)>>31)>>1)

	}
	return at
}
