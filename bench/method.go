package main

import (
	"errors"
	"fmt"

	"github.com/zipnode/zipnode/bench/yardstick"
	"github.com/zipnode/zipnode/codec"
)

// A method codes tensors. What it stores of one is what compress appends.
type method interface {
	name() string
	// compress appends the encoding of x to dst.
	compress(dst []byte, x item) ([]byte, error)
	// decompress fills dst, as long as x.data, from src, which the last
	// compress of x appended. It looks at no data of x.
	decompress(dst, src []byte, x item) error
}

// methods returns zipnode and all yardsticks, and a function that frees them.
func methods() (all []method, free func(), err error) {
	all = append(all, &zipnode{})
	var codecs []*yardstick.Codec
	free = func() {
		for _, c := range codecs {
			c.Close()
		}
	}
	for _, kind := range yardstick.Kinds() {
		c, err := yardstick.New(kind)
		if err != nil {
			free()
			return nil, nil, err
		}
		codecs = append(codecs, c)
		all = append(all, competitor{kind.String(), c})
	}
	return all, free, nil
}

// A competitor is a yardstick.
type competitor struct {
	title string
	codec *yardstick.Codec
}

func (c competitor) name() string { return c.title }

func (c competitor) compress(dst []byte, x item) ([]byte, error) {
	return c.codec.Compress(dst, x.data, x.base, x.dtype)
}

func (c competitor) decompress(dst, src []byte, x item) error {
	return c.codec.Decompress(dst, src, x.base, x.dtype)
}

// zipnode is package codec, leaf by leaf.
type zipnode struct {
	sizes [][]int // of the chunks of each item of a batch; 0: the leaf itself
	spans [1]codec.Span
	bases [1]codec.Base
}

func (*zipnode) name() string { return "zipnode" }

func (z *zipnode) compress(dst []byte, x item) ([]byte, error) {
	for x.at >= len(z.sizes) {
		z.sizes = append(z.sizes, nil)
	}
	sizes := z.sizes[x.at][:0]
	for off := 0; off < len(x.data); off += codec.MaxLeaf {
		leaf := x.data[off:min(off+codec.MaxLeaf, len(x.data))]
		before := len(dst)
		var err error
		dst, err = codec.Encode(dst, leaf, z.context(x, off))
		switch {
		case err == nil:
			sizes = append(sizes, len(dst)-before)
		case errors.Is(err, codec.ErrIncompressible):
			dst = append(dst, leaf...)
			sizes = append(sizes, 0)
		default:
			return dst, err
		}
	}
	z.sizes[x.at] = sizes
	return dst, nil
}

func (z *zipnode) decompress(dst, src []byte, x item) error {
	off := 0
	for _, n := range z.sizes[x.at] {
		end := min(off+codec.MaxLeaf, len(dst))
		leaf := dst[off:end:end]
		if n == 0 {
			n = copy(leaf, src)
		} else if got, err := codec.Decode(leaf[:0], src[:n], len(leaf), z.context(x, off)); err != nil {
			return err
		} else if len(got) != len(leaf) {
			return fmt.Errorf("a leaf of %d bytes decodes to %d", len(leaf), len(got))
		} else if &got[0] != &leaf[0] {
			copy(leaf, got)
		}
		src, off = src[n:], off+len(leaf)
	}
	return nil
}

// context returns what is known of the leaf of x at off. It is z's until the
// next call.
func (z *zipnode) context(x item, off int) codec.Context {
	c := codec.Context{DType: x.dtype, Offset: int64(off), Row: x.shape.Row()}
	if off < len(x.base) {
		z.spans[0] = codec.Span{Data: x.base[off:min(off+codec.MaxLeaf, len(x.base))]}
		z.bases[0] = codec.Base{DType: x.dtype, Spans: z.spans[:]}
		c.Bases = z.bases[:]
	}
	return c
}
