package study

import (
	"encoding/binary"
	"errors"

	"github.com/klauspost/compress/huff0"
	"github.com/klauspost/compress/zstd"

	"github.com/zipnode/zipnode/codec"
	"github.com/zipnode/zipnode/tensor"
)

// block is how many bytes of a plane are Huffman coded at once, as ZipNN does.
const block = huff0.BlockSizeMax

// An encoder measures what bytes come to. It is used by one goroutine at a time.
type encoder struct {
	zstd   *zstd.Encoder
	huff   huff0.Scratch
	planes [8][]byte
	xor    []byte
	out    []byte
}

func newEncoder() (*encoder, error) {
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault), zstd.WithEncoderConcurrency(1),
		zstd.WithEncoderCRC(false), zstd.WithWindowSize(2<<20), zstd.WithAllLitEntropyCompression(true))
	// With a table of an earlier block the size would depend on what that was.
	return &encoder{zstd: z, huff: huff0.Scratch{Reuse: huff0.ReusePolicyNone}}, err
}

// plainZstd is data by zstd, as level 3 does about.
func (e *encoder) plainZstd(data []byte) int64 {
	e.out = e.zstd.EncodeAll(data, e.out[:0])
	return int64(min(len(e.out), len(data)))
}

// zipnn is data in ZipNN's way (Hershcovitch et al., arXiv:2411.05239): the bytes
// of the elements apart, of floats with the exponent in a byte of its own, each
// Huffman coded where that takes a twentieth off.
func (e *encoder) zipnn(data []byte, dtype tensor.DType) int64 {
	n := int64(0)
	w := e.split(data, dtype)
	for _, plane := range e.planes[:w] {
		for len(plane) > 0 {
			part := plane[:min(len(plane), block)]
			plane = plane[len(part):]
			n += 3 + e.huffman(part, 20)
		}
	}
	return n + int64(len(data)%w)
}

// huffman is plane by Huffman codes, or itself where they take less than a part of
// it off.
func (e *encoder) huffman(plane []byte, part int) int64 {
	out, _, err := huff0.Compress4X(plane, &e.huff)
	if errors.Is(err, huff0.ErrUseRLE) {
		return 1
	}
	if err != nil || len(out)*part >= len(plane)*(part-1) {
		return int64(len(plane))
	}
	return int64(len(out))
}

// bitx is data as a delta of base, in BitX's way (Wang et al., arXiv:2505.06252):
// their XOR, the exponents and the rest apart, each plane by zstd.
func (e *encoder) bitx(data, base []byte, dtype tensor.DType) int64 {
	e.xor = append(e.xor[:0], data...)
	n := min(len(data), len(base))
	i := 0
	for ; i+8 <= n; i += 8 {
		x := binary.LittleEndian.Uint64(e.xor[i:]) ^ binary.LittleEndian.Uint64(base[i:])
		binary.LittleEndian.PutUint64(e.xor[i:], x)
	}
	for ; i < n; i++ {
		e.xor[i] ^= base[i]
	}
	total := int64(0)
	w := e.split(e.xor, dtype)
	for _, plane := range e.planes[:w] {
		total += e.plainZstd(plane)
	}
	return total + int64(len(data)%w)
}

// zipnode is a leaf as zipnode stores it.
func (e *encoder) zipnode(leaf []byte, c codec.Context) (int64, error) {
	out, err := codec.Encode(e.out[:0], leaf, c)
	if errors.Is(err, codec.ErrIncompressible) {
		return int64(len(leaf)), nil
	}
	e.out = out
	return int64(len(out)), err
}

// split parts the bytes of elements into planes, and returns how many: of BF16
// and F32 the exponent is a plane of its own, and the sign goes with the mantissa.
func (e *encoder) split(data []byte, dtype tensor.DType) int {
	w := max(dtype.Bits()/8, 1)
	if w > len(e.planes) {
		w = 1
	}
	n := len(data) / w
	for k := range w {
		if cap(e.planes[k]) < n {
			e.planes[k] = make([]byte, n)
		}
		e.planes[k] = e.planes[k][:n]
	}
	switch {
	case dtype == tensor.BF16:
		low, high := e.planes[0], e.planes[1]
		for i := range n {
			x := binary.LittleEndian.Uint16(data[2*i:])
			low[i], high[i] = byte(x>>8&0x80|x&0x7f), byte(x>>7)
		}
	case dtype == tensor.F32:
		for i := range n {
			x := binary.LittleEndian.Uint32(data[4*i:])
			x = x<<1&0xff00_0000 | x>>31<<23 | x&0x7f_ffff
			e.planes[0][i], e.planes[1][i], e.planes[2][i], e.planes[3][i] = byte(x), byte(x>>8), byte(x>>16), byte(x>>24)
		}
	case w == 2:
		low, high := e.planes[0], e.planes[1]
		for i := range n {
			low[i], high[i] = data[2*i], data[2*i+1]
		}
	default:
		for k := range w {
			for i := range n {
				e.planes[k][i] = data[i*w+k]
			}
		}
	}
	return w
}
