// Splitting elements into byte planes, against a base or alone, and joining
// them again.
#ifndef YS_PLANES_H
#define YS_PLANES_H

#include <stddef.h>
#include <stdint.h>

#define YS_MAX_PLANES 8

// YS_X86 tells that vectors may be used where the processor has them;
// CGO_CFLAGS=-DYS_PORTABLE builds without.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(YS_PORTABLE)
#define YS_X86 1
#endif

// A layout says which bits of a little-endian element go to which plane.
typedef enum {
	YS_BYTES1, // one plane: the bytes as they are
	YS_BYTES2, // byte i of an element, from the least significant, to plane i
	YS_BYTES4,
	YS_BYTES8,
	YS_FLOAT16, // of 16 bits: plane 0 bits 14…7; plane 1 bit 15, then bits 6…0
	YS_FLOAT32, // of 32 bits: planes 0, 1 the low bytes; plane 2 bit 31, then bits 22…16; plane 3 bits 30…23
} ys_layout;

// ys_width returns the bytes of an element, which is the number of planes.
size_t ys_width(ys_layout l);

// ys_split sets n elements of each plane to src XOR base; a base of NULL is all
// zeros.
void ys_split(ys_layout l, uint8_t *const *planes, const uint8_t *src, const uint8_t *base, size_t n);

// ys_join is the inverse of ys_split.
void ys_join(ys_layout l, uint8_t *dst, const uint8_t *const *planes, const uint8_t *base, size_t n);

#endif
