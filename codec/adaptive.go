package codec

import "math/bits"

// What there is little of, and no time to make a table for, is coded bit by bit
// by an adaptive binary range coder (Martin, 1979; with LZMA's carry), each bit
// with a model that learns.

// A model is the probability that a bit is 0, and how much was learnt of it.
type model struct {
	p    uint16 // in 2^-16, from 2^-11 to 1 - 2^-11
	seen uint8
}

const (
	evenOdds = 1 << 15
	leastP   = 1 << 5
	// mostSeen bounds the memory of a model: a new bit counts at least 1 in this.
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
func (m *model) learn(bit uint32) {
	share := shares[m.seen&63]
	if m.seen < mostSeen {
		m.seen++
	}
	p := uint32(m.p)
	if bit == 0 {
		p += (1<<16 - p) * share >> 16
	} else {
		p -= p * share >> 16
	}
	m.p = uint16(min(max(p, leastP), 1<<16-leastP))
}

// odds returns m's probability of 0; a zero model knows nothing.
func (m *model) odds() uint32 {
	if m.p == 0 {
		m.p = evenOdds
	}
	return uint32(m.p)
}

// An adaptiveEncoder appends to dst. It may write bytes that a carry changes, but
// none before the first it wrote.
type adaptiveEncoder struct {
	dst     []byte
	low     uint64
	size    uint32
	cache   byte
	pending int // bytes of the cache and of 0xff behind it
}

func (e *adaptiveEncoder) reset(dst []byte) {
	*e = adaptiveEncoder{dst: dst, size: 1<<32 - 1}
}

func (e *adaptiveEncoder) bit(m *model, bit uint32) {
	bound := e.size >> 16 * m.odds()
	if bit == 0 {
		e.size = bound
	} else {
		e.low += uint64(bound)
		e.size -= bound
	}
	m.learn(bit)
	for e.size < 1<<24 {
		e.shift()
		e.size <<= 8
	}
}

// raw writes the low n bits of x, at even odds.
func (e *adaptiveEncoder) raw(x uint32, n int) {
	if n == 0 {
		return
	}
	for n--; n >= 0; n-- {
		e.size >>= 1
		if x>>n&1 != 0 {
			e.low += uint64(e.size)
		}
		if e.size < 1<<24 {
			e.shift()
			e.size <<= 8
		}
	}
}

func (e *adaptiveEncoder) shift() {
	if e.pending == 1 && e.low < 0xff<<24 { // nearly always
		e.dst = append(e.dst, e.cache)
		e.cache = byte(e.low >> 24)
		e.low = e.low << 8 & (1<<32 - 1)
		return
	}
	if e.low < 0xff<<24 || e.low >= 1<<32 || e.pending == 0 {
		carry := byte(e.low >> 32)
		for i := range e.pending {
			if i == 0 {
				e.dst = append(e.dst, e.cache+carry)
			} else {
				e.dst = append(e.dst, 0xff+carry)
			}
		}
		e.pending = 0
		e.cache = byte(e.low >> 24)
	}
	e.pending++
	e.low = e.low << 8 & (1<<32 - 1)
}

// mostZeros is how many zeros a decoder reads past the end.
const mostZeros = 4

// end returns dst with all that was written. Trailing zeros, as many as a decoder
// reads past the end, are left out.
func (e *adaptiveEncoder) end(from int) []byte {
	// Any number in [low, low+size) will do: the one with most zeros.
	for n := uint(31); ; n-- {
		x := (e.low + 1<<n - 1) >> n << n
		if x < e.low+uint64(e.size) {
			e.low = x
			break
		}
	}
	for range 5 {
		e.shift()
	}
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
	} else {
		bit = 1
		d.code -= bound
		d.size -= bound
	}
	m.learn(bit)
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

// int is bit and raw, written out: much of the time of tables and shifts is here.
func (e *adaptiveEncoder) int(m *intModel, x uint32) {
	n := bits.Len64(uint64(x)+1) - 1
	size, low := e.size, e.low
	for i := range n {
		l := &m.length[i]
		bound := size >> 16 * l.odds()
		low, size = low+uint64(bound), size-bound
		l.learn(1)
		for size < 1<<24 {
			low, size = e.shiftOf(low), size<<8
		}
	}
	if n < 32 {
		l := &m.length[n]
		size = size >> 16 * l.odds()
		l.learn(0)
		if size < 1<<24 { // a model of 2^-11 at least moves less than two bytes
			low, size = e.shiftOf(low), size<<8
			if size < 1<<24 {
				low, size = e.shiftOf(low), size<<8
			}
		}
	}
	e.size, e.low = size, low
	if n == 0 {
		return
	}
	rest := x + 1 - 1<<n
	e.bit(&m.top[n], rest>>(n-1)&1)
	e.raw(rest, n-1)
}

// shiftOf is shift where low is not e's.
func (e *adaptiveEncoder) shiftOf(low uint64) uint64 {
	e.low = low
	e.shift()
	return e.low
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
