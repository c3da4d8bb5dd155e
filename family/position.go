package family

import (
	"encoding/binary"
	"math/bits"
	"sync/atomic"

	"github.com/zipnode/zipnode/tensor"
)

const (
	runUnits   = 16      // of a run; isolated elements would miss rows that did not move
	maxRuns    = 256     // a power of two
	maxBytes   = 8 << 10 // of a sample's runs
	otherWidth = 4       // bytes of a unit of which nothing is known: most are fp32
)

// grid is how tensors of one dtype are sampled.
type grid struct {
	unit int // bytes
	run  int // bytes
	runs int // at most; a power of two
}

// Unit returns the bytes of the unit that samples of dtype d are counted in.
func Unit(d tensor.DType) int { return gridOf(d).unit }

func gridOf(d tensor.DType) grid {
	if _, size := d.Block(); size != 0 {
		return grid{unit: size, run: size, runs: fitting(size)}
	}
	unit := (d.Bits() + 7) / 8
	switch {
	case unit == 0 || d == tensor.C64:
		unit = otherWidth
	case d.Bits() < 8:
		unit = 1
	}
	return grid{unit: unit, run: unit * runUnits, runs: fitting(unit * runUnits)}
}

// fitting returns how many runs of size bytes a sample may have.
func fitting(size int) int {
	n := maxRuns
	for n*size > maxBytes {
		n /= 2
	}
	return n
}

// lately are positions worked out last: most samples that are compared are of
// tensors of one size, or of a few.
var lately [16]atomic.Pointer[positions]

type positions struct {
	grid  grid
	units uint64
	list  []uint64
}

// positions returns the numbers of the runs sampled from a tensor of so many
// units, in ascending order. The list is not changed.
func (g grid) positions(units uint64) []uint64 {
	slot := &lately[scramble(units, g.run*g.runs)%uint64(len(lately))]
	if p := slot.Load(); p != nil && p.grid == g && p.units == units {
		return p.list
	}
	p := &positions{g, units, g.locate(units)}
	slot.Store(p)
	return p.list
}

func (g grid) locate(units uint64) []uint64 {
	runs := units / uint64(g.run/g.unit)
	if runs == 0 {
		return nil
	}
	level := 0
	for cells(runs, level) > uint64(g.runs) {
		level++
	}
	list := make([]uint64, 0, cells(runs, level))
	for c := range cells(runs, level) {
		if p := representative(c, level); p < runs {
			list = append(list, p)
		}
	}
	return list
}

// cells returns how many cells of 2^level it takes to hold runs, which is not 0.
func cells(runs uint64, level int) uint64 { return (runs-1)>>level + 1 }

// representative returns the number of the run that stands for cell c of level.
func representative(c uint64, level int) uint64 {
	for ; level > 0; level-- {
		c = c<<1 | scramble(c, level)>>63
	}
	return c
}

// scramble is splitmix64's mixer. It is part of the sample's format.
func scramble(c uint64, level int) uint64 {
	x := c + uint64(level)*0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// word returns the little-endian number in p, of one to eight bytes.
func word(p []byte) uint64 {
	switch len(p) {
	case 2:
		return uint64(binary.LittleEndian.Uint16(p))
	case 4:
		return uint64(binary.LittleEndian.Uint32(p))
	case 8:
		return binary.LittleEndian.Uint64(p)
	}
	return uint64(p[0])
}

// words reads a run of units of size bytes.
func words(dst *[runUnits]uint64, run []byte, size int) {
	if size == 2 { // most runs: an estimate takes a quarter less time so
		for i := range dst {
			dst[i] = uint64(binary.LittleEndian.Uint16(run[2*i:]))
		}
		return
	}
	for i := range dst {
		dst[i] = word(run[i*size : (i+1)*size])
	}
}

// bitsApart returns how many bits of a and b, of equal length, differ.
func bitsApart(a, b []byte) int {
	n := 0
	for ; len(a) >= 8; a, b = a[8:], b[8:] {
		n += bits.OnesCount64(binary.LittleEndian.Uint64(a) ^ binary.LittleEndian.Uint64(b))
	}
	for i := range a {
		n += bits.OnesCount8(a[i] ^ b[i])
	}
	return n
}
