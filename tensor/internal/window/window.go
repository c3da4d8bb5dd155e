// Package window reads a bounded part of an [io.ReaderAt] from its start to its
// end, for readers of untrusted headers.
//
// It tells the two ways to run out of bytes apart: at the end of the part, the
// error wraps [tensor.ErrNotFormat], for the header promised more than there
// is; where the source fails, or holds fewer bytes than its caller said, the
// error is the source's.
package window

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/zipnode/zipnode/tensor"
)

const bufferSize = 64 << 10

// A Reader reads the bytes [off, end) of a source, in order. Its error, once
// met, is kept.
type Reader struct {
	src  io.ReaderAt
	next int64 // offset of the first byte behind buf
	end  int64
	buf  []byte // the unread bytes before next
	mem  []byte
	err  error
}

// New returns a Reader of the bytes [off, end) of src.
func New(src io.ReaderAt, off, end int64) *Reader {
	return &Reader{src: src, next: off, end: end}
}

// Offset returns the offset in the source of the next byte to be read.
func (r *Reader) Offset() int64 { return r.next - int64(len(r.buf)) }

// Left returns how many bytes lie before the end.
func (r *Reader) Left() int64 { return r.end - r.Offset() }

// Peek returns the next byte and stays before it.
func (r *Reader) Peek() (byte, error) {
	if len(r.buf) == 0 {
		if err := r.refill(); err != nil {
			return 0, err
		}
	}
	return r.buf[0], nil
}

// Byte returns the next byte.
func (r *Reader) Byte() (byte, error) {
	b, err := r.Peek()
	if err == nil {
		r.buf = r.buf[1:]
	}
	return b, err
}

// Full fills p.
func (r *Reader) Full(p []byte) error {
	if int64(len(p)) > r.Left() {
		return r.fail(r.short(uint64(len(p))))
	}
	for len(p) > 0 {
		if len(r.buf) == 0 {
			if err := r.refill(); err != nil {
				return err
			}
		}
		n := copy(p, r.buf)
		p, r.buf = p[n:], r.buf[n:]
	}
	return nil
}

// Skip passes over n bytes without reading those that are not yet buffered.
func (r *Reader) Skip(n uint64) error {
	if n > uint64(r.Left()) {
		return r.fail(r.short(n))
	}
	if n <= uint64(len(r.buf)) {
		r.buf = r.buf[n:]
		return nil
	}
	r.next += int64(n) - int64(len(r.buf))
	r.buf = nil
	return nil
}

// Uint32 reads a little-endian uint32.
func (r *Reader) Uint32() (uint32, error) {
	var p [4]byte
	err := r.Full(p[:])
	return binary.LittleEndian.Uint32(p[:]), err
}

// Uint64 reads a little-endian uint64.
func (r *Reader) Uint64() (uint64, error) {
	var p [8]byte
	err := r.Full(p[:])
	return binary.LittleEndian.Uint64(p[:]), err
}

func (r *Reader) refill() error {
	if r.err != nil {
		return r.err
	}
	if r.next >= r.end {
		return r.fail(r.short(1))
	}
	if r.mem == nil {
		r.mem = make([]byte, min(bufferSize, r.end-r.next))
	}
	p := r.mem[:min(int64(len(r.mem)), r.end-r.next)]
	if err := At(r.src, p, r.next); err != nil {
		return r.fail(err)
	}
	r.buf, r.next = p, r.next+int64(len(p))
	return nil
}

func (r *Reader) short(want uint64) error {
	return fmt.Errorf("%w: %d bytes wanted at %d, %d left", tensor.ErrNotFormat, want, r.Offset(), r.Left())
}

func (r *Reader) fail(err error) error {
	if r.err == nil {
		r.err = err
	}
	return r.err
}

// At fills p with the bytes of src at off. A source that ends within p fails
// with io.ErrUnexpectedEOF: it is shorter than its caller said.
func At(src io.ReaderAt, p []byte, off int64) error {
	n, err := src.ReadAt(p, off)
	switch {
	case n == len(p):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}
