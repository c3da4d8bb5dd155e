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

// decode256 is decode512 in groups of eight lanes, whose states stay in memory.
func decode256(name string, width int) {
	TEXT(name, NOSPLIT, "func(d, z, ctx, src *byte, size, rounds, lanes int) (done, read int)")
	Pragma("noescape")
	Doc(name + " decodes up to rounds rounds while at least 512 of the size bytes at src are left.")
	d := Load(Param("d"), GP64())
	z := Load(Param("z"), GP64())
	ctx := Load(Param("ctx"), GP64())
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
	var tables, raws Mem
	if width > 8 {
		tables, raws = AllocLocal(64), AllocLocal(256)
	}

	k := constants256{slots: ymm[15], low: ymm[14], ones: ymm[13], five: ymm[12], one: ymm[11], bytes: ymm[10], any: ymm[9]}
	if width == 8 {
		dwords256(4095, k.slots)
	} else {
		dwords256(1023, k.slots)
		dwords256(5, k.five)
		dwords256(1, k.one)
	}
	dwords256(1<<15, k.low)
	dwords256(0xff, k.bytes)
	VPCMPEQD(k.ones, k.ones, k.ones)
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
		if width > 8 {
			for at := 0; at < 8*groups; at += 32 {
				tablesOf256(d, ctx, at, tables.Offset(at), groups == 2)
			}
			VPXOR(k.any, k.any, k.any)
		}
		for g := range groups {
			x, v := ymm[0], ymm[7+g&1]
			VMOVDQU(Mem{Base: d, Disp: decStates + 32*g}, x)
			if width == 8 {
				byte256(x, v, table, k)
			} else {
				symbol256(x, v, table, tables.Offset(8*g), raws.Offset(32*g), k)
			}
			renorm256(x, k.low, src, perms)
			VMOVDQU(x, Mem{Base: d, Disp: decStates + 32*g})
			switch {
			case width == 32:
				VMOVDQU(v, Mem{Base: z, Disp: 32 * g})
			case g&1 == 1:
				VPACKUSDW(ymm[8], ymm[7], ymm[7])
				VPERMQ(U8(0xd8), ymm[7], ymm[7])
				if width == 16 {
					VMOVDQU(ymm[7], Mem{Base: z, Disp: 16 * (g - 1)})
					continue
				}
				VEXTRACTI128(U8(1), ymm[7], ymm[8].AsX())
				VPACKUSWB(ymm[8].AsX(), ymm[7].AsX(), ymm[7].AsX())
				VMOVDQU(ymm[7].AsX(), Mem{Base: z, Disp: 8 * (g - 1)})
			}
		}
		if width > 8 {
			VPCMPGTD(k.five, k.any, ymm[0])
			VPTEST(ymm[0], ymm[0])
			JNE(LabelRef("more" + suffix))
			Label("next" + suffix)
			ADDQ(U8(8*groups), ctx)
		}
		ADDQ(U32(8*groups*width/8), z)
		INCQ(done)
		JMP(LabelRef("lanes" + suffix))
		if width == 8 {
			continue
		}

		Label("more" + suffix)
		portion256(groups, width, 5, d, z, src, perms, raws, k)
		if width == 32 {
			dwords256(20, ymm[1])
			VPCMPGTD(ymm[1], k.any, ymm[0])
			VPTEST(ymm[0], ymm[0])
			JEQ(LabelRef("next" + suffix))
			portion256(groups, width, 20, d, z, src, perms, raws, k)
		}
		JMP(LabelRef("next" + suffix))
	}
	Label("finish")
	SUBQ(start, src)
	Store(done, ReturnIndex(0))
	Store(src, ReturnIndex(1))
	VZEROUPPER()
	RET()
}

// constants256 are the registers that a decoder keeps.
type constants256 struct {
	slots, low, ones, five, one, bytes reg.VecPhysical
	any                                reg.VecPhysical // the most raw bits of a round
}

// tablesOf256 writes to dst the tables of 32 contexts, or of 16, from the 64 of
// laneDecoder: each quarter is looked up, and the context's bits 4 and 5 choose.
func tablesOf256(d, ctx reg.Register, at int, dst Mem, half bool) {
	view := func(y reg.VecPhysical) reg.VecPhysical {
		if half {
			return y.AsX().(reg.VecPhysical)
		}
		return y
	}
	c, bit := view(ymm[0]), view(ymm[1])
	VMOVDQU(Mem{Base: ctx, Disp: at}, c)
	for q := range 4 {
		t := view(ymm[2+q])
		if half {
			VMOVDQU(Mem{Base: d, Disp: decOf + 16*q}, t)
		} else {
			VBROADCASTI128(Mem{Base: d, Disp: decOf + 16*q}, t)
		}
		VPSHUFB(c, t, t)
	}
	a, b := view(ymm[2]), view(ymm[4])
	VPSLLW(U8(3), c, bit)
	VPBLENDVB(bit, view(ymm[3]), a, a)
	VPBLENDVB(bit, view(ymm[5]), b, b)
	VPSLLW(U8(2), c, bit)
	VPBLENDVB(bit, b, a, a)
	VMOVDQU(a, dst)
}

// gather256 fills e with the entries that index names.
func gather256(table reg.Register, index, mask, e reg.VecPhysical) {
	VPCMPEQD(mask, mask, mask)
	VPXOR(e, e, e)
	VPGATHERDD(mask, Mem{Base: table, Index: index, Scale: 4}, e)
}

// byte256 takes a byte v from each state x.
func byte256(x, v reg.VecPhysical, table reg.Register, k constants256) {
	t, mask, e := ymm[1], ymm[2], ymm[3]
	VPAND(k.slots, x, t)
	gather256(table, t, mask, e)
	// x = frequency * (x >> 12) + bias; the low byte is the symbol
	VPSRLD(U8(12), x, x)
	VPSRLD(U8(20), e, t)
	VPMULLD(t, x, x)
	VPSRLD(U8(8), e, t)
	VPAND(k.slots, t, t)
	VPADDD(t, x, x)
	VPAND(k.bytes, e, v)
}

// symbol256 takes a symbol and the first raw bits from each state x, the value
// so far into v and how many raw bits there are into raws.
func symbol256(x, v reg.VecPhysical, table reg.Register, tables, raws Mem, k constants256) {
	t, mask, e, raw, n := ymm[1], ymm[2], ymm[3], ymm[4], ymm[5]
	VPMOVZXBD(tables, t)
	VPSLLD(U8(10), t, t)
	VPAND(k.slots, x, e)
	VPOR(e, t, t)
	gather256(table, t, mask, e)
	// x = frequency * (x >> 10) + bias
	VPSRLD(U8(10), x, x)
	VPSRLD(U8(18), e, t)
	VPMULLD(t, x, x)
	VPAND(k.slots, e, t)
	VPADDD(t, x, x)
	// raw = max(symbol>>3, 1) - 1, value = (symbol - 8·raw) << raw
	VPSRLD(U8(10), e, v)
	VPAND(k.bytes, v, v)
	VPSRLD(U8(3), v, raw)
	VPSUBUSW(k.one, raw, raw)
	VMOVDQU(raw, raws)
	VPMAXUD(raw, k.any, k.any)
	VPSLLD(U8(3), raw, t)
	VPSUBD(t, v, v)
	VPSLLVD(raw, v, v)
	VPMINUD(k.five, raw, n)
	VPSLLVD(n, k.ones, t)
	VPANDN(x, t, t)
	VPOR(t, v, v)
	VPSRLVD(n, x, x)
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

// portion256 takes up to fifteen more raw bits, those from bit at on.
func portion256(groups, width, at int, d, z, src, perms reg.Register, raws Mem, k constants256) {
	from, fifteen := ymm[7], ymm[8]
	dwords256(uint32(at), from)
	dwords256(15, fifteen)
	for g := range groups {
		x, v, n, b := ymm[0], ymm[6], ymm[4], ymm[5]
		VMOVDQU(raws.Offset(32*g), n)
		VPSUBUSW(from, n, n)
		VPMINUD(fifteen, n, n)
		VMOVDQU(Mem{Base: d, Disp: decStates + 32*g}, x)
		VPSLLVD(n, k.ones, b)
		VPANDN(x, b, b)
		VPSLLD(U8(at), b, b)
		if width == 32 {
			VPOR(Mem{Base: z, Disp: 32 * g}, b, v)
			VMOVDQU(v, Mem{Base: z, Disp: 32 * g})
		} else { // bits below 2^16
			VEXTRACTI128(U8(1), b, v.AsX())
			VPACKUSDW(v.AsX(), b.AsX(), v.AsX())
			VPOR(Mem{Base: z, Disp: 16 * g}, v.AsX(), v.AsX())
			VMOVDQU(v.AsX(), Mem{Base: z, Disp: 16 * g})
		}
		VPSRLVD(n, x, x)
		renorm256(x, k.low, src, perms)
		VMOVDQU(x, Mem{Base: d, Disp: decStates + 32*g})
	}
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
