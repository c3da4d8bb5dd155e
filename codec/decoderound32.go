package codec

import "math/bits"

// Steps of 32 bits. Nearly all have two portions, and of each more than half of the
// lanes are low: each lane takes its words where it takes its bits, as a loop over low
// lanes would take as long, and no CPU foresees where it ends.
//
// For every inlined call on whose line the caller has no instruction of its own, Go
// writes one that does nothing: lines of the loops over all lanes are such that there
// are none. That the round has words for the next lanes is looked at once for 8, and
// never not so.

// refill gives x, if it is low, the word of words at at. It returns the state, and
// where the next word is.
func refill(x uint32, words *[roundWords]byte, at uint64) (rest uint32, next uint64) {
	y := x<<16 | uint32(le.Uint16(words[at:]))
	at += uint64((x-laneLow)>>31) * 2
	if x < laneLow {
		x = y
	}
	return x, at
}

// ordered returns the float of 32 bits x as its order has it, but for the highest bit.
// Of what is ordered, it returns the float.
func ordered(x uint32) uint32 { return x ^ uint32(int32(x)>>31)>>1 }

// decodeFound32 decodes steps of the first k lanes, whose entries were found.
func (d *laneDecoder) decodeFound32(k int, src []byte) ([]byte, error) {
	words := d.roundWords(src)
	at := d.takeFirst32(words, min(k, maxLanes))
	at = d.takeSecond32(words, at, min(k, maxLanes))
	for j, e := range d.round.found[:k] {
		if e>>restBit&1 != 0 {
			var add uint32
			add, at = d.takeThird(j, words, at)
			d.round.steps32[j] += add
		}
	}
	return skip(src, int(at))
}

// finishFloats32 is finishFloats16 for floats of 32 bits.
func (d *laneDecoder) finishFloats32(dst, base *[4 * maxLanes]byte, fours uint64, src []byte) ([]byte, error) {
	words := d.roundWords(src)
	at := d.takeWords32(words)
	at = d.walkSecond32(dst, base, words, at)
	for ; fours != 0; fours &= fours - 1 {
		at = d.walkThird32(dst, base, words, at, 4*bits.TrailingZeros64(fours)&(maxLanes-1))
	}
	return skip(src, int(at))
}

// takeWords32 takes a symbol and its first portion from each of all lanes, and gives a
// word to those that are low. It returns how many bytes these are.
func (d *laneDecoder) takeWords32(words *[roundWords]byte) (at uint64) {
	t := &d.round
	_, _ = d.states[0], words[0]
	for j := 0; j < maxLanes && at <= roundWords-2*8; j += 8 {
		o := t.taken[8*j : 8*j+8*8]
		var e, f uint64
		var x uint32

		e, x = t.found[j], d.states[j]
		f = uint64(t.freq[e>>entryShift])
		le.PutUint64(o, uint64(x)*f+e)
		x, at = refill(uint32((uint64(x)*f+e)>>freqBits), words, at)
		o[2], o[3], o[4], o[5] = byte(x), byte(x>>8), byte(x>>16), byte(x>>24)

		e, x = t.found[j+1], d.states[j+1]
		f = uint64(t.freq[e>>entryShift])
		le.PutUint64(o[8:], uint64(x)*f+e)
		x, at = refill(uint32((uint64(x)*f+e)>>freqBits), words, at)
		o[10], o[11], o[12], o[13] = byte(x), byte(x>>8), byte(x>>16), byte(x>>24)

		e, x = t.found[j+2], d.states[j+2]
		f = uint64(t.freq[e>>entryShift])
		le.PutUint64(o[16:], uint64(x)*f+e)
		x, at = refill(uint32((uint64(x)*f+e)>>freqBits), words, at)
		o[18], o[19], o[20], o[21] = byte(x), byte(x>>8), byte(x>>16), byte(x>>24)

		e, x = t.found[j+3], d.states[j+3]
		f = uint64(t.freq[e>>entryShift])
		le.PutUint64(o[24:], uint64(x)*f+e)
		x, at = refill(uint32((uint64(x)*f+e)>>freqBits), words, at)
		o[26], o[27], o[28], o[29] = byte(x), byte(x>>8), byte(x>>16), byte(x>>24)

		e, x = t.found[j+4], d.states[j+4]
		f = uint64(t.freq[e>>entryShift])
		le.PutUint64(o[32:], uint64(x)*f+e)
		x, at = refill(uint32((uint64(x)*f+e)>>freqBits), words, at)
		o[34], o[35], o[36], o[37] = byte(x), byte(x>>8), byte(x>>16), byte(x>>24)

		e, x = t.found[j+5], d.states[j+5]
		f = uint64(t.freq[e>>entryShift])
		le.PutUint64(o[40:], uint64(x)*f+e)
		x, at = refill(uint32((uint64(x)*f+e)>>freqBits), words, at)
		o[42], o[43], o[44], o[45] = byte(x), byte(x>>8), byte(x>>16), byte(x>>24)

		e, x = t.found[j+6], d.states[j+6]
		f = uint64(t.freq[e>>entryShift])
		le.PutUint64(o[48:], uint64(x)*f+e)
		x, at = refill(uint32((uint64(x)*f+e)>>freqBits), words, at)
		o[50], o[51], o[52], o[53] = byte(x), byte(x>>8), byte(x>>16), byte(x>>24)

		e, x = t.found[j+7], d.states[j+7]
		f = uint64(t.freq[e>>entryShift])
		le.PutUint64(o[56:], uint64(x)*f+e)
		x, at = refill(uint32((uint64(x)*f+e)>>freqBits), words, at)
		o[58], o[59], o[60], o[61] = byte(x), byte(x>>8), byte(x>>16), byte(x>>24)
	}
	return at
}

// takeFirst32 is takeWords32 for the first k lanes.
func (d *laneDecoder) takeFirst32(words *[roundWords]byte, k int) (at uint64) {
	t := &d.round
	for j := 0; j < k && at <= roundWords-2; j++ {
		p := uint64(d.states[j])*uint64(t.freq[t.found[j]>>entryShift]) + t.found[j]
		o := t.taken[8*j : 8*j+8]
		le.PutUint64(o, p)
		var x uint32
		x, at = refill(uint32(p>>freqBits), words, at)
		le.PutUint32(o[freqBits/8:], x)
	}
	return at
}

// walkSecond32 takes the second portion from each of all lanes, and words from at on,
// and fills dst with the floats that are steps from base's. It returns where words go
// on.
func (d *laneDecoder) walkSecond32(dst, base *[4 * maxLanes]byte, words *[roundWords]byte, at uint64) (next uint64) {
	t := &d.round
	_, _, _, _ = d.states[0], words[0], dst[0], base[0]
	for j := 0; j < maxLanes && at <= roundWords-2*8; j += 8 {
		b, o, w := base[4*j:4*j+4*8], t.taken[8*j:8*j+8*8], dst[4*j:4*j+4*8]
		var p, s uint64
		var z uint32

		p, s = le.Uint64(o), le.Uint64(o)>>entryShift
		z = uint32(p>>(t.place[s]&63))&t.raw[s] + t.step[s]
		d.states[j], at = refill(le.Uint32(o[2:])>>(t.rest[0].n[s]&31), words, at)
		z = ordered(le.Uint32(b)) + (z>>1 ^ -(z & 1))
		le.PutUint32(w, z^uint32(int32(z)>>31)>>1)

		p, s = le.Uint64(o[8:]), le.Uint64(o[8:])>>entryShift
		z = uint32(p>>(t.place[s]&63))&t.raw[s] + t.step[s]
		d.states[j+1], at = refill(le.Uint32(o[10:])>>(t.rest[0].n[s]&31), words, at)
		z = ordered(le.Uint32(b[4:])) + (z>>1 ^ -(z & 1))
		le.PutUint32(w[4:], z^uint32(int32(z)>>31)>>1)

		p, s = le.Uint64(o[16:]), le.Uint64(o[16:])>>entryShift
		z = uint32(p>>(t.place[s]&63))&t.raw[s] + t.step[s]
		d.states[j+2], at = refill(le.Uint32(o[18:])>>(t.rest[0].n[s]&31), words, at)
		z = ordered(le.Uint32(b[8:])) + (z>>1 ^ -(z & 1))
		le.PutUint32(w[8:], z^uint32(int32(z)>>31)>>1)

		p, s = le.Uint64(o[24:]), le.Uint64(o[24:])>>entryShift
		z = uint32(p>>(t.place[s]&63))&t.raw[s] + t.step[s]
		d.states[j+3], at = refill(le.Uint32(o[26:])>>(t.rest[0].n[s]&31), words, at)
		z = ordered(le.Uint32(b[12:])) + (z>>1 ^ -(z & 1))
		le.PutUint32(w[12:], z^uint32(int32(z)>>31)>>1)

		p, s = le.Uint64(o[32:]), le.Uint64(o[32:])>>entryShift
		z = uint32(p>>(t.place[s]&63))&t.raw[s] + t.step[s]
		d.states[j+4], at = refill(le.Uint32(o[34:])>>(t.rest[0].n[s]&31), words, at)
		z = ordered(le.Uint32(b[16:])) + (z>>1 ^ -(z & 1))
		le.PutUint32(w[16:], z^uint32(int32(z)>>31)>>1)

		p, s = le.Uint64(o[40:]), le.Uint64(o[40:])>>entryShift
		z = uint32(p>>(t.place[s]&63))&t.raw[s] + t.step[s]
		d.states[j+5], at = refill(le.Uint32(o[42:])>>(t.rest[0].n[s]&31), words, at)
		z = ordered(le.Uint32(b[20:])) + (z>>1 ^ -(z & 1))
		le.PutUint32(w[20:], z^uint32(int32(z)>>31)>>1)

		p, s = le.Uint64(o[48:]), le.Uint64(o[48:])>>entryShift
		z = uint32(p>>(t.place[s]&63))&t.raw[s] + t.step[s]
		d.states[j+6], at = refill(le.Uint32(o[50:])>>(t.rest[0].n[s]&31), words, at)
		z = ordered(le.Uint32(b[24:])) + (z>>1 ^ -(z & 1))
		le.PutUint32(w[24:], z^uint32(int32(z)>>31)>>1)

		p, s = le.Uint64(o[56:]), le.Uint64(o[56:])>>entryShift
		z = uint32(p>>(t.place[s]&63))&t.raw[s] + t.step[s]
		d.states[j+7], at = refill(le.Uint32(o[58:])>>(t.rest[0].n[s]&31), words, at)
		z = ordered(le.Uint32(b[28:])) + (z>>1 ^ -(z & 1))
		le.PutUint32(w[28:], z^uint32(int32(z)>>31)>>1)
	}
	return at
}

// takeSecond32 takes the second portion from each of the first k lanes, and words from
// at on. It returns where words go on.
func (d *laneDecoder) takeSecond32(words *[roundWords]byte, at uint64, k int) (next uint64) {
	t := &d.round
	for j := 0; j < k && at <= roundWords-2; j++ {
		p := le.Uint64(t.taken[8*j:])
		s := p >> entryShift
		t.steps32[j] = uint32(p>>(t.place[s]&63))&t.raw[s] + t.step[s]
		d.states[j], at = refill(uint32(p>>freqBits)>>(t.rest[0].n[s]&31), words, at)
	}
	return at
}

// walkThird32 takes the third portion from those of the four lanes from first on that
// have one, at least one, and puts right what walkSecond32 filled dst with.
func (d *laneDecoder) walkThird32(dst, base *[4 * maxLanes]byte, words *[roundWords]byte, at uint64, first int) uint64 {
	for lanes := d.round.inFour(first); ; {
		j := (first + bits.TrailingZeros64(lanes)) & (maxLanes - 1)
		var add uint32
		add, at = d.takeThird(j, words, at)
		b := le.Uint32(base[4*j:])
		z := step32(le.Uint32(dst[4*j:]), b, 1<<31-1) + add
		le.PutUint32(dst[4*j:], walkFloat(b, z))
		if lanes &= lanes - 1; lanes == 0 {
			return at
		}
	}
}

// takeThird takes the third portion of lane j's symbol from its state, and a word if
// it is low then. It returns what the portion adds to the step, and where the next
// word is.
func (d *laneDecoder) takeThird(j int, words *[roundWords]byte, at uint64) (add uint32, next uint64) {
	if at > roundWords-2 {
		return 0, at
	}
	add, x := d.round.rest[1].take(d.states[j], uint8(d.round.found[j]>>entryShift))
	d.states[j], at = refill(x, words, at)
	return add, at
}
