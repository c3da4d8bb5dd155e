package codec

// A byte plane of order 0 in lanes: as steps are coded, but that the symbols are
// the plane's bytes, with one table, of probabilities in 2^-12, and no raw bits.
//
//	table                         // see appendTable; of 12 bits
//	state [4, 16, 32 or 64]uint32 // as many as lanesFor says
//	words []uint16

// A plane of fewer than ransWide bytes is coded in one lane, its table of 5 to 12
// bits.

// lanesLeast is from how many bytes on a plane is coded in lanes.
const lanesLeast = 4 << 10

// lanePlane codes the bits of p's bytes that are in mask by f, of ransBits bits. It
// appends all but words, and returns these, which lie in s until the next stream, and
// will be copied to out, which may be too small.
func (s *scratch) lanePlane(dst, p []byte, f *freqs, mask byte, out []byte) ([]byte, []uint16) {
	e := &s.deltas().enc
	e.setBytes(f, mask)
	return encodeBytes(e, f.appendTable(dst), p, lanesFor(len(p)), out)
}

// appendOneLane appends the coding of p by f in one lane.
func (s *scratch) appendOneLane(dst, p []byte, f *freqs) []byte {
	e := &s.deltas().enc
	dst = f.appendTable(dst)
	f.widen()
	e.setBytes(f, 0xff)
	e.start(len(p) + 1)
	at := len(e.words)
	for i := len(p) - 1; i >= 0; i-- {
		at = encodeBytesRound(e, p[i:i+1], at)
	}
	return e.appendTo(dst, 1, at)
}

// setBytes sets the table to f, of ransBits bits, of the bits of bytes in mask.
func (e *laneEncoder) setBytes(f *freqs, mask byte) {
	e.mask = mask
	start := uint32(0)
	for b, n := range f.freq {
		e.table[b] = 0
		if n > 0 {
			e.table[b] = encEntry(uint32(n)<<ransBits | start)
		}
		start += uint32(n)
	}
	for b := range e.table[:256] {
		e.table[b] = e.table[byte(b)&mask]
	}
}

func encodeBytes(e *laneEncoder, dst, p []byte, lanes int, out []byte) ([]byte, []uint16) {
	e.start(len(p) + 2*maxLanes)
	at := len(e.words)
	whole := len(p) - len(p)%lanes
	at = encodeBytesRound(e, p[whole:], at)
	if done, q := encodeBytesFast(e, p[:whole], lanes, at, out); done {
		at = q
	} else if lanes == maxLanes {
		e.round.fillBytes(e.table[:256])
		for i := whole; i > 0; i -= maxLanes {
			at -= putBytes(&e.round, e.room(at), &e.states, (*[maxLanes]byte)(p[i-maxLanes:]))
		}
	} else {
		for i := whole; i > 0; i -= lanes {
			at = encodeBytesRound(e, p[i-lanes:i], at)
		}
	}
	return e.appendStates(dst, lanes), e.words[at:]
}

func encodeBytesRound(e *laneEncoder, p []byte, at int) int {
	words := e.words
	for j := len(p) - 1; j >= 0; j-- {
		entry := e.table[p[j]]
		f := uint32(entry >> ransBits)
		x := e.states[j&(maxLanes-1)]
		words[at-1] = uint16(x)
		full := (f<<(31-ransBits) - 1 - x) >> 31 // as in encodeRound
		at -= int(full)
		x >>= full << 4 & 31
		q := x / f
		e.states[j&(maxLanes-1)] = q<<ransBits + x - q*f + uint32(entry&ransMask)
	}
	return at
}

// readLanePlane fills p from src, which is exactly one coding, and raw.
func (s *scratch) readLanePlane(p, src []byte, raw rawBits) error {
	d := s.deltas().dec
	lanes := lanesFor(len(p))
	f, src, err := d.openPlane(src, lanes)
	if err != nil {
		return err
	}
	done, added := 0, 0 // added: bytes that have the first of raw's bits
	switch few := fewFast(lanes) && d.few.set(&f, false); {
	case few && !d.few.wide && raw.count() > 0:
		done, src = decodeFewRawFast(d, p, src, raw)
		added = done
	case few:
		done, src = decodeFewFast(d, p, src)
	default:
		d.setBytes(&f)
		done, src = decodeBytesFast(d, p, src, lanes)
	}
	if err := d.closePlane(p[done:], src, lanes, &f); err != nil {
		return err
	}
	raw.addTo(p, 0, added)
	return nil
}

// readJoined fills dst from body where the first plane, of layoutBF16 or layout16, is
// in lanes, of few values, of layout16 without the signs: it is not written down
// then, but as part of the elements. It returns false where body is something else,
// or corrupt, or no kernel does it.
func (s *scratch) readJoined(dst, body []byte, l layout) (bool, error) {
	n := len(dst) / 2
	if !fewFast(lanesFor(n)) || len(body) < 2 {
		return false, nil
	}
	signs, f16 := noRaw, l == layout16
	if f16 {
		var err error
		if body[0] != planeBits || body[1] != 0x7f {
			return false, nil
		}
		if signs, body, err = readRaw(body[1:], n); err != nil {
			return false, nil
		}
	}
	if body[0] != planeLanes {
		return false, nil
	}
	coded, rest, err := cut(body[1:])
	if err != nil {
		return false, nil
	}
	d := s.deltas().dec
	open := func() (src []byte, f freqs, ok bool) {
		f, src, err := d.openPlane(coded, maxLanes)
		ok = err == nil && d.few.set(&f, f16) && d.few.wide == f16 && !(f16 && f.last() > 0x7f)
		return src, f, ok
	}
	if _, _, ok := open(); !ok {
		return false, nil
	}
	lo, rest, err := s.readPlane(s.planesOf(n), rest)
	if err != nil || len(rest) != 0 {
		return false, nil
	}
	src, f, _ := open() // again, as the other plane may have its own tables
	done := 0
	if f16 {
		done, src = decodeFewF16Fast(d, dst, signs.bits, lo, src)
	} else {
		done, src = decodeFewBF16Fast(d, dst, lo, src)
	}
	hi := s.sampleOf(n - done)
	if err := d.closePlane(hi, src, maxLanes, &f); err != nil {
		return true, err
	}
	if f16 {
		addBit(hi, signs.bits[done/8:], 7)
	}
	join16(dst[2*done:], hi, lo[done:], nil, l)
	return true, nil
}

// openPlane reads the table and the states that src begins with.
func (d *laneDecoder) openPlane(src []byte, lanes int) (f freqs, rest []byte, err error) {
	if f, src, err = readFreqs(src); err != nil {
		return f, nil, err
	}
	if f.bits != ransBits {
		return f, nil, corrupt("table of %d bits", f.bits)
	}
	rest, err = d.readStates(src, lanes)
	return f, rest, err
}

// closePlane fills p, what kernels left of a plane, from src, and checks that it
// ends there.
func (d *laneDecoder) closePlane(p, src []byte, lanes int, f *freqs) (err error) {
	if len(p) > 0 {
		d.setBytes(f)
	}
	for ; lanes == maxLanes && len(p) >= maxLanes; p = p[maxLanes:] {
		low := takeBytes(&d.plane, &d.states, (*[maxLanes]byte)(p))
		if src, err = d.renormalise(src, low); err != nil {
			return err
		}
	}
	for len(p) > 0 {
		k := min(lanes, len(p))
		if src, err = decodeBytesRound(d, p[:k], src); err != nil {
			return err
		}
		p = p[k:]
	}
	return d.end(src)
}

// readOneLane fills p from src, which is exactly one coding in one lane.
func (s *scratch) readOneLane(p, src []byte) error {
	d := s.deltas().dec
	f, src, err := readFreqs(src)
	if err != nil {
		return err
	}
	f.widen()
	d.setBytes(&f)
	if src, err = d.readStates(src, 1); err != nil {
		return err
	}
	x, at := d.states[0], 0
	for i := range p {
		e := d.plane[x&ransMask]
		x = uint32(e>>20)*(x>>ransBits) + uint32(e>>8&ransMask)
		p[i] = byte(e)
		if x < laneLow {
			if at+2 > len(src) {
				return corrupt("plane: out of words")
			}
			x = x<<16 | uint32(le.Uint16(src[at:]))
			at += 2
		}
	}
	d.states[0] = x
	return d.end(src[at:])
}

// setBytes sets the table to f, of ransBits bits.
func (d *laneDecoder) setBytes(f *freqs) {
	at := 0
	for b, n := range f.freq {
		e := decEntry(uint32(n)<<20 | uint32(b))
		for i := range int(n) {
			d.plane[at+i] = e | decEntry(i<<8)
		}
		at += int(n)
	}
}

func decodeBytesRound(d *laneDecoder, p, src []byte) ([]byte, error) {
	at, words := 0, d.roundWords(src)
	for j := range p {
		x := d.states[j&(maxLanes-1)]
		e := d.plane[x&ransMask]
		x = uint32(e>>20)*(x>>ransBits) + uint32(e>>8&ransMask)
		p[j] = byte(e)
		low := (x - laneLow) >> 31 // as in decodeRound
		x = x<<(low<<4&31) | uint32(le.Uint16(words[at&(roundWords-2):]))&-low
		at += int(2 * low)
		d.states[j&(maxLanes-1)] = x
	}
	if at > len(src) {
		return nil, corrupt("plane: out of words")
	}
	return src[at:], nil
}
