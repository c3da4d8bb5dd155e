// Command gen writes the assembly of package codec: run it by go generate there.
//
// The kernels work on the structures and formats that lanes.go and stream.go
// describe, whole rounds only, and check nothing: their Go callers see to it that
// there is room for what a round may read or write.
package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

func main() {
	ConstraintExpr("amd64,!purego")
	decode512("decode16AVX512", 16)
	decode512("decode32AVX512", 32)
	decodeFloat512(floatKind{"decodeBF16AVX512", 16, 7, 0xff})
	decodeFloat512(floatKind{"decodeF16AVX512", 16, 10, 0x1f})
	decodeFloat512(floatKind{"decodeF32AVX512", 32, 23, 0xff})
	decode512b()
	rowShifts512()
	bytes512()
	few512(fewKind{name: "decodeFewAVX512"})
	few512(fewKind{name: "decodeFewRawAVX512", raw: true})
	few512(fewKind{name: "decodeFewBF16AVX512", joined: true})
	few512(fewKind{name: "decodeFewWideAVX512", wide: true})
	few512(fewKind{name: "decodeFewF16AVX512", wide: true, joined: true})
	bit512()
	bit256()
	seen512()
	seen256()
	encodeSteps512("encode16AVX512", 16)
	encodeSteps512("encode32AVX512", 32)
	encodeBytes512()
	encodeFew512()
	steps512()
	walk512()
	depths512()
	context512()
	rowSums512()
	shifts512()
	movedKeys512()
	nonzero512()
	count()
	count512()
	addCounts512()
	short()
	shortEncoder()
	columnSums512()
	steps512d()
	walk512d()
	depths512d()
	steps512b()
	split512("split16AVX512", false)
	split512("splitBF16AVX512", true)
	join512("join16AVX512", false)
	join512("joinBF16AVX512", true)
	for _, w := range []int{4, 8} {
		bits := 8 * w
		each64(fmt.Sprintf("split%dAVX512", bits), "splits", elements64[w], false, false)
		each64(fmt.Sprintf("splitF%dAVX512", bits), "splits", elements64[w], true, false)
		each64(fmt.Sprintf("join%dAVX512", bits), "joins", elements64[w], false, true)
		each64(fmt.Sprintf("joinF%dAVX512", bits), "joins", elements64[w], true, true)
		each32(fmt.Sprintf("split%dAVX2", bits), "splits", elements64[w], false, false)
		each32(fmt.Sprintf("splitF%dAVX2", bits), "splits", elements64[w], true, false)
		each32(fmt.Sprintf("join%dAVX2", bits), "joins", elements64[w], false, true)
		each32(fmt.Sprintf("joinF%dAVX2", bits), "joins", elements64[w], true, true)
	}
	search256("decode16AVX2", 16)
	search256("decode32AVX2", 32)
	searchFloat256(floatKind{"decodeBF16AVX2", 16, 7, 0xff})
	searchFloat256(floatKind{"decodeF16AVX2", 16, 10, 0x1f})
	searchFloat256(floatKind{"decodeF32AVX2", 32, 23, 0xff})
	rowShifts256()
	bytes256()
	encode256("encode16AVX2", 16)
	encode256("encode32AVX2", 32)
	encode256("encodeBytesAVX2", 8)
	steps256()
	steps256b()
	steps256d()
	walk256("walkFloat16AVX2", 16)
	walk256("walkFloat32AVX2", 32)
	depths256()
	depths256d()
	context256()
	rowSums256()
	columnSums256()
	keys256()
	below512()
	below256()
	walk256b()
	depths256b()
	split256("split16AVX2", false)
	split256("splitBF16AVX2", true)
	join256("join16AVX2", false)
	join256("joinBF16AVX2", true)
	vectors512.predict("predictAVX512")
	vectors512.contexts("placeContextsAVX512")
	vectors512.turn("turnAVX512")
	vectors256.predict("predictAVX2")
	vectors256.contexts("placeContextsAVX2")
	vectors256.turn("turnAVX2")
	Generate()
}

var zmm = []reg.VecPhysical{
	reg.Z0, reg.Z1, reg.Z2, reg.Z3, reg.Z4, reg.Z5, reg.Z6, reg.Z7, reg.Z8, reg.Z9, reg.Z10,
	reg.Z11, reg.Z12, reg.Z13, reg.Z14, reg.Z15, reg.Z16, reg.Z17, reg.Z18, reg.Z19, reg.Z20,
	reg.Z21, reg.Z22, reg.Z23, reg.Z24, reg.Z25, reg.Z26, reg.Z27, reg.Z28, reg.Z29, reg.Z30, reg.Z31,
}

// dwords sets z to the dword x sixteen times.
func dwords(x uint32, z reg.VecPhysical) {
	r := GP32()
	MOVL(U32(x), r)
	VPBROADCASTD(r, z)
}

// bytes512 decodes rounds of 16, 32 or 64 lanes of bytes while at least 512 bytes
// of words are left.
func bytes512() {
	TEXT("decodeBytesAVX512", NOSPLIT, "func(d, p, src *byte, size, rounds, lanes int) (done, read int)")
	Pragma("noescape")
	Doc("decodeBytesAVX512 decodes up to rounds rounds while at least 512 of the size bytes at src are left.")
	d := Load(Param("d"), GP64())
	p := Load(Param("p"), GP64())
	src := Load(Param("src"), GP64())
	end := GP64()
	Load(Param("size"), end)
	ADDQ(src, end)
	rounds := Load(Param("rounds"), GP64())
	lanes := Load(Param("lanes"), GP64())
	start, done, table := GP64(), GP64(), GP64()
	MOVQ(src, start)
	XORQ(done, done)
	LEAQ(Mem{Base: d, Disp: decPlane}, table)
	SUBQ(U32(512), end)

	state := zmm[0:4]
	slots, low := zmm[25], zmm[26]
	dwords(4095, slots)
	dwords(1<<15, low)
	for g := range state {
		VMOVDQU32(Mem{Base: d, Disp: decStates + 64*g}, state[g])
	}
	CMPQ(lanes, U8(32))
	JEQ(LabelRef("lanes32"))
	JL(LabelRef("lanes16"))
	for _, groups := range []int{4, 2, 1} {
		suffix := map[int]string{4: "64", 2: "32", 1: "16"}[groups]
		Label("lanes" + suffix)
		CMPQ(rounds, done)
		JLE(LabelRef("finish"))
		CMPQ(src, end)
		JA(LabelRef("finish"))
		for g := range groups {
			t, e, a, c := zmm[12], zmm[13], zmm[14], zmm[16]
			x := state[g]
			VPANDD(slots, x, t)
			KXNORW(reg.K1, reg.K1, reg.K1)
			VPXORD(e, e, e)
			VPGATHERDD(Mem{Base: table, Index: t, Scale: 4}, reg.K1, e)
			// x = frequency * (x >> 12) + bias; the low byte is the symbol
			VPSRLD(U8(12), x, x)
			VPSRLD(U8(20), e, a)
			VPMULLD(a, x, x)
			VPSRLD(U8(8), e, a)
			VPANDD(slots, a, a)
			VPADDD(a, x, x)
			VPMOVDB(e, e.AsX())
			VMOVDQU32(e.AsX(), Mem{Base: p, Disp: 16 * g})
			renorm512(x, low, c, src)
		}
		ADDQ(U8(16*groups), p)
		INCQ(done)
		JMP(LabelRef("lanes" + suffix))
	}
	Label("finish")
	for g := range state {
		VMOVDQU32(state[g], Mem{Base: d, Disp: decStates + 64*g})
	}
	SUBQ(start, src)
	Store(done, ReturnIndex(0))
	Store(src, ReturnIndex(1))
	VZEROUPPER()
	RET()
}

// renorm512 moves a word into each lane of x that is low.
func renorm512(x, low, w reg.VecPhysical, src reg.Register) {
	n := GP64()
	VPMOVZXWD(Mem{Base: src}, w)
	VPCMPUD(U8(1), low, x, reg.K2)
	VPEXPANDD_Z(w, reg.K2, w)
	VPSLLD(U8(16), x, reg.K2, x)
	VPORD(w, x, x)
	KMOVW(reg.K2, n.As32())
	POPCNTL(n.As32(), n.As32())
	LEAQ(Mem{Base: src, Index: n, Scale: 2}, src)
}

var constants = map[string]Mem{}

// constant returns the bytes b as data called name.
func constant(name string, b []byte) Mem {
	m, ok := constants[name]
	if !ok {
		m = GLOBL(name, RODATA|NOPTR)
		for i, x := range b {
			DATA(i, U8(x))
		}
		constants[name] = m
	}
	return m
}

// evenWords picks the even words of two vectors.
func evenWords() Mem {
	b := make([]byte, 64)
	for i := range 32 {
		b[2*i] = byte(2 * i)
	}
	return constant("evenWords", b)
}
