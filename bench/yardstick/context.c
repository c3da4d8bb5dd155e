#include "context.h"

#include <stdlib.h>

// tune sets the parameters of level; it returns -1 if zstd refuses.
static int tune(ZSTD_CCtx *c, ys_level level) {
	// windowLog to strategy: the first table of clevels.h of zstd 1.5.7.
	static const int stream3[] = {21, 16, 17, 1, 5, 0, ZSTD_dfast}, stream1[] = {19, 13, 14, 1, 7, 0, ZSTD_fast};
	if (ZSTD_isError(ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, level == YS_STREAM1 ? 1 : 3))) return -1;
	if (level == YS_LEVEL3) return 0;
	// clevels.h has chainLog before hashLog.
	static const int order[] = {ZSTD_c_windowLog, ZSTD_c_chainLog,     ZSTD_c_hashLog, ZSTD_c_searchLog,
	                            ZSTD_c_minMatch,  ZSTD_c_targetLength, ZSTD_c_strategy};
	for (int i = 0; i < 7; i++)
		if (ZSTD_isError(ZSTD_CCtx_setParameter(c, order[i], level == YS_STREAM1 ? stream1[i] : stream3[i]))) return -1;
	return 0;
}

ys *ys_new(ys_level level) {
	if (ZSTD_versionNumber() != YS_ZSTD_VERSION) return NULL;
	ys *y = calloc(1, sizeof *y);
	if (!y) return NULL;
	y->cctx = ZSTD_createCCtx();
	y->dctx = ZSTD_createDCtx();
	if (y->cctx && y->dctx && !tune(y->cctx, level)) return y;
	ys_free(y);
	return NULL;
}

void ys_free(ys *y) {
	ZSTD_freeCCtx(y->cctx);
	ZSTD_freeDCtx(y->dctx);
	free(y->scratch);
	free(y);
}

int ys_reserve(ys *y, size_t n) {
	if (n <= y->size) return 0;
	uint8_t *p = realloc(y->scratch, n);
	if (!p) return -1;
	y->scratch = p;
	y->size = n;
	return 0;
}

int ys_planes(ys *y, uint8_t **planes, size_t count, size_t n) {
	if (ys_reserve(y, count * n)) return -1;
	for (size_t k = 0; k < count; k++) planes[k] = y->scratch + k * n;
	return 0;
}

// covered returns how many whole elements of s the base covers.
static size_t covered(ys_span s, size_t w) {
	size_t n = s.nbase < s.n ? s.nbase : s.n;
	return n / w;
}

void ys_split_span(ys_span s, uint8_t *const *planes, const uint8_t *src, const uint8_t *base) {
	size_t w = ys_width(s.layout), n = s.n / w, c = covered(s, w);
	if (c) ys_split(s.layout, planes, src, base, c);
	if (c == n) return;
	uint8_t *rest[YS_MAX_PLANES];
	for (size_t k = 0; k < w; k++) rest[k] = planes[k] + c;
	ys_split(s.layout, rest, src + c * w, NULL, n - c);
}

void ys_join_span(ys_span s, uint8_t *dst, const uint8_t *const *planes, const uint8_t *base) {
	size_t w = ys_width(s.layout), n = s.n / w, c = covered(s, w);
	if (c) ys_join(s.layout, dst, planes, base, c);
	if (c == n) return;
	const uint8_t *rest[YS_MAX_PLANES];
	for (size_t k = 0; k < w; k++) rest[k] = planes[k] + c;
	ys_join(s.layout, dst + c * w, rest, NULL, n - c);
}

int ys_vectorised(void) {
#ifdef YS_X86
	return __builtin_cpu_supports("avx2") != 0;
#else
	return 0;
#endif
}
