package family

import (
	"bytes"
	"math/bits"
)

// The model of the codec's delta, in the numbers that may have to be fitted
// again when the codec changes; TestEstimates says how well they fit.
const (
	// contexts is how many exponents of the base have tables of their own, the
	// rest sharing the last.
	contexts = 8
	// headroom is how many octaves above the mean exponent the first of them
	// is: not the greatest, which one outlier decides.
	headroom = 3
	// speeds is how many kinds of rows are told apart: those that moved less
	// than the mean, about as much, and more.
	speeds = 4
	// trust is how much of what speeds save is had by the codec, which has to
	// write them.
	trust = 0.4
	// fewStill is the part of all runs that must not have moved for the others
	// to be marked.
	fewStill = 16
	// exact is the number of steps that are symbols of their own; each octave
	// above has octave symbols.
	exact, octave = 8, 4
)

// paired are the runs of a target and those of a base at the same positions.
type paired struct {
	sample       *Sample // says how the runs are divided
	target, base [][]byte
}

func pairsOf(target, base *Sample) paired {
	p := paired{
		sample: target,
		target: make([][]byte, 0, len(target.at)),
		base:   make([][]byte, 0, len(target.at)),
	}
	for x, y := range pairs(target, base) {
		p.target, p.base = append(p.target, x), append(p.base, y)
	}
	return p
}

// bits returns what the target's runs take, given the base's: the smaller of
// coding all runs, and of marking those that moved and coding these.
func (p paired) bits() float64 {
	moved := make([]int, 0, len(p.target))
	var marks histogram
	for i, x := range p.target {
		if bytes.Equal(x, p.base[i]) {
			marks[0]++
		} else {
			marks[1]++
			moved = append(moved, i)
		}
	}
	if len(moved) == 0 {
		return 0
	}
	code := p.coder()
	if int(marks[0]) > len(p.target)/fewStill {
		return min(code(p.runs()), marks.bits()+code(moved))
	}
	return code(p.runs())
}

// runs returns the numbers of all runs.
func (p paired) runs() []int {
	all := make([]int, len(p.target))
	for i := range all {
		all[i] = i
	}
	return all
}

// coder returns what tells what some runs take.
func (p paired) coder() func(runs []int) float64 {
	f, ok := floats[p.sample.dtype]
	unit := p.sample.grid.unit
	if !ok || unit > 4 {
		return p.xors
	}
	code := steps{float: f, unit: unit}.bits(p)
	if unit < 4 {
		return code
	}
	// Wide floats may be narrow ones, cast: bytes of them are then all zero.
	return func(runs []int) float64 { return min(code(runs), p.planes(runs, f)) }
}

// planes returns what the byte planes of floats XOR the base's take: the
// exponent, then sign and mantissa.
func (p paired) planes(runs []int, f float) float64 {
	var exponents [2]histogram
	var rest [8]histogram
	unit := p.sample.grid.unit
	for _, r := range runs {
		x, y := p.target[r], p.base[r]
		for ; len(x) > 0; x, y = x[unit:], y[unit:] {
			v := word(x[:unit]) ^ word(y[:unit])
			add(exponents[:planes(f.exponent)], uint64(f.exponentOf(v)))
			sign := v >> (f.mantissa + f.exponent)
			add(rest[:planes(f.mantissa+1)], v&(1<<f.mantissa-1)|sign<<f.mantissa)
		}
	}
	return planeBits(exponents[:], f.exponent) + planeBits(rest[:], f.mantissa+1)
}

// xors returns what the bytes of target XOR base take, each kind by its place in
// a unit. A block's bytes are taken as one kind.
func (p paired) xors(runs []int) float64 {
	var symbols [8]histogram
	unit := p.sample.grid.unit
	block := unit > len(symbols)
	for _, r := range runs {
		base, place := p.base[r], 0
		for i, x := range p.target[r] {
			symbols[place][x^base[i]]++
			if place++; place == unit || block {
				place = 0
			}
		}
	}
	sum := 0.0
	for i := range symbols {
		sum += symbols[i].bits()
	}
	return sum
}

// steps codes the steps from the base's floats to the target's, with the base's
// exponent as context: an update of one size is many steps of a small weight.
type steps struct {
	float
	unit int // bytes
}

// A stepped is a run as the steps to it.
type stepped struct {
	symbol, depth [runUnits]uint8
	length        [runUnits]uint8 // bits of the step
	raw           int             // bits beside the symbols
}

// bits returns what returns what some runs of p take.
func (s steps) bits(p paired) func(runs []int) float64 {
	list := s.survey(p)
	return func(runs []int) float64 {
		plain, rows := byExponent(list, runs), bySpeed(list, runs)
		return plain - trust*max(0, plain-rows)
	}
}

func (s steps) survey(p paired) []stepped {
	list := make([]stepped, len(p.target))
	exponents := make([][runUnits]int, len(p.target))
	sum := 0
	var xs, ys [runUnits]uint64
	for i, x := range p.target {
		words(&xs, x, s.unit)
		words(&ys, p.base[i], s.unit)
		run := &list[i]
		for j, y := range ys {
			exponents[i][j] = s.exponentOf(y)
			sum += exponents[i][j]
			z := zigzag(s.step(xs[j], y))
			symbol, raw := symbolOf(z)
			run.symbol[j], run.length[j] = symbol, uint8(bits.Len64(z))
			run.raw += raw
		}
	}
	top := sum/max(len(list)*runUnits, 1) + headroom
	for i := range list {
		for j, e := range exponents[i] {
			list[i].depth[j] = uint8(min(max(top-e, 0), contexts-1))
		}
	}
	return list
}

// byExponent returns what runs take if the exponent is all that is known.
func byExponent(list []stepped, runs []int) float64 {
	var h [contexts]histogram
	raw := 0
	for _, r := range runs {
		run := &list[r]
		raw += run.raw
		for j, d := range run.depth {
			h[d][run.symbol[j]]++
		}
	}
	return total(h[:], raw)
}

// bySpeed returns what runs take if it is known as well how fast each moved.
// The codec knows that from the whole row; here the others of a run tell it of
// each unit, so that none tells of itself.
func bySpeed(list []stepped, runs []int) float64 {
	var length, count [contexts]int
	for _, r := range runs {
		for j, d := range list[r].depth {
			length[d] += int(list[r].length[j])
			count[d]++
		}
	}
	var mean [contexts]int // bits of a step, times 64
	for d := range mean {
		mean[d] = 64 * length[d] / max(count[d], 1)
	}
	var h [contexts * speeds]histogram
	raw := 0
	for _, r := range runs {
		run := &list[r]
		raw += run.raw
		have, want := 0, 0
		for j, d := range run.depth {
			have += 64 * int(run.length[j])
			want += mean[d]
		}
		for j, d := range run.depth {
			own, others := have-64*int(run.length[j]), want-mean[d]
			h[int(d)*speeds+speed(own, others)][run.symbol[j]]++
		}
	}
	return total(h[:], raw)
}

// speed tells how steps of have bits compare to want that are expected.
func speed(have, want int) int {
	switch {
	case 2*have < want:
		return 0
	case 8*have < 7*want:
		return 1
	case 8*have < 10*want:
		return 2
	}
	return 3
}

func total(h []histogram, raw int) float64 {
	sum := float64(raw)
	for i := range h {
		sum += h[i].bits()
	}
	return sum
}

// symbolOf splits a step as the codec does: small ones are symbols of their own,
// larger ones a symbol for their octave and next bits, and raw bits.
func symbolOf(z uint64) (symbol uint8, raw int) {
	raw = max(bits.Len64(z), bits.Len(exact-1)) - bits.Len(exact-1)
	return uint8(octave*raw + int(z>>raw)), raw
}

// exponentOf returns the biased exponent of a float.
func (f float) exponentOf(v uint64) int { return int(v >> f.mantissa & (1<<f.exponent - 1)) }

// step returns how many floats lie between y and x.
func (f float) step(x, y uint64) int64 {
	return int64(f.order(x) - f.order(y))
}

// order maps a float's bits to an integer, in the order of the numbers: below
// half way for negative ones.
func (f float) order(v uint64) uint64 {
	sign := uint64(1) << (f.exponent + f.mantissa)
	if v&sign != 0 {
		return sign - v&(sign-1)
	}
	return sign + v
}

func zigzag(d int64) uint64 { return uint64(d)<<1 ^ uint64(d>>63) }
