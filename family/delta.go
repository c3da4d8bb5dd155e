package family

import (
	"bytes"
	"math/bits"
)

// paired are the runs of a target and those of a base at the same positions.
type paired struct {
	sample       *Sample // says how the runs are divided
	target, base [][]byte
}

func pairsOf(target, base *Sample) paired {
	p := paired{sample: target}
	for x, y := range pairs(target, base) {
		p.target, p.base = append(p.target, x), append(p.base, y)
	}
	return p
}

// bits returns what the target's runs take, given the base's: the smaller of
// coding all runs, and of marking those that moved and coding these.
func (p paired) bits() float64 {
	var all, still counts
	var marks histogram
	c := p.coder()
	for i, x := range p.target {
		if y := p.base[i]; bytes.Equal(x, y) {
			marks[0]++
			c.count(&still, x, y)
		} else {
			marks[1]++
			c.count(&all, x, y)
		}
	}
	moved := all.bits()
	all.add(&still)
	return min(all.bits(), marks.bits()+moved)
}

// counts are of the symbols of runs: by context, or by a byte's place.
type counts struct {
	symbols [8]histogram
	raw     int // bits beside them
}

func (c *counts) add(more *counts) {
	for i := range c.symbols {
		for s, n := range more.symbols[i] {
			c.symbols[i][s] += n
		}
	}
	c.raw += more.raw
}

func (c *counts) bits() float64 {
	sum := float64(c.raw)
	for i := range c.symbols {
		sum += c.symbols[i].bits()
	}
	return sum
}

// A coder counts the symbols of a run against the base's.
type coder interface {
	count(c *counts, target, base []byte)
}

func (p paired) coder() coder {
	if f, ok := floats[p.sample.dtype]; ok {
		return p.survey(f)
	}
	return xors{unit: p.sample.grid.unit}
}

// xors codes the bytes of target XOR base.
type xors struct{ unit int }

func (x xors) count(c *counts, target, base []byte) {
	for i := range target {
		place := i % x.unit
		if x.unit > len(c.symbols) {
			place = 0 // a block's bytes are taken as one kind
		}
		c.symbols[place][target[i]^base[i]]++
	}
}

// steps codes the steps from the base's floats to the target's, with the base's
// exponent as context: an update of one size is many steps of a small weight.
type steps struct {
	float
	unit   int // bytes
	anchor int // exponent of the first context: three octaves above the mean
	unused int // low bits that no step has: 16 where bf16 was widened to fp32 on both sides
}

func (p paired) survey(f float) steps {
	s := steps{float: f, unit: p.sample.grid.unit}
	all := uint64(1) << (f.mantissa + f.exponent)
	sum, count := 0, 0
	var xs, ys [runUnits]uint64
	for i, x := range p.target {
		words(&xs, x, s.unit)
		words(&ys, p.base[i], s.unit)
		for j, y := range ys {
			sum += f.exponentOf(y)
			count++
			all |= uint64(f.step(xs[j], y))
		}
	}
	s.anchor = sum/max(count, 1) + 3 // not the greatest, which one outlier decides
	s.unused = bits.TrailingZeros64(all)
	return s
}

func (s steps) count(c *counts, target, base []byte) {
	var xs, ys [runUnits]uint64
	words(&xs, target, s.unit)
	words(&ys, base, s.unit)
	for j, y := range ys {
		symbol, raw := token(zigzag(s.step(xs[j], y) >> s.unused))
		c.symbols[min(max(s.anchor-s.exponentOf(y), 0), len(c.symbols)-1)][symbol]++
		c.raw += raw
	}
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
