package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

var ymm = []reg.VecPhysical{
	reg.Y0, reg.Y1, reg.Y2, reg.Y3, reg.Y4, reg.Y5, reg.Y6, reg.Y7,
	reg.Y8, reg.Y9, reg.Y10, reg.Y11, reg.Y12, reg.Y13, reg.Y14, reg.Y15,
}

// dwords256 sets y to the dword x eight times.
func dwords256(x uint32, y reg.VecPhysical) {
	r := GP32()
	MOVL(U32(x), r)
	VMOVD(r, y.AsX())
	VPBROADCASTD(y.AsX(), y)
}

// bytes256 is bytes512 in groups of eight lanes, whose states stay in memory.
func bytes256() {
	TEXT("decodeBytesAVX2", NOSPLIT, "func(d, p, src *byte, size, rounds, lanes int) (done, read int)")
	Pragma("noescape")
	Doc("decodeBytesAVX2 decodes up to rounds rounds while at least 512 of the size bytes at src are left.")
	d := Load(Param("d"), GP64())
	p := Load(Param("p"), GP64())
	src := Load(Param("src"), GP64())
	end := GP64()
	Load(Param("size"), end)
	ADDQ(src, end)
	rounds := Load(Param("rounds"), GP64())
	lanes := Load(Param("lanes"), GP64())
	start, done, table, perms := GP64(), GP64(), GP64(), GP64()
	MOVQ(src, start)
	XORQ(done, done)
	LEAQ(Mem{Base: d, Disp: decPlane}, table)
	LEAQ(wordsOfMask(), perms)
	SUBQ(U32(512), end)
	slots, low, bytes := ymm[15], ymm[14], ymm[10]
	dwords256(4095, slots)
	dwords256(1<<15, low)
	dwords256(0xff, bytes)
	CMPQ(lanes, U8(32))
	JEQ(LabelRef("lanes32"))
	JL(LabelRef("lanes16"))
	for _, groups := range []int{8, 4, 2} {
		suffix := map[int]string{8: "64", 4: "32", 2: "16"}[groups]
		Label("lanes" + suffix)
		CMPQ(rounds, done)
		JLE(LabelRef("finish"))
		CMPQ(src, end)
		JA(LabelRef("finish"))
		for g := range groups {
			x, v := ymm[0], ymm[7+g&1]
			VMOVDQU(Mem{Base: d, Disp: decStates + 32*g}, x)
			byte256(x, v, table, slots, bytes)
			renorm256(x, low, src, perms)
			VMOVDQU(x, Mem{Base: d, Disp: decStates + 32*g})
			if g&1 == 1 {
				VPACKUSDW(ymm[8], ymm[7], ymm[7])
				VPERMQ(U8(0xd8), ymm[7], ymm[7])
				VEXTRACTI128(U8(1), ymm[7], ymm[8].AsX())
				VPACKUSWB(ymm[8].AsX(), ymm[7].AsX(), ymm[7].AsX())
				VMOVDQU(ymm[7].AsX(), Mem{Base: p, Disp: 8 * (g - 1)})
			}
		}
		ADDQ(U8(8*groups), p)
		INCQ(done)
		JMP(LabelRef("lanes" + suffix))
	}
	Label("finish")
	SUBQ(start, src)
	Store(done, ReturnIndex(0))
	Store(src, ReturnIndex(1))
	VZEROUPPER()
	RET()
}

// gather256 fills e with the entries that index names.
func gather256(table reg.Register, index, mask, e reg.VecPhysical) {
	VPCMPEQD(mask, mask, mask)
	VPXOR(e, e, e)
	VPGATHERDD(mask, Mem{Base: table, Index: index, Scale: 4}, e)
}

// byte256 takes a byte v from each state x.
func byte256(x, v reg.VecPhysical, table reg.Register, slots, bytes reg.VecPhysical) {
	t, mask, e := ymm[1], ymm[2], ymm[3]
	VPAND(slots, x, t)
	gather256(table, t, mask, e)
	// x = frequency * (x >> 12) + bias; the low byte is the symbol
	VPSRLD(U8(12), x, x)
	VPSRLD(U8(20), e, t)
	VPMULLD(t, x, x)
	VPSRLD(U8(8), e, t)
	VPAND(slots, t, t)
	VPADDD(t, x, x)
	VPAND(bytes, e, v)
}

// renorm256 moves a word into each lane of x that is low; states are below 2^31.
func renorm256(x, low reg.VecPhysical, src, perms reg.Register) {
	mask, w, p := ymm[1], ymm[2], ymm[3]
	n := GP64()
	VPCMPGTD(x, low, mask)
	VMOVMSKPS(mask, n.As32())
	VPMOVZXBD(Mem{Base: perms, Index: n, Scale: 8}, p)
	VPMOVZXWD(Mem{Base: src}, w)
	VPERMD(w, p, w)
	VPSLLD(U8(16), x, p)
	VPOR(w, p, p)
	VPBLENDVB(mask, p, x, x)
	POPCNTL(n.As32(), n.As32())
	LEAQ(Mem{Base: src, Index: n, Scale: 2}, src)
}

// wordsOfMask has for each set of lanes which word each of its lanes takes, a
// byte each: the first lane the first.
func wordsOfMask() Mem {
	b := make([]byte, 256*8)
	for set := range 256 {
		word := byte(0)
		for lane := range 8 {
			if set>>lane&1 == 1 {
				b[8*set+lane] = word
				word++
			}
		}
	}
	return constant("wordsOfMask", b)
}
