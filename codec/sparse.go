package codec

import (
	"bytes"
	"math/bits"
)

// The sparse method: for a leaf in which few elements differ from the base's.
// How many do, then for each how many equal ones come before it, and its step: the
// bits of its magnitude, the bit below the highest, the rest and the sign raw, all
// by the adaptive coder.
//
//	base  uint8
//	edges          // bytes before and after the whole elements, XORed with the base's
//	count, (gap, step) …

// A leaf is sparse if at most one element in sparsePart differs: from there on
// contexts give more than gaps. Bytes are compared in blocks of sparseBlock.
const (
	sparsePart  = 512
	sparseBlock = 256
)

// A sparseModel is what is known of gaps and steps.
type sparseModel struct {
	count, gap intModel
	step       stepModel
}

// A stepModel is what is known of steps: how many bits a magnitude has, and the
// bit below the highest.
type stepModel struct {
	length [34]model
	second [34]model
}

// magnitude splits step z in magnitude and sign.
func magnitude(z uint32) (m, sign uint32) { return z>>1 + z&1, z & 1 }

// differing appends the numbers of the elements of width bytes in which a and b
// differ, and returns false if they are more than most.
func differing(dst []int32, a, b []byte, width, most int) ([]int32, bool) {
	if begin := min(len(a), 4*most*width) &^ 7; differ(a[:begin], b[:begin], width) > most {
		return dst, false
	}
	for at := 0; at < len(a); at += sparseBlock {
		end := min(at+sparseBlock, len(a))
		if bytes.Equal(a[at:end], b[at:end]) {
			continue
		}
		i := at
		for ; i+8 <= end; i += 8 {
			// Elements are at most four bytes: eight hold whole ones.
			for x := le.Uint64(a[i:]) ^ le.Uint64(b[i:]); x != 0; {
				e := bits.TrailingZeros64(x) / (8 * width)
				dst = append(dst, int32(i/width+e))
				x &^= (1<<(8*width) - 1) << (8 * width * e)
			}
			if len(dst) > most {
				return dst, false
			}
		}
		for ; i < end; i += width {
			if !bytes.Equal(a[i:i+width], b[i:i+width]) {
				dst = append(dst, int32(i/width))
			}
		}
		if len(dst) > most {
			return dst, false
		}
	}
	return dst, true
}

// differ returns in how many elements of width bytes a and b differ, of whole
// eights of bytes.
func differ(a, b []byte, width int) (n int) {
	low := ^uint64(0) / (1<<(8*width) - 1) // the lowest bit of each element
	rest := ^(low << (8*width - 1))
	for ; len(a) >= 8 && len(b) >= 8; a, b = a[8:], b[8:] {
		x := le.Uint64(a) ^ le.Uint64(b)
		n += bits.OnesCount64((x&rest + rest | x) &^ rest)
	}
	return n
}

// appendSparse appends the body of a sparse delta of leaf against base to dst,
// and returns false if more than most elements differ.
func (s *scratch) appendSparse(dst, leaf, base []byte, b int, n number, c *Context, most int) ([]byte, bool) {
	head, tail := edgesOf(n.width, c.Offset, len(leaf))
	end := len(leaf) - tail
	var sparse bool
	if s.moved, sparse = differing(s.moved[:0], leaf[head:end], base[head:end], n.width, most); !sparse {
		return dst, false
	}
	dst = append(dst, byte(b))
	dst = appendXOR(dst, leaf[:head], base)
	dst = appendXOR(dst, leaf[end:], base[end:])
	leaf, base = leaf[head:end], base[head:end]
	var e adaptiveEncoder
	var m sparseModel
	from := len(dst)
	e.reset(dst)
	e.int(&m.count, uint32(len(s.moved)))
	next := int32(0)
	for _, i := range s.moved {
		e.int(&m.gap, uint32(i-next))
		m.step.write(&e, n.ordering().step(n.load(leaf, int(i)), n.load(base, int(i))))
		next = i + 1
	}
	return e.end(from), true
}

// decodeSparse fills dst from the body of a sparse delta.
func (s *scratch) decodeSparse(dst, body []byte, c *Context) error {
	base, body, err := s.decodeBase(len(dst), body, c)
	if err != nil {
		return err
	}
	n, ok := numberOf(c.DType)
	if !ok {
		return corrupt("delta of dtype %s", c.DType)
	}
	head, tail := edgesOf(n.width, c.Offset, len(dst))
	end := len(dst) - tail
	if len(body) < head+tail {
		return corrupt("edges are cut short")
	}
	copy(dst, base)
	xor(dst[:head], body[:head], base)
	xor(dst[end:], body[head:head+tail], base[end:])
	var in adaptiveDecoder
	var m sparseModel
	in.reset(body[head+tail:])
	dst = dst[head:end]
	count, left := in.int(&m.count), uint32(len(dst)/n.width)
	if count > left {
		return corrupt("%d elements differ of %d", count, left)
	}
	for at := uint32(0); count > 0; count-- {
		gap := in.int(&m.gap)
		if gap >= left {
			return corrupt("a gap beyond the last element")
		}
		at, left = at+gap, left-gap
		n.store(dst, int(at), n.ordering().walk(n.load(dst, int(at)), m.step.read(&in)))
		at, left = at+1, left-1
	}
	return in.end()
}

// write writes step z.
func (m *stepModel) write(e *adaptiveEncoder, z uint32) {
	mag, sign := magnitude(z)
	k := bits.Len32(mag)
	for j := range k {
		e.bit(&m.length[j], 1)
	}
	if k < 32 {
		e.bit(&m.length[k], 0)
	}
	if k > 1 {
		e.bit(&m.second[k], mag>>(k-2)&1)
		e.raw(mag, k-2)
	}
	if k > 0 {
		e.raw(sign, 1)
	}
}

// read reads what write wrote.
func (m *stepModel) read(in *adaptiveDecoder) uint32 {
	k := 0
	for k < 32 && in.bit(&m.length[k]) == 1 {
		k++
	}
	if k == 0 {
		return 0
	}
	mag := uint32(1)
	if k > 1 {
		mag = 2 | in.bit(&m.second[k])
		mag = mag<<(k-2) | in.raw(k-2)
	}
	return 2*mag - in.raw(1)
}
