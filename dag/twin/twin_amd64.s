//go:build amd64 && !purego

#include "textflag.h"

// Two SHA-256 at once, with Intel's SHA extensions. SHA256RNDS2 takes 4 cycles
// and a core can begin one every 2: the rounds of one hash wait for each other, so
// those of a second fit between them.
//
// After S. Gulley et al., "New Instructions Supporting the Secure Hash Algorithm
// on Intel Architecture Processors", July 2013.
//
// A hash has its state in two registers, its message in four, and one to compute
// in: X1, X2; X3 to X6; X7. The other has X8, X9; X10 to X13; X14. X0 holds the
// words of a round, as the instruction wants it.

// RNDS does rounds 4i to 4i+3, whose message words are in m.
#define RNDS(i, m, s, t) \
	VPADDD      (16*i)(AX), m, X0 \
	SHA256RNDS2 X0, s, t          \
	PSHUFD      $0x0e, X0, X0     \
	SHA256RNDS2 X0, t, s

// LOAD reads message words from p.
#define LOAD(p, m) \
	VMOVDQU p, m   \
	PSHUFB  X15, m

// NEXT completes the words of next from those of m and of prev, which came before.
#define NEXT(prev, m, next, tmp) \
	VPALIGNR   $4, prev, m, tmp  \
	PADDD      tmp, next         \
	SHA256MSG2 m, next

// BOTH does four rounds of each hash, and completes the words that come next.
#define BOTH(i, pa, ma, na, pb, mb, nb) \
	RNDS(i, ma, X1, X2)   \
	RNDS(i, mb, X8, X9)   \
	NEXT(pa, ma, na, X7)  \
	NEXT(pb, mb, nb, X14)

// MORE is BOTH, and begins the words after those.
#define MORE(i, pa, ma, na, pb, mb, nb) \
	BOTH(i, pa, ma, na, pb, mb, nb) \
	SHA256MSG1 ma, pa               \
	SHA256MSG1 mb, pb

// OPEN loads a state as the instructions want it: ABEF and CDGH.
#define OPEN(h, s, t, tmp) \
	VMOVDQU (h), s      \
	VMOVDQU 16(h), t    \
	PSHUFD  $0xb1, s, s \
	PSHUFD  $0x1b, t, t \
	VMOVDQA s, tmp      \
	PALIGNR $8, t, s    \
	PBLENDW $0xf0, tmp, t

// SHUT undoes OPEN.
#define SHUT(h, s, t, tmp) \
	PSHUFD  $0x1b, s, s   \
	PSHUFD  $0xb1, t, t   \
	VMOVDQA s, tmp        \
	PBLENDW $0xf0, t, s   \
	PALIGNR $8, tmp, t    \
	VMOVDQU s, (h)        \
	VMOVDQU t, 16(h)

// func blocksSHA(a, b *[8]uint32, p, q *byte, n int)
TEXT ·blocksSHA(SB), NOSPLIT, $64-40
	MOVQ a+0(FP), DI
	MOVQ b+8(FP), R8
	MOVQ p+16(FP), SI
	MOVQ q+24(FP), R9
	MOVQ n+32(FP), CX
	LEAQ rounds<>(SB), AX
	VMOVDQU flip<>(SB), X15
	OPEN(DI, X1, X2, X7)
	OPEN(R8, X8, X9, X14)

loop:
	VMOVDQU X1, (SP)
	VMOVDQU X2, 16(SP)
	VMOVDQU X8, 32(SP)
	VMOVDQU X9, 48(SP)
	LOAD(0(SI), X3)
	LOAD(0(R9), X10)
	RNDS(0, X3, X1, X2)
	RNDS(0, X10, X8, X9)
	LOAD(16(SI), X4)
	LOAD(16(R9), X11)
	RNDS(1, X4, X1, X2)
	RNDS(1, X11, X8, X9)
	SHA256MSG1 X4, X3
	SHA256MSG1 X11, X10
	LOAD(32(SI), X5)
	LOAD(32(R9), X12)
	RNDS(2, X5, X1, X2)
	RNDS(2, X12, X8, X9)
	SHA256MSG1 X5, X4
	SHA256MSG1 X12, X11
	LOAD(48(SI), X6)
	LOAD(48(R9), X13)
	MORE(3, X5, X6, X3, X12, X13, X10)
	MORE(4, X6, X3, X4, X13, X10, X11)
	MORE(5, X3, X4, X5, X10, X11, X12)
	MORE(6, X4, X5, X6, X11, X12, X13)
	MORE(7, X5, X6, X3, X12, X13, X10)
	MORE(8, X6, X3, X4, X13, X10, X11)
	MORE(9, X3, X4, X5, X10, X11, X12)
	MORE(10, X4, X5, X6, X11, X12, X13)
	MORE(11, X5, X6, X3, X12, X13, X10)
	MORE(12, X6, X3, X4, X13, X10, X11)
	BOTH(13, X3, X4, X5, X10, X11, X12)
	BOTH(14, X4, X5, X6, X11, X12, X13)
	RNDS(15, X6, X1, X2)
	RNDS(15, X13, X8, X9)
	VPADDD (SP), X1, X1
	VPADDD 16(SP), X2, X2
	VPADDD 32(SP), X8, X8
	VPADDD 48(SP), X9, X9
	ADDQ $64, SI
	ADDQ $64, R9
	DECQ CX
	JNZ  loop

	SHUT(DI, X1, X2, X7)
	SHUT(R8, X8, X9, X14)
	RET

// The bytes of a big-endian word the other way round.
DATA flip<>+0(SB)/8, $0x0405060700010203
DATA flip<>+8(SB)/8, $0x0c0d0e0f08090a0b
GLOBL flip<>(SB), RODATA|NOPTR, $16

DATA rounds<>+0(SB)/8, $0x71374491428a2f98
DATA rounds<>+8(SB)/8, $0xe9b5dba5b5c0fbcf
DATA rounds<>+16(SB)/8, $0x59f111f13956c25b
DATA rounds<>+24(SB)/8, $0xab1c5ed5923f82a4
DATA rounds<>+32(SB)/8, $0x12835b01d807aa98
DATA rounds<>+40(SB)/8, $0x550c7dc3243185be
DATA rounds<>+48(SB)/8, $0x80deb1fe72be5d74
DATA rounds<>+56(SB)/8, $0xc19bf1749bdc06a7
DATA rounds<>+64(SB)/8, $0xefbe4786e49b69c1
DATA rounds<>+72(SB)/8, $0x240ca1cc0fc19dc6
DATA rounds<>+80(SB)/8, $0x4a7484aa2de92c6f
DATA rounds<>+88(SB)/8, $0x76f988da5cb0a9dc
DATA rounds<>+96(SB)/8, $0xa831c66d983e5152
DATA rounds<>+104(SB)/8, $0xbf597fc7b00327c8
DATA rounds<>+112(SB)/8, $0xd5a79147c6e00bf3
DATA rounds<>+120(SB)/8, $0x1429296706ca6351
DATA rounds<>+128(SB)/8, $0x2e1b213827b70a85
DATA rounds<>+136(SB)/8, $0x53380d134d2c6dfc
DATA rounds<>+144(SB)/8, $0x766a0abb650a7354
DATA rounds<>+152(SB)/8, $0x92722c8581c2c92e
DATA rounds<>+160(SB)/8, $0xa81a664ba2bfe8a1
DATA rounds<>+168(SB)/8, $0xc76c51a3c24b8b70
DATA rounds<>+176(SB)/8, $0xd6990624d192e819
DATA rounds<>+184(SB)/8, $0x106aa070f40e3585
DATA rounds<>+192(SB)/8, $0x1e376c0819a4c116
DATA rounds<>+200(SB)/8, $0x34b0bcb52748774c
DATA rounds<>+208(SB)/8, $0x4ed8aa4a391c0cb3
DATA rounds<>+216(SB)/8, $0x682e6ff35b9cca4f
DATA rounds<>+224(SB)/8, $0x78a5636f748f82ee
DATA rounds<>+232(SB)/8, $0x8cc7020884c87814
DATA rounds<>+240(SB)/8, $0xa4506ceb90befffa
DATA rounds<>+248(SB)/8, $0xc67178f2bef9a3f7
GLOBL rounds<>(SB), RODATA|NOPTR, $256
