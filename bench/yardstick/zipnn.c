#include "context.h"

#include <string.h>

// chunk_size returns the bytes of a chunk: ZipNN's, which keep each plane
// within one Huffman block.
static size_t chunk_size(ys_layout l) { return l == YS_BYTES1 ? HUF_BLOCK_MAX : 2 * HUF_BLOCK_MAX; }

size_t ys_zipnn_bound(ys_layout layout, size_t n) {
	size_t chunks = n / chunk_size(layout) + 1;
	return n + 3 * chunks * ys_width(layout) + HUF_BLOCK_MAX; // room to try Huffman in
}

static int huf_flags(void) {
#ifdef YS_X86
	return __builtin_cpu_supports("bmi2") ? HUF_FLAG_BMI2 : 0;
#else
	return 0;
#endif
}

static void put24(uint8_t *p, size_t x) {
	for (int k = 0; k < 3; k++) p[k] = (uint8_t)(x >> 8 * k);
}

static size_t get24(const uint8_t *p) { return p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16; }

// put_plane writes a plane of n bytes, and its size to head.
static size_t put_plane(ys *y, uint8_t *head, uint8_t *dst, size_t cap, const uint8_t *plane, size_t n) {
	int repeat = 0;
	size_t c = HUF_compress4X_repeat(dst, cap, plane, n, HUF_SYMBOL_MAX, HUF_TABLELOG, y->work, sizeof y->work,
	                                 y->ctable, &repeat, huf_flags());
	if (!ZSTD_isError(c) && c > 0 && c * 20 < n * 19) {
		put24(head, c << 1 | 1);
		return c;
	}
	memcpy(dst, plane, n);
	put24(head, n << 1);
	return n;
}

int64_t ys_zipnn_compress(ys *y, uint8_t *dst, size_t cap, const uint8_t *src, ys_span s) {
	size_t w = ys_width(s.layout), whole = s.n - s.n % w, chunk = chunk_size(s.layout), at = 0;
	uint8_t *planes[YS_MAX_PLANES];
	if (cap < ys_zipnn_bound(s.layout, s.n) || ys_planes(y, planes, w, chunk / w)) return -1;
	for (size_t off = 0; off < whole; off += chunk) {
		size_t n = (whole - off < chunk ? whole - off : chunk) / w;
		ys_split(s.layout, planes, src + off, NULL, n);
		uint8_t *head = dst + at;
		at += 3 * w;
		for (size_t k = 0; k < w; k++) at += put_plane(y, head + 3 * k, dst + at, cap - at, planes[k], n);
	}
	memcpy(dst + at, src + whole, s.n - whole);
	return (int64_t)(at + s.n - whole);
}

// get_plane reads a plane of n bytes from c coded ones.
static int get_plane(ys *y, uint8_t *plane, size_t n, const uint8_t *src, size_t c, int coded) {
	if (!coded) {
		if (c != n) return -1;
		memcpy(plane, src, n);
		return 0;
	}
	if (c == 1) { // HUF_compress4X_repeat: one symbol only
		memset(plane, src[0], n);
		return 0;
	}
	y->dtable[0] = HUF_TABLELOG_MAX * 0x01000001u;
	size_t d = HUF_decompress4X_hufOnly_wksp(y->dtable, plane, n, src, c, y->work, sizeof y->work, huf_flags());
	return d == n ? 0 : -1;
}

int ys_zipnn_decompress(ys *y, uint8_t *dst, const uint8_t *src, size_t m, ys_span s) {
	size_t w = ys_width(s.layout), whole = s.n - s.n % w, chunk = chunk_size(s.layout), at = 0;
	uint8_t *planes[YS_MAX_PLANES];
	if (ys_planes(y, planes, w, chunk / w)) return -1;
	for (size_t off = 0; off < whole; off += chunk) {
		size_t n = (whole - off < chunk ? whole - off : chunk) / w;
		if (m - at < 3 * w) return -1;
		const uint8_t *head = src + at;
		at += 3 * w;
		for (size_t k = 0; k < w; k++) {
			size_t x = get24(head + 3 * k);
			if (x >> 1 > m - at || get_plane(y, planes[k], n, src + at, x >> 1, x & 1)) return -1;
			at += x >> 1;
		}
		ys_join(s.layout, dst + off, (const uint8_t *const *)planes, NULL, n);
	}
	if (m - at != s.n - whole) return -1;
	memcpy(dst + whole, src + at, s.n - whole);
	return 0;
}
