// Package twin computes two SHA-256 at a time, which on processors with SHA
// extensions takes little longer than one.
//
// It knows nothing of CIDs and blocks: only of bytes.
package twin

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"hash"
)

// Size is the length of a hash in bytes.
const Size = sha256.Size

const (
	block = 64

	// few is below how many bytes two hashes at once are not worth setting up.
	few = 4 << 10
)

// A state is that of a hash after whole blocks.
type state [8]uint32

// initial is a hash's state before its first block (FIPS 180-4, 5.3.3).
var initial = state{
	0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
}

// Sum returns the hashes of a and of b.
func Sum(a, b []byte) (x, y [Size]byte) {
	n := min(len(a), len(b)) / block
	if !fast || n*block < few {
		return sha256.Sum256(a), sha256.Sum256(b)
	}
	s, t := initial, initial
	blocks(&s, &t, a, b, n)
	return s.sum(n, a), t.sum(n, b)
}

// sum returns the hash of data, of which s is the state after n blocks.
func (s *state) sum(n int, data []byte) [Size]byte {
	h := s.resume(uint64(n)*block, nil)
	h.Write(data[n*block:])
	return [Size]byte(h.Sum(nil))
}

// A Hash is the hash of what was written to it. The zero value is that of
// nothing.
type Hash struct {
	s    state
	rest [block]byte // what no block was made of yet
	n    uint64      // bytes written; 0: s is not set yet
}

// Write adds data.
func (h *Hash) Write(data []byte) (int, error) {
	std := h.std()
	std.Write(data)
	h.take(std)
	h.n += uint64(len(data))
	return len(data), nil
}

// WriteSum adds data, and returns the hash of data alone.
func (h *Hash) WriteSum(data []byte) [Size]byte {
	lead := min(int(-h.n%block), len(data)) // to the end of a block
	n := (len(data) - lead) / block
	if !fast || n*block < few {
		h.Write(data)
		return sha256.Sum256(data)
	}
	h.Write(data[:lead])
	if h.n == 0 {
		h.s = initial
	}
	one := initial
	blocks(&h.s, &one, data[lead:], data, n)
	h.n += uint64(n) * block
	h.Write(data[lead+n*block:])
	return one.sum(n, data)
}

// Sum returns the hash of all that was written.
func (h *Hash) Sum() [Size]byte { return [Size]byte(h.std().Sum(nil)) }

// std returns a hash of the standard library that goes on where h is.
func (h *Hash) std() hash.Hash {
	if h.n == 0 {
		return sha256.New()
	}
	return h.s.resume(h.n, h.rest[:h.n%block])
}

// The standard library's hashes write their state as a mark, eight big-endian
// words, a block of what was left, and the length.
const mark = "sha\x03"

// resume returns a hash whose state after n bytes is s and rest.
func (s *state) resume(n uint64, rest []byte) hash.Hash {
	var raw [len(mark) + Size + block + 8]byte
	b := append(raw[:0], mark...)
	for _, w := range s {
		b = binary.BigEndian.AppendUint32(b, w)
	}
	b = append(b, rest...)
	b = b[:len(raw)-8]
	b = binary.BigEndian.AppendUint64(b, n)
	h := sha256.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(b); err != nil {
		panic(err) // the tests would have found another form
	}
	return h
}

// take sets h to the state of std, but for its length.
func (h *Hash) take(std hash.Hash) {
	b, err := std.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic(err) // likewise
	}
	b = b[len(mark):]
	for i := range h.s {
		h.s[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	copy(h.rest[:], b[Size:])
}
