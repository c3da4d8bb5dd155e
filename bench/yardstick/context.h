#ifndef YS_CONTEXT_H
#define YS_CONTEXT_H

#include "yardstick.h"
#include "zstd_abi.h"

struct ys {
	ZSTD_CCtx *cctx;
	ZSTD_DCtx *dctx;
	uint8_t *scratch; // the planes of a tensor
	size_t size;      // of scratch
	uint64_t work[HUF_WORKSPACE / 8];
	size_t ctable[HUF_SYMBOL_MAX + 2];
	uint32_t dtable[1 + (1 << HUF_TABLELOG_MAX)];
};

// ys_reserve makes scratch at least n bytes long; it returns -1 if it can't.
int ys_reserve(ys *, size_t n);

// ys_planes sets planes to ones of n bytes each in scratch.
int ys_planes(ys *, uint8_t **planes, size_t count, size_t n);

// ys_split_span and ys_join_span split and join the whole elements of a span,
// the part that the base covers and the rest.
void ys_split_span(ys_span, uint8_t *const *planes, const uint8_t *src, const uint8_t *base);
void ys_join_span(ys_span, uint8_t *dst, const uint8_t *const *planes, const uint8_t *base);

#endif
