package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Instructions of AVX512_VBMI2, which avo does not know. Their vectors are
// physical registers, so that it need not know what they read and write.

func vbmi2(opcode string, ops ...operand.Op) {
	Instruction(&ir.Instruction{Opcode: opcode, Operands: ops, ISA: []string{"AVX512_VBMI2"}})
}

// VPSHRDVW shifts words of dst down by counts, and low bits of high into them.
func VPSHRDVW(counts, high, dst operand.Op) { vbmi2("VPSHRDVW", counts, high, dst) }

// VPSHLDW sets words of dst to those of high, shifted up by count, and high bits
// of low below them.
func VPSHLDW(count, low, high, dst operand.Op) { vbmi2("VPSHLDW", count, low, high, dst) }

// VPEXPANDW sets the words of dst that are in k to those of src, in order.
func VPEXPANDW(src, k, dst operand.Op) { vbmi2("VPEXPANDW", src, k, dst) }

// VPSHLDVW shifts words of dst up by counts, and high bits of low into them.
func VPSHLDVW(counts, low, dst operand.Op) { vbmi2("VPSHLDVW", counts, low, dst) }

// VPCOMPRESSBZ is VPCOMPRESSWZ of bytes.
func VPCOMPRESSBZ(src, k, dst operand.Op) { vbmi2("VPCOMPRESSB.Z", src, k, dst) }

// VPCOMPRESSWZ sets the first words of dst to those of src that are in k, in
// order, and the others to zero.
func VPCOMPRESSWZ(src, k, dst operand.Op) { vbmi2("VPCOMPRESSW.Z", src, k, dst) }

// Of a block, whose registers are virtual.

func (b *block) vbmi2(opcode string, dst operand.Op, read []operand.Op, ops ...operand.Op) {
	b.Instruction(&ir.Instruction{Opcode: opcode, Operands: ops, Inputs: read, Outputs: []operand.Op{dst}, ISA: []string{"AVX512_VBMI2"}})
}

func (b *block) VPSHRDVW(counts, high, dst reg.Register) {
	b.vbmi2("VPSHRDVW", dst, []operand.Op{counts, high, dst}, counts, high, dst)
}

func (b *block) VPSHLDVW(counts, low, dst reg.Register) {
	b.vbmi2("VPSHLDVW", dst, []operand.Op{counts, low, dst}, counts, low, dst)
}

func (b *block) VPSHLDW(count operand.Op, low, high, dst reg.Register) {
	b.vbmi2("VPSHLDW", dst, []operand.Op{low, high}, count, low, high, dst)
}

func (b *block) VPCOMPRESSW_Z(src, k, dst reg.Register) {
	b.vbmi2("VPCOMPRESSW.Z", dst, []operand.Op{src, k}, src, k, dst)
}

func (b *block) VPEXPANDW(src, k, dst reg.Register) {
	b.vbmi2("VPEXPANDW", dst, []operand.Op{src, k, dst}, src, k, dst)
}
