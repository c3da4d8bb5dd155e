package codec

import (
	"math/bits"
)

// Order-0 range coding by asymmetric numeral systems (Duda, arXiv:1311.2540),
// in the 64-bit form of Giesen's ryg_rans: probabilities are multiples of
// 2^-12, a state is at least 2^31, and 32 bits move at a time.
//
// A plane's coding is
//
//	table              // see appendTable
//	state [1 or 4]uint64 // of each lane, after the last symbol was encoded
//	words []uint32     // in the order in which decoding takes them
//
// Symbol i belongs to lane i mod lanes; there are four lanes in planes of at
// least ransWide bytes, else one. A decoder ends with each state back at 2^31
// and no word left.
const (
	ransBits = 12
	ransLow  = 1 << 31
	ransWide = 2048
)

func ransLanes(n int) int {
	if n >= ransWide {
		return 4
	}
	return 1
}

// A ransEnc is how one symbol is encoded: division by its frequency is
// multiplication by a reciprocal, exact for states below 2^63.
type ransEnc struct {
	recip uint64
	limit uint64 // a state from here on gives up a word first
	bias  uint32
	comp  uint16 // 2^ransBits - frequency
	shift uint8
}

func newRansEnc(start, freq uint32) ransEnc {
	e := ransEnc{
		limit: uint64(freq) << (63 - ransBits),
		comp:  uint16(1<<ransBits - freq),
	}
	if freq == 1 {
		e.recip, e.bias = ^uint64(0), start+1<<ransBits-1
		return e
	}
	shift := uint(bits.Len32(freq - 1))
	// ceil(2^(shift+63) / freq); the high word of the dividend is below freq.
	e.recip, _ = bits.Div64(1<<(shift-1), uint64(freq-1), uint64(freq))
	e.bias, e.shift = start, uint8(shift-1)
	return e
}

// put encodes one symbol into state x, and writes a word below buf[p:] if need be.
func (e *ransEnc) put(x uint64, buf []byte, p int) (uint64, int) {
	if x >= e.limit {
		p -= 4
		le.PutUint32(buf[p:], uint32(x))
		x >>= 32
	}
	q, _ := bits.Mul64(x, e.recip)
	return x + uint64(e.bias) + q>>(e.shift&63)*uint64(e.comp), p
}

// A ransCoder holds the tables of one encoder or decoder.
type ransCoder struct {
	enc  [256]ransEnc
	freq [256]uint32
	slot [1 << ransBits]uint32 // symbol | frequency<<8 | (slot - start)<<20
	buf  []byte                // words of the plane being encoded, filled from the end
}

// encode appends the coding of src with the table f, in which each byte of src
// has a frequency above zero and none has all.
func (r *ransCoder) encode(dst, src []byte, f *freqs) []byte {
	start := uint32(0)
	for s, n := range f.freq {
		if n != 0 {
			r.enc[s] = newRansEnc(start, uint32(n)<<(ransBits-f.bits))
			start += uint32(n) << (ransBits - f.bits)
		}
	}
	dst = f.appendTable(dst)
	if need := 4*len(src) + 64; len(r.buf) < need { // a symbol gives up at most one word
		r.buf = make([]byte, need)
	}
	buf, p := r.buf, len(r.buf)
	lanes := ransLanes(len(src))
	state := [4]uint64{ransLow, ransLow, ransLow, ransLow}
	i := len(src)
	for ; i%lanes != 0; i-- {
		j := (i - 1) % lanes
		state[j], p = r.enc[src[i-1]].put(state[j], buf, p)
	}
	if lanes == 4 {
		x0, x1, x2, x3 := state[0], state[1], state[2], state[3]
		for ; i >= 4; i -= 4 {
			s := src[i-4 : i : i]
			x3, p = r.enc[s[3]].put(x3, buf, p)
			x2, p = r.enc[s[2]].put(x2, buf, p)
			x1, p = r.enc[s[1]].put(x1, buf, p)
			x0, p = r.enc[s[0]].put(x0, buf, p)
		}
		state = [4]uint64{x0, x1, x2, x3}
	} else {
		for ; i > 0; i-- {
			state[0], p = r.enc[src[i-1]].put(state[0], buf, p)
		}
	}
	for _, x := range state[:lanes] {
		dst = le.AppendUint64(dst, x)
	}
	return append(dst, buf[p:]...)
}

// decode fills dst from src, which must be exactly one coding.
func (r *ransCoder) decode(dst, src []byte) error {
	src, err := r.readTable(src)
	if err != nil {
		return err
	}
	lanes := ransLanes(len(dst))
	if len(src) < 8*lanes || len(src)%4 != 0 {
		return corrupt("rANS: %d bytes of states and words", len(src))
	}
	state := [4]uint64{ransLow, ransLow, ransLow, ransLow}
	for i := range lanes {
		state[i] = le.Uint64(src[8*i:])
		if state[i]-ransLow >= 1<<63-ransLow {
			return corrupt("rANS: state out of range")
		}
	}
	in := src[8*lanes:]
	done := 0
	if lanes == 4 {
		done, in = r.decode4(dst, in, &state)
	}
	for i := done; i < len(dst); i++ {
		x := state[i%lanes]
		e := r.slot[x&(1<<ransBits-1)]
		dst[i] = byte(e)
		x = uint64(e>>8&(1<<ransBits-1))*(x>>ransBits) + uint64(e>>20)
		if x < ransLow {
			if len(in) < 4 {
				return corrupt("rANS: out of words")
			}
			x = x<<32 | uint64(le.Uint32(in))
			in = in[4:]
		}
		state[i%lanes] = x
	}
	if state != [4]uint64{ransLow, ransLow, ransLow, ransLow} || len(in) != 0 {
		return corrupt("rANS: does not end where it should")
	}
	return nil
}

// decode4 decodes as many whole rounds of four symbols as it can without
// looking at the end of in, and returns how many symbols, and what is left.
func (r *ransCoder) decode4(dst, in []byte, state *[4]uint64) (int, []byte) {
	const mask = 1<<ransBits - 1
	x0, x1, x2, x3 := state[0], state[1], state[2], state[3]
	i := 0
	slot := &r.slot
	for ; i+4 <= len(dst) && len(in) >= 16; i += 4 {
		d := dst[i : i+4 : i+4]
		e0, e1, e2, e3 := slot[x0&mask], slot[x1&mask], slot[x2&mask], slot[x3&mask]
		d[0], d[1], d[2], d[3] = byte(e0), byte(e1), byte(e2), byte(e3)
		x0 = uint64(e0>>8&mask)*(x0>>ransBits) + uint64(e0>>20)
		x1 = uint64(e1>>8&mask)*(x1>>ransBits) + uint64(e1>>20)
		x2 = uint64(e2>>8&mask)*(x2>>ransBits) + uint64(e2>>20)
		x3 = uint64(e3>>8&mask)*(x3>>ransBits) + uint64(e3>>20)
		if x0 < ransLow {
			x0 = x0<<32 | uint64(le.Uint32(in))
			in = in[4:]
		}
		if x1 < ransLow {
			x1 = x1<<32 | uint64(le.Uint32(in))
			in = in[4:]
		}
		if x2 < ransLow {
			x2 = x2<<32 | uint64(le.Uint32(in))
			in = in[4:]
		}
		if x3 < ransLow {
			x3 = x3<<32 | uint64(le.Uint32(in))
			in = in[4:]
		}
	}
	*state = [4]uint64{x0, x1, x2, x3}
	return i, in
}
