#include "planes.h"

#include <string.h>

#ifdef YS_X86
#include <immintrin.h>
#define AVX2 __attribute__((target("avx2")))
#endif

size_t ys_width(ys_layout l) {
	static const size_t widths[] = {1, 2, 4, 8, 2, 4};
	return widths[l];
}

// load returns the XOR of one element of src and base.
static inline uint64_t load(const uint8_t *src, const uint8_t *base, size_t w) {
	uint64_t x = 0, b = 0;
	memcpy(&x, src, w);
	if (base) memcpy(&b, base, w);
	return x ^ b;
}

// rotate moves the sign of a float whose exponent has 8 bits from above the
// exponent to below it.
static inline uint64_t rotate(uint64_t x, unsigned mantissa) {
	uint64_t low = ((uint64_t)1 << mantissa) - 1, sign = x >> (mantissa + 8) & 1;
	return (x << 1 & ~(low << 1 | 1)) | sign << mantissa | (x & low);
}

static inline uint64_t unrotate(uint64_t x, unsigned mantissa) {
	uint64_t low = ((uint64_t)1 << mantissa) - 1;
	return (x >> mantissa & 1) << (mantissa + 8) | x >> (mantissa + 1) << mantissa | (x & low);
}

// The portable way, for elements from i to n. Inlined with constant width and
// layout, so that the compiler sees plain loops.
static inline void split_plain(ys_layout l, uint8_t *const *planes, const uint8_t *src, const uint8_t *base,
                               size_t i, size_t n, const size_t w) {
	for (; i < n; i++) {
		uint64_t x = load(src + i * w, base ? base + i * w : NULL, w);
		if (l == YS_FLOAT16) {
			planes[0][i] = (uint8_t)(x >> 7);
			planes[1][i] = (uint8_t)((x >> 8 & 0x80) | (x & 0x7f));
			continue;
		}
		if (l == YS_FLOAT32) x = rotate(x, 23);
		for (size_t k = 0; k < w; k++) planes[k][i] = (uint8_t)(x >> 8 * k);
	}
}

static inline void join_plain(ys_layout l, uint8_t *dst, const uint8_t *const *planes, const uint8_t *base,
                              size_t i, size_t n, const size_t w) {
	for (; i < n; i++) {
		uint64_t x = 0, b = 0;
		if (l == YS_FLOAT16) {
			uint64_t e = planes[0][i], s = planes[1][i];
			x = (s & 0x80) << 8 | e << 7 | (s & 0x7f);
		} else {
			for (size_t k = 0; k < w; k++) x |= (uint64_t)planes[k][i] << 8 * k;
			if (l == YS_FLOAT32) x = unrotate(x, 23);
		}
		if (base) memcpy(&b, base + i * w, w);
		x ^= b;
		memcpy(dst + i * w, &x, w);
	}
}

#ifdef YS_X86

// load32 returns the XOR of 32 bytes of src and base.
AVX2 static inline __m256i load32(const uint8_t *src, const uint8_t *base) {
	__m256i x = _mm256_loadu_si256((const __m256i *)src);
	return base ? _mm256_xor_si256(x, _mm256_loadu_si256((const __m256i *)base)) : x;
}

AVX2 static inline void store32(uint8_t *dst, __m256i x, const uint8_t *base) {
	if (base) x = _mm256_xor_si256(x, _mm256_loadu_si256((const __m256i *)base));
	_mm256_storeu_si256((__m256i *)dst, x);
}

// bytes packs the low bytes of the 16-bit lanes of a, then of b.
AVX2 static inline __m256i bytes(__m256i a, __m256i b) {
	return _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8);
}

AVX2 static size_t split16_avx2(int rotated, uint8_t *const *planes, const uint8_t *src, const uint8_t *base,
                                size_t n) {
	const __m256i low8 = _mm256_set1_epi16(0xff), low7 = _mm256_set1_epi16(0x7f), bit7 = _mm256_set1_epi16(0x80);
	size_t i = 0;
	for (; i + 32 <= n; i += 32) {
		__m256i a = load32(src + 2 * i, base ? base + 2 * i : NULL);
		__m256i b = load32(src + 2 * i + 32, base ? base + 2 * i + 32 : NULL);
		__m256i p, q;
		if (rotated) {
			p = bytes(_mm256_and_si256(_mm256_srli_epi16(a, 7), low8), _mm256_and_si256(_mm256_srli_epi16(b, 7), low8));
			q = bytes(_mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(a, 8), bit7), _mm256_and_si256(a, low7)),
			          _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(b, 8), bit7), _mm256_and_si256(b, low7)));
		} else {
			p = bytes(_mm256_and_si256(a, low8), _mm256_and_si256(b, low8));
			q = bytes(_mm256_srli_epi16(a, 8), _mm256_srli_epi16(b, 8));
		}
		_mm256_storeu_si256((__m256i *)(planes[0] + i), p);
		_mm256_storeu_si256((__m256i *)(planes[1] + i), q);
	}
	return i;
}

AVX2 static size_t join16_avx2(int rotated, uint8_t *dst, const uint8_t *const *planes, const uint8_t *base,
                               size_t n) {
	const __m256i low7 = _mm256_set1_epi16(0x7f), bit7 = _mm256_set1_epi16(0x80);
	size_t i = 0;
	for (; i + 16 <= n; i += 16) {
		__m256i p = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(planes[0] + i)));
		__m256i q = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)(planes[1] + i)));
		__m256i x;
		if (rotated) {
			x = _mm256_or_si256(_mm256_slli_epi16(_mm256_and_si256(q, bit7), 8), _mm256_and_si256(q, low7));
			x = _mm256_or_si256(x, _mm256_slli_epi16(p, 7));
		} else {
			x = _mm256_or_si256(p, _mm256_slli_epi16(q, 8));
		}
		store32(dst + 2 * i, x, base ? base + 2 * i : NULL);
	}
	return i;
}

// rotate32 and unrotate32 are rotate and unrotate of eight floats.
AVX2 static inline __m256i rotate32(__m256i x) {
	__m256i sign = _mm256_and_si256(_mm256_srli_epi32(x, 8), _mm256_set1_epi32(0x800000));
	__m256i exponent = _mm256_and_si256(_mm256_slli_epi32(x, 1), _mm256_set1_epi32((int)0xff000000));
	return _mm256_or_si256(_mm256_or_si256(sign, exponent), _mm256_and_si256(x, _mm256_set1_epi32(0x7fffff)));
}

AVX2 static inline __m256i unrotate32(__m256i x) {
	__m256i sign = _mm256_slli_epi32(_mm256_and_si256(x, _mm256_set1_epi32(0x800000)), 8);
	__m256i exponent = _mm256_and_si256(_mm256_srli_epi32(x, 1), _mm256_set1_epi32(0x7f800000));
	return _mm256_or_si256(_mm256_or_si256(sign, exponent), _mm256_and_si256(x, _mm256_set1_epi32(0x7fffff)));
}

// quads makes a 4×4 transpose of bytes in each half: of each element its byte k
// goes to 32-bit lane k. It is its own inverse.
AVX2 static inline __m256i quads(__m256i x) {
	const __m256i order = _mm256_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15, 0, 4, 8, 12, 1, 5, 9,
	                                       13, 2, 6, 10, 14, 3, 7, 11, 15);
	return _mm256_shuffle_epi8(x, order);
}

AVX2 static size_t split32_avx2(int rotated, uint8_t *const *planes, const uint8_t *src, const uint8_t *base,
                                size_t n) {
	const __m256i pairs = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
	size_t i = 0;
	for (; i + 32 <= n; i += 32) {
		__m256i v[4];
		for (int k = 0; k < 4; k++) {
			__m256i x = load32(src + 4 * i + 32 * k, base ? base + 4 * i + 32 * k : NULL);
			if (rotated) x = rotate32(x);
			v[k] = _mm256_permutevar8x32_epi32(quads(x), pairs); // 8 bytes of plane 0, 1, 2, 3
		}
		__m256i a = _mm256_unpacklo_epi64(v[0], v[1]), b = _mm256_unpackhi_epi64(v[0], v[1]);
		__m256i c = _mm256_unpacklo_epi64(v[2], v[3]), d = _mm256_unpackhi_epi64(v[2], v[3]);
		_mm256_storeu_si256((__m256i *)(planes[0] + i), _mm256_permute2x128_si256(a, c, 0x20));
		_mm256_storeu_si256((__m256i *)(planes[1] + i), _mm256_permute2x128_si256(b, d, 0x20));
		_mm256_storeu_si256((__m256i *)(planes[2] + i), _mm256_permute2x128_si256(a, c, 0x31));
		_mm256_storeu_si256((__m256i *)(planes[3] + i), _mm256_permute2x128_si256(b, d, 0x31));
	}
	return i;
}

AVX2 static size_t join32_avx2(int rotated, uint8_t *dst, const uint8_t *const *planes, const uint8_t *base,
                               size_t n) {
	const __m256i unpairs = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
	size_t i = 0;
	for (; i + 32 <= n; i += 32) {
		__m256i p[4];
		for (int k = 0; k < 4; k++) p[k] = _mm256_loadu_si256((const __m256i *)(planes[k] + i));
		__m256i a = _mm256_permute2x128_si256(p[0], p[2], 0x20), c = _mm256_permute2x128_si256(p[0], p[2], 0x31);
		__m256i b = _mm256_permute2x128_si256(p[1], p[3], 0x20), d = _mm256_permute2x128_si256(p[1], p[3], 0x31);
		__m256i v[4] = {_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b), _mm256_unpacklo_epi64(c, d),
		                _mm256_unpackhi_epi64(c, d)};
		for (int k = 0; k < 4; k++) {
			__m256i x = quads(_mm256_permutevar8x32_epi32(v[k], unpairs));
			if (rotated) x = unrotate32(x);
			store32(dst + 4 * i + 32 * k, x, base ? base + 4 * i + 32 * k : NULL);
		}
	}
	return i;
}

static int has_avx2(void) { return __builtin_cpu_supports("avx2"); }

#else

static int has_avx2(void) { return 0; }
static size_t split16_avx2(int r, uint8_t *const *p, const uint8_t *s, const uint8_t *b, size_t n) { return 0; }
static size_t split32_avx2(int r, uint8_t *const *p, const uint8_t *s, const uint8_t *b, size_t n) { return 0; }
static size_t join16_avx2(int r, uint8_t *d, const uint8_t *const *p, const uint8_t *b, size_t n) { return 0; }
static size_t join32_avx2(int r, uint8_t *d, const uint8_t *const *p, const uint8_t *b, size_t n) { return 0; }

#endif

// xor1 is split and join of elements of one byte; the compiler vectorises it.
static void xor1(uint8_t *dst, const uint8_t *src, const uint8_t *base, size_t n) {
	if (!base) {
		memcpy(dst, src, n);
		return;
	}
	for (size_t i = 0; i < n; i++) dst[i] = src[i] ^ base[i];
}

void ys_split(ys_layout l, uint8_t *const *planes, const uint8_t *src, const uint8_t *base, size_t n) {
	int fast = has_avx2();
	size_t done = 0;
	switch (l) {
	case YS_BYTES1:
		xor1(planes[0], src, base, n);
		return;
	case YS_BYTES2:
	case YS_FLOAT16:
		if (fast) done = split16_avx2(l == YS_FLOAT16, planes, src, base, n);
		split_plain(l, planes, src, base, done, n, 2);
		return;
	case YS_BYTES4:
	case YS_FLOAT32:
		if (fast) done = split32_avx2(l == YS_FLOAT32, planes, src, base, n);
		split_plain(l, planes, src, base, done, n, 4);
		return;
	case YS_BYTES8:
		split_plain(l, planes, src, base, 0, n, 8);
	}
}

void ys_join(ys_layout l, uint8_t *dst, const uint8_t *const *planes, const uint8_t *base, size_t n) {
	int fast = has_avx2();
	size_t done = 0;
	switch (l) {
	case YS_BYTES1:
		xor1(dst, planes[0], base, n);
		return;
	case YS_BYTES2:
	case YS_FLOAT16:
		if (fast) done = join16_avx2(l == YS_FLOAT16, dst, planes, base, n);
		join_plain(l, dst, planes, base, done, n, 2);
		return;
	case YS_BYTES4:
	case YS_FLOAT32:
		if (fast) done = join32_avx2(l == YS_FLOAT32, dst, planes, base, n);
		join_plain(l, dst, planes, base, done, n, 4);
		return;
	case YS_BYTES8:
		join_plain(l, dst, planes, base, 0, n, 8);
	}
}
