// The codecs that zipnode is measured against. One call takes a whole tensor.
#ifndef YS_YARDSTICK_H
#define YS_YARDSTICK_H

#include "planes.h"

// A ys holds the contexts and the scratch memory of one thread.
typedef struct ys ys;

// How a ys calls zstd. The published codecs of planes write to a stream, whose
// length zstd is not told: it then takes other parameters than for a tensor of
// few hundred KiB, and for planes they are the better ones. So these are set,
// and the frame is made in one call, which costs less than a stream.
typedef enum {
	YS_LEVEL3,  // as zstd chooses
	YS_STREAM3, // level 3 of a stream
	YS_STREAM1, // level 1 of a stream
} ys_level;

// ys_new returns NULL if memory is short, or if libzstd is not 1.5.7.
ys *ys_new(ys_level);
void ys_free(ys *);

// A ys_span is n bytes of elements, little-endian, of which the base covers the
// first nbase (0 for no base); what lies behind is coded as against zeros.
typedef struct {
	size_t n, nbase;
	ys_layout layout;
} ys_span;

// The zstd yardsticks, BitX and TensorX among them: XOR, planes, each a zstd
// frame.
//
//	length uint32 // of each plane's frame but the last
//	frames
//	bytes         // after the last whole element
//
// Plain zstd has one plane and no length. ys_*_compress returns the bytes
// written to dst, -1 if cap is too small or memory short. ys_*_decompress
// returns 0, or -1 if the bytes are not what compress wrote.
size_t ys_zstd_bound(ys_layout layout, size_t n);
int64_t ys_zstd_compress(ys *, uint8_t *dst, size_t cap, const uint8_t *src, const uint8_t *base, ys_span);
int ys_zstd_decompress(ys *, uint8_t *dst, const uint8_t *src, size_t m, const uint8_t *base, ys_span);

// ZipNN: chunks of 256 KiB (128 KiB of one-byte elements), of each its planes
// by Huffman where that leaves less than 95 %, else raw; no base.
//
//	size uint24 // of each plane: coded bytes << 1 | coded by Huffman
//	planes      // of that chunk; then the next chunk
//	bytes       // after the last whole element
size_t ys_zipnn_bound(ys_layout layout, size_t n);
int64_t ys_zipnn_compress(ys *, uint8_t *dst, size_t cap, const uint8_t *src, ys_span);
int ys_zipnn_decompress(ys *, uint8_t *dst, const uint8_t *src, size_t m, ys_span);

// ys_vectorised tells whether planes are split by AVX2 on this machine.
int ys_vectorised(void);

#endif
