package codec

import "math/bits"

// A bitStack is bits, of which those pushed last come back first.
type bitStack struct {
	bytes []byte
	acc   uint64
	have  uint
}

func (b *bitStack) reset() { *b = bitStack{bytes: b.bytes[:0]} }

// push pushes the n bits of x, at most 32.
func (b *bitStack) push(x uint32, n uint) {
	b.acc |= uint64(x) << b.have
	for b.have += n; b.have >= 8; b.have -= 8 {
		b.bytes = append(b.bytes, byte(b.acc))
		b.acc >>= 8
	}
}

// end returns all that was pushed: the highest bit that is set is none of it.
func (b *bitStack) end() []byte {
	if b.have == 0 && len(b.bytes) == 0 {
		return nil
	}
	b.push(1, 1)
	if b.have > 0 {
		b.push(0, 8-b.have)
	}
	return b.bytes
}

// A bitUnstack is what is left of a bitStack, which ends at src[at].
type bitUnstack struct {
	src  []byte
	at   int
	acc  uint64 // the last that were read, of which have are left
	have uint
	open bool // the mark of the end was read
}

// pop returns the n bits pushed last, at most 32; bits before the first are 0.
func (b *bitUnstack) pop(n uint) uint32 {
	if !b.open {
		b.open = true
		last := b.next()
		if last == 0 {
			b.at = -1 // no end is there
		}
		b.have = uint(max(bits.Len64(last), 1) - 1)
		b.acc = last &^ (1 << b.have)
	}
	for b.have < n {
		b.acc = b.acc<<8 | b.next()
		b.have += 8
	}
	b.have -= n
	x := uint32(b.acc >> b.have)
	b.acc &= 1<<b.have - 1
	return x
}

func (b *bitUnstack) next() uint64 {
	b.at--
	if b.at < 0 {
		return 0
	}
	return uint64(b.src[b.at])
}
