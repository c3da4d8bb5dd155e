package codec

import "math/bits"

// A frequency table is written as bits, the least significant of each byte
// first, zeros to the end of the last byte:
//
//	4 bits: the table's bits, 5 to 12
//	then for each byte value from 0, until the frequencies add up:
//	  gamma(frequency + 1)
//	  and after a frequency of zero, gamma(further zeros + 1)
//
// gamma(x), for x of k+1 bits, is k zeros, then x's bits from the highest.

// tableBits returns the size of f's table in bits.
func (f *freqs) tableBits() int {
	n := 4
	for s, left := 0, 1<<f.bits; left > 0; s++ {
		left -= int(f.freq[s])
		n += gammaBits(uint32(f.freq[s]) + 1)
		if f.freq[s] == 0 {
			zeros := f.zeros(s + 1)
			n += gammaBits(uint32(zeros) + 1)
			s += zeros
		}
	}
	return n
}

// zeros returns how many frequencies from s on are zero.
func (f *freqs) zeros(s int) int {
	n := 0
	for s+n < 256 && f.freq[s+n] == 0 {
		n++
	}
	return n
}

func gammaBits(x uint32) int { return 2*bits.Len32(x) - 1 }

func (f *freqs) appendTable(dst []byte) []byte {
	w := bitWriter{dst: dst}
	w.put(uint32(f.bits), 4)
	for s, left := 0, 1<<f.bits; left > 0; s++ {
		left -= int(f.freq[s])
		w.gamma(uint32(f.freq[s]) + 1)
		if f.freq[s] == 0 {
			zeros := f.zeros(s + 1)
			w.gamma(uint32(zeros) + 1)
			s += zeros
		}
	}
	return w.flush()
}

// readFreqs reads the table that src begins with, and returns what follows it.
func readFreqs(src []byte) (f freqs, rest []byte, err error) {
	in := bitReader{src: src}
	f.bits = uint(in.get(4))
	if f.bits < minTableBits || f.bits > ransBits {
		return f, nil, corrupt("rANS: table of %d bits", f.bits)
	}
	left := 1 << f.bits
	for s := 0; left > 0; s++ {
		if s > 255 {
			return f, nil, corrupt("rANS: frequencies do not add up")
		}
		n := int(in.gamma()) - 1
		if n < 0 || n > left || n == 1<<f.bits {
			return f, nil, corrupt("rANS: frequency out of range")
		}
		left -= n
		if n == 0 {
			zeros := int(in.gamma()) - 1
			if zeros < 0 || zeros > 254-s {
				return f, nil, corrupt("rANS: zeros out of range")
			}
			s += zeros
			continue
		}
		f.freq[s] = uint16(n)
	}
	rest, err = in.rest()
	return f, rest, err
}

// readTable sets up r to decode by the table that src begins with, and returns
// what follows it.
func (r *ransCoder) readTable(src []byte) ([]byte, error) {
	f, src, err := readFreqs(src)
	if err != nil {
		return nil, err
	}
	at := 0
	for s, n := range f.freq {
		n := int(n) << (ransBits - f.bits)
		fill(r.symbol[at:at+n], []byte{byte(s)})
		for i := range n {
			r.step[at+i] = ransStep{uint16(n), uint16(i)}
		}
		at += n
	}
	return src, nil
}

// A bitWriter appends bits to dst.
type bitWriter struct {
	dst []byte
	acc uint64
	n   uint
}

func (w *bitWriter) put(x uint32, n uint) {
	w.acc |= uint64(x) << w.n
	for w.n += n; w.n >= 8; w.n -= 8 {
		w.dst = append(w.dst, byte(w.acc))
		w.acc >>= 8
	}
}

func (w *bitWriter) gamma(x uint32) {
	k := uint(bits.Len32(x)) - 1
	w.put(0, k)
	w.put(bits.Reverse32(x)>>(31-k), k+1)
}

func (w *bitWriter) flush() []byte {
	if w.n > 0 {
		w.dst = append(w.dst, byte(w.acc))
	}
	return w.dst
}

// A bitReader reads what a bitWriter wrote. Past the end it reads zeros, which
// gamma and rest then refuse.
type bitReader struct {
	src []byte
	pos int // in bits
}

func (r *bitReader) get(n int) uint32 {
	var x uint32
	for i := range n {
		if p := r.pos + i; p>>3 < len(r.src) {
			x |= uint32(r.src[p>>3]>>(p&7)&1) << i
		}
	}
	r.pos += n
	return x
}

// gamma returns 0 for what gamma never writes.
func (r *bitReader) gamma() uint32 {
	k := 0
	for r.get(1) == 0 {
		if k++; k > ransBits {
			return 0
		}
	}
	x := uint32(1)
	for range k {
		x = x<<1 | r.get(1)
	}
	return x
}

// rest returns the bytes after the last that was read from.
func (r *bitReader) rest() ([]byte, error) {
	n := (r.pos + 7) >> 3
	if n > len(r.src) || r.get(n<<3-r.pos) != 0 {
		return nil, corrupt("rANS: table is cut short")
	}
	return r.src[n:], nil
}
