package codec

// Interleaved rANS (Duda, arXiv:1311.2540; Giesen, arXiv:1402.3392) of steps in
// contexts. A lane's state is at least 2^15 and below 2^31, probabilities are
// multiples of 2^-10, and 16 bits move at a time, so that one vector holds 16
// lanes and no lane waits for another.
//
// Symbols are dealt to the lanes in turn. A round is one symbol for each lane,
// the last perhaps for fewer. In a round, first each lane takes its symbol and
// up to five of its raw bits, as if they were one symbol of probability
// frequency/2^(10+raw); then each lane whose state fell below 2^15 takes a word,
// from lane 0 up. Then, if any symbol of the round has more raw bits, those
// lanes take up to 15 more each, and then a word each if they are low; then, if
// any has more still, the rest likewise. A decoder ends with each state back at
// 2^15 and no word left.
const (
	laneBits = 10 // of probability
	laneMask = 1<<laneBits - 1
	laneLow  = 1 << 15
	maxLanes = 64
	// firstRaw is how many raw bits are taken with the symbol, otherRaw how many
	// in each portion after that.
	firstRaw = 15 - laneBits
	otherRaw = 15

	contexts   = 64  // fine ones, at most
	maxTables  = 16  // into which they are merged
	maxSymbols = 256 // room for them; a step of 32 bits has 240
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

// An encEntry is how a symbol is encoded in one context: its frequency, from 1
// to 2^10, from bit 10 up, and the first of its slots below.
type encEntry uint32

// A decEntry is what a slot decodes to: the symbol's frequency from bit 18 up,
// the symbol from bit 10, and the slot less the first of the symbol's.
type decEntry uint32

// The kernels know where its first two fields are.
type laneEncoder struct {
	states [maxLanes]uint32
	table  [contexts * maxSymbols]encEntry // by context<<8 | symbol
	words  []uint16                        // filled from the end
}

// The kernels know where its first three fields are.
type laneDecoder struct {
	states [maxLanes]uint32
	table  [maxTables << laneBits]decEntry
	of     [contexts]uint8 // the table of each context
	tail   [1 << 10]byte
}

// A step is what a stream of the lanes carries.
type step interface{ uint16 | uint32 }

// encode encodes steps z, whose contexts and symbols are keys, context<<8 |
// symbol, with e.table, and appends states and words to dst.
func encodeLanes[Z step](e *laneEncoder, dst []byte, keys []uint16, z []Z, lanes int) []byte {
	e.start(len(z)*3 + 2*maxLanes) // at most a word for each symbol and each portion
	p := len(e.words)
	whole := len(z) - len(z)%lanes
	p = encodeRound(e, keys[whole:], z[whole:], p)
	if done, q := encodeRoundsFast(e, keys[:whole], z[:whole], lanes, p); done {
		p = q
	} else {
		for i := whole; i > 0; i -= lanes {
			p = encodeRound(e, keys[i-lanes:i], z[i-lanes:i], p)
		}
	}
	return e.appendTo(dst, lanes, p)
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
	for _, x := range e.states[:lanes] {
		dst = le.AppendUint32(dst, x)
	}
	return appendWords(dst, e.words[p:])
}

// encodeRound encodes a round, words below e.words[p], and returns where they
// begin.
func encodeRound[Z step](e *laneEncoder, keys []uint16, z []Z, p int) int {
	words := e.words
	most := uint32(0)
	for _, k := range keys {
		most = max(most, rawOf(uint32(k&0xff)))
	}
	for _, from := range [2]uint32{firstRaw + otherRaw, firstRaw} {
		if most <= from {
			continue
		}
		for j := len(keys) - 1; j >= 0; j-- {
			raw := rawOf(uint32(keys[j] & 0xff))
			if raw <= from {
				continue
			}
			n := min(raw-from, otherRaw)
			x := e.states[j]
			if x >= 1<<(31-n) {
				p--
				words[p] = uint16(x)
				x >>= 16
			}
			e.states[j] = x<<n | uint32(z[j])>>from&(1<<n-1)
		}
	}
	for j := len(keys) - 1; j >= 0; j-- {
		k := keys[j]
		entry := e.table[k&(contexts*maxSymbols-1)]
		f, start := uint32(entry>>laneBits), uint32(entry&laneMask)
		n := min(rawOf(uint32(k&0xff)), firstRaw)
		x := e.states[j]
		// A lane is full as good as at random: no branch. Both sides are below 2^31.
		words[p-1] = uint16(x)
		full := (f<<((31-laneBits-n)&31) - 1 - x) >> 31
		p -= int(full)
		x >>= full << 4 & 31
		x = x<<(n&31) | uint32(z[j])&(1<<(n&31)-1)
		q := x / f
		e.states[j] = q<<laneBits + x - q*f + start
	}
	return p
}

// decodeLanes fills z with steps in the contexts ctx from src, which begins with
// words, and returns the words that are left.
func decodeLanes[Z step](d *laneDecoder, z []Z, ctx []uint8, src []byte, lanes int) ([]byte, error) {
	n, src := decodeRoundsFast(d, z, ctx, src, lanes)
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

// decodeRound decodes one round.
func decodeRound[Z step](d *laneDecoder, z []Z, ctx []uint8, src []byte) ([]byte, error) {
	most := uint32(0)
	p := 0
	ctx = ctx[:len(z)]
	var raws [maxLanes]uint8
	words := d.roundWords(src)
	states, table, of := &d.states, &d.table, &d.of
	for j := range z {
		x := states[j&(maxLanes-1)]
		t := uint32(of[ctx[j]&(contexts-1)])
		e := table[(t<<laneBits|x&laneMask)&(maxTables<<laneBits-1)]
		x = uint32(e>>18)*(x>>laneBits) + uint32(e&laneMask)
		s := uint32(e>>10) & 0xff
		raw := rawOf(s)
		m := s - raw<<3
		n := min(raw, firstRaw)
		z[j] = Z(m<<(raw&31) | x&(1<<(n&31)-1))
		x >>= n & 31
		// A lane is low as good as at random: no branch. States are below 2^31.
		low := (x - laneLow) >> 31
		x = x<<(low<<4&31) | uint32(le.Uint16(words[p&(2*maxLanes-2):]))&-low
		p += int(2 * low)
		raws[j&(maxLanes-1)] = uint8(raw)
		most = max(most, raw)
		states[j&(maxLanes-1)] = x
	}
	if p > len(src) {
		return nil, corrupt("steps: out of words")
	}
	for from := uint32(firstRaw); from < most; from += otherRaw {
		for j := range z {
			raw := uint32(raws[j&(maxLanes-1)])
			if raw <= from {
				continue
			}
			n := min(raw-from, otherRaw)
			x := d.states[j&(maxLanes-1)]
			z[j] |= Z(x & (1<<n - 1) << from)
			x >>= n
			if x < laneLow {
				if p+2 > len(src) {
					return nil, corrupt("steps: out of words")
				}
				x = x<<16 | uint32(le.Uint16(src[p:]))
				p += 2
			}
			d.states[j&(maxLanes-1)] = x
		}
	}
	return src[p:], nil
}

// roundWords returns the words that src begins with, one for each lane, and
// zeros after its end.
func (d *laneDecoder) roundWords(src []byte) *[2 * maxLanes]byte {
	if len(src) < 2*maxLanes {
		padded := d.tail[:2*maxLanes]
		clear(padded[copy(padded, src):])
		src = padded
	}
	return (*[2 * maxLanes]byte)(src)
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
