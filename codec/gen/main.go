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
	decode512("decodeBytesAVX512", 8)
	encode512("encode16AVX512", 16)
	encode512("encode32AVX512", 32)
	encode512("encodeBytesAVX512", 8)
	steps512()
	walk512()
	depths512()
	context512()
	rowSums512()
	keys512()
	count()
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
	}
	decode256("decode16AVX2", 16)
	decode256("decode32AVX2", 32)
	decode256("decodeBytesAVX2", 8)
	walk256("walkFloat16AVX2", 16)
	walk256("walkFloat32AVX2", 32)
	depths256()
	depths256d()
	context256()
	add256()
	walk256b()
	depths256b()
	join256("join16AVX2", false)
	join256("joinBF16AVX2", true)
	Generate()
}

// Offsets in laneDecoder.
const (
	decStates = 0
	decTable  = 256
	decOf     = decTable + 16<<12
)

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

// decode512 decodes rounds of 16, 32 or 64 lanes while at least 512 bytes of
// words are left.
func decode512(name string, width int) {
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
	start := GP64()
	done := GP64()
	table := GP64()
	MOVQ(src, start)
	XORQ(done, done)
	LEAQ(Mem{Base: d, Disp: decTable}, table)
	SUBQ(U32(512), end)

	state := zmm[0:4]
	value := zmm[4:8]
	raws := zmm[8:12]
	lut, slots, low, one, five, fifteen, ones := zmm[24], zmm[25], zmm[26], zmm[27], zmm[28], zmm[29], zmm[30]
	byteMask, twenty, tables, evens := zmm[22], zmm[23], zmm[21], zmm[31]
	spread := zmm[17:21]
	VMOVDQU64(Mem{Base: d, Disp: decOf}, lut)
	if width == 8 {
		dwords(4095, slots)
	} else {
		dwords(1023, slots)
	}
	dwords(1<<15, low)
	dwords(1, one)
	dwords(5, five)
	dwords(15, fifteen)
	dwords(20, twenty)
	dwords(0xff, byteMask)
	VPTERNLOGD(U8(0xff), ones, ones, ones)
	// The byte of a dword that the table of a context goes to: its number times
	// four, shifted up by eight, is where the table begins.
	VPSLLW(U8(2), lut, lut)
	r := GP64()
	MOVQ(U64(0x2222222222222222), r)
	KMOVQ(r, reg.K7)
	if width > 8 {
		for g := range spread {
			VMOVDQU64(spreadBytes(g), spread[g])
		}
		VMOVDQU64(evenWords(), evens)
	}
	for g := range state {
		VMOVDQU32(Mem{Base: d, Disp: decStates + 64*g}, state[g])
	}
	CMPQ(lanes, U8(32))
	JEQ(LabelRef("lanes32"))
	JL(LabelRef("lanes16"))
	any := zmm[12]
	for _, groups := range []int{4, 2, 1} {
		suffix := map[int]string{4: "64", 2: "32", 1: "16"}[groups]
		Label("lanes" + suffix)
		CMPQ(rounds, done)
		JLE(LabelRef("finish"))
		CMPQ(src, end)
		JA(LabelRef("finish"))
		if width > 8 {
			// Where the tables of the round's contexts begin, a byte each.
			switch groups {
			case 4:
				VMOVDQU64(Mem{Base: ctx}, tables)
			case 2:
				VMOVDQU32(Mem{Base: ctx}, tables.AsY())
			case 1:
				VMOVDQU32(Mem{Base: ctx}, tables.AsX())
			}
			VPERMB(lut, tables, tables)
		}
		for g := range groups {
			t, e, a, b, c := zmm[12], zmm[13], zmm[14], zmm[15], zmm[16]
			x, v, raw := state[g], value[g], raws[g]
			if width == 8 { // one table
				VPANDD(slots, x, t)
			} else {
				VPERMB_Z(tables, spread[g], reg.K7, t)
				VPTERNLOGD(U8(0xf8), slots, x, t)
			}
			KXNORW(reg.K1, reg.K1, reg.K1)
			VPXORD(e, e, e)
			VPGATHERDD(Mem{Base: table, Index: t, Scale: 4}, reg.K1, e)
			if width == 8 {
				// x = frequency * (x >> 12) + bias; the low byte is the symbol
				VPSRLD(U8(12), x, x)
				VPSRLD(U8(20), e, a)
				VPMULLD(a, x, x)
				VPSRLD(U8(8), e, a)
				VPANDD(slots, a, a)
				VPADDD(a, x, x)
				VMOVDQA32(e, v)
				renorm512(x, low, c, src)
				continue
			}
			// x = frequency * (x >> 10) + bias
			VPSRLD(U8(10), x, x)
			VPSRLD(U8(18), e, a)
			VPMULLD(a, x, x)
			VPANDD(slots, e, a)
			VPADDD(a, x, x)
			// raw = max(symbol>>3, 1) - 1, value = (symbol - 8·raw) << raw
			VPSRLD(U8(10), e, v)
			VPANDD(byteMask, v, v)
			VPSRLD(U8(3), v, raw)
			VPSUBUSW(one, raw, raw)
			VPSLLD(U8(3), raw, a)
			VPSUBD(a, v, v)
			VPSLLVD(raw, v, v)
			VPMINUD(five, raw, a)
			VPSLLVD(a, ones, b)
			VPTERNLOGD(U8(0xf2), x, b, v) // v | ^b & x
			VPSRLVD(a, x, x)
			renorm512(x, low, c, src)
		}
		if width > 8 {
			switch groups {
			case 1:
				VMOVDQA32(raws[0], any)
			case 2:
				VPMAXUD(raws[0], raws[1], any)
			case 4:
				VPMAXUD(raws[0], raws[1], any)
				VPMAXUD(raws[2], raws[3], zmm[13])
				VPMAXUD(zmm[13], any, any)
			}
			VPCMPUD(U8(6), five, any, reg.K2)
			KORTESTW(reg.K2, reg.K2)
			JNE(LabelRef("more" + suffix))
		}
		Label("store" + suffix)
		if width == 16 && groups > 1 {
			for g := 0; g < groups; g += 2 {
				VPERMT2W(value[g+1], evens, value[g])
				VMOVDQU64(value[g], Mem{Base: z, Disp: 32 * g})
			}
		}
		for g := range groups {
			switch {
			case width == 32:
				VMOVDQU32(value[g], Mem{Base: z, Disp: 64 * g})
			case width == 8:
				VPMOVDB(value[g], zmm[12].AsX())
				VMOVDQU32(zmm[12].AsX(), Mem{Base: z, Disp: 16 * g})
			case groups == 1:
				VPMOVDW(value[g], zmm[12].AsY())
				VMOVDQU32(zmm[12].AsY(), Mem{Base: z, Disp: 32 * g})
			}
		}
		if width > 8 {
			ADDQ(U8(16*groups), ctx)
		}
		ADDQ(U32(16*groups*width/8), z)
		INCQ(done)
		JMP(LabelRef("lanes" + suffix))
		if width == 8 {
			continue
		}

		Label("more" + suffix)
		portion512(groups, state, value, raws, five, fifteen, ones, low, 5, src)
		if width == 32 {
			VPCMPUD(U8(6), twenty, any, reg.K2)
			KORTESTW(reg.K2, reg.K2)
			JEQ(LabelRef("store" + suffix))
			portion512(groups, state, value, raws, twenty, fifteen, ones, low, 20, src)
		}
		JMP(LabelRef("store" + suffix))
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

// portion512 takes up to fifteen more raw bits, those from bit from on.
func portion512(groups int, state, value, raws []reg.VecPhysical, from, fifteen, ones, low reg.VecPhysical, at int, src reg.Register) {
	for g := range groups {
		n, b, c := zmm[13], zmm[14], zmm[15]
		VPSUBUSW(from, raws[g], n)
		VPMINUD(fifteen, n, n)
		VPSLLVD(n, ones, b)
		VPANDND(state[g], b, b)
		VPSLLD(U8(at), b, b)
		VPORD(b, value[g], value[g])
		VPSRLVD(n, state[g], state[g])
		renorm512(state[g], low, c, src)
	}
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

// spreadBytes sends bytes 16g to 16g+15 to the second byte of each dword.
func spreadBytes(g int) Mem {
	b := make([]byte, 64)
	for i := range 16 {
		b[4*i+1] = byte(16*g + i)
	}
	return constant("spread"+string(rune('0'+g)), b)
}

// evenWords picks the even words of two vectors.
func evenWords() Mem {
	b := make([]byte, 64)
	for i := range 32 {
		b[2*i] = byte(2 * i)
	}
	return constant("evenWords", b)
}
