package dag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/ipfs/go-cid"
)

// This file holds as much of dag-cbor as recipes and packings need: unsigned
// integers, bytes, text, lists, maps and links, in the one canonical form that
// https://ipld.io/specs/codecs/dag-cbor/spec/ prescribes. The reader refuses
// every other form, so that equal values are equal bytes, and never allocates
// by a declared length that the input does not back.

const (
	majorUint  = 0
	majorBytes = 2
	majorText  = 3
	majorList  = 4
	majorMap   = 5
	majorTag   = 6

	tagLink = 42
)

var errCBOR = errors.New("not canonical dag-cbor")

func appendHead(b []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func appendUint(b []byte, n int64) []byte { return appendHead(b, majorUint, uint64(n)) }

func appendBytes(b, v []byte) []byte { return append(appendHead(b, majorBytes, uint64(len(v))), v...) }

func appendText(b []byte, v string) []byte {
	return append(appendHead(b, majorText, uint64(len(v))), v...)
}

func appendLink(b []byte, c cid.Cid) []byte {
	v := c.Bytes()
	b = appendHead(b, majorTag, tagLink)
	b = appendHead(b, majorBytes, uint64(len(v)+1))
	return append(append(b, 0), v...) // 0: the multibase prefix of binary
}

// A cborReader reads values from b in order. After the first error every call
// returns zero values; err tells it.
type cborReader struct {
	b     []byte
	err   error
	newer error // ErrNewer, where the version says so
}

func (r *cborReader) fail(format string, args ...any) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", errCBOR, fmt.Sprintf(format, args...))
	}
	r.b = nil
}

// peek returns the major type of the next value, or 0xff at the end.
func (r *cborReader) peek() byte {
	if len(r.b) == 0 {
		return 0xff
	}
	return r.b[0] >> 5
}

func (r *cborReader) head(major byte) uint64 {
	if r.err != nil {
		return 0
	}
	if len(r.b) == 0 {
		r.fail("it ends early")
		return 0
	}
	if got := r.b[0] >> 5; got != major {
		r.fail("major type %d where %d belongs", got, major)
		return 0
	}
	info := r.b[0] & 31
	r.b = r.b[1:]
	if info < 24 {
		return uint64(info)
	}
	if info > 27 {
		r.fail("an indefinite length")
		return 0
	}
	width := 1 << (info - 24)
	if len(r.b) < width {
		r.fail("it ends early")
		return 0
	}
	var n, least uint64
	switch width {
	case 1:
		n, least = uint64(r.b[0]), 24
	case 2:
		n, least = uint64(binary.BigEndian.Uint16(r.b)), 1<<8
	case 4:
		n, least = uint64(binary.BigEndian.Uint32(r.b)), 1<<16
	case 8:
		n, least = binary.BigEndian.Uint64(r.b), 1<<32
	}
	r.b = r.b[width:]
	if n < least {
		r.fail("an integer longer than it needs to be")
		return 0
	}
	return n
}

// uint reads an integer of at most 63 bits.
func (r *cborReader) uint() int64 {
	n := r.head(majorUint)
	if n > math.MaxInt64 {
		r.fail("an integer over 63 bits")
		return 0
	}
	return int64(n)
}

// take reads a byte or text string of at most most bytes. It lends r's bytes.
func (r *cborReader) take(major byte, most int) []byte {
	n := r.head(major)
	if n > uint64(len(r.b)) || n > uint64(most) {
		r.fail("a string of %d bytes", n)
		return nil
	}
	v := r.b[:n:n]
	r.b = r.b[n:]
	return v
}

func (r *cborReader) bytes(most int) []byte { return r.take(majorBytes, most) }

func (r *cborReader) text(most int) string {
	v := r.take(majorText, most)
	if !utf8.Valid(v) {
		r.fail("text that is not UTF-8")
		return ""
	}
	return string(v)
}

// list reads the head of a list of at most most values, each of at least one
// byte.
func (r *cborReader) list(most int) int {
	n := r.head(majorList)
	if n > uint64(most) || n > uint64(len(r.b)) {
		r.fail("a list of %d", n)
		return 0
	}
	return int(n)
}

// mapHead reads the head of a map and returns how many pairs follow.
func (r *cborReader) mapHead(most int) int {
	n := r.head(majorMap)
	if n > uint64(most) || n > uint64(len(r.b)) {
		r.fail("a map of %d", n)
		return 0
	}
	return int(n)
}

func (r *cborReader) link() cid.Cid {
	if tag := r.head(majorTag); r.err == nil && tag != tagLink {
		r.fail("tag %d where a link belongs", tag)
	}
	v := r.bytes(64)
	if r.err != nil {
		return cid.Undef
	}
	if len(v) < 2 || v[0] != 0 {
		r.fail("a link without its prefix")
		return cid.Undef
	}
	c, err := cid.Cast(v[1:])
	if err == nil {
		err = Supported(c)
	}
	if err != nil {
		r.fail("a link that is no CIDv1 with sha2-256")
		return cid.Undef
	}
	return c
}

// linkOf reads a link of codec.
func (r *cborReader) linkOf(codec uint64) cid.Cid {
	c := r.link()
	if r.err == nil && c.Type() != codec {
		r.fail("a link of codec 0x%x where 0x%x belongs", c.Type(), codec)
	}
	return c
}

// rawCID reads bytes that hold a CID which is deliberately no link.
func (r *cborReader) rawCID() cid.Cid {
	v := r.bytes(64)
	if r.err != nil {
		return cid.Undef
	}
	c, err := cid.Cast(v)
	if err == nil {
		err = Supported(c)
	}
	if err != nil {
		r.fail("bytes that are no CIDv1 with sha2-256")
		return cid.Undef
	}
	return c
}

// end fails unless everything was read.
func (r *cborReader) end() error {
	if r.err == nil && len(r.b) != 0 {
		r.fail("%d bytes follow it", len(r.b))
	}
	return r.err
}
