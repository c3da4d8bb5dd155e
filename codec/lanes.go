package codec

// Interleaved rANS (Duda, arXiv:1311.2540; Giesen, arXiv:1402.3392) of steps in
// contexts. A lane's state is at least 2^15 and below 2^31, and 16 bits move at a
// time, so that no lane waits for another.
//
// Symbols are dealt to the lanes in turn. A round is one symbol for each lane,
// the last perhaps for fewer. In a round, first each lane takes its symbol and
// as many of its raw bits as make 15 with the bits of its table's probabilities,
// as if they were one symbol; then each lane whose state fell below 2^15 takes a
// word, from lane 0 up. Then, if any symbol of the round has more raw bits, those
// lanes take up to 15 more each, and then a word each if they are low; then, if
// any has more still, the rest likewise. A decoder ends with each state back at
// 2^15 and no word left.
const (
	laneLow  = 1 << 15
	maxLanes = 64
	// stepBits is how many bits of a state a symbol and its first raw bits take,
	// otherRaw how many raw bits each portion after that.
	stepBits = 15
	otherRaw = 15

	contexts   = 64  // fine ones, at most
	maxTables  = 8   // into which they are merged
	maxSymbols = 256 // fine ones
)

// lanesFor returns in how many lanes n symbols are coded: with more lanes a
// vector decodes faster, but each costs about three bytes.
func lanesFor(n int) int {
	switch {
	case n < 2<<10:
		return 4
	case n < 16<<10:
		return 16
	case n < 48<<10:
		return 32
	}
	return 64
}

// An encEntry is how a step of one fine symbol is encoded by a table: the
// frequency of its symbol from bit 19 up, the first of its slots from bit 11, the
// bits of the table's probabilities from bit 7, and below the symbol's raw bits.
// Of byte planes: the frequency from bit 12 up, and the first slot.
type encEntry uint32

// A decEntry is what a slot of a byte plane decodes to: the byte's frequency from
// bit 20 up, the slot less the first of the byte's from bit 8, and the byte.
type decEntry uint32

// A laneEncoder is the states of an encoder, and its tables three times: as AVX2
// gathers entries, by the table's number and the fine symbol, as AVX-512 searches
// symbols, and, in round, as portable code looks them up. The kernels know where
// the fields before words are.
type laneEncoder struct {
	states  [maxLanes]uint32
	table   [maxTables * maxSymbols]encEntry // by table<<8 | fine symbol
	quarter [contexts]uint8                  // 4 times the number of the context's table
	first   [4][64]uint8                     // one more than first fine symbols: see set

	// Of each symbol.
	freqLo, freqHi [tableSymbols]uint8
	mostLo, mostHi [tableSymbols]uint8 // the high word of the lowest state that is too high
	begin          [tableSymbols]uint8 // its first slot
	pack           [tableSymbols]uint8 // raw bits that go with it, and from bit 4 on the bits of its table
	rest           [tableSymbols]uint8 // other raw bits

	words []uint16 // filled from the end

	round   encodeTables
	stale   *stepTables     // what round is to be filled from; nil if it is
	symbols [maxLanes]uint8 // of the round that is encoded
	mask    byte            // of a plane: which bits of its bytes table looks at
}

// A laneDecoder is the states of a decoder, and its tables twice: as kernels look
// symbols up, by the context or by the table's number and the symbol's, and as
// portable code does. The kernels know where the fields are.
type laneDecoder struct {
	states [maxLanes]uint32
	of     [contexts]uint8    // 3 and 4 times the number of the context's table
	bits   [contexts]uint8    // of its probabilities
	quarts [3][contexts]uint8 // the first slots of its symbols 4, 8 and 12
	after  [3][contexts]uint8 // those of symbols 1, 2 and 3 of four, by the table and which four

	// Of each symbol: see symbolAt.
	start          [tableSymbols]uint8 // its first slot
	freqLo, freqHi [tableSymbols]uint8
	first          [tableSymbols]uint8    // raw bits that go with it, and firstMore if there are others
	rest           [tableSymbols]uint8    // how many
	step           [4][tableSymbols]uint8 // the bytes of the first step that it stands for, and one more

	quads quadTables

	plane [1 << ransBits]decEntry // of a byte plane
	tail  [1 << 10]byte
	few   fewTables

	round  roundTables
	floats floatTables
	depth  depthTable
	stale  *stepTables // what round is to be filled from; nil if it is
}

// tableSymbols are the symbols of all tables.
const tableSymbols = maxTables * stepSymbols

// A step is what a stream of the lanes carries.
type step interface{ uint16 | uint32 }

// encodeLanes encodes steps z, whose contexts are ctx and whose fine symbols are
// symbols, appends states to dst, and returns it and words, which lie in e until
// the next stream.
func encodeLanes[Z step](e *laneEncoder, dst []byte, ctx, symbols []uint8, z []Z, lanes int) ([]byte, []uint16) {
	e.start(len(z)*3 + 2*maxLanes) // at most a word for each symbol and each portion
	p := len(e.words)
	whole := len(z) - len(z)%lanes
	if whole < len(z) {
		e.fill()
		p = encodeRound(e, ctx[whole:], symbols[whole:], z[whole:], p)
	}
	if done, q := encodeRoundsFast(e, ctx[:whole], symbols[:whole], z[:whole], lanes, p, dst[len(dst):cap(dst)]); done {
		p = q
	} else {
		e.fill()
		for i := whole; i > 0; i -= lanes {
			p = encodeRound(e, ctx[i-lanes:i], symbols[i-lanes:i], z[i-lanes:i], p)
		}
	}
	return e.appendStates(dst, lanes), e.words[p:]
}

// fill makes round ready.
func (e *laneEncoder) fill() {
	if e.stale != nil {
		e.round.fill(e.stale)
		e.stale = nil
	}
}

// start prepares for a stream of at most words words.
func (e *laneEncoder) start(words int) {
	if len(e.words) < words {
		e.words = make([]uint16, words)
	}
	for i := range e.states {
		e.states[i] = laneLow
	}
}

// appendTo appends the states of lanes, and the words from p on.
func (e *laneEncoder) appendTo(dst []byte, lanes, p int) []byte {
	return appendWords(e.appendStates(dst, lanes), e.words[p:])
}

func (e *laneEncoder) appendStates(dst []byte, lanes int) []byte {
	for _, x := range e.states[:lanes] {
		dst = le.AppendUint32(dst, x)
	}
	return dst
}

// decodeLanes fills z with steps in the contexts ctx from src, which begins with
// words, and returns the words that are left.
func decodeLanes[Z step](d *laneDecoder, z []Z, ctx []uint8, src []byte, lanes int) ([]byte, error) {
	n, src := decodeRoundsFast(d, z, ctx, src, lanes)
	if n < len(z) {
		d.fill(uint64(^Z(0)) > 1<<16)
	}
	for z, ctx = z[n:], ctx[n:]; len(z) > 0; {
		k := min(lanes, len(z))
		var err error
		if src, err = decodeRound(d, z[:k], ctx[:k], src); err != nil {
			return nil, err
		}
		z, ctx = z[k:], ctx[k:]
	}
	return src, nil
}

// fill makes round ready for steps of at most 16 bits or of 32.
func (d *laneDecoder) fill(wide bool) {
	if d.stale != nil {
		d.round.fill(d.stale, wide)
		d.floats.filled = 0
		d.stale = nil
	}
}

// roundWords is how many bytes are at hand of a round's words, of which lanes take
// at most three each.
const roundWords = 8 * maxLanes

// roundWords returns the words that src begins with, four for each lane, and
// zeros after its end.
func (d *laneDecoder) roundWords(src []byte) *[roundWords]byte {
	if len(src) < roundWords {
		padded := d.tail[:roundWords]
		clear(padded[copy(padded, src):])
		src = padded
	}
	return (*[roundWords]byte)(src)
}

// readStates reads the states that src begins with.
func (d *laneDecoder) readStates(src []byte, lanes int) ([]byte, error) {
	if len(src) < 4*lanes {
		return nil, corrupt("steps: states are cut short")
	}
	for i := range d.states {
		d.states[i] = laneLow
	}
	for i := range lanes {
		d.states[i] = le.Uint32(src[4*i:])
		if d.states[i]-laneLow >= 1<<31-laneLow {
			return nil, corrupt("steps: state out of range")
		}
	}
	return src[4*lanes:], nil
}

// end checks that a stream ended where it should.
func (d *laneDecoder) end(src []byte) error {
	for _, x := range d.states {
		if x != laneLow {
			return corrupt("steps: do not end where they should")
		}
	}
	if len(src) != 0 {
		return corrupt("steps: %d bytes after the last word", len(src))
	}
	return nil
}
