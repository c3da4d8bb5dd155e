#include "context.h"

#include <string.h>

size_t ys_zstd_bound(ys_layout layout, size_t n) {
	size_t w = ys_width(layout);
	return w * (4 + ZSTD_compressBound(n / w)) + w;
}

// whole is plain zstd of one plane that needs no splitting.
static int whole(ys_span s) { return s.layout == YS_BYTES1 && !s.nbase; }

int64_t ys_zstd_compress(ys *y, uint8_t *dst, size_t cap, const uint8_t *src, const uint8_t *base, ys_span s) {
	size_t w = ys_width(s.layout), n = s.n / w, at = 4 * (w - 1);
	uint8_t *planes[YS_MAX_PLANES];
	if (cap < ys_zstd_bound(s.layout, s.n)) return -1;
	if (whole(s)) {
		planes[0] = (uint8_t *)src;
	} else {
		if (ys_planes(y, planes, w, n)) return -1;
		ys_split_span(s, planes, src, base);
	}
	for (size_t k = 0; k < w; k++) {
		size_t c = ZSTD_compress2(y->cctx, dst + at, cap - at, planes[k], n);
		if (ZSTD_isError(c)) return -1;
		uint32_t length = (uint32_t)c;
		if (k + 1 < w) memcpy(dst + 4 * k, &length, 4);
		at += c;
	}
	memcpy(dst + at, src + n * w, s.n % w);
	return (int64_t)(at + s.n % w);
}

int ys_zstd_decompress(ys *y, uint8_t *dst, const uint8_t *src, size_t m, const uint8_t *base, ys_span s) {
	size_t w = ys_width(s.layout), n = s.n / w, at = 4 * (w - 1), tail = s.n % w;
	uint8_t *planes[YS_MAX_PLANES];
	if (m < at + tail) return -1;
	if (whole(s))
		planes[0] = dst;
	else if (ys_planes(y, planes, w, n))
		return -1;
	for (size_t k = 0; k < w; k++) {
		uint32_t length = 0;
		if (k + 1 < w) memcpy(&length, src + 4 * k, 4);
		size_t c = k + 1 < w ? length : m - tail - at;
		if (c > m - tail - at || ZSTD_decompressDCtx(y->dctx, planes[k], n, src + at, c) != n) return -1;
		at += c;
	}
	if (!whole(s)) ys_join_span(s, dst, (const uint8_t *const *)planes, base);
	memcpy(dst + n * w, src + at, tail);
	return at + tail == m ? 0 : -1;
}
