package main

import (
	"slices"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/ir"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// An allocation gives the tasks of a block, which are in order, registers.
type allocation struct {
	block *block
	order []*task
	last  map[reg.ID]int          // where each virtual register is named last
	at    map[reg.ID]reg.Physical // where those that live are
	end   map[reg.ID]reg.Physical // where they have to be in the end
	taken map[reg.Physical]bool
}

func newAllocation(b *block, order []*task) *allocation {
	a := &allocation{
		block: b, order: order,
		last: map[reg.ID]int{}, at: map[reg.ID]reg.Physical{}, end: map[reg.ID]reg.Physical{}, taken: map[reg.Physical]bool{},
	}
	for i, t := range order {
		for _, r := range slices.Concat(t.reads, t.writes) {
			a.last[r] = i
		}
	}
	for _, c := range b.carried {
		if c.in != nil {
			a.at[c.in.ID()], a.taken[c.at] = c.at, true
		}
		if c.out != nil {
			a.end[c.out.ID()], a.last[c.out.ID()] = c.at, len(order)
		}
	}
	return a
}

// emit adds the block to the function that is being written.
func (a *allocation) emit() {
	for i, t := range a.order {
		now := map[reg.ID]reg.Physical{}
		for _, r := range t.reads {
			if p, ok := a.at[r]; ok {
				now[r] = p
			}
		}
		for _, r := range t.reads { // leave their registers to what is written
			if !slices.Contains(t.writes, r) {
				a.release(r, i)
			}
		}
		for _, r := range t.writes {
			if !r.IsVirtual() || r.Kind() == reg.KindGP {
				continue
			}
			if _, ok := a.at[r]; !ok {
				a.at[r] = a.pick(r)
				a.taken[a.at[r]] = true
			}
			now[r] = a.at[r]
			a.release(r, i)
		}
		build.Instruction(rename(t.Instruction, now))
	}
	a.settle()
}

// release frees the register of r if i is where it is named last.
func (a *allocation) release(r reg.ID, i int) {
	if p, ok := a.at[r]; ok && a.last[r] == i {
		delete(a.taken, p)
		delete(a.at, r)
	}
}

// pick returns a register for r: the one in which it has to be in the end, or else
// one in which no other has to be, if they are free.
func (a *allocation) pick(r reg.ID) reg.Physical {
	if p, ok := a.end[r]; ok && !a.taken[p] {
		return p
	}
	pool := a.block.vectors
	if r.Kind() == reg.KindOpmask {
		pool = a.block.masks
	}
	var best reg.Physical
	for _, p := range pool {
		if !a.taken[p] && (best == nil || a.awaited(best) && !a.awaited(p)) {
			best = p
		}
	}
	if best == nil {
		panic("a block needs more registers than it may use")
	}
	return best
}

// awaited tells whether something has to be in p in the end.
func (a *allocation) awaited(p reg.Physical) bool {
	for _, c := range a.block.carried {
		if c.at == p && c.out != nil {
			return true
		}
	}
	return false
}

// settle moves what goes out to where it has to be.
func (a *allocation) settle() {
	type move struct{ from, to reg.Physical }
	var moves []move
	for _, c := range a.block.carried {
		if c.out != nil && a.at[c.out.ID()] != c.at {
			moves = append(moves, move{a.at[c.out.ID()], c.at})
		}
	}
	for len(moves) > 0 {
		i := slices.IndexFunc(moves, func(m move) bool {
			return !slices.ContainsFunc(moves, func(x move) bool { return x.from == m.to })
		})
		if i < 0 { // in circles: one steps aside
			p := a.aside(moves[0].from.Kind())
			copyTo(moves[0].from, p)
			moves[0].from = p
			continue
		}
		copyTo(moves[i].from, moves[i].to)
		moves = slices.Delete(moves, i, i+1)
	}
}

// aside returns a register that nothing is in, and nothing has to be.
func (a *allocation) aside(kind reg.Kind) reg.Physical {
	for _, p := range slices.Concat(a.block.vectors, a.block.masks) {
		if p.Kind() == kind && !a.taken[p] && !a.awaited(p) {
			a.taken[p] = true
			return p
		}
	}
	panic("a block has no register to step aside to")
}

func copyTo(from, to reg.Physical) {
	if from.Kind() == reg.KindOpmask {
		build.KMOVQ(from, to)
	} else {
		build.VMOVDQA64(from, to)
	}
}

// rename returns i with physical registers for virtual ones.
func rename(i *ir.Instruction, to map[reg.ID]reg.Physical) *ir.Instruction {
	renamed := func(ops []operand.Op) []operand.Op {
		ops = slices.Clone(ops)
		for k, op := range ops {
			if r, ok := op.(reg.Register); ok && to[r.ID()] != nil {
				p := to[r.ID()]
				ops[k] = reg.LookupPhysical(p.Kind(), p.PhysicalIndex(), reg.Spec(r.Mask()))
			}
		}
		return ops
	}
	c := *i
	c.Operands, c.Inputs, c.Outputs = renamed(i.Operands), renamed(i.Inputs), renamed(i.Outputs)
	return &c
}
