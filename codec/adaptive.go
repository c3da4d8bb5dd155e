package codec

import (
	"encoding/binary"
	"math/bits"
)

// What there is little of, and no time to make a table for, is coded bit by bit
// by an adaptive binary range coder (Martin, 1979; with LZMA's carry), each bit
// with a model that learns.

// A model is the probability that a bit is 0, and how much was learnt of it, so that
// nothing is known by a zero: in 2^-16, and 2^15 more or less, below; from bit 16 on
// how many bits were seen.
type model uint32

const (
	evenOdds = 1 << 15
	// mostSeen bounds the memory of a model: a new bit counts at least 1 in
	// mostSeen+2. So a probability is never closer to 0 or 1 than about 2^-10.
	mostSeen = 60
)

// shares[n] is 1/(n+2), in 2^-16: what a bit counts after n others.
var shares = func() (t [mostSeen + 4]uint32) {
	for n := range t {
		t[n] = 1 << 16 / uint32(n+2)
	}
	return t
}()

// learn moves m towards bit. The first bits move it most.
func (m *model) learn(bit uint32) { *m = m.after(bit) }

func (m model) after(bit uint32) model {
	seen := uint32(m >> 16)
	p, one := m.odds(), -bit // all ones for 1
	d := (p ^ ^one - ^one + ^one&(1<<16)) * shares[seen&63] >> 16
	p += d ^ one - one
	return model(min(seen+1, mostSeen)<<16 | p ^ evenOdds)
}

// odds returns m's probability of 0.
func (m model) odds() uint32 { return uint32(uint16(m)) ^ evenOdds }

// An adaptiveEncoder appends to dst. It may write bytes that a carry changes, but
// none before the first it wrote.
type adaptiveEncoder struct {
	dst []byte
	arc arc
}

// An arc is the numbers that may become of what was encoded, but for what dst has of
// them: from low on, size of them, of which the next decision leaves a part. Low has
// 32 bits, above them pending bits to be written, and above those perhaps a carry.
type arc struct {
	low     uint64
	size    uint32
	pending uint32
}

// mostPending is from how many bits on they are written.
const mostPending = 16

func (e *adaptiveEncoder) reset(dst []byte) {
	*e = adaptiveEncoder{dst: dst, arc: arc{size: 1<<32 - 1}}
}

// take returns the part of a for bit, where 0 has probability p. What is taken is as
// good as random, so that there are no branches.
func (a arc) take(p, bit uint32) arc {
	unit, one := a.size>>16, -bit
	a.low += uint64(unit * p & one)
	return arc{a.low, a.size&one + unit*(p^one+bit), a.pending}.widen()
}

// widen makes a eight bits larger, with as many more pending, if it became small.
func (a arc) widen() arc {
	n := uint32((uint64(a.size)-1<<24)>>60) & 8
	return arc{a.low << n, a.size << n, a.pending + n}
}

func (e *adaptiveEncoder) bit(m *model, bit uint32) {
	e.put(e.arc.take(m.odds(), bit))
	m.learn(bit)
}

// put sets arc to a.
func (e *adaptiveEncoder) put(a arc) {
	e.arc = e.settle(a)
}

// settle returns a as the next decision needs it.
func (e *adaptiveEncoder) settle(a arc) arc {
	if a.size < 1<<24 || a.pending >= mostPending {
		return e.flush(a)
	}
	return a
}

// flush writes what is pending of a. No probability moves it by two bytes.
func (e *adaptiveEncoder) flush(a arc) arc {
	a = a.widen()
	x := uint32(a.low >> 32)
	if x>>a.pending != 0 {
		for i := len(e.dst) - 1; ; i-- {
			if e.dst[i]++; e.dst[i] != 0 {
				break
			}
		}
	}
	n := len(e.dst) + int(a.pending>>3)
	e.dst = binary.BigEndian.AppendUint32(e.dst, x<<(32-a.pending))[:n]
	return arc{low: a.low & (1<<32 - 1), size: a.size}
}

// raw writes the low n bits of x, at even odds.
func (e *adaptiveEncoder) raw(x uint32, n int) {
	a := e.arc
	for n--; n >= 0; n-- {
		a.size >>= 1
		a.low += uint64(a.size & -(x >> n & 1))
		a = e.settle(a.widen())
	}
	e.arc = a
}

// mostZeros is how many zeros a decoder reads past the end.
const mostZeros = 4

// end returns dst with all that was written. Trailing zeros, as many as a decoder
// reads past the end, are left out.
func (e *adaptiveEncoder) end(from int) []byte {
	// Any number in [low, low+size) will do: the one with most zeros.
	a := e.arc
	for n := uint(31); ; n-- {
		x := (a.low + 1<<n - 1) >> n << n
		if x < a.low+uint64(a.size) {
			a.low = x
			break
		}
	}
	a = e.flush(arc{a.low, 1 << 24, a.pending})
	e.dst = binary.BigEndian.AppendUint32(e.dst, uint32(a.low))
	for n := 0; n < mostZeros && len(e.dst) > from && e.dst[len(e.dst)-1] == 0; n++ {
		e.dst = e.dst[:len(e.dst)-1]
	}
	return e.dst
}

type adaptiveDecoder struct {
	src  []byte
	at   int
	size uint32
	code uint32
}

func (d *adaptiveDecoder) reset(src []byte) {
	*d = adaptiveDecoder{src: src, size: 1<<32 - 1}
	for range 4 {
		d.code = d.code<<8 | d.next()
	}
}

func (d *adaptiveDecoder) next() uint32 {
	d.at++
	if d.at > len(d.src) {
		return 0
	}
	return uint32(d.src[d.at-1])
}

func (d *adaptiveDecoder) bit(m *model) uint32 {
	bound := d.size >> 16 * m.odds()
	bit := uint32(0)
	if d.code < bound {
		d.size = bound
		m.learn(0)
	} else {
		bit = 1
		d.code -= bound
		d.size -= bound
		m.learn(1)
	}
	for d.size < 1<<24 {
		d.size <<= 8
		d.code = d.code<<8 | d.next()
	}
	return bit
}

func (d *adaptiveDecoder) raw(n int) uint32 {
	x := uint32(0)
	for range n {
		d.size >>= 1
		x <<= 1
		if d.code >= d.size {
			d.code -= d.size
			x |= 1
		}
		if d.size < 1<<24 {
			d.size <<= 8
			d.code = d.code<<8 | d.next()
		}
	}
	return x
}

// end checks that decoding looked at all of src, and not far past its end.
func (d *adaptiveDecoder) end() error {
	if d.at < len(d.src) || d.at > len(d.src)+mostZeros {
		return corrupt("%d bytes of adaptive coding, where %d were read", len(d.src), d.at)
	}
	return nil
}

// An intModel codes integers from 0 up, small ones best: how many bits x+1 has,
// bit by bit, then the highest of those below the top with a model, the rest
// raw.
type intModel struct {
	length [33]model
	top    [33]model
}

// int is bit and raw, with the arc in registers: much of the time of tables and
// shifts is here.
func (e *adaptiveEncoder) int(m *intModel, x uint32) {
	n := bits.Len64(uint64(x)+1) - 1
	a := e.arc
	for i := range n {
		l := &m.length[i]
		a = e.settle(a.take(l.odds(), 1))
		l.learn(1)
	}
	if n < 32 {
		l := &m.length[n]
		a = e.settle(a.take(l.odds(), 0))
		l.learn(0)
	}
	if n > 0 {
		top, bit := &m.top[n], (x+1)>>(n-1)&1
		a = e.settle(a.take(top.odds(), bit))
		top.learn(bit)
	}
	e.arc = a
	if n > 1 {
		e.raw(x+1, n-1)
	}
}

// int reads what int wrote.
func (d *adaptiveDecoder) int(m *intModel) uint32 {
	size, code := d.size, d.code
	n := 0
	for n < 32 {
		l := &m.length[n]
		bound := size >> 16 * l.odds()
		if code < bound {
			size = bound
			l.learn(0)
			if size < 1<<24 {
				size, code = size<<8, code<<8|d.next()
			}
			break
		}
		code, size = code-bound, size-bound
		l.learn(1)
		for size < 1<<24 {
			size, code = size<<8, code<<8|d.next()
		}
		n++
	}
	for size < 1<<24 {
		size, code = size<<8, code<<8|d.next()
	}
	d.size, d.code = size, code
	if n == 0 {
		return 0
	}
	rest := d.bit(&m.top[n]) << (n - 1)
	return 1<<n - 1 + (rest | d.raw(n-1))
}

// zigzag maps 0, -1, 1, -2, … to 0, 1, 2, 3, …
func zigzag(x int) uint32 { return uint32(x<<1 ^ x>>63) }

func unzigzag(z uint32) int { return int(z>>1) ^ -int(z&1) }
