package main

import (
	"strings"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// A block is the body of a loop, or another straight run of instructions, that is
// put in the order in which Zen 4 may be expected to execute it, and given vector
// and mask registers after that. As far as the processor looks ahead itself, which
// is some 64 vector instructions that wait, a round is too long.
//
// Its methods add instructions. Vector and mask registers that they write are
// virtual; physical ones are constants. General registers are avo's. No instruction
// but the last may need flags, and no load may need a store.
type block struct {
	*build.Context
	carried        []carried
	vectors, masks []reg.Physical // that it may use
}

// A carried is the values with which a block begins and ends in a register; nil if
// there is none. Where there are both, the block is a loop's body, and runs again
// with the one that it left.
type carried struct {
	at      reg.Physical
	in, out reg.Register
}

func newBlock(vectors []reg.VecPhysical, masks ...reg.Physical) *block {
	b := &block{Context: build.NewContext(), masks: masks}
	for _, z := range vectors {
		b.vectors = append(b.vectors, z)
	}
	b.Function("block")
	return b
}

// in returns what is in a register when the block begins.
func (b *block) in(at reg.VecPhysical) reg.VecVirtual {
	z := b.ZMM()
	b.carried = append(b.carried, carried{at: at, in: z})
	return z
}

// out has r in a register when the block ends.
func (b *block) out(r reg.Register, at reg.Physical) {
	for i := range b.carried {
		if b.carried[i].at == at {
			b.carried[i].out = r
			return
		}
	}
	b.carried = append(b.carried, carried{at: at, out: r})
}

// emit adds the block to the function that is being written.
func (b *block) emit() {
	ts := b.tasks()
	b.connect(ts)
	a := newAllocation(b, newArrangement(b, ts).order())
	a.emit()
}

// A task is an instruction that has to find its place.
type task struct {
	*ir.Instruction
	index         int // among the instructions as they were added
	reads, writes []reg.ID
	cost
	after  []edge
	height int // cycles from its beginning to the end of the block
}

// An edge says that a task begins at least some cycles after another, of as many
// runs of the block before.
type edge struct {
	to           *task
	cycles, runs int
}

// tasks returns the instructions that were added.
func (b *block) tasks() []*task {
	f, err := b.Result()
	if err != nil {
		panic(err)
	}
	var ts []*task
	for i, in := range f.Functions()[0].Instructions() {
		in.CancellingInputs = false // a mask may leave part of what is subtracted from itself
		ts = append(ts, &task{Instruction: in, index: i, cost: costOf(in), reads: ids(in.InputRegisters()), writes: ids(in.OutputRegisters())})
	}
	return ts
}

func ids(rs []reg.Register) []reg.ID {
	var out []reg.ID
	for _, r := range rs {
		out = append(out, r.ID())
	}
	return out
}

// connect finds what tasks wait for.
func (b *block) connect(ts []*task) {
	writer, readers, first := map[reg.ID]*task{}, map[reg.ID][]*task{}, map[reg.ID][]*task{}
	var store *task
	for _, t := range ts {
		for _, r := range t.reads {
			if w := writer[r]; w != nil {
				cycles := w.latency
				if t.loads && r.Kind() == reg.KindGP {
					cycles += loadCycles
				}
				w.before(t, cycles, 0)
			} else {
				first[r] = append(first[r], t)
			}
			readers[r] = append(readers[r], t)
		}
		for _, r := range t.writes {
			for _, x := range append(readers[r], writer[r]) {
				if x != nil && x != t {
					x.before(t, 0, 0)
				}
			}
			writer[r], readers[r] = t, nil
		}
		if t.stores {
			if store != nil {
				store.before(t, 0, 0)
			}
			store = t
		}
	}
	for _, c := range b.carried {
		if c.in == nil || c.out == nil || writer[c.out.ID()] == nil {
			continue
		}
		for _, t := range first[c.in.ID()] {
			w := writer[c.out.ID()]
			w.before(t, w.latency, 1)
		}
	}
}

// loadCycles is how long what is loaded takes from when its place is known.
const loadCycles = 7

func (t *task) before(x *task, cycles, runs int) { t.after = append(t.after, edge{x, cycles, runs}) }

// A cost is what an instruction of vectors of 512 bits costs Zen 4: cycles from its
// operands to its result, and which of four pipes can take it, for two cycles; of
// none, if it needs none.
type cost struct {
	latency       int
	pipes         pipes
	loads, stores bool
}

type pipes uint8

const (
	multiplying pipes = 1<<0 | 1<<1
	permuting   pipes = 1<<1 | 1<<2
	shifting    pipes = 1<<2 | 1<<3
	anyPipe     pipes = 1<<4 - 1
)

// zen4 is costs as loops of one instruction, of two kinds of them, and of chains
// show them, by the beginnings of opcodes: the longest one counts. Comparisons are
// seen through a mask, which costs one cycle more.
var zen4 = map[string]cost{
	"V": {1, anyPipe, false, false}, "VPERM": {5, permuting, false, false}, "VPCOMPRESS": {9, permuting, false, false},
	"VPUNPCK": {1, permuting | shifting, false, false}, "VPSHLD": {2, multiplying, false, false},
	"VPSHRD": {2, multiplying, false, false}, "VPMUL": {3, multiplying, false, false},
	"VPCMP": {6, multiplying, false, false}, "VPTEST": {6, multiplying, false, false},
	"VDIV": {11, 1 << 1, false, false}, "VCVT": {3, shifting, false, false}, "VPSRA": {1, shifting, false, false},
	"VPSRL": {1, shifting, false, false}, "VPSLL": {1, shifting, false, false}, "VPSUBUS": {2, anyPipe, false, false},
	"VPEXPAND": {8, permuting, false, false}, "VMOVDQA": {}, "K": {4, 0, false, false},
}

func costOf(i *ir.Instruction) cost {
	c := cost{latency: 1}
	longest := 0
	for opcode, z := range zen4 {
		if len(opcode) > longest && strings.HasPrefix(i.Opcode, opcode) {
			longest, c = len(opcode), z
		}
	}
	last := len(i.Operands) - 1
	c.stores = operand.IsMem(i.Operands[last])
	for _, op := range i.Operands[:last] {
		c.loads = c.loads || operand.IsMem(op) && i.Opcode != "LEAQ"
	}
	if c.stores || c.loads && last == 1 { // nothing but moves
		c.latency, c.pipes = 0, 0
	}
	return c
}

// loadFor sets z to what is in m, not before x is known, with which it is used:
// a register has no other value for that long.
func (b *block) loadFor(x reg.Register, m operand.Mem, z reg.Register) {
	b.Instruction(&ir.Instruction{Opcode: "VMOVDQU64", Operands: []operand.Op{m, z}, Inputs: []operand.Op{m, x}, Outputs: []operand.Op{z}})
}
