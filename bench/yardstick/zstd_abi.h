// The functions of libzstd 1.5.7 that the yardsticks call. The library is the
// copy that github.com/DataDog/zstd bundles and builds; its headers lie in the
// module cache, where #include finds nothing, so the prototypes are repeated.
// ys_new refuses any other version.
#ifndef YS_ZSTD_ABI_H
#define YS_ZSTD_ABI_H

#include <stddef.h>
#include <stdint.h>

#define YS_ZSTD_VERSION 10507

// zstd.h, stable.
typedef struct ZSTD_CCtx_s ZSTD_CCtx;
typedef struct ZSTD_DCtx_s ZSTD_DCtx;
unsigned ZSTD_versionNumber(void);
ZSTD_CCtx *ZSTD_createCCtx(void);
size_t ZSTD_freeCCtx(ZSTD_CCtx *);
ZSTD_DCtx *ZSTD_createDCtx(void);
size_t ZSTD_freeDCtx(ZSTD_DCtx *);
size_t ZSTD_CCtx_setParameter(ZSTD_CCtx *, int parameter, int value);
size_t ZSTD_compress2(ZSTD_CCtx *, void *dst, size_t cap, const void *src, size_t n);
size_t ZSTD_decompressDCtx(ZSTD_DCtx *, void *dst, size_t cap, const void *src, size_t n);
size_t ZSTD_compressBound(size_t n);
unsigned ZSTD_isError(size_t code);
enum {
	ZSTD_c_compressionLevel = 100,
	ZSTD_c_windowLog,
	ZSTD_c_hashLog,
	ZSTD_c_chainLog,
	ZSTD_c_searchLog,
	ZSTD_c_minMatch,
	ZSTD_c_targetLength,
	ZSTD_c_strategy,
};
enum { ZSTD_fast = 1, ZSTD_dfast };

// huf.h, internal: the Huffman coder that ZipNN builds on.
#define HUF_BLOCK_MAX (128 << 10)
#define HUF_WORKSPACE ((8 << 10) + 512)
#define HUF_DECOMPRESS_WORKSPACE ((2 << 10) + (1 << 9))
#define HUF_SYMBOL_MAX 255
#define HUF_TABLELOG 11
#define HUF_TABLELOG_MAX 12
#define HUF_FLAG_BMI2 1
size_t HUF_compress4X_repeat(void *dst, size_t cap, const void *src, size_t n, unsigned maxSymbol,
                             unsigned tableLog, void *work, size_t workSize, size_t *table, int *repeat,
                             int flags);
size_t HUF_decompress4X_hufOnly_wksp(uint32_t *table, void *dst, size_t n, const void *src, size_t m,
                                     void *work, size_t workSize, int flags);

#endif
